"""The kinds of value that sections of params.yaml are made of."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Shuffle = Literal["fixed", "per_epoch"]
L1Convention = Literal["keras3", "batch_mean"]
Share = Annotated[float, Field(gt=0, le=1)]
VariantName = Literal["keras3", "batch_mean", "l1", "topk", "batch_topk", "jumprelu", "gated", "matryoshka"]
Transform = Literal["log10", "log1p", "sqrt", "cbrt"]
Scaling = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)]


MOST_SEEDS = 100_000


def _counted(seeds: Any) -> Any:
    if type(seeds) is not int or seeds < 1:
        return seeds
    if seeds > MOST_SEEDS:
        raise ValueError(f"asks for {seeds} seeds, expected at most {MOST_SEEDS}")
    return list(range(seeds))


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("names a seed more than once")
    return seeds


Seeds = Annotated[
    list[Annotated[int, Field(ge=0)]],
    Field(min_length=1),
    BeforeValidator(_counted),
    AfterValidator(_distinct),
]
"""Seeds in order; a number N in params.yaml stands for 0 to N - 1."""


class Section(BaseModel):
    """A section of params.yaml: values are fixed after reading, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
