"""Names that are markup, commands or paths: they show as text everywhere, and nothing leaves its folder."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precip_sae.cli import main
from precip_sae.errors import PaperError, SettingsError
from precip_sae.files import read_json
from precip_sae.inspector.own import own_page
from precip_sae.manuscript.tables import latex
from precip_sae.paths import Paths
from precip_sae.pipeline.task_folder import run_task
from precip_sae.review.page import html_page, html_table
from precip_sae.settings import Settings, parse

SCRIPT = "<script>document.title='broken'</script>"
IMAGE = "\"><img src=x onerror=document.title='broken'>"
TYPST = '#panic("broken") #include "/etc/passwd" @none'
TEX = r"\input{/etc/passwd} $\undefined$ 100% & ^_~ {"
PATH = "../../etc/a/b\\c"
TURNED = "\u202eabc \u05d0\u05d1 \u200f"
MARKDOWN = "[a](javascript:alert(1)) ![b](http://example.org/x.png) `c` **d**"
HOSTILE = {
    "script": SCRIPT, "image": IMAGE, "typst": TYPST, "tex": TEX, "path": PATH, "turned": TURNED, "markdown": MARKDOWN,
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def refuse_active_content(self, scripts: int = 0) -> None:
        """Scripts that are not ours, handlers of events, links that run or load something."""
        assert sum(tag == "script" for tag, _ in self.elements) == scripts
        for tag, attributes in self.elements:
            assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
            assert not re.match(r"\s*javascript:", attributes.get("href") or "", re.IGNORECASE), attributes
            assert tag != "img" or (attributes.get("src") or "").startswith("data:"), attributes


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, repository: Paths, forked_stages: None) -> Path:
    """The folder of a task whose every name is hostile; what lies around it is as it was."""
    around = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    columns = [SCRIPT, TYPST, TEX, PATH, TURNED]
    frame = pd.DataFrame(rng.normal(size=(300, len(columns))), columns=columns)
    frame[IMAGE] = np.where(frame[SCRIPT] > 0, MARKDOWN, SCRIPT)
    table = around / "in" / "a '$(touch broken)' <b>#x.csv"
    table.parent.mkdir()
    frame.to_csv(table, index=False)
    task = {
        "title": f"{SCRIPT} {TYPST} {TEX} {TURNED}",
        "data": {
            "table": table.name, "predictors": columns, "response": IMAGE, "kind": "classification",
            "classes": [MARKDOWN, SCRIPT], "source": f"{MARKDOWN} {SCRIPT} {TYPST}", "units": {TYPST: SCRIPT},
        },
    }  # fmt: skip
    # JSON is YAML
    (around / "in" / "hostile.yaml").write_text(json.dumps(task))
    before = set(around.rglob("*"))
    run_task(around / "in" / "hostile.yaml", around / "out", repository, smoke=True)
    out = around / "out"
    assert {path for path in around.rglob("*") if not path.is_relative_to(out)} == before
    for path in out.rglob("*"):
        assert path.resolve().is_relative_to(around)
    return out


@pytest.mark.parametrize("stage", ["train", "fit", "interpret", "report", "companions"])
def test_a_page_of_the_supplement_shows_hostile_names_as_text(ran: Path, stage: str) -> None:
    page = Page((ran / "paper" / "supplement" / f"{stage}-hostile.html").read_text())
    page.refuse_active_content()
    if stage == "report":
        assert f"{MARKDOWN} {SCRIPT} {TYPST}" in page.text


def test_the_report_prints_hostile_names_as_text(ran: Path) -> None:
    pdf = ran / "paper" / "reports" / "hostile.pdf"
    assert pdf.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    text = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    plain = re.sub(r"\s+", "", text).replace("’", "'").replace("”", '"').replace("“", '"').replace("‘", "'")
    for name in (SCRIPT, '#panic("broken")', r"\input{/etc/passwd}", "javascript:alert(1)"):
        assert re.sub(r"\s+", "", name) in plain, name
    assert "root:" not in text


def test_the_inspector_holds_hostile_names_as_data(ran: Path) -> None:
    html = own_page([ran / "models" / "hostile" / "mlp"], ran.parent / "in" / "a '$(touch broken)' <b>#x.csv", IMAGE)
    ours = Page(own_page([Path(__file__).parents[2] / "published" / "regressor.json"], None, None))
    page = Page(html)
    page.refuse_active_content(sum(tag == "script" for tag, _ in ours.elements))
    assert not [attributes for tag, attributes in page.elements if tag == "img"]
    assert "broken'</" not in html


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_page_of_a_review_shows_hostile_names_as_text(name: str) -> None:
    page = Page(html_page(name, html_table((name, "verdict"), [(name, name)], 1)))
    page.refuse_active_content()
    assert page.text.count(name) == 5  # title, heading, a name of a column, two cells


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_table_in_latex_shows_hostile_names_as_text(name: str, tmp_path: Path) -> None:
    table = latex([name, "n"], [[name, "1"]])
    assert re.findall(r"(?<!\\)\$", table.replace("$-$", "").replace("$^2$", "")) == []
    assert not [character for character in table if character in "\u202e\u200f"]
    if shutil.which("pdflatex") is None or name == TURNED:
        return
    document = (
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}\\begin{document}\n%s\\end{document}\n"
    )
    (tmp_path / "t.tex").write_text(document % table)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1000:]
    assert "/etc/passwd" not in re.findall(r"\(([^\s()]*)", done.stdout)


TASK = {"title": "t", "data": {"table": "t.csv", "predictors": ["a", "b"], "response": "y", "kind": "regression"}}


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "/etc/x", "a\\b", ".", "..", "", "a b", "<b>", "a\n", "$x", "a\u202eb", "#x", "${x}", "a.b", "a;b"],
)
def test_a_task_whose_name_could_be_a_place_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="is not letters, digits and underscores"):
        parse(Settings, {"tasks": {name: TASK}}, "params.yaml")


@pytest.mark.parametrize("table", ["..", "../", ".", "../*.csv"])
def test_a_table_that_is_a_place_is_linked_within_the_folder(
    table: str, tmp_path: Path, repository: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "tables" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "task").mkdir()
    text = "a,b,y\n" + "".join(f"{k},{k % 7},{k % 5}\n" for k in range(90))
    places = [inner] if table == "." else [tmp_path / "tables"]
    if table in ("..", "../"):
        # the folder of one table holds nothing else
        inner = tmp_path / "tables" / ".inner"
        inner.mkdir()
        (tmp_path / "tables" / "inner").rmdir()
    (places[0] / "mine.csv").write_text(text)
    (tmp_path / "task" / "rain.yaml").write_text(json.dumps(TASK))
    monkeypatch.setattr("precip_sae.pipeline.task_folder.run_stage", lambda *_: None)
    monkeypatch.chdir(inner)
    run_task(tmp_path / "task" / "rain.yaml", tmp_path / "out", repository, table=Path(table))
    found = (
        tmp_path / "out" / parse(Settings, read_json(tmp_path / "out" / "params.yaml"), "x").tasks["rain"].data.table
    )
    assert found.parent == tmp_path / "out" / "data"
    assert found.name in ("tables", "inner")
    assert (places[0] / "mine.csv").read_text() == text


@pytest.mark.parametrize("network", ["..", ".", "../..", "/etc/passwd", "../../etc/passwd"])
def test_a_network_that_is_a_place_is_one_sentence(network: str, tmp_path: Path, repository: Paths) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,3\n")
    (tmp_path / "rain.yaml").write_text(json.dumps(TASK | {"mlp": {"network": network}}))
    with pytest.raises(PaperError):
        run_task(tmp_path / "rain.yaml", tmp_path / "out", repository)
    assert not (tmp_path / "out").exists()


def test_a_terminal_is_shown_what_a_file_says_and_obeys_none_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("a\x1b]0;broken\x07\u202e,b\n1,2\n")
    (tmp_path / "rain.yaml").write_text(json.dumps(TASK))
    assert main(["table", "check", str(tmp_path / "t.csv"), "--task", str(tmp_path / "rain.yaml")]) == 1
    said = capfd.readouterr()
    assert not {"\x1b", "\x07", "\u202e"}.intersection(said.out + said.err)
    assert r"a\x1b]0;broken\x07\u202e" in said.err


def test_a_long_sentence_is_cut(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rain.yaml").write_text(json.dumps(TASK | {"title": ["x" * 100_000]}))
    assert main(["table", "check", "t.csv", "--task", str(tmp_path / "rain.yaml")]) == 1
    assert len(capfd.readouterr().err) < 5000
