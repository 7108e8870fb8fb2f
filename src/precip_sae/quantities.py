"""Numbers as results: a value goes with its form, so that whoever prints it never has to guess.

A form is a format and, after a space, a unit: `.1%` a share as a percentage, `.1pp` a difference of shares in
percentage points, `.2f` decimals, `.3g` significant digits (never an exponent). In a result's mapping the key `form`
holds for all numbers below it; whole numbers are counts and are written in full.
"""

import math
import re
from decimal import Decimal
from typing import Any

from precip_sae.errors import ManuscriptError

MINUS = "\u2212"
THIN = "\u202f"

PERCENT = ".1%"
POINTS = ".1pp"
SIGNIFICANT = ".4g"

_FORM = re.compile(r"\.(\d+)(%|pp|f|g)(?: (\S.*))?")


def quantity(value: float | None, form: str) -> dict[str, Any]:
    """A number of a result, with its form; NaN is not defined (None)."""
    return {"value": None if value is None or math.isnan(value) else float(value), "form": form}


def write(value: Any, form: str = SIGNIFICANT) -> str:
    """The number with its unit, as text: `21.7 %`, `−0.43`, `46 000`; a dash where it is not defined.

    Raises:
        ManuscriptError: the form is none.
    """
    digits, unit = written(value, form)
    return f"{digits}{THIN}{unit}" if unit else digits


def written(value: Any, form: str = SIGNIFICANT) -> tuple[str, str]:
    """The number and its unit, each as text.

    Raises:
        ManuscriptError: the form is none.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–", ""
    if isinstance(value, str):
        return value, ""
    if isinstance(value, int):
        return grouped(value), ""
    found = _FORM.fullmatch(form)
    if found is None:
        raise ManuscriptError(f"'{form}' is not the form of a number, expected for example .1%, .1pp, .2f or .3g mm/h.")
    digits, kind, unit = int(found[1]), found[2], found[3] or ""
    match kind:
        case "%":
            return signed(f"{100 * value:.{digits}f}"), "%"
        case "pp":
            return signed(f"{100 * value:.{digits}f}"), "points"
        case "f":
            return signed(f"{value:.{digits}f}"), unit
        case _:
            return significant(value, digits), unit


def telling_apart(low: float, high: float, form: str) -> str:
    """The form, with up to three more digits where it would write both ends of an interval alike."""
    if low == high:
        return form
    kind = form.lstrip(".0123456789")
    digits = int(form[1 : len(form) - len(kind)])
    finer = [f".{digits + more}{kind}" for more in range(4)]
    return next((each for each in finer if written(low, each) != written(high, each)), finer[-1])


def signed(text: str) -> str:
    """A number with a typographic minus sign, and none before a zero."""
    if re.fullmatch(r"-0(\.0*)?", text):
        text = text[1:]
    return text.replace("-", MINUS)


def grouped(value: int) -> str:
    """A whole number with thin spaces between thousands: 46 000; four digits stay together."""
    return signed(f"{value:,}".replace(",", THIN) if abs(value) >= 10_000 else str(value))


def significant(value: float, digits: int = 4) -> str:
    """Few significant digits and no exponent: 271.2, 0.8386, 25 640, 0.000012."""
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        return grouped(int(rounded))
    return signed(f"{Decimal(f'{rounded:.{digits}g}'):f}")
