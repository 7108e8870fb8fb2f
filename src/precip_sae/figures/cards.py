"""Feature cards: a row per family of latents that returns in most seeds."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from precip_sae.figures.names import pretty_unit
from precip_sae.figures.recovery import NAMES as HIDDEN_NAMES
from precip_sae.figures.style import DOUBLE, KINDS, NEGATIVE, PHASES, POSITIVE, SMALL, logarithmic, signed, styled
from precip_sae.interpretation.cards import Card, name_of
from precip_sae.quantities import write
from precip_sae.spread import Spread

ROW = 1.85  # inches


@styled
def cards(found: Sequence[Card], names: Mapping[str, str], labels: Mapping[str, str]) -> Figure:
    """One page: of every family its response, what it correlates with, what ablating it does, and the rest in words.

    Args:
        found: the cards; none makes a page that says so.
        names: of the inputs; labels: of the inputs' axes, with their units.
    """
    figure = Figure(figsize=(DOUBLE, 0.25 + ROW * max(1, len(found))))
    if not found:
        axis = figure.subplots()
        axis.set_axis_off()
        axis.text(0.5, 0.5, "No family of latents returns in enough seeds.", ha="center", va="center")
        return figure
    axes = figure.subplots(len(found), 4, squeeze=False, gridspec_kw={"width_ratios": [1.25, 0.85, 0.85, 1.75]})
    for row, card in zip(axes, found, strict=True):
        _response(row[0], card, names, labels)
        _correlations(row[1], card, names)
        _ablation(row[2], card)
        _words(row[3], card, names)
    return figure


def _written(rule: str, names: Mapping[str, str]) -> str:
    """The rule of a reading, `T− Fs−`, with the inputs as they are written in figures."""
    return " ".join(names.get(one[:-1], one[:-1]) + one[-1] for one in rule.split(" "))


def _response(axis: Axes, card: Card, names: Mapping[str, str], labels: Mapping[str, str]) -> None:
    line, colour = card.curve, KINDS["keras3"]
    axis.fill_between(line.places, line.seeds_low, line.seeds_high, color=colour, alpha=0.12, linewidth=0)
    if np.isfinite(line.low).all():
        axis.fill_between(line.places, line.low, line.high, color=colour, alpha=0.35, linewidth=0)
    axis.plot(line.places, line.mean, color=colour)
    if line.turn["mean"] is not None:
        axis.axvline(line.turn["mean"], color="0.4", linewidth=0.7, linestyle=":")
    axis.set(xlabel=labels[line.column], ylabel="activation (scaled)", ylim=(-0.03, 1.1))
    axis.set_title(name_of(card.signs, names), loc="left")
    # less than a decade and a half has no room for the labels of a logarithmic axis
    if logarithmic(line.places, 30):
        axis.set_xscale("log")


def _correlations(axis: Axes, card: Card, names: Mapping[str, str]) -> None:
    inputs = card.facts["inputs"]
    for y, one in enumerate(inputs):
        mean = one["r"]["mean"]
        if mean is None:
            continue
        axis.barh(y, mean, height=0.65, color=POSITIVE if mean > 0 else NEGATIVE)
        if one["r"]["low"] is not None:
            axis.hlines(y, one["r"]["low"], one["r"]["high"], color="black", linewidth=1.0)
    axis.axvline(0, color="0.6", linewidth=0.6)
    axis.set(yticks=range(len(inputs)), xlim=(-1.05, 1.05), xlabel="correlation r", xticks=[-1, 0, 1])
    axis.set_yticklabels([names[one["input"]] for one in inputs])
    axis.set_ylim(len(inputs) - 0.4, -0.6)


def _ablation(axis: Axes, card: Card) -> None:
    outputs = card.facts["ablation"]["outputs"]
    form = card.facts["ablation"]["size"]["form"]
    shares, unit = form.endswith("%"), "points" if form.endswith("%") else pretty_unit(form.partition(" ")[2])
    for y, (name, spread) in enumerate(outputs.items()):
        if spread["mean"] is None:
            continue
        scale = 100 if shares else 1
        axis.barh(y, scale * spread["mean"], height=0.6, color=PHASES.get(name, "0.45"))
        if spread["low"] is not None:
            axis.hlines(y, scale * spread["low"], scale * spread["high"], color="black", linewidth=1.0)
    axis.axvline(0, color="0.6", linewidth=0.6)
    axis.set(yticks=range(len(outputs)), xlabel=f"if ablated ({unit})")
    axis.set_yticklabels([name.replace("-", "-\n") for name in outputs])
    axis.set_ylim(len(outputs) - 0.4, -0.6)
    axis.margins(x=0.15)


def _words(axis: Axes, card: Card, names: Mapping[str, str]) -> None:
    facts = card.facts
    rule = f" (rule: {_written(facts['reading']['rule'], names)})" if facts["reading"]["rule"] else ""
    turn, stability = facts["threshold"], facts["stability"]
    lines = [
        facts["reading"]["kind"] + rule,
        facts["reading"]["words"] or "sensitive to no input",
        f"in {write(stability['share_of_seeds']['value'], '.0%')} of seeds, members alike at r {_short(stability)}",
        f"active in {write(facts['active_share']['mean'], '.0%')} of rows",
        f"turns at {pretty_unit(write(turn['turn']['mean'], turn['turn']['form']))}{_within(turn['turn'])}",
    ]
    if facts["steering"]:
        carried = facts["steering"]["carried"]["mean"]
        lines.append(f"carries {write(carried, '.0%')} of the response to {names[turn['input']]}")
    if facts["truth"]:
        lines.append(_truth(facts["truth"], names))
    for name, hidden in () if facts["truth"] else facts["hidden_factors"].items():
        mine, unit = (hidden[key]["mean"] for key in ("r", "unit_r"))
        if mine is not None:
            best = f"{names[hidden['input']]}: {signed(hidden['input_r']['value'])}"
            lines.append(f"{name}: r {signed(mine)} (a unit: {abs(unit):.2f}, {best})")
    text = "\n".join(part for line in lines for part in textwrap.wrap(line, 42, subsequent_indent="  "))
    axis.set_axis_off()
    axis.text(0.0, 1.0, text, va="top", fontsize=SMALL, linespacing=1.15, transform=axis.transAxes)


def _truth(said: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The quantity that the family says best, and what the best input says of it."""
    one = HIDDEN_NAMES.get(said["factor"], said["factor"].replace("_", " "))
    mine, best = said["r2"], said["input_r2"]
    text = f"says best, of what the simulation hides: {one}, R² {write(mine['mean'], '.2f')}{_within(mine)}"
    if "area" in said:
        text += f", area {write(said['area']['mean'], '.0%')}"
    return f"{text}; {names[said['input']]} alone {write(best['mean'], '.2f')}"


def _short(stability: Mapping[str, Mapping[str, float]]) -> str:
    return f"{stability['similarity']['value']:.2f}"


def _within(spread: Spread) -> str:
    """` (0.40 to 0.60 over storms)`: an interval and what it is over; nothing without one."""
    if spread["low"] is None:
        return ""
    form, over = spread["form"].split(" ")[0], {"spells": "storms"}.get(spread["over"], spread["over"])
    return f" ({write(spread['low'], form)} to {write(spread['high'], form)} over {over})"
