"""Sparse autoencoders on networks trained on precipitation observations: a paper that rebuilds itself.

`explain` does for anybody's network what the paper does for its own.
"""

import importlib
from typing import Any

__all__ = ["explain"]


def __getattr__(name: str) -> Any:
    """`precip_sae.explain` and `precip_sae.Explanation`, imported when they are asked for."""
    if name not in ("explain", "Explanation"):
        raise AttributeError(f"module 'precip_sae' has no attribute '{name}'")
    # by its name as text: no stage of the paper rests on it
    return getattr(importlib.import_module("precip_sae.explanation.explain"), name)
