"""How columns are written in figures: symbol and unit."""

import re
from collections.abc import Mapping, Sequence

from precip_sae.observations.schema import BY_NAME, GATES
from precip_sae.settings import DataSettings

_SYMBOLS = {
    "n0": "$n_0$", "lambda": r"$\lambda$", "Nt": "$N_t$", "Rho": r"$\rho$", "Fs": "$F_s$", "Dm": "$D_m$",
    "Sr": "$S_r$", "Rr": "$R_r$", "T": "$T$", "RH": "RH", "P": "$P$", "WS": "WS", "ETH": "echo top",
    "t_15": "$T_{900}$", "rh_15": "RH$_{900}$",
}  # fmt: skip
_SYMBOLS |= {f"reflectivity_{k}": f"$Z_{{{k}}}$" for k in GATES} | {f"dv_{k}": f"$W_{{{k}}}$" for k in GATES}

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# The score that a search is judged by; see `models.reference.SCORE`.
SKILL_LABELS = {"classification": "accuracy (share of rows)", "regression": "mean absolute error ({unit})"}


def pretty_unit(unit: str) -> str:
    """A unit with its exponents raised: `m^-3 mm^-1` -> `m⁻³ mm⁻¹`, `m/s` -> `m s⁻¹`."""
    unit = re.sub(r"/(\w+)", r" \1^-1", unit)
    return re.sub(r"\^(-?\d+)", lambda power: power.group(1).translate(_SUPERSCRIPTS), unit)


def names(data: DataSettings | None, columns: Sequence[str]) -> list[str]:
    """What each column is called: as the task says, else its symbol, else its own name."""
    own: Mapping[str, str] = data.names if data else {}
    # a dollar sign in a column's own name is no formula
    return [own.get(c, _SYMBOLS.get(c, c.replace("$", r"\$"))) for c in columns]


def with_unit(name: str, measured: str) -> str:
    """`name (unit)`; the name alone if it says its unit itself, or there is none."""
    return name if not measured or f"({measured})" in name or f"[{measured}]" in name else f"{name} ({measured})"


def unit(data: DataSettings | None, column: str) -> str:
    """The column's unit: as the task says, else as the schema says, else empty."""
    own: Mapping[str, str] = data.units if data else {}
    return pretty_unit(own.get(column, BY_NAME[column].unit if column in BY_NAME else ""))


def level_of(key: str) -> float:
    """The level that `interpretation.stability.key` has named: 0.7 of `above_70`, 0.925 of `above_92_5`."""
    return float(key.removeprefix("above_").replace("_", ".")) / 100


def axis_labels(data: DataSettings | None = None) -> dict[str, str]:
    """`name (unit)` of every column of the observations, and of those that the task names."""
    columns = [*BY_NAME, *(c for c in ([*data.predictors, *data.responses] if data else []) if c not in BY_NAME)]
    labels = {}
    for column in columns:
        (name,) = names(data, [column])
        labels[column] = with_unit(name, unit(data, column))
    return labels | {f"log10 {c}": f"log {_SYMBOLS[c]}" for c in BY_NAME if c in _SYMBOLS}
