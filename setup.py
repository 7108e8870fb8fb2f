"""What pyproject.toml cannot say: a wheel carries what `precip-sae task run` needs of the project's top level."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# Kept in one place each, at the top level; an editable installation finds them there. See `precip_sae.paths.shipped`.
SHIPPED = (
    "notebooks/*.ipynb",
    "paper/report.typ",
    "paper/folds.typ",
    "paper/explanation.typ",
    "params.smoke.yaml",
    "dvc.yaml",
)


class BuildPy(build_py):
    """Copies them into the package, as `precip_sae/project`."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        here = Path(__file__).parent
        for pattern in SHIPPED:
            for file in here.glob(pattern):
                target = Path(self.build_lib) / "precip_sae" / "project" / file.relative_to(here)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


setup(cmdclass={"build_py": BuildPy})
