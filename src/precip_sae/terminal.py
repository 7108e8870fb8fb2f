"""What a terminal shows: progress, and one sentence for whatever goes wrong."""

import sys
import tempfile
import traceback
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from precip_sae.errors import StageError

if TYPE_CHECKING:
    from rich.console import Console

LOG = "precip-sae-error.log"
LONGEST = 4000  # characters of a sentence that are shown


class Bar:
    """A progress bar that is drawn from the first `advance` on, on terminals only, and is then taken away."""

    def __init__(self, description: str) -> None:
        self._description = description

    def __enter__(self) -> "Bar":
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._row = self._progress.add_task(self._description, total=None)
        return self

    def say(self, what: str) -> None:
        """Names what is being done, where nobody knows how much of it there is."""
        self._progress.start()
        self._progress.update(self._row, description=f"Verifying {what}")

    def advance(self, done: int, total: int) -> None:
        self._progress.start()
        self._progress.update(self._row, completed=done, total=total)
        if done >= total:
            self._progress.stop()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def console() -> "Console":
    """Where tables are printed; a pipe gets whole lines, as there is no terminal whose width they should keep to."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False)


def terminated(*_: object) -> None:
    # as an exception, so that earlier outputs are put back
    raise StageError("Terminated; run the same command again to continue.")


def os_sentence(error: OSError) -> str:
    from precip_sae.files import output_error

    if isinstance(error, FileNotFoundError):
        return f"{error.filename}: no such file."
    return str(output_error(Path(error.filename or "A file"), error))


def defect_sentence(error: Exception) -> str:
    """What to say about a defect of this package; the traceback goes to a file."""
    what = f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(".: ")
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        log = folder / LOG
        try:
            log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        except OSError:
            continue
        return f"precip-sae failed in a way it should not ({what}); the details are in {log}."
    return f"precip-sae failed in a way it should not ({what}), and no log file could be written."


def say(sentence: str) -> None:
    """Prints a sentence, which may quote whatever stood in a file: a terminal shows it and obeys none of it."""
    shown = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs") else repr(c)[1:-1] for c in sentence[: 2 * LONGEST]
    )
    more = f" ... ({len(sentence) - LONGEST} more characters)" if len(shown) > LONGEST else ""
    print(shown[:LONGEST] + more, file=sys.stderr)
