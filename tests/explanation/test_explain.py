"""Anybody's network explained: what is found is what was put in, and a slip is one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neural_network import MLPClassifier

import precip_sae
from precip_sae.cli import main
from precip_sae.errors import NetworkError, PaperError, SettingsError, TableError
from precip_sae.explanation import measure, show
from precip_sae.explanation.explain import Explanation
from precip_sae.explanation.source import source_of
from precip_sae.interpretation.responses import Inputs
from precip_sae.models import engine, fitting, reference
from precip_sae.models.exchange.network import Layer, Network, named_inputs
from precip_sae.models.exchange.page import as_page
from precip_sae.settings import SAESettings

QUICK = SAESettings(latents=6, epochs=3, l1=0.05, l1_conventions=["batch_mean"])


def table(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(random.normal(size=(rows, 3)), columns=["warmth", "wet", "wind"])


def activations(frame: pd.DataFrame) -> np.ndarray:
    """Three units, each of one input alone."""
    return np.maximum(frame.to_numpy() + 0.5, 0.0).astype(np.float32)


@pytest.fixture(scope="module")
def found() -> Explanation:
    frame = table()
    return precip_sae.explain(activations(frame), frame, seeds=3, sae=QUICK, progress=False)


def test_units_of_one_input_each_are_found_to_be_so(found: Explanation) -> None:
    assert found.measures["mlp"]["sensitive"]["every"]["mean"] == 1.0
    assert found.measures["mlp"]["sensitive"]["every"]["low"] is None  # one layer, no seeds
    assert found.rows == {"fit": 320, "test": 80}
    own = found.latents[found.latents["variant"] == "mlp"]
    r = np.corrcoef(np.maximum(table()["wet"][320:] + 0.5, 0), table()["wet"][320:])[0, 1]
    assert own["r_wet"].tolist()[1] == pytest.approx(r, abs=1e-5)


def test_every_seed_has_its_latents_and_its_control(found: Explanation) -> None:
    counts = found.latents.groupby(["variant", "seed"]).size()
    assert counts[found.fitted].tolist() == counts["untrained"].tolist() == [6, 6, 6]
    assert set(found.measures) == {"mlp", found.fitted, "untrained"}
    assert found.measures[found.fitted]["beyond_untrained"]["published"]["n"] == 3
    assert found.measures[found.fitted]["fvu"]["mean"] < found.measures["untrained"]["fvu"]["mean"]
    card = found.cards[0]
    assert card.active == max(card.active for card in found.cards)
    assert set(card.r) == set(card.ranges) == {"warmth", "wet", "wind"}


def test_other_measures_stand_beside_the_control_with_corrected_p_values(found: Explanation) -> None:
    # mutual information of 80 rows in 10 x 10 bins would be chance
    assert set(found.by_measure) == set(measure.OF_ACTIVATIONS) - {"information"}
    ranks = found.by_measure["spearman"]
    assert ranks["value"]["mlp"]["mean"] == 1.0
    assert ranks["gain"][found.fitted]["n"] == 3
    assert found.by_measure["living"]["value"]["mlp"]["mean"] == found.measures["mlp"]["sensitive"]["living"]["mean"]
    wide = np.zeros((50, measure.MOST_MEASURED + 1), np.float32)
    assert measure.by_measure(wide, Inputs(np.zeros((50, 2)))) == {}


def test_the_report_says_who_trained_and_on_how_many_rows(found: Explanation) -> None:
    said = show.contents(found)
    assert said["rows"] == "320 rows fit the SAEs, the last 80 test them"
    assert said["sae"].endswith("trained by the compiled engine")
    assert "95" not in said["by_measure"][1][4]
    assert len(said["by_measure"]) == 1 + len(measure.OF_ACTIVATIONS) - 4


def test_the_same_call_finds_the_same_and_writes_the_same_bytes(
    found: Explanation, tmp_path: Path, snapshot: Any
) -> None:
    frame = table()
    again = precip_sae.explain(activations(frame), frame, seeds=3, sae=QUICK, progress=False)
    pd.testing.assert_frame_equal(again.latents, found.latents)
    found.save(tmp_path / "a")
    again.save(tmp_path / "b")
    first = snapshot(tmp_path / "a")
    assert first == snapshot(tmp_path / "b")
    assert set(first) >= {"report.pdf", "latents.csv", "figures/heatmaps.png", "measures.json"}
    assert first["report.pdf"].startswith(b"%PDF")
    assert set(found.figures()) == {"sensitive_inputs", "heatmaps"}


def test_latents_that_return_in_another_seed_are_said_to(found: Explanation) -> None:
    sample = np.eye(4, dtype=np.float32)[:, :2]
    r = np.ones((2, 1))
    one = measure.Latents(r, r[:, 0], r, r, sample, 0.0)
    other = measure.Latents(r, r[:, 0], r, r, sample[:, ::-1] * 3, 0.0)
    matched = measure.matches([one, other], [0, 7])
    assert matched["agreement"].to_numpy() == pytest.approx(1.0)
    assert matched["found_again"].tolist() == [1.0] * 4
    assert measure.matches([one], [0])["agreement"].isna().all()


def test_a_network_of_scikit_learn_is_explained_with_its_predictions_checked() -> None:
    frame = table()
    model = MLPClassifier(hidden_layer_sizes=(4,), max_iter=5000, tol=1e-2, random_state=0)
    model.fit(frame, frame["warmth"] > 0)
    source = source_of(model, frame)
    assert source.notes[0] == "Its predictions are those of its own library to within 1e-5 on 400 rows."
    hidden = np.maximum(frame.to_numpy() @ model.coefs_[0] + model.intercepts_[0], 0)
    assert source.hidden == pytest.approx(hidden, abs=1e-5)
    assert source.names == ("warmth", "wet", "wind")


def test_a_layer_of_any_module_is_recorded_and_rows_without_an_input_are_left_out() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.outer(torch.tanh(self.inner(x)) * x[:, :1])

    torch.manual_seed(0)
    module, frame = Two(), table()
    frame.loc[3, "wet"] = np.nan
    source = source_of(module, frame, "inner")
    assert (len(source.hidden), source.left_out) == (399, 1)
    with torch.no_grad():
        expected = module.inner(torch.from_numpy(frame.dropna().to_numpy().copy()).float()).numpy()
    assert source.hidden == pytest.approx(expected, abs=1e-6)
    with pytest.raises(NetworkError, match="PyTorch's Two: which layer"):
        source_of(module, frame)


def test_the_study_s_classifier_is_that_of_a_hand_and_agrees_with_the_labels(
    repository: Any, table: pd.DataFrame
) -> None:
    import json

    known = table[table["regime3"] != "Ambiguous"]
    content = json.loads((repository.published / "classifier.json").read_text())
    source = source_of(repository.published / "classifier.json", known)
    columns = [np.log10(known[name]) for name in ("n0", "Rho", "Dm")] + [known["T"], known["RH"]]
    x = (np.column_stack(columns) - content["scaling_info"]["mean"]) / content["scaling_info"]["scale"]
    there = np.isfinite(x).all(axis=1)
    hidden = np.maximum(x[there] @ content["weights_history"][-1][0] + content["biases_history"][-1][0], 0)
    assert source.hidden == pytest.approx(hidden, abs=1e-5)
    logits = hidden @ content["weights_history"][-1][1] + content["biases_history"][-1][1]
    said = np.array(content["response_variable"])[logits.argmax(axis=1)]
    assert (said == known["regime3"].to_numpy()[there]).mean() > 0.985


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        ({"seeds": 0}, SettingsError, "seeds is 0, expected a number above 0"),
        ({"seeds": [1, 1]}, SettingsError, "different seeds"),
        ({"threshold": 1.5}, SettingsError, "threshold is 1.5, expected a number between"),
        ({"test_share": 0.0}, SettingsError, "test_share is 0.0, expected"),
        ({"test_share": 0.99}, SettingsError, "test_share is 0.99, which leaves 4 of 400 rows to learn from"),
        ({"latents": 100_000}, SettingsError, "explain: latents is 100000, but input should be less than or equal"),
        ({"latents": 0}, SettingsError, "explain: latents is 0, but input should be greater"),
        ({"model": "none.json"}, NetworkError, "none.json: no such file"),
        ({"model": object()}, NetworkError, "object is no model that is known"),
        ({"model": np.ones((3, 2))}, NetworkError, "hold 3 rows, and the inputs 400"),
        ({"inputs": table()[:20]}, (NetworkError, TableError), "rows"),
        ({"inputs": table().assign(wet="a")}, TableError, "column wet holds no numbers"),
        ({"inputs": np.ones(4)}, TableError, r"an array \(4,\) of float64"),
        ({"inputs": table().set_axis(["a", "b", "a"], axis=1)}, TableError, "inputs are named a more than once"),
        ({"inputs": table().to_numpy(), "names": ["a", "b", "b"]}, TableError, "inputs are named b more than once"),
        ({"inputs": table().to_numpy(), "names": ["a"]}, TableError, "1 inputs are named, and the array has 3"),
    ],
)
def test_a_slip_is_one_sentence(change: dict[str, Any], kind: type[PaperError], sentence: str) -> None:
    frame = table()
    given = {"model": activations(frame), "inputs": frame, "seeds": 2, "progress": False} | change
    with pytest.raises(kind, match=sentence) as refused:
        precip_sae.explain(**given)
    assert "\n" not in str(refused.value)


def test_from_the_command_line_activations_beside_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = table(120)
    np.save("a.npy", activations(frame))
    frame.assign(when="2020-01-01").to_csv("t.csv", index=False)
    assert main(["explain", "a.npy", "t.csv", "--out", "out", "--seeds", "2", "--latents", "4", "--epochs", "2"]) == 0
    assert (tmp_path / "out" / "report.pdf").is_file()
    assert main(["explain", "a.npy", "t.csv", "--out", "other", "--columns", "warmth,rain"]) == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("model", ["a.npy", "n.json"])
def test_a_column_that_stands_there_twice_is_never_chosen_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", activations(table(120)))
    layers = (Layer(np.eye(3), np.ones(3), "relu"), Layer(np.ones((3, 1)), np.zeros(1), "identity"))
    network = Network("n", named_inputs(["warmth", "wet", "wind"]), layers, ("y",), "regression")
    Path("n.json").write_text(json.dumps(as_page(network)))
    frame = table(120)
    pd.concat([frame, frame["wet"] * 2], axis=1).to_csv("t.csv", index=False)
    assert main(["explain", model, "t.csv", "--out", "out"]) == 1
    assert capsys.readouterr().err == "t.csv: has 2 columns 'wet', expected one.\n"
    frame.to_csv("t.csv", index=False)
    assert main(["explain", model, "t.csv", "--out", "out", "--columns", "wet,wet,wind"]) == 1
    assert capsys.readouterr().err == "The columns name 'wet' more than once, expected different inputs.\n"


def test_a_file_that_is_no_array_is_not_answered_with_how_to_load_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"hello")
    with pytest.raises(NetworkError, match=r"a\.npy: cannot be read as activations \(it does not begin as"):
        precip_sae.explain(tmp_path / "a.npy", table(), progress=False)


# Who trains


def test_a_wide_layer_can_be_given_fewer_passes_than_it_takes_by_default() -> None:
    assert (measure.settings_for(512).epochs, measure.settings_for(512).batch) == (10, 256)
    assert (measure.settings_for(512, 4096, 2).epochs, measure.settings_for(512, 4096, 2).batch) == (2, 256)
    assert (measure.settings_for(6).epochs, measure.settings_for(6, epochs=20).epochs) == (75, 20)
    frame = table(120)
    assert precip_sae.explain(activations(frame), frame, seeds=1, epochs=1, progress=False).settings.epochs == 1


def test_wide_saes_are_trained_by_torch_as_the_reference_does(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = np.random.default_rng(0).random((2, 40, 5), dtype=np.float32)
    settings = SAESettings(latents=7, epochs=2)
    assert fitting.by_engine(64, 256)
    assert not fitting.by_engine(65, 12)
    theirs, _ = engine.train_saes(hidden, settings, "keras3", [0, 3])
    monkeypatch.setattr(fitting, "MOST_HIDDEN", 4)
    ours, history = fitting.fit_saes(hidden, settings, "keras3", [0, 3])
    alone, _ = reference.train_saes(hidden, settings, "keras3", [0, 3])
    for k in (0, 1):
        for name, value in ours.arrays(k).items():
            assert value == pytest.approx(alone.arrays(k)[name], abs=1e-6)
            assert value == pytest.approx(theirs.arrays(k)[name], abs=1e-4)
    assert history["seed"].tolist() == [0, 0, 3, 3]
