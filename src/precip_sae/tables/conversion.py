"""Units as people write them (°C, degC, m s-1, m/s, %), and conversion between those of one kind."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import TableError


@cache
def _registry() -> Any:
    # pint with the spellings of the CF conventions; slow to load, and most tables need none
    from cf_xarray.units import units

    return units


def _unit(text: str, place: str) -> Any:
    try:
        return _registry().Unit(text)
    except Exception as error:  # pint raises its own, AttributeError, TypeError or a tokenizer's error
        raise TableError(
            f"{place}: the unit '{text}' is not known, expected one such as degC, m/s, hPa or %."
        ) from error


def same(first: str, second: str) -> bool:
    """Whether two texts are the same unit; texts that are no known unit are compared letter by letter."""
    if first == second:
        return True
    try:
        return bool(_unit(first, "") == _unit(second, ""))
    except TableError:
        return False


def convert(values: NDArray[np.float64], given: str, wanted: str, place: str) -> NDArray[np.float64]:
    """Values in another unit; as they are where the two are the same.

    Args:
        values: any shape, in the unit `given`.
        given, wanted: units as text.
        place: file and column, for the sentence.

    Raises:
        TableError: a unit is not known, or the two measure different things.
    """
    from pint.errors import PintError

    if same(given, wanted):
        return values
    source, target = _unit(given, place), _unit(wanted, place)
    try:
        return np.asarray(_registry().Quantity(values, source).to(target).magnitude, dtype=np.float64)
    except PintError as error:
        raise TableError(f"{place}: is in '{given}', expected a unit that converts to '{wanted}'.") from error


def looks_wrong(median: float, unit: str) -> str | None:
    """What the numbers of a column look like instead, if its median can hardly be in `unit`.

    Temperatures in °C or K and relative humidities are looked at; everything else passes.
    """
    if same(unit, "degC") and not -95 <= median <= 65:
        return "K" if 180 <= median <= 335 else "another unit"
    if same(unit, "K") and not 180 <= median <= 335:
        return "°C" if -95 <= median <= 65 else "another unit"
    if same(unit, "hPa") and not 0.01 <= median <= 1100:
        return "Pa" if 1 <= median / 100 <= 1100 else "another unit"
    return None
