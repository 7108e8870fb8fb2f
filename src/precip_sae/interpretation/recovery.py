"""How much of hidden factors a layer's dictionaries recover: one row per dictionary, and what an SAE gains."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from precip_sae.comparisons import few_digits, holm, t_test
from precip_sae.interpretation import probes
from precip_sae.interpretation.layer_dictionaries import Dictionary
from precip_sae.interpretation.metrics import active_per_row, dead
from precip_sae.quantities import quantity
from precip_sae.scheduling import side_by_side
from precip_sae.spread import Spread, over_episodes, over_seeds

Judge = Callable[[NDArray[np.float32], NDArray[np.float32]], dict[str, float]]
"""A measure of dictionaries: elements [rows, k] and standardised inputs [rows, m] to numbers by name."""

R2 = ".2f"
KEY = ("experiment", "network", "layer", "width", "learnt")
"""What names a layer in the tables."""


@dataclass(frozen=True)
class Layer:
    """A layer whose dictionaries are held to hidden factors.

    Attributes:
        experiment, network, layer, width, learnt: its name in the tables: what was learnt, units of all layers
            (`16-16`), which of them, its units, and how many things (or factors) were learnt.
        seeds: one per model.
        skill: of the networks [models].
        inputs: standardised [rows, inputs].
        factors: hidden ones by name [rows, factors].
        binary: which of them are true or false [factors].
        half: see `probes.halves`.
    """

    experiment: str
    network: str
    layer: int
    width: int
    learnt: int
    seeds: Sequence[int]
    skill: NDArray[np.float64]
    inputs: NDArray[np.float32]
    factors: pd.DataFrame
    half: NDArray[np.bool_]
    binary: Sequence[str] = ()

    @property
    def name(self) -> dict[str, Any]:
        """Its place in the tables."""
        return {key: getattr(self, key) for key in KEY}


@dataclass
class Recovery:
    """What was found, ready to be tables.

    Attributes:
        dictionaries: a row per dictionary and seed; factors: a row per dictionary, seed and factor.
    """

    dictionaries: list[pd.DataFrame] = field(default_factory=list)
    factors: list[pd.DataFrame] = field(default_factory=list)

    def add(self, other: "Recovery") -> None:
        """Takes in the rows of another."""
        self.dictionaries += other.dictionaries
        self.factors += other.factors

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both as one table each, numbers to five decimals: more than training repeats on another processor."""
        return tuple(pd.concat(frames, ignore_index=True).round(5) for frames in (self.dictionaries, self.factors))


def recover(
    layer: Layer, made: Sequence[Dictionary], unexplained: float, sizes: Sequence[int], judge: Judge | None = None
) -> Recovery:
    """Holds every dictionary of a layer to the hidden factors.

    Args:
        made: see `dictionaries.dictionaries`.
        unexplained: of the SAEs, the one counts that has the strongest penalty and leaves at most this share of the
            variance unexplained (mean over seeds; if none does, the one that leaves least). No factor decides it.
        sizes: of sparse probes.
        judge: measures every dictionary besides.

    Returns:
        Columns of `dictionaries`: the layer's name, `kind`, `l1`, `counted` (True unless an SAE of another penalty),
        `seed`; `elements`, `living`, `active` (mean number above zero in a row), `fvu`, `skill` of the network;
        `recovery` (R^2 of the best single element, mean over the factors), `recovery_even` (of the best of as many
        elements as the layer has units, see `probes.Single.best_of`), `sparse_K` (probes of K elements), `present`
        (of all elements); and what `judge` says. Of `factors`: the same for every factor, `area` (under the ROC
        curve) where it is true or false.
    """
    found = Recovery()
    values = layer.factors.to_numpy(np.float64)
    counts = counted(made, unexplained)
    for position, dictionary in enumerate(made):
        sums = probes.folds(dictionary.units, values, layer.half)
        single = probes.single(sums)
        scores = {
            "recovery": single.best_of(),
            "recovery_even": single.best_of(layer.width),
            **{f"sparse_{k}": s for k, s in zip(sizes, np.moveaxis(probes.sparse(sums, sizes), 2, 0), strict=True)},
            "present": probes.everything(sums),
        }
        own = layer.name | {
            "kind": dictionary.kind,
            "l1": np.nan if dictionary.l1 is None else dictionary.l1,
            "counted": position in counts,
        }
        about = {
            "elements": dictionary.units.shape[2],
            "living": (~dead(np.abs(dictionary.units))).sum(axis=1),
            "active": active_per_row(dictionary.units),
            "fvu": dictionary.fvu,
            "skill": layer.skill,
        }
        means = {name: score.mean(axis=1) for name, score in scores.items()}
        judged = pd.DataFrame(_judged(judge, layer, dictionary) if judge else [])
        frame = pd.DataFrame({**own, "seed": list(layer.seeds), **about, **means})
        found.dictionaries.append(pd.concat([frame, judged], axis=1))
        found.factors.append(_by_factor(layer, dictionary, single, scores, own))
    return found


