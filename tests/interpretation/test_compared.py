"""What SAEs change by every measure: redrawn storms, dictionaries of models, reductions and gains paired by seed."""

import numpy as np
import pandas as pd
import pytest
import torch

from precip_sae.interpretation import compared, dictionaries, storms
from precip_sae.interpretation.measures import MEASURES, evaluate
from precip_sae.interpretation.redrawn import OF_DRAWS, Drawn, redrawn_correlations
from precip_sae.interpretation.responses import Inputs, Responses
from precip_sae.interpretation.sensitivity import correlations
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.tasks.episodes import Episodes

STORMS = Episodes(np.arange(600) // 20, "spells")


@pytest.fixture
def models() -> tuple[MLP, SAE, Inputs]:
    x = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    networks = MLP.of([mlp_weights(seed, 3, 4, 2) for seed in (0, 1, 2)])
    return networks, SAE.of([sae_weights(seed, 4, 6) for seed in (0, 1, 2)]), Inputs(x)


def test_sums_by_episode_by_hand() -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert storms.sums(values, np.array([1, 0, 1])).tolist() == [[2.0, 20.0], [5.0, 50.0]]
    assert storms.sums(values, np.array([0, 0, 1])).tolist() == [[3.0, 30.0], [4.0, 40.0]]


def test_redrawn_correlations_are_those_of_the_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    units, inputs = np.maximum(rng.normal(size=(90, 4)), 0), rng.normal(size=(90, 2))
    units[:, 3] = 0.0
    units[30:, 2] = 5.0  # varies in the first storm alone
    storms = np.repeat([0, 1, 2], 30)
    draws = np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]], dtype=float)
    found = redrawn_correlations(units, inputs, storms, draws)
    for draw, r in zip(draws.astype(int), found, strict=True):
        rows = np.concatenate([np.flatnonzero(storms == k) for k in range(3) for _ in range(draw[k])])
        assert r == pytest.approx(correlations(units[None, rows], inputs[rows])[0], abs=1e-10, nan_ok=True)


def test_dictionaries_hold_the_models_own_activations(models: tuple[MLP, SAE, Inputs]) -> None:
    networks, saes, inputs = models
    with torch.no_grad():
        hidden = networks.hidden(torch.from_numpy(inputs.values))
        coded = saes.encode(hidden)
    assert dictionaries.hidden_units(networks, inputs)(1).units == pytest.approx(hidden[1].numpy(), abs=1e-6)
    assert dictionaries.latents(networks, saes, inputs)(2).units == pytest.approx(coded[2].numpy(), abs=1e-6)


def test_tables_hold_every_measure_of_every_model(models: tuple[MLP, SAE, Inputs]) -> None:
    networks, saes, inputs = models
    chosen = {
        "mlp": dictionaries.hidden_units(networks, inputs),
        "untrained": dictionaries.latents(networks, saes, inputs),
    }
    values = compared.as_table(compared.redrawn_measures(chosen, 3, STORMS, 10, MEASURES), [10, 11, 12])
    assert len(values) == 2 * 3 * len(MEASURES)
    row = values[(values.variant == "untrained") & (values.seed == 11)].set_index("measure")["value"]
    assert row.to_dict() == pytest.approx(evaluate(chosen["untrained"](1)), nan_ok=True)
    curves = dictionaries.threshold_curves(chosen, [10, 11, 12])
    at = curves[(curves.threshold == 0.4) & (curves.variant == "mlp") & (curves.seed == 12)]
    assert at.set_index("counted")["value"]["every"] == pytest.approx(evaluate(chosen["mlp"](2))["every"])


def test_gains_are_paired_by_seed_and_corrected_for_all_measures() -> None:
    rows = []
    for seed in range(6):
        for name, shift in (("published", 0.1), ("every", 0.0)):
            start = 1.0 + 0.1 * seed
            values = {"mlp": 2.0, "sae": start - shift + 0.1 * (seed % 2), "untrained": start}
            rows += [{"variant": v, "seed": seed, "measure": name, "value": value} for v, value in values.items()]
    found = compared.compared(pd.DataFrame(rows), ["sae"])
    # the spread of seeds is in both and leaves the gain
    assert found["published"]["gain"]["sae"]["mean"] == pytest.approx(0.025)
    assert found["published"]["gain"]["sae"]["sd"] < 0.05 < found["published"]["reduction"]["sae"]["sd"]
    p, corrected = (found["published"]["gain"]["sae"][key]["value"] for key in ("p", "p_holm"))
    assert corrected == pytest.approx(2 * p, rel=0.01)


def test_measures_on_storms_as_they_are_equal_those_of_the_rows(models: tuple[MLP, SAE, Inputs]) -> None:
    networks, saes, inputs = models
    chosen = {
        "mlp": dictionaries.hidden_units(networks, inputs),
        "sae": dictionaries.latents(networks, saes, inputs),
        "untrained": dictionaries.latents(networks, saes, inputs),
    }
    redrawn = compared.redrawn_measures(chosen, 3, STORMS, 25, MEASURES)
    assert list(redrawn) == list(MEASURES), "every measure has its interval over storms"
    for name, of in redrawn.items():
        for variant, (values, again) in of.items():
            assert values == pytest.approx([evaluate(chosen[variant](k))[name] for k in range(3)], abs=1e-8)
            assert again.shape == (25, 3)
    found = compared.over_seeds_and_storms(redrawn, ["sae"], STORMS.name)
    assert found["every"]["reduction"]["sae"]["over"] == "seeds and spells"
    # the same SAE twice gains nothing, whatever the storms
    assert (found["every"]["gain"]["sae"]["low"], found["every"]["gain"]["sae"]["high"]) == (0.0, 0.0)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_measures_are_those_of_each_model_alone_whatever_the_threads(
    models: tuple[MLP, SAE, Inputs], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, saes, inputs = models
    chosen = {"mlp": dictionaries.hidden_units(networks, inputs), "sae": dictionaries.latents(networks, saes, inputs)}
    monkeypatch.setattr("precip_sae.scheduling.available_threads", lambda: threads)
    redrawn = compared.redrawn_measures(chosen, 3, STORMS, 10, MEASURES)
    draws = storms.weights(STORMS.number, 10)
    for variant, of_model in chosen.items():
        for model in range(3):
            alone = Drawn(of_model(model), STORMS.number, draws)
            for name, measure in OF_DRAWS.items():
                values, again = redrawn[name][variant]
                expected = measure(alone).round(9)
                np.testing.assert_array_equal(np.append(values[model], again[:, model]), expected, err_msg=name)


def test_intervals_over_few_storms_are_left_open(models: tuple[MLP, SAE, Inputs]) -> None:
    networks, _, inputs = models
    chosen = {name: dictionaries.hidden_units(networks, inputs) for name in ("mlp", "untrained")}
    redrawn = compared.redrawn_measures(chosen, 3, Episodes(np.arange(600) // 100, "spells"), 25)
    found = compared.over_seeds_and_storms(redrawn, [], "spells")
    assert found["every"]["reduction"]["untrained"]["mean"] == 0.0
    assert found["every"]["reduction"]["untrained"]["low"] is None


def test_a_unit_that_fires_in_one_storm_alone_stays_a_living_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 2))
    units = np.column_stack([values[:, 0], np.where(np.arange(400) < 5, 1.0, 0.0)])
    redrawn = compared.redrawn_measures(
        {"mlp": lambda _: Responses(units, Inputs(values))}, 1, Episodes(np.arange(400) // 20, "spells"), 50
    )
    _, drawn = redrawn["living"]["mlp"]
    assert (drawn == 0.5).all()
