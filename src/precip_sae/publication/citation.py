"""What CITATION.cff says, as a publication needs it."""

from collections.abc import Mapping
from typing import Any


def author_names(citation: Mapping[str, Any]) -> list[str]:
    """The authors' names in order, of people and of organisations.

    Args:
        citation: CITATION.cff.
    """
    return [each.get("name") or f"{each['given-names']} {each['family-names']}" for each in citation["authors"]]
