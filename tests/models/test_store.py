"""Weights on disk: what was saved comes back, the same models are the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from precip_sae.errors import StageError
from precip_sae.interpretation.units import load_saes
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.models.store import load_history, load_models, median_by_epoch, save_models

HISTORY = pd.DataFrame({"seed": [0, 0, 5, 5], "epoch": [1, 2, 1, 2], "loss": [4.0, 2.0, 2.0, 1.0]})


def stack() -> MLP:
    return MLP.of([mlp_weights(seed, 3, 4, 2) for seed in (0, 5)])


def test_models_come_back_as_they_were_saved_with_what_they_are(tmp_path: Path) -> None:
    save_models(tmp_path / "mlp", stack(), {"seeds": [0, 5]}, HISTORY)
    loaded, config = load_models(tmp_path / "mlp", MLP)
    x = torch.rand(7, 3)
    torch.testing.assert_close(loaded(x), stack()(x), rtol=0, atol=0)
    torch.testing.assert_close(loaded[1](x), stack()(x)[[1]], rtol=0, atol=0)
    assert config["seeds"] == [0, 5]
    pd.testing.assert_frame_equal(load_history(tmp_path / "mlp"), HISTORY)


def test_the_same_models_are_the_same_bytes_wherever_they_are_saved(tmp_path: Path) -> None:
    for folder in ("a", "b/c"):
        save_models(tmp_path / folder, stack(), {"seeds": [0, 5]}, HISTORY)
    for name in ("weights.safetensors", "config.json", "history.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b/c" / name).read_bytes()


def test_missing_models_are_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="holds no trained models; run the stage"):
        load_models(tmp_path / "nothing", MLP)


def test_the_headline_sae_comes_first_and_the_untrained_control_last(tmp_path: Path) -> None:
    saes = SAE.of([sae_weights(seed, 4, 8) for seed in (0, 5)])
    conventions = ["keras3", "batch_mean"]
    for name in conventions:
        config = {"seeds": [0, 5], "settings": {"l1_conventions": conventions}}
        save_models(tmp_path / name, saes, config, HISTORY)
    found = load_saes(tmp_path, [0, 5])
    assert list(found) == ["keras3", "batch_mean", "untrained"]
    np.testing.assert_array_equal(found["untrained"].arrays(1)["encoder.weight"], saes.arrays(1)["encoder.weight"])


def test_the_plotted_history_is_the_median_over_seeds() -> None:
    assert median_by_epoch(HISTORY).to_dict("list") == {"epoch": [1, 2], "loss": [3.0, 1.5]}
