"""Papermill's own engine, but that it writes the notebook when all cells have ended and not before and after each.

Each time it checks and writes every picture that the notebook holds so far.
"""

from typing import Any

from papermill.engines import NBClientEngine, papermill_engines

NAME = "saved-once"


class SavedOnce(NBClientEngine):
    """Runs a notebook; papermill then writes it, also where a cell failed or the kernel died."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:
        place, nb_man.output_path = nb_man.output_path, None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            nb_man.output_path = place


papermill_engines.register(NAME, SavedOnce)
