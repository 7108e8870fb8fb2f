import nbformat
from nbformat import v4

from precip_sae.pipeline.normalise import as_json, normalise


def executed(root, started, cell_id, chunks, address):
    """A notebook as papermill leaves it, with everything that differs between two runs."""
    code = v4.new_code_cell("f()", execution_count=1, id=cell_id)
    code.metadata = nbformat.from_dict(
        {
            "papermill": {"start_time": started, "duration": 1.5},
            "execution": {"iopub.execute_input": started},
            "tags": ["injected-parameters"],
        }
    )
    code.outputs = [v4.new_output("stream", name="stdout", text=text) for text in chunks]
    code.outputs.insert(1, v4.new_output("stream", name="stderr", text=f"/tmp/ipykernel_{cell_id}/1.py: Warning\n"))
    shown = {"text/plain": f"<Thing at {address}> in {root}/data", "application/json": {"where": f"{root}"}}
    code.outputs.append(v4.new_output("execute_result", data=shown, execution_count=1))
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A", id=f"m{cell_id}"), code])
    notebook.metadata = nbformat.from_dict(
        {
            "papermill": {"start_time": started, "output_path": f"{root}/x.ipynb"},
            "kernelspec": {"name": "python3", "display_name": f"Python 3 ({root})", "language": "python"},
            "language_info": {"name": "python", "version": "3.11." + cell_id, "file_extension": ".py"},
        }
    )
    return notebook


def test_two_runs_of_the_same_notebook_give_the_same_bytes(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    one, _ = normalise(executed(here, "2025-01-01", "7", ["a", "b\n"], "0x7f01"), here)
    two, _ = normalise(executed(there, "2026-02-02", "8", ["ab\n"], "0xAB02"), there)
    assert as_json(one) == as_json(two)


def test_results_and_the_mark_of_injected_parameters_stay(tmp_path):
    notebook, _ = normalise(executed(tmp_path, "t", "7", ["a", "b\n"], "0x1"), tmp_path)
    code = notebook.cells[1]
    assert code.metadata == {"tags": ["injected-parameters"]}
    assert code.outputs[0].text == "ab\n"
    assert code.outputs[1].data["text/plain"] == "<Thing at 0x…> in data"
    assert code.outputs[1].data["application/json"] == {"where": "."}
    nbformat.validate(notebook)


def test_what_cells_wrote_to_stderr_is_handed_over(tmp_path):
    _, chatter = normalise(executed(tmp_path, "t", "7", ["a"], "0x1"), tmp_path)
    assert chatter == "/tmp/ipykernel_7/1.py: Warning\n"


def test_the_notebook_itself_is_left_as_it_was(tmp_path):
    notebook = executed(tmp_path, "t", "7", ["a"], "0x1")
    before = nbformat.writes(notebook)
    normalise(notebook, tmp_path)
    assert nbformat.writes(notebook) == before


def test_normalising_twice_changes_nothing(tmp_path):
    once, _ = normalise(executed(tmp_path, "t", "7", ["a"], "0x1"), tmp_path)
    twice, _ = normalise(once, tmp_path)
    assert as_json(once) == as_json(twice)
