"""Earlier outputs survive a stage that fails.

The outputs are `persist: true` in dvc.yaml, so DVC does not delete them before it runs the stage. They are moved
aside here: a stage starts from nothing (files of dropped seeds do not linger), and what it replaces comes back
if it fails, is interrupted, or, at the next start, if it was killed.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from precip_sae.files import output_error, remove
from precip_sae.pipeline.alone import alone

FOLDER = ".earlier"
COMPLETE = "complete"
REPLACED = ".replaced"


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _restore(root: Path, outputs: list[str], shelf: Path) -> None:
    """Puts back what is on the shelf; once all was moved there, anything else is a half-made output.

    A kill at any moment of it loses nothing: what has come back is not taken for half-made the next time.
    """
    if (shelf / COMPLETE).exists():
        for output in outputs:
            remove(root / output)
        (shelf / COMPLETE).unlink()
    for output in outputs:
        if (shelf / output).exists():
            remove(root / output)
            _move(shelf / output, root / output)
    for left in shelf.iterdir() if shelf.exists() else ():
        remove(left)


def _clear(shelf: Path) -> None:
    """Removes the shelf, in one step: half of one would be taken for earlier outputs."""
    old = shelf.with_name(f"{shelf.name}{REPLACED}")
    remove(old)
    if shelf.exists():
        shelf.rename(old)
        remove(old)
    if shelf.parent.is_dir() and not any(shelf.parent.iterdir()):
        with suppress(OSError):  # another stage begins
            shelf.parent.rmdir()


@contextmanager
def set_aside(root: Path, label: str, outputs: Iterable[str]) -> Iterator[None]:
    """Runs its block with `outputs` out of the way, and puts them back unless the block ends well.

    Args:
        root: the project.
        label: of the stage; names the folder below `.earlier`.
        outputs: relative to the root.

    Raises:
        OutputError: the outputs cannot be moved; they are then where they were.
        StageError: another process runs this stage here.
    """
    outputs, shelf = list(outputs), root / FOLDER / label
    try:
        shelf.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(Path(error.filename or shelf), error) from error
    # whoever holds the shelf works on these outputs now
    with alone(shelf, f"{root} ({label})"):
        try:
            # A shelf that holds something was left by a killed run: what is on it is the last complete state.
            _restore(root, outputs, shelf)
            for output in outputs:
                if (root / output).exists():
                    _move(root / output, shelf / output)
            shelf.mkdir(parents=True, exist_ok=True)
            (shelf / COMPLETE).touch()
        except OSError as error:
            # what cannot be put back now is still on the shelf, and comes back at the next start
            with suppress(OSError):
                _restore(root, outputs, shelf)
                _clear(shelf)
            raise output_error(Path(error.filename or shelf), error) from error
        try:
            yield
        except BaseException:
            _restore(root, outputs, shelf)
            _clear(shelf)
            raise
        _clear(shelf)
