"""An explanation as figures, as a report of a page or two, and as a folder of files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from precip_sae.figures import sensitivity as draw
from precip_sae.figures.style import KIND_NAMES, save
from precip_sae.files import write_json, write_text
from precip_sae.interpretation.recommended import RECOMMENDED
from precip_sae.interpretation.sensitivity import COUNTED
from precip_sae.interpretation.units import UNTRAINED
from precip_sae.manuscript import recommendation
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.manuscript.numbers import spread_text
from precip_sae.models.fitting import by_engine
from precip_sae.paths import shipped
from precip_sae.quantities import PERCENT, THIN, grouped, write

if TYPE_CHECKING:
    from precip_sae.explanation.explain import Explanation

SHOWN_CARDS = 24
SHOWN_INPUTS = 26  # of a map; those with the largest |r| of any unit
SHOWN_UNITS = 36


def figures(explanation: Explanation) -> dict[str, Figure]:
    """The sensitive inputs of every seed, and the correlations of the typical one.

    Of more than SHOWN_INPUTS inputs or SHOWN_UNITS units the map shows those with the largest |r|.
    """
    made = {"sensitive_inputs": draw.sensitive_inputs(explanation.reductions)}
    own, latents = (
        _r(explanation, "mlp", explanation.seeds[0]),
        _r(explanation, explanation.fitted, explanation.typical),
    )
    strength = np.nanmax(np.abs(np.nan_to_num(np.vstack([own, latents]))), axis=0)
    kept = np.sort(np.argsort(-strength, kind="stable")[:SHOWN_INPUTS])
    own, latents = (_strongest(r[:, kept]) for r in (own, latents))
    names = [explanation.source.names[k].replace("$", r"\$") for k in kept]
    nothing = [np.isnan(r).all(axis=1) for r in (own, latents)]
    made["heatmaps"] = draw.heatmaps(own, latents, names, explanation.threshold, *nothing)
    return made


def _r(explanation: Explanation, variant: str, seed: int) -> np.ndarray:
    table = explanation.latents
    mine = table[(table["variant"] == variant) & (table["seed"] == seed)]
    return mine[[f"r_{name}" for name in explanation.source.names]].to_numpy()


def _strongest(r: np.ndarray) -> np.ndarray:
    strength = np.nan_to_num(np.abs(r)).max(axis=1)
    return r[np.sort(np.argsort(-strength, kind="stable")[:SHOWN_UNITS])]


def report(explanation: Explanation, path: Path) -> Path:
    """Writes the report; the same explanation gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        template = folder / "explanation.typ"
        shutil.copyfile(shipped().paper / template.name, template)
        write_json(folder / "explanation.json", contents(explanation))
        for name, figure in figures(explanation).items():
            save(figure, folder / name)
        compile_pdf(template, path, folder)
    return path


def save_all(explanation: Explanation, folder: Path) -> Path:
    """Writes everything of an explanation to a folder, and returns it.

    Raises:
        OutputError: a file cannot be written.
    """
    for name in ("latents", "reductions", "matches"):
        frame = getattr(explanation, name)
        write_text(folder / f"{name}.csv", frame.to_csv(index=False, float_format="%.6g"))
    told = {"variants": explanation.measures, "by_measure": explanation.by_measure}
    write_json(folder / "measures.json", told)
    for name, figure in figures(explanation).items():
        save(figure, folder / "figures" / name)
    report(explanation, folder / "report.pdf")
    return folder


def contents(explanation: Explanation) -> dict[str, Any]:
    """Everything that the report says; text ready to print."""
    source, settings = explanation.source, explanation.settings
    units = source.hidden.shape[1]
    by = "the compiled engine" if by_engine(units, settings.latents) else "PyTorch, one after the other"
    return {
        "title": f"What the units of {Path(source.model).name} respond to",
        "model": f"{source.model}, {source.layer}",
        "inputs": list(source.names),
        "rows": f"{grouped(explanation.rows['fit'])} rows fit the SAEs, the last "
        f"{grouped(explanation.rows['test'])} test them"
        + (f"; {grouped(source.left_out)} rows without every input are left out" if source.left_out else ""),
        "sae": f"{len(explanation.seeds)} sparse autoencoders ({units}–{settings.latents}–{units}), "
        f"{settings.epochs} epochs of batches of {settings.batch}, L1 weight {settings.l1:.3g}, trained by {by}",
        "notes": list(source.notes),
        "threshold": f"{explanation.threshold:g}",
        "typical_seed": str(explanation.typical),
        "verdict": verdict(explanation.measures, explanation.fitted) + _recommended(explanation),
        "measures": _measures_table(explanation.measures),
        "by_measure": _by_measure_table(explanation.by_measure, explanation.fitted),
        "cards": [["Latent", "Sensitive to", "Active", "Where it is active (10 to 90 % of the rows)", "Found again"]]
        + [_card_row(card) for card in explanation.cards[:SHOWN_CARDS]],
        "living": str(len(explanation.cards)),
    }


