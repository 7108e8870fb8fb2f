import re

import pytest
from nbformat import v4

from precip_sae.pipeline.page import page


@pytest.fixture(scope="module")
def html():
    code = v4.new_code_cell("x = 1", execution_count=2, id="c")
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    code.outputs = [
        v4.new_output("stream", name="stdout", text="1 < 2\n"),
        v4.new_output("display_data", data={"image/png": pixel, "text/plain": "<Figure>"}),
        v4.new_output("execute_result", data={"text/html": "<table><tr><td>9.81</td></tr></table>"}),
    ]
    heading = v4.new_markdown_cell("# The <networks>\n\nLoss $\\frac{1}{2} x^2$ and [a link](#x).", id="a")
    price = v4.new_markdown_cell("Plain *text*.", id="b")
    return page(v4.new_notebook(cells=[heading, price, code]), "train-rain")


def test_nothing_is_loaded_from_elsewhere(html):
    assert not re.search(r"<(script|link|iframe)\b", html)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", html)
    assert not re.search(r"@import|url\((?!data:)", html)


def test_code_outputs_tables_and_figures_are_there(html):
    assert "1 &lt; 2" in html
    assert "data:image/png;base64," in html
    assert "<td>9.81</td>" in html


def test_formulas_show_without_a_script(html):
    assert "<mfrac>" in html
    assert "<em>text</em>" in html


def test_the_browser_shows_the_heading(html):
    assert "<title>The &lt;networks&gt;</title>" in html


def test_a_notebook_without_a_heading_shows_its_stage():
    assert "<title>train-rain</title>" in page(v4.new_notebook(), "train-rain")


def test_a_page_is_the_same_whatever_pages_the_process_made_before():
    first, second = (v4.new_notebook(cells=[v4.new_code_cell(f"x = {k}", id="a")]) for k in (1, 2))
    pages = [page(notebook, "one") for notebook in (first, second, first)]
    assert pages[0] == pages[2]
    assert pages[0] != pages[1]
