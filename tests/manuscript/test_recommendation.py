"""What a report says by the recommended measure follows the numbers, also where there are none."""

from typing import Any

import pytest

from precip_sae.manuscript import recommendation
from precip_sae.quantities import PERCENT, POINTS, THIN
from precip_sae.spread import over_seeds

ABOUT = {"title": "effective number"}


def found(before: list[float], after: list[float], untrained: list[float]) -> dict[str, Any]:
    """Numbers of inputs per unit, a seed each, as `compared` puts them."""
    values = {"mlp": before, "keras3": after, "untrained": untrained}
    shares = {name: [1 - b / a for a, b in zip(before, of, strict=True)] for name, of in values.items()}
    gains = [a - b for a, b in zip(shares["keras3"], shares["untrained"], strict=True)]
    return ABOUT | {
        "value": {name: over_seeds(of, ".2f") for name, of in values.items()},
        "reduction": {name: over_seeds(shares[name], PERCENT) for name in ("keras3", "untrained")},
        "gain": {"keras3": over_seeds(gains, POINTS)},
    }


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([1.0, 1.1, 1.0], "training the SAEs adds to that: 41.0"),
        ([1.9, 1.8, 1.9], "what training the SAEs changes is not distinguishable from zero"),
        ([2.6, 2.7, 2.6], "training the SAEs takes away from that: −37.7"),
    ],
)
def test_the_sentence_names_the_control_and_says_what_training_does(after: list[float], told: str) -> None:
    text = " ".join(recommendation.sentences(found([2.0, 2.1, 2.0], after, [1.9, 1.9, 1.8]), "keras3", 3))
    assert told in text
    assert f"8.2{THIN}% (95{THIN}% interval over seeds 1.3 to 15.0{THIN}%) to latents of SAEs that were never" in text
    assert text.endswith(recommendation.MEANING)


def test_of_one_seed_nothing_is_said_of_training() -> None:
    text = " ".join(recommendation.sentences(found([2.0], [1.0], [1.9]), "keras3", 3))
    assert "cannot be told from so few seeds" in text


def test_what_is_not_defined_is_said_to_be_so() -> None:
    nothing = [float("nan")] * 2
    (sentence,) = recommendation.sentences(found(nothing, nothing, nothing), "keras3", 3)
    assert "nothing can be said here" in sentence
    (sentence,) = recommendation.sentences(found([1.0], [1.0], [1.0]), "keras3", 1)
    assert "the one input that there is" in sentence
    rows = recommendation.rows(found(nothing, nothing, nothing), {"keras3": "summed penalty"})
    assert rows == [["summed penalty", "effective number", "–", "–", "–", "–", "0"]]


def test_a_row_stands_in_the_columns_of_the_published_count() -> None:
    made = recommendation.rows(found([2.0, 2.0], [1.0, 1.5], [2.0, 2.0]), {"keras3": "summed penalty"})
    assert made == [
        ["summed penalty", "effective number", "2.00", "1.25", f"37.5{THIN}%", f"−121.3 to 196.3{THIN}%", "2"]
    ]
