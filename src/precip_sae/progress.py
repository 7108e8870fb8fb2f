"""Progress of long work on the terminal, from inside a notebook as well."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

# The terminal of whoever started the stage, for example /dev/pts/0; the runner sets it for the notebook's process,
# whose own output streams all end in the notebook.
TERMINAL_VARIABLE = "PRECIP_SAE_TERMINAL"


def progress(description: str) -> Callable[[int, int], None]:
    """A function to be called as f(done, total), which draws one bar with the time left.

    What was done before the first call does not count towards the speed, and all since then counts alike: work arrives
    in pieces. The bar never reaches the notebook: an executed notebook has to be the same bytes every time. Without a
    terminal nothing is drawn.
    """
    bar: tqdm | None = None
    stream = _terminal()

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            # without a named terminal tqdm looks itself whether stderr is one (disable=None)
            bar = tqdm(
                initial=done, total=total, desc=description, leave=False, ncols=79, smoothing=0,
                file=stream or sys.__stderr__, disable=False if stream else None,
            )  # fmt: skip
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
            if stream:
                stream.close()

    return advance


def _terminal() -> TextIO | None:
    """The terminal named in the environment, if there is one that can be written to."""
    name = os.environ.get(TERMINAL_VARIABLE)
    try:
        return Path(name).open("w", encoding="utf-8") if name else None
    except OSError:
        return None
