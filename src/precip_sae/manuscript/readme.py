"""The results in README.md, written between two marks so that nobody types them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from precip_sae.errors import ManuscriptError
from precip_sae.files import read_json, write_text
from precip_sae.manuscript.claims import headlines, ledger_markdown
from precip_sae.manuscript.numbers import number
from precip_sae.observations.describe import ARCHIVE
from precip_sae.paths import Paths

BEGIN, END = "<!-- results: written by `precip-sae readme` -->", "<!-- end of results -->"


def with_results(readme: str, ledger: str, source: str) -> str:
    """README's text with the ledger of claims between its marks.

    Args:
        readme: the text as it stands.
        ledger: the headline claims, see `claims.ledger_markdown`.
        source: what the observations are, see `basis`; named above the ledger.

    Raises:
        ManuscriptError: a mark is missing.
    """
    if BEGIN not in readme or END not in readme:
        raise ManuscriptError(f"README.md: lacks the mark '{BEGIN if BEGIN not in readme else END}'.")
    before, rest = readme.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}\nFrom {source}; means over seeds.\n\n{ledger}{END}{after}"


def basis(numbers: Mapping[str, dict[str, Any]]) -> str:
    """What the numbers rest on, as the end of a sentence: a simulation, or which archive and how much of it."""
    if number(numbers, "observe.source.kind")["value"] != ARCHIVE:
        return "simulated observations"
    words = {name: number(numbers, f"observe.source.{name}") for name in ("name", "doi", "days_read", "days_lost")}
    words = {name: word["text"] for name, word in words.items()}
    days = f"{words['days_read']} days read, {words['days_lost']} lost"
    files = f"files of the {words['name']} (doi {words['doi']}): {days}"
    if number(numbers, "observe.source.simulated")["value"]:
        return f"simulated observations, written as and read from {files}"
    return f"the observations in {files}"


def update(paths: Paths) -> Path:
    """Writes the current results into README.md; returns its path."""
    readme = paths.root / "README.md"
    ledger = ledger_markdown(headlines(read_json(paths.paper / "claims.json")))
    source = basis(read_json(paths.paper / "numbers.json"))
    write_text(readme, with_results(readme.read_text(encoding="utf-8"), ledger, source))
    return readme
