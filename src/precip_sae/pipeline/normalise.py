"""An executed notebook without what differs from run to run: the same results give the same bytes.

Left out: times, random cell ids, the Python patch release, progress bars and warnings on stderr (they carry
process ids), memory addresses and the project's absolute path.
"""

import copy
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "name": "python",
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "pygments_lexer": "ipython3",
    },
}
_KEPT_CELL_METADATA = ("tags", "jupyter")


def normalise(notebook: NotebookNode, root: Path) -> tuple[NotebookNode, str]:
    """A copy that depends on the notebook's source, parameters and results only.

    Args:
        notebook: as papermill leaves it.
        root: the project, whose absolute path is taken out of texts.

    Returns:
        The copy, and what its cells wrote to stderr (which the copy leaves out).
    """
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(_METADATA)
    chatter = []
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = NotebookNode(
            {key: value for key, value in cell.metadata.items() if value and key in _KEPT_CELL_METADATA}
        )
        if cell.cell_type == "code":
            chatter += [o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stderr"]
            cell.outputs = _outputs(cell.outputs, root)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook, "".join(chatter)


def as_json(notebook: NotebookNode) -> str:
    """The bytes of its file, as text."""
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def _outputs(outputs: list[NotebookNode], root: Path) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            # How prints are cut into messages depends on timing.
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        if "metadata" in output:
            output.metadata = NotebookNode({k: v for k, v in output.metadata.items() if k != "papermill"})
        kept.append(output)
    return [_plain(output, root) for output in kept]


def _plain(value: Any, root: Path) -> Any:
    """`value` with addresses and the root taken out of every text in it."""
    if isinstance(value, str):
        return _ADDRESS.sub("at 0x…", value).replace(f"{root}/", "").replace(str(root), ".")
    if isinstance(value, dict):
        return NotebookNode({key: _plain(item, root) for key, item in value.items()})
    if isinstance(value, list):
        return [_plain(item, root) for item in value]
    return value
