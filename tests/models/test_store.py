"""Weights on disk: what was saved comes back, the same models are the same bytes."""

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

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
    with pytest.raises(StageError, match=r"nothing: holds no trained models \(no such folder\), .* run the stage"):
        load_models(tmp_path / "nothing", MLP)


def written_saes(folder: Path, conventions: tuple[str, ...] = ("keras3", "batch_mean"), latents: int = 8) -> SAE:
    """SAEs of two seeds as the stage `fit` leaves them, the same for every convention."""
    saes = SAE.of([sae_weights(seed, 4, latents) for seed in (0, 5)])
    for name in conventions:
        config = {"seeds": [0, 5], "settings": {"l1_conventions": ["keras3", "batch_mean"]}}
        save_models(folder / name, saes, config, HISTORY)
    return saes


def test_the_headline_sae_comes_first_and_the_untrained_control_last(tmp_path: Path) -> None:
    saes = written_saes(tmp_path)
    found = load_saes(tmp_path, [0, 5])
    assert list(found) == ["keras3", "batch_mean", "untrained"]
    np.testing.assert_array_equal(found["untrained"].arrays(1)["encoder.weight"], saes.arrays(1)["encoder.weight"])


def without_weight(folder: Path, name: str) -> None:
    weights = load_file(folder / "weights.safetensors")
    del weights[name]
    save_file(weights, folder / "weights.safetensors")


def of_one_model(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    save_file({name: value[:1].clone() for name, value in weights.items()}, folder / "weights.safetensors")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (rmtree, "sae: holds no fitted SAEs (no such folder), expected a folder for each L1 convention"),
    "networks": (lambda sae: rmtree(sae) or save_models(sae, stack(), {"seeds": [0, 5]}, HISTORY),
        "sae: holds no fitted SAEs (it holds config.json, history.parquet, weights.safetensors), expected"),
    "networks in it": (lambda sae: rmtree(sae) or save_models(sae / "mlp", stack(), {"seeds": [0, 5]}, HISTORY),
        "sae: holds no fitted SAEs (it holds mlp), expected a folder for each L1 convention"),
    "no config": (lambda sae: (sae / "batch_mean/config.json").unlink(),
        "batch_mean: holds no trained models (it holds history.parquet, weights.safetensors), expected config.json;"),
    "no weights": (lambda sae: (sae / "keras3/weights.safetensors").unlink(),
        "keras3: holds no trained models (it holds config.json, history.parquet), expected weights.safetensors; run"),
    "no convention": (lambda sae: rmtree(sae / "keras3"),
        "keras3: holds no trained models (no such folder), expected config.json; run the stage"),
    "config cut short": (lambda sae: (sae / "keras3/config.json").write_text('{"seeds": [0'),
        "keras3/config.json: cannot be read as JSON ("),
    "config of another": (lambda sae: (sae / "keras3/config.json").write_text("[1, 2]"),
        "keras3/config.json: has no list of seeds"),
    "settings of another kind": (
        lambda sae: (sae / "keras3/config.json").write_text('{"seeds": [0, 5], "settings": [1]}'),
        "keras3/config.json: settings is [1], expected keys and values."),
    "weights cut short": (lambda sae: (sae / "keras3/weights.safetensors").write_bytes(b"half"),
        "keras3/weights.safetensors: cannot be read as safetensors ("),
    "weights of networks": (lambda sae: save_models(sae / "keras3", stack(), {"seeds": [0, 5]}, HISTORY),
        "keras3/weights.safetensors: holds hidden.bias, hidden.weight, output.bias, output.weight, expected decoder"),
    "a weight less": (lambda sae: without_weight(sae / "keras3", "encoder.bias"),
        "keras3/weights.safetensors: holds decoder.bias, decoder.weight, encoder.weight, expected decoder.bias, de"),
    "a model less": (lambda sae: of_one_model(sae / "batch_mean"),
        "batch_mean/weights.safetensors: encoder.weight has the shape (1, 4, 8), expected (2 models, hidden, latents)"),
    "other sizes": (lambda sae: written_saes(sae, ("batch_mean",), latents=6),
        "batch_mean: its SAEs have 4 hidden units and 6 latents, expected 4 and 8 as in keras3."),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), FAULTS.values(), ids=FAULTS)
def test_saes_that_cannot_be_used_are_one_sentence(spoil: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    written_saes(tmp_path / "sae")
    spoil(tmp_path / "sae")
    with pytest.raises(StageError) as caught:
        load_saes(tmp_path / "sae", [0, 5])
    assert str(caught.value).startswith(f"{tmp_path}/sae")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "said"), [(0, "nothing"), (1, "0"), (12, "0, 1, 10, 11, 2, 3, 4, 5, 6, 7 and 2 more")]
)
def test_a_folder_without_saes_is_said_to_hold_what_it_holds(files: int, said: str, tmp_path: Path) -> None:
    for number in range(files):
        (tmp_path / str(number)).touch()
    with pytest.raises(StageError, match=rf"holds no fitted SAEs \(it holds {said}\), expected a folder"):
        load_saes(tmp_path, [0, 5])


@pytest.mark.parametrize(
    ("seeds", "said"), [([0], "model 1 is 5, expected none"), ([0, 6], "model 1 is 5, expected 6")]
)
def test_saes_of_other_seeds_get_no_control_of_these(seeds: list[int], said: str, tmp_path: Path) -> None:
    written_saes(tmp_path)
    with pytest.raises(StageError, match=f"keras3: the seed of {said}"):
        load_saes(tmp_path, seeds)


def test_the_plotted_history_is_the_median_over_seeds() -> None:
    assert median_by_epoch(HISTORY).to_dict("list") == {"epoch": [1, 2], "loss": [3.0, 1.5]}