def _judged(judge: Judge, layer: Layer, dictionary: Dictionary) -> list[dict[str, float]]:
    return side_by_side(lambda units: judge(units, layer.inputs), list(dictionary.units))


def _by_factor(
    layer: Layer,
    dictionary: Dictionary,
    single: probes.Single,
    scores: Mapping[str, NDArray[np.float64]],
    own: Mapping[str, Any],
) -> pd.DataFrame:
    frames = []
    for k, name in enumerate(layer.factors):
        by_seed = {score: values[:, k] for score, values in scores.items()}
        if name in layer.binary:
            true = layer.factors[name].to_numpy() > 0.5
            by_seed["area"] = probes.best_area(dictionary.units, true, layer.half, single, k)
        frames.append(pd.DataFrame({**own, "factor": name, "seed": list(layer.seeds), **by_seed}))
    return pd.concat(frames, ignore_index=True)


def counted(made: Sequence[Dictionary], unexplained: float) -> set[int]:
    """Places of the dictionaries that count: all but SAEs, and the SAE that `recover` speaks of.

    Seeds whose layer is dead, so that there is no variance to explain (NaN), do not decide it.
    """
    saes = [k for k, d in enumerate(made) if d.kind == "sae"]
    left = {k: float(fvu.mean()) if len(fvu := made[k].fvu[np.isfinite(made[k].fvu)]) else np.inf for k in saes}
    good = [k for k in saes if left[k] <= unexplained]
    strongest = sorted(good, key=lambda k: made[k].l1 or 0.0)[-1:]
    best = strongest or sorted(saes, key=lambda k: left[k])[:1]
    return {k for k, d in enumerate(made) if d.kind != "sae"} | set(best)


def paired(values: NDArray[np.float64], form: str = R2) -> Spread:
    """Mean difference over seeds with its interval and `p`, that chance alone moves it as far from 0 (Student's t).

    Args:
        values: difference of two dictionaries of the same network, [seeds].
    """
    return over_seeds(values, form) | {"p": quantity(few_digits(t_test(values)), ".2g")}


def by_factor(factors: pd.DataFrame, score: str = "recovery") -> dict[str, dict[str, Any]]:
    """Every factor of one layer: what each kind of dictionary says of it, and what the SAE gains.

    Args:
        factors: rows of `Recovery.factors` of one layer.
        score: which of its columns.

    Returns:
        {factor: {kind: spread over seeds, `gain`: SAE less hidden units, paired over seeds, `p_corrected`: Holm's over
        the factors}}.
    """
    table = factors[factors["counted"]].pivot_table(index=["factor", "seed"], columns="kind", values=score)
    result: dict[str, dict[str, Any]] = {}
    for factor in dict.fromkeys(factors["factor"]):
        own = table.loc[factor]
        result[factor] = {kind: over_seeds(own[kind].to_numpy(), R2) for kind in own}
        result[factor]["gain"] = paired((own["sae"] - own["units"]).to_numpy())
    corrected = holm({factor: t_test(table.loc[factor]["sae"] - table.loc[factor]["units"]) for factor in result})
    for factor, p in corrected.items():
        result[factor]["p_corrected"] = quantity(few_digits(p), ".2g")
    return result