def _recommended(explanation: Explanation) -> list[str]:
    """What the measure says that goes best with truth; nothing of layers that are too wide for it."""
    if RECOMMENDED not in explanation.by_measure:
        return []
    found = explanation.by_measure[RECOMMENDED]
    return recommendation.sentences(found, explanation.fitted, len(explanation.source.names))


def verdict(measures: Mapping[str, Any], variant: str) -> list[str]:
    """What the SAEs do to the number of sensitive inputs, and whether their training is what does it."""
    sentences = []
    for way, words in (("published", "By the study's count"), ("living", "Counting every living unit")):
        fitted, untrained = (measures[name]["reduction"][way] for name in (variant, UNTRAINED))
        if fitted["mean"] is None or untrained["mean"] is None:
            sentences.append(f"{words}, nothing is sensitive to an input, and there is no reduction to speak of.")
            continue
        sentences.append(
            f"{words}, the mean number of sensitive inputs falls by {spread_text(fitted, PERCENT)} from units to "
            f"latents, and by {write(untrained['mean'], PERCENT)} to latents of SAEs that were never trained."
        )
        beyond = measures[variant]["beyond_untrained"][way]
        if beyond["low"] is None:
            sentences.append("Whether training did it cannot be told from so few seeds.")
        elif beyond["low"] > 0:
            sentences.append("Training the SAEs adds to what untrained ones show.")
        elif beyond["high"] < 0:
            sentences.append("Training the SAEs takes away from what untrained ones show.")
        else:
            sentences.append("That cannot be told from what untrained SAEs show.")
    return [*sentences, "A negative fall is a rise."]


def _measures_table(measures: Mapping[str, Any]) -> list[list[str]]:
    rows = [["", "Units", "Dead", *(f"Sensitive inputs, {way}" for way in COUNTED), "Variance unexplained"]]
    for name, found in measures.items():
        ways = [
            spread_text(found["sensitive"][way], ".2f") if found["sensitive"][way]["mean"] is not None else "–"
            for way in COUNTED
        ]
        unexplained = write(found["fvu"]["mean"], PERCENT) if "fvu" in found else "–"
        shown = "units of the layer" if name == "mlp" else KIND_NAMES[name]
        rows.append([shown, str(found["units"]), write(found["dead"]["mean"], ".1f"), *ways, unexplained])
    return rows


def _by_measure_table(found: Mapping[str, Any], fitted: str) -> list[list[str]]:
    """A row per measure that the table above does not have; none where nothing was measured."""
    rows = [
        [
            "Measure (inputs per unit)",
            "Layer",
            "SAE",
            "Untrained",
            "Fall to the SAE",
            "Beyond the untrained",
            "p (Holm)",
        ]
    ]
    for one in (of for name, of in found.items() if name not in COUNTED):
        values = [write(one["value"][name]["mean"], ".2f") for name in ("mlp", fitted, UNTRAINED)]
        fall, gain = one["reduction"][fitted], one["gain"][fitted]
        shown = [spread_text(s, s["form"]).replace(f"95{THIN}% interval over seeds ", "") for s in (fall, gain)]
        rows.append([one["title"], *values, *shown, write(gain["p_holm"]["value"], gain["p_holm"]["form"])])
    return rows[: len(rows) if found else 0]


def _card_row(card: Any) -> list[str]:
    strongest = sorted(card.r, key=lambda name: -abs(np.nan_to_num(card.r[name])))[:3]
    ranges = [f"{name} {card.ranges[name][0]:.3g} to {card.ranges[name][1]:.3g}" for name in strongest]
    again = "–" if np.isnan(card.agreement) else f"{card.agreement:.2f}"
    return [str(card.unit + 1), card.name, write(card.active, PERCENT), "; ".join(ranges), again]
