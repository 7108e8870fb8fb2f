"""What a notebook holds after its cells ran in one process is what Jupyter would have put there."""

import base64
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from precip_sae.pipeline.environment import notebook_environment
from precip_sae.pipeline.executor import NAME, ProcessDied, cells_process

PICTURE = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\4\0\0\0\xb5\x1c\x0c\2\0\0\0\x0bIDATx\xdacd`\0\0\0\6\0\2"
    b"0\x81\xd0/\0\0\0\0IEND\xaeB`\x82"
).decode()

CELLS = {
    "prints": "print('a', end='')\nprint('b')\nprint()",
    "returns": "1 + 1",
    "returns nothing": "None",
    "keeps its value to itself": "'quiet';",
    "a table": "import pandas as pd\npd.DataFrame({f'column {k}': [k, k / 3] for k in range(30)})",
    "a series": "pd.Series([1.5, None], name='rate')",
    "displays between prints": "print('before')\ndisplay({'a': 1})\nprint('after')\n'last'",
    "Markdown": "from IPython.display import Image, Markdown\nMarkdown('**bold**')",
    "a picture": f"import base64\nImage(data=base64.b64decode('{PICTURE}'), width=20)",
    "a figure": "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('a $x^2$')",
    "the number of its cell": "get_ipython().execution_count",
    "awaits": "import asyncio\nawait asyncio.sleep(0)\n'awaited'",
    "of another kind": "%%capture kept\nprint('not shown')",
    "blank": "  ",
    "what is not ASCII": "print('é – 雪')\n'é'",
    "how wide a terminal is": "pd.options.display.width, pd.options.display.max_columns",
}

OPTIONS = {"kernel_name": "python3", "progress_bar": False}


def written(place: Path, cells: list[str]) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# A heading"))
    nbformat.write(notebook, place)
    return place


def ran(source: Path, engine: str | None) -> nbformat.NotebookNode:
    """The executed notebook, also where a cell failed."""
    executed = source.with_name(f"{engine}.ipynb")
    with notebook_environment(source.parent), suppress(PapermillExecutionError):
        papermill.execute_notebook(source, executed, engine_name=engine, cwd=source.parent, **OPTIONS)
    return nbformat.read(executed, as_version=4)


def told(notebook: nbformat.NotebookNode) -> list[tuple]:
    """Source, number, outputs and state of each cell."""
    return [
        (
            cell.source,
            cell.get("execution_count"),
            cell.get("outputs"),
            cell.metadata.get("papermill", {}).get("status"),
        )
        for cell in notebook.cells
    ]


def test_a_notebook_holds_what_jupyter_would_have_put_there(tmp_path):
    source = written(tmp_path / "source.ipynb", list(CELLS.values()))
    ours, reference = told(ran(source, NAME)), told(ran(source, None))
    for name, one, other in zip(["heading", *CELLS], ours, reference, strict=True):
        assert one == other, name


def test_a_cell_that_fails_is_the_last_and_says_why(tmp_path):
    cells = ["print('first')\n1 / 0", "print('never')"]
    source = written(tmp_path / "source.ipynb", cells)
    ours, reference = ran(source, NAME), ran(source, None)
    assert len(ours.cells) == len(reference.cells)
    for notebook in (ours, reference):
        error = next(output for cell in notebook.cells for output in cell.get("outputs", []) if "ename" in output)
        assert (error.ename, error.evalue) == ("ZeroDivisionError", "division by zero")
        assert "ZeroDivisionError" in error.traceback[-1]
        # where the code of a cell is said to lie names the process
        error.traceback = []
        # papermill's own cell about the failure shows the traceback
        del notebook.cells[0]
    assert told(ours) == told(reference)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("1 +", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("nothing", "NameError"),
        ("%nothing", "UsageError"),
    ],
)
def test_whatever_ends_a_cell_ends_the_notebook(tmp_path, cell, name):
    source = written(tmp_path / "source.ipynb", [cell])
    with notebook_environment(tmp_path), pytest.raises(PapermillExecutionError) as raised:
        papermill.execute_notebook(source, tmp_path / "out.ipynb", engine_name=NAME, **OPTIONS)
    assert (raised.value.ename, raised.value.exec_count) == (name, 1)


@pytest.mark.parametrize("cell", ["import os\nos.kill(os.getpid(), 9)", "import os\nos._exit(0)"])
def test_a_process_that_dies_is_told_from_a_cell_that_fails(tmp_path, cell):
    with notebook_environment(tmp_path), cells_process() as run:
        assert run("1").outputs[0].data == {"text/plain": "1"}
        with pytest.raises(ProcessDied):
            run(cell)
        with pytest.raises(ProcessDied):
            run("1")


def test_what_is_printed_to_two_streams_stays_in_order(tmp_path):
    """Jupyter puts each stream's text together as it is read, which differs from run to run."""
    with notebook_environment(tmp_path), cells_process() as run:
        found = run("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')")
    assert [(o.name, o.text) for o in found.outputs] == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]


def test_what_a_library_prints_past_python_is_no_answer(tmp_path, capfd):
    with notebook_environment(tmp_path), cells_process() as run:
        found = run("import os\nos.write(1, b'from a library')\nos.read(0, 1)")
    assert [output.data for output in found.outputs] == [{"text/plain": "b''"}]
    assert "from a library" in capfd.readouterr().err


def test_a_notebook_ends_with_whoever_ran_it(tmp_path, alive):
    """A stage that was killed must not leave a process that goes on to write its outputs."""
    script = (
        "from precip_sae.pipeline.executor import cells_process\n"
        "with cells_process() as run:\n"
        "    print(run('import os\\nprint(os.getpid())').outputs[0].text, flush=True)\n"
        "    run('import time\\ntime.sleep(60)')\n"
    )
    with notebook_environment(tmp_path):
        stage = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(stage.stdout.readline())
    stage.kill()
    stage.communicate()
    for _ in range(100):
        if not alive(pid):
            break
        time.sleep(0.1)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the process of the cells is left")


def test_what_a_cell_started_ends_with_the_notebook(tmp_path, alive):
    with notebook_environment(tmp_path), cells_process() as run:
        found = run("import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)")
    assert not alive(int(found.outputs[0].text))
