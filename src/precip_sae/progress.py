"""Progress of long work on the terminal, from inside a notebook as well."""

import sys
from collections.abc import Callable

from tqdm import tqdm


def progress(description: str) -> Callable[[int, int], None]:
    """A function to be called as f(done, total), which draws one bar with the time left.

    It writes to the process's own stderr, not to the notebook's: the terminal shows it and the executed notebook,
    which has to be the same bytes every time, does not hold it. Without a terminal nothing is drawn.
    """
    bar: tqdm | None = None

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, desc=description, file=sys.__stderr__, disable=None, leave=False)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return advance
