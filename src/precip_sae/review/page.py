"""The answers of `verify` as lines for a terminal and as one page that stands alone."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import groupby
from pathlib import Path

from precip_sae.files import write_json, write_text
from precip_sae.manuscript.claims import NOT_TESTED
from precip_sae.review.project import Finding
from precip_sae.review.reproduction import BYTES, CONCLUSION, DEPARTS, NOTHING, NUMBERS
from precip_sae.review.verify import ACCEPT, Report

WORDS = {
    BYTES: "same bytes",
    NUMBERS: "same numbers",
    CONCLUSION: "same conclusion",
    DEPARTS: "departs",
    NOTHING: "not compared",
}
# Of what differs, so many are named on the terminal.
NAMED = 12

STYLE = """\
:root { color-scheme: light dark; }
body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
th { position: sticky; top: 0; background: Canvas; }
.PASS { color: #1a7f37; } .FAIL, .departs { color: #b35900; font-weight: bold; } .NOT { color: #777; }
code { overflow-wrap: anywhere; }
img { max-width: 100%; background: #fff; }
ins { background: #1a7f3733; text-decoration: none; } del { background: #b3590033; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
"""


def html_page(title: str, body: str) -> str:
    """A page without anything that would have to be loaded."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]], verdict: int | None = None) -> str:
    """A table of plain text; the column `verdict` is coloured by what it says."""
    body = []
    for row in rows:
        cells = [
            f'<td class="{escape(cell.split()[0], quote=True) if cell else ""}">{escape(cell)}</td>'
            if place == verdict
            else f"<td>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    headings = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table>"


def lines(report: Report) -> Iterator[str]:
    """What the terminal shows: a line per claim, a line per check, the sums, the answers."""
    yield "Does the claim hold here? (and, in brackets, what this machine got of the reference)"
    for line in report.lines:
        claim = line.claim
        compared = "" if line.reached == NOTHING else f" [{WORDS[line.reached]}{'' if line.as_promised else '!'}]"
        expected = "" if claim["verdict"] == NOT_TESTED else f" expected {claim['expected']}, found"
        yield f"  {claim['verdict']:<10}  {claim['id']}: {claim['sentence']}:{expected} {claim['found']}{compared}"
    if report.findings:
        yield "Is what lies here what the stages made?"
        yield from _findings(report.findings)
    for task, matched in report.units.items():
        for each in matched:
            yield (
                f"  {task}, {each.variant}: of {each.units} units {each.alike:.1%} have their like in "
                f"{report.reference} ({each.in_place:.1%} without matching); largest difference {each.largest:.2g}"
            )
    yield from _sums(report)


def _findings(findings: list[Finding]) -> Iterator[str]:
    for _, found in groupby(findings, lambda finding: finding.check):
        same = list(found)
        for finding in same[:NAMED]:
            yield f"  {finding.verdict:<10}  {finding.check}: {finding.sentence}"
        if len(same) > NAMED:
            yield f"  {same[0].verdict:<10}  {same[0].check}: and {len(same) - NAMED} more"


def _sums(report: Report) -> Iterator[str]:
    sums = report.sums()
    yield "Claims: " + ", ".join(f"{count} {verdict}" for verdict, count in sums["claims"].items()) + "."
    if report.findings:
        yield "Checks: " + ", ".join(f"{count} {verdict}" for verdict, count in sums["checks"].items()) + "."
    if report.reference is None:
        yield f"There is no reference to hold this run to: {ACCEPT}."
        return
    tiers = ", ".join(f"{count} {WORDS[tier]}" for tier, count in sums["tiers"].items() if count)
    yield f"Beside {report.reference}: {tiers}."
    changes = report.differences
    if changes:
        for what, (same, other) in (("files", changes.outputs), ("numbers", changes.numbers)):
            yield f"  {what}: {same} the same, {len(other)} not{_named(other)}"
    verdict = "departs from" if report.departs else "got what is in"
    yield f"This machine's run {verdict} {report.reference}."


def _named(found: list[str] | list[tuple[str, object, object]]) -> str:
    names = [each if isinstance(each, str) else each[0] for each in found]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f": {', '.join(names[:NAMED])}{more}" if names else ""


def verify_page(report: Report) -> str:
    """The same as a page."""
    claims = [
        (c["id"], c["sentence"], c["source"], c["standing"], c["place"], c["expected"], c["found"], c["verdict"])
        for c in (line.claim for line in report.lines)
    ]
    compared = [
        (each.claim["id"], WORDS[each.reached], WORDS[each.claim["tier"]], each.then or "–", each.claim["found"])
        for each in report.lines
        if each.reached != NOTHING
    ]
    tolerances = sorted({(line.claim["tolerance"]) for line in report.lines if line.reached != NOTHING})
    parts = [f"<p>{escape(sentence)}</p>" for sentence in _sums(report)]
    parts += [
        "<h2>Do the claims hold?</h2>",
        "<p>Judged by this run's numbers alone. A published claim that fails here is a result, not a failed "
        "reproduction.</p>",
        html_table(("claim", "sentence", "source", "standing", "place", "expected", "found", "verdict"), claims, 7),
        "<h2>Did this machine get what the reference has?</h2>",
        html_table(("claim", "reached", "has to reach", "reference", "found"), compared, 1)
        if compared
        else "<p>Nothing to compare with.</p>",
    ]
    if tolerances:
        parts.append(f"<p>Tolerances and their reasons: <code>paper/claims.yaml</code> ({', '.join(tolerances)}).</p>")
    if report.findings:
        rows = [(finding.check, finding.sentence, finding.verdict) for finding in report.findings]
        parts += [
            "<h2>Is what lies here what the stages made?</h2>",
            html_table(("check", "found", "verdict"), rows, 2),
        ]
    for task, matched in report.units.items():
        alike = [
            (each.variant, str(each.units), f"{each.alike:.1%}", f"{each.in_place:.1%}", f"{each.largest:.3g}")
            for each in matched
        ]
        head = ("kind", "units", "alike once matched", "alike in place", "largest difference")
        parts += [f"<h2>Units of {escape(task)}</h2>", html_table(head, alike)]
    if report.differences:
        numbers = [(key, str(then), str(now)) for key, then, now in report.differences.numbers[1]]
        files = [(name,) for name in report.differences.outputs[1]]
        parts += ["<h2>Numbers that differ</h2>", html_table(("number", "reference", "here"), numbers)]
        parts += ["<h2>Files that differ</h2>", html_table(("file",), files)]
    return html_page("Verification", "\n".join(parts))


def write_page(path: Path, text: str, data: Mapping[str, object] | None = None) -> None:
    """Writes the page and, beside it, what it was made of as JSON."""
    write_text(path, text)
    if data is not None:
        write_json(path.with_suffix(".json"), data)