def gains(dictionaries: pd.DataFrame) -> dict[str, Any]:
    """What the SAE of one layer gains over each other kind of dictionary, mean over the factors, paired over seeds.

    Args:
        dictionaries: rows of `Recovery.dictionaries` of one layer.

    Returns:
        `recovery` by kind, `gain_over` by kind (best element against best element), `even_gain_over` by kind (of
        equally many elements), and `present`, how much of the factors all units together say.
    """
    rows = dictionaries[dictionaries["counted"]]
    best, even, present = (
        rows.pivot_table(index="seed", columns="kind", values=name) for name in ("recovery", "recovery_even", "present")
    )
    others = [kind for kind in best if kind != "sae"]
    sae = rows[rows["kind"] == "sae"]
    return {
        "recovery": {kind: over_seeds(best[kind].to_numpy(), R2) for kind in best},
        "gain_over": {kind: paired((best["sae"] - best[kind]).to_numpy()) for kind in others},
        "even_gain_over": {kind: paired((even["sae"] - even[kind]).to_numpy()) for kind in others},
        "present": over_seeds(present["units"].to_numpy(), R2),
        "skill": over_seeds(sae["skill"].to_numpy(), R2),
        "fvu": over_seeds(sae["fvu"].to_numpy(), ".1%"),
        "l1": quantity(float(sae["l1"].iloc[0]), ".3g"),
    }


def gain_over_storms(layer: Layer, made: Sequence[Dictionary], unexplained: float, storms: NDArray[np.int64]) -> Spread:
    """The gain of the SAE over the hidden units, mean over factors and seeds, with an interval over storms.

    Args:
        made: the layer's dictionaries; storms: of the rows [rows].
    """
    values = layer.factors.to_numpy(np.float64)
    scores = {}
    for position in counted(made, unexplained):
        dictionary = made[position]
        if dictionary.kind in ("units", "sae"):
            single = probes.single(probes.folds(dictionary.units, values, layer.half))
            rows = probes.row_scores(dictionary.units, values, layer.half, single)
            scores[dictionary.kind] = rows.mean(axis=1)
    return over_episodes(scores["sae"] - scores["units"], storms, R2)


def pressure(dictionaries: pd.DataFrame) -> pd.DataFrame:
    """Every layer beside how many factors there are per unit: a row per layer and seed.

    Returns:
        The layer's name, `seed`, `load` (factors, or things learnt, per unit), `units` and `sae` (recovery of the best
        element), `present` (of all units), `spread` (what all units say and no single one does) and `gain`.
    """
    rows = dictionaries[dictionaries["counted"]]
    index = [*KEY, "seed"]
    table = rows.pivot_table(index=index, columns="kind", values="recovery")[["units", "sae"]]
    present = rows[rows["kind"] == "units"].set_index(index)["present"]
    result = table.assign(present=present, spread=present - table["units"], gain=table["sae"] - table["units"])
    result = result.reset_index().rename_axis(columns=None)
    result.insert(len(index), "load", result["learnt"] / result["width"])
    return result


def trend(layers: pd.DataFrame, name: str) -> Spread:
    """How much a column of `pressure` rises per doubling of the load: least squares in every seed, over seeds."""
    slopes = [
        np.polyfit(np.log2(own["load"].to_numpy()), own[name].to_numpy(), 1)[0] for _, own in layers.groupby("seed")
    ]
    return paired(np.array(slopes), ".3f")
