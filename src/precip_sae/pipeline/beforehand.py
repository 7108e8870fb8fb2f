"""Makes ready what all stages of a project import and read, in the process from which they are forked."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from precip_sae.errors import PaperError
from precip_sae.paths import Paths
from precip_sae.pipeline import runner
from precip_sae.pipeline.digest import code_digests
from precip_sae.pipeline.normalise import normalise
from precip_sae.pipeline.page import page
from precip_sae.settings import load_settings, read_yaml


def prepare(paths: Paths) -> None:
    """Imports the modules of every notebook, reads the settings and the declaration of the stages, and makes a page.

    What is kept of it is kept by the content of what was read (see `digest`, `plain_yaml`), so that a forked process
    sees an edit; an edited module is the server's business.

    Args:
        paths: the project; what is missing there is left to the stage that needs it.
    """
    package = Path(runner.__file__).parents[1]
    for notebook in sorted(paths.notebooks.glob("*.ipynb")):
        for name in code_digests(notebook, package):
            # an extra that is not installed is needed by no stage, or is missed there
            with suppress(ImportError):
                import_module(name)
    with suppress(PaperError):
        load_settings(paths.params)
        read_yaml(paths.root / "dvc.yaml")
    cells = [new_markdown_cell("# A *page*"), new_code_cell("import this  # code")]
    page(normalise(new_notebook(cells=cells), paths.root)[0], "page")
