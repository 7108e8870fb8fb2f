"""The inputs of a subset as one text, a word for each: `n0 Fs Dm T RH`."""

from collections.abc import Iterable

NO_BREAK = "\u00a0"  # stands for a space within the name of a column


def joined(names: Iterable[str]) -> str:
    """The names as one text, in their order."""
    return " ".join(name.replace(" ", NO_BREAK) for name in names)


def separate(text: str) -> list[str]:
    """The names that `joined` made the text of."""
    return [word.replace(NO_BREAK, " ") for word in text.split(" ")]
