"""The results in README.md, written between two marks so that nobody types them."""

from pathlib import Path

from precip_sae.errors import ManuscriptError
from precip_sae.files import read_json, write_text
from precip_sae.paths import Paths

BEGIN, END = "<!-- results: written by `precip-sae readme` -->", "<!-- end of results -->"


def with_results(readme: str, ledger: str, source: str) -> str:
    """README's text with the ledger of claims between its marks.

    Args:
        readme: the text as it stands.
        ledger: paper/claims.md.
        source: `simulation`, or what else the observations are; named above the ledger.

    Raises:
        ManuscriptError: a mark is missing.
    """
    if BEGIN not in readme or END not in readme:
        raise ManuscriptError(f"README.md: lacks the mark '{BEGIN if BEGIN not in readme else END}'.")
    before, rest = readme.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    basis = "simulated observations" if source == "simulation" else f"the observations of {source}"
    return f"{before}{BEGIN}\nFrom {basis}; means over seeds.\n\n{ledger}{END}{after}"


def update(paths: Paths) -> Path:
    """Writes the current results into README.md; returns its path."""
    readme = paths.root / "README.md"
    ledger = (paths.paper / "claims.md").read_text(encoding="utf-8")
    source = read_json(paths.paper / "numbers.json")["observe.source.kind"]["value"]
    write_text(readme, with_results(readme.read_text(encoding="utf-8"), ledger, source))
    return readme
