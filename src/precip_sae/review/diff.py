"""What changed since a reference: claims, numbers, figures side by side, and the text, on one page."""

import base64
import difflib
from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path

from precip_sae.errors import PaperError
from precip_sae.files import read_json
from precip_sae.manuscript.claims import judge, read_ledger
from precip_sae.paths import Paths
from precip_sae.pipeline.stamp import unstamped
from precip_sae.review.page import html_page, html_table
from precip_sae.review.reference import Run, against, this_run

TEXTS = ("paper/manuscript.typ", "paper/claims.yaml", "params.yaml")
NOTHING = "–"


def diff_page(paths: Paths, reference: str) -> str:
    """The page, self-contained.

    Args:
        reference: a tag, branch, commit or folder.

    Raises:
        PaperError: there is no such run, or none here.
    """
    with against(paths, reference) as then:
        now = this_run(paths)
        parts = [
            f"<p>Left and struck: {escape(reference)}. Right and marked: here.</p>",
            *_section("Claims", _claims(paths, then)),
            *_section("Numbers", _numbers(paths, now, then)),
            *_section("Figures", "\n".join(_figures(now, then))),
            *_section("Tables", "\n".join(_texts(now, then, sorted(_tables(now) | _tables(then))))),
            *_section("Text and settings", "\n".join(_texts(now, then, TEXTS))),
        ]
    return html_page(f"Changes since {reference}", "\n".join(parts))


def _section(title: str, body: str) -> Iterator[str]:
    yield f"<h2>{title}</h2>"
    yield body or "<p>Nothing changed.</p>"


def _claims(paths: Paths, then: Run) -> str:
    """Claims that are new, gone, or come out otherwise; the earlier ones are judged by the earlier numbers."""
    rows = []
    before, after = _judged(then.root), _judged(paths.root)
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name), after.get(name)
        if a != b:
            sentence = (b or a or ("",))[0]
            rows.append((name, sentence, *(each[1] if each else NOTHING for each in (a, b)), *_verdicts(a, b)))
    return html_table(("claim", "sentence", "found then", "found now", "then", "now"), rows, 5) if rows else ""


def _verdicts(*judged: tuple[str, str, str] | None) -> tuple[str, ...]:
    return tuple(each[2] if each else NOTHING for each in judged)


def _judged(root: Path | None) -> dict[str, tuple[str, str, str]]:
    """Sentence, number found and verdict of every claim of a run; none where the ledger has an older form."""
    if root is None:
        return {}
    paper = root / "paper"
    try:
        ledger, numbers = read_ledger(paper / "claims.yaml"), read_json(paper / "numbers.json")
        judged = [judge(claim, numbers) for claim in ledger.claims]
    except (PaperError, OSError, ValueError, KeyError):  # as another version of the package wrote them
        return {}
    return {line["id"]: (line["sentence"], str(line["found"]), line["verdict"]) for line in judged}


def _numbers(paths: Paths, now: Run, then: Run) -> str:
    entries = read_json(paths.paper / "numbers.json")
    rows = [
        (key, _shown(then.numbers.get(key)), str(entries.get(key, {}).get("text", NOTHING)))
        for key in sorted(now.numbers.keys() | then.numbers.keys())
        if now.numbers.get(key) != then.numbers.get(key)
    ]
    return html_table(("number", "then", "now"), rows) if rows else ""


def _shown(value: object) -> str:
    return NOTHING if value is None else str(value)


def _figures(now: Run, then: Run) -> Iterator[str]:
    """Pictures that look otherwise; their stamps do not count."""
    names = {name for run in (now, then) for name in run.outputs if name.startswith("figures/")}
    for name in sorted(name for name in names if name.endswith(".png")):
        images = [_image(run, name) for run in (then, now)]
        if images[0] != images[1]:
            shown = "".join(f"<div>{_picture(image, name)}</div>" for image in images)
            yield f'<h3>{escape(name)}</h3>\n<div class="pair">{shown}</div>'


def _image(run: Run, name: str) -> bytes | None:
    file = run.root / name if run.root else None
    return unstamped(".png", file.read_bytes()) if file and file.is_file() else None


def _picture(image: bytes | None, name: str) -> str:
    if image is None:
        return "<p>not there</p>"
    return f'<img alt="{escape(name, quote=True)}" src="data:image/png;base64,{base64.b64encode(image).decode()}">'


def _tables(run: Run) -> set[str]:
    return {name for name in run.outputs if name.startswith("paper/tables/") and name.endswith(".csv")}


def _texts(now: Run, then: Run, names: tuple[str, ...] | list[str]) -> Iterator[str]:
    """Lines that were taken out and put in."""
    for name in names:
        a, b = (_lines(run, name) for run in (then, now))
        if a == b:
            continue
        marked = []
        # the first two lines name the files
        for line in islice(difflib.unified_diff(a, b, lineterm="", n=1), 2, None):
            tag = {"-": "del", "+": "ins"}.get(line[:1])
            text = escape(line[1:] if tag else line)
            marked.append(f"<{tag}>{text}</{tag}>" if tag else f"<span>{text}</span>")
        yield f"<h3>{escape(name)}</h3>\n<p>" + "<br>\n".join(marked) + "</p>"


def _lines(run: Run, name: str) -> list[str]:
    file = run.root / name if run.root else None
    return file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else []
