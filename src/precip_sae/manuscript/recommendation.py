"""What a report says by the recommended measure: rows of its table, and sentences that follow the numbers."""

from collections.abc import Mapping
from typing import Any

from precip_sae.interpretation.compared import BASE, CONTROL
from precip_sae.manuscript.numbers import spread_text
from precip_sae.quantities import telling_apart, write, written

MEANING = "It asks over how many inputs a unit's activity is spread, each counted for what no other input explains."


def sentences(found: Mapping[str, Any], fitted: str, inputs: int) -> list[str]:
    """What the SAEs do to the number of inputs per unit, beside untrained ones, and what that means.

    Args:
        found: title, value, reduction and gain, see `interpretation.compared.compared`.
        fitted: the variant that is spoken of; inputs: how many inputs there are.
    """
    called = f"By the measure that agrees best with the truth where it is known ({found['title']})"
    if inputs == 1:
        return [f"{called} every unit depends on the one input that there is: it says nothing here."]
    trained, untrained = (found["reduction"][name] for name in (fitted, CONTROL))
    if trained["mean"] is None or untrained["mean"] is None:
        return [f"{called} nothing can be said here: an input follows from others, or no unit varies."]
    gain = found["gain"][fitted]
    if gain["low"] is None:
        told = "whether training did it cannot be told from so few seeds"
    else:
        change = spread_text(gain, gain["form"])
        if gain["low"] > 0:
            told = f"training the SAEs adds to that: {change}"
        elif gain["high"] < 0:
            told = f"training the SAEs takes away from that: {change}"
        else:
            told = f"what training the SAEs changes is not distinguishable from zero: {change}"
    return [
        f"{called} the number falls by {spread_text(trained, trained['form'])} from hidden units to latents, and by "
        f"{spread_text(untrained, untrained['form'])} to latents of SAEs that were never trained; {told}.",
        MEANING,
    ]


def rows(found: Mapping[str, Any], variants: Mapping[str, str]) -> list[list[str]]:
    """A row per kind of SAE: its name, the measure, hidden units, latents, reduction, its interval, and seeds.

    Args:
        found: see `sentences`; variants: names of the kinds, in words.
    """
    made = []
    for variant, shown in variants.items():
        value, fall = found["value"], found["reduction"][variant]
        numbers = [write(value[name]["mean"], value[name]["form"]) for name in (BASE, variant)]
        interval = "–"
        if fall["low"] is not None:
            form = telling_apart(fall["low"], fall["high"], fall["form"])
            interval = f"{written(fall['low'], form)[0]} to {write(fall['high'], form)}"
        made.append([shown, found["title"], *numbers, write(fall["mean"], fall["form"]), interval, str(fall["n"])])
    return made
