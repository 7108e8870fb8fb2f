"""A class per kind of mistake that a user can make, each answered by one plain sentence.

The command line prints the sentence and exits non-zero; anything that is not a `PaperError` is a defect of
this package and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PaperError(Exception):
    """A user's mistake; its message is one sentence naming the place, what was found and what was expected."""


class SettingsError(PaperError):
    """A key or value of params.yaml (or of a task file) cannot be used."""


class TableError(PaperError):
    """A table of observations cannot be used."""


class ArchiveError(PaperError):
    """The archive's folders or options cannot be used; what is wrong with one day costs that day only."""


class NetworkError(PaperError):
    """The file of a published network cannot be used."""


class NotebookError(PaperError):
    """A notebook cannot be run as a stage."""


class StageError(PaperError):
    """A stage was started and did not end well."""


class OutputError(PaperError):
    """A file cannot be written: full disk, read-only folder, a file where a folder is needed."""


class ManuscriptError(PaperError):
    """The manuscript does not compile, asks for an unknown number, or a claim names an unknown key."""


class ReviewError(PaperError):
    """Nothing to compare with: a reference, a revision, a figure, number or claim that is not there."""


class PublicationError(PaperError):
    """What is to be deposited or submitted is not finished, or is no commit."""


def closest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: a likely spelling and the names that exist (the first 20)."""
    names = [str(k) for k in known]
    # looking for a likely spelling among a million columns would take minutes
    lower = {k.lower(): k for k in reversed(names[:5000])}
    near = get_close_matches(name.lower(), lower, n=1)
    hint = f"did you mean '{lower[near[0]]}'? " if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}known: {', '.join(names[:20])}{more}"


def first_line(error: BaseException) -> str:
    """What another library says went wrong, as part of a sentence: its first line, without the path it may name.

    A path differs from machine to machine, and the sentence names the file already.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.rstrip(".")
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
