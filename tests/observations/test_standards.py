"""The shipped networks as standards: a table that they do not recognise must not pass for the real one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from precip_sae.models.exchange import History, Input, Layer, Network
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.observations import standards
from precip_sae.observations.fidelity import COLUMNS
from precip_sae.settings import DataSettings, MLPSettings
from precip_sae.tasks.prepare import prepare


@dataclass(frozen=True)
class Published:
    loss: np.ndarray
    val_loss: np.ndarray


PUBLISHED = Published(np.linspace(0.5, 0.2, 32), np.linspace(0.4, 0.1, 32))


def history(factor: float, seeds: int = 3) -> pd.DataFrame:
    """Curves `factor` times the published ones; one seed in three is far off."""
    epochs = np.arange(1, 33)
    frames = []
    for seed in range(seeds):
        off = 9.0 if seed == 0 else factor
        curves = {"loss": off * PUBLISHED.loss, "val_loss": off * PUBLISHED.val_loss}
        frames.append(pd.DataFrame({"seed": seed, "epoch": epochs, **curves}))
    return pd.concat(frames)


def test_the_regressor_is_judged_by_bias_correlation_and_error() -> None:
    observed = np.array([0.0, 1.0, 2.0, 5.0])
    predicted = np.array([0.0, 2.0, 1.0, 5.0])
    rows = standards.regressor_standards(predicted, observed, own_error=0.25)
    assert list(rows.columns) == [*COLUMNS, "why"]
    centred_p, centred_o = predicted - 2.0, observed - 2.0
    r = (centred_p @ centred_o) / np.sqrt((centred_p @ centred_p) * (centred_o @ centred_o))
    assert rows["simulated"].tolist() == pytest.approx([1.0, r, 0.5 / 0.25])
    assert rows["verdict"].tolist() == ["PASS", "PASS", "FAIL"]


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (0.08, True), (0.12, False), (-0.12, False)])
def test_a_table_with_too_little_or_too_much_snowfall_fails(shift: float, passes: bool) -> None:
    observed = np.linspace(0.0, 2.0, 50)
    rows = standards.regressor_standards(observed * (1 + shift), observed, own_error=1.0)
    assert bool(rows["passed"].iloc[0]) is passes


def test_rows_without_an_echo_are_left_out_and_an_empty_table_fails_everything() -> None:
    observed, predicted = np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, np.nan])
    assert standards.regressor_standards(predicted, observed, 1.0)["simulated"].tolist() == pytest.approx([1, 1, 0])
    assert not standards.regressor_standards(np.full(3, np.nan), observed, 1.0)["passed"].any()
    assert not standards.regressor_standards(np.ones(3), np.ones(3), 1.0)["passed"].iloc[1]


@pytest.mark.parametrize(
    ("factor", "passes"), [(1.0, True), (1.19, True), (1 / 1.19, True), (1.21, False), (1 / 1.21, False)]
)
def test_curves_pass_within_the_factor_on_either_side(factor: float, passes: bool) -> None:
    rows = standards.learning_standards(history(factor), PUBLISHED, "regressor", 1.2)
    assert len(rows) == 2 * len(standards.EPOCHS)
    assert rows["passed"].tolist() == [passes] * len(rows)
    # the median over seeds, so that the seed that went astray does not count
    assert rows["simulated"].to_numpy() == pytest.approx(factor * rows["published"].to_numpy())
    assert (rows["passed"] == (rows["difference"].abs() <= rows["tolerance"])).all()


def test_epochs_are_counted_from_one_and_those_not_trained_fail() -> None:
    rows = standards.learning_standards(history(1.0).query("epoch <= 16"), PUBLISHED, "regressor", 1.2)
    first = rows[rows["statistic"] == "regressor: training loss after epoch 1"].iloc[0]
    assert first["published"] == PUBLISHED.loss[0]
    assert rows[rows["statistic"].str.endswith("epoch 32")]["verdict"].tolist() == ["FAIL", "FAIL"]


@dataclass(frozen=True)
class Classifier:
    responses: tuple[str, ...] = ("Rain", "Snow")
    val_score: tuple[float, ...] = (0.9, 0.998)


def accuracies(last: float) -> pd.DataFrame:
    rows = [(seed, epoch, last if epoch == 2 else 0.5) for seed in range(3) for epoch in (1, 2)]
    return pd.DataFrame(rows, columns=["seed", "epoch", "val_accuracy"])


@pytest.mark.parametrize(
    ("wrong", "last", "verdicts"),
    [
        (5, 0.998, ["PASS", "PASS", "PASS", "PASS"]),
        (5, 0.9994, ["PASS", "PASS", "PASS", "PASS"]),
        (0, 1.0, ["FAIL", "PASS", "PASS", "FAIL"]),  # labels that are a function of the inputs are too easy
        (40, 0.99, ["FAIL", "FAIL", "PASS", "FAIL"]),  # and these are not what the network has learnt
    ],
)
def test_the_classifier_is_judged_by_agreement_and_accuracy(wrong: int, last: float, verdicts: list[str]) -> None:
    labels = np.array(["Rain"] * 1000 + ["Snow"] * 1000)
    predicted = labels.copy()
    predicted[:wrong] = "Snow"
    rows = standards.classifier_standards(predicted, labels, accuracies(last), Classifier())
    assert list(rows.columns) == [*COLUMNS, "why"]
    assert rows["simulated"].tolist() == pytest.approx([1 - wrong / 2000, 1 - wrong / 1000, 1.0, last])
    assert rows["verdict"].tolist() == verdicts
    assert rows["required"].tolist() == [True, False, False, True]


def test_a_class_or_an_epoch_that_is_not_there_fails() -> None:
    rows = standards.classifier_standards(["Rain"], ["Rain"], accuracies(0.998).query("epoch == 1"), Classifier())
    assert rows["verdict"].tolist() == ["FAIL", "PASS", "FAIL", "FAIL"]
    assert not standards.classifier_standards([], [], accuracies(0.998), Classifier())["passed"].iloc[0]


# A whole comparison, with a published regressor of two inputs and two units


def regressor() -> Network:
    inputs = (Input("n0", None, 10.0, 2.0), Input("T", None, 270.0, 5.0))
    hidden = Layer(np.array([[1.0, -1.0], [0.5, 0.5]]), np.zeros(2), "relu")
    layers = (hidden, Layer(np.ones((2, 1)), np.zeros(1), "identity"))
    curve = np.array([0.4, 0.2])
    return Network("published", inputs, layers, ("Sr",), "regression", history=History((layers,) * 2, *[curve] * 4))


def data(**changes: object) -> DataSettings:
    plain = {"table": "t.csv", "predictors": ["n0", "T"], "response": "Sr", "kind": "regression"}
    return DataSettings(**(plain | changes))


def test_a_table_that_a_published_network_fits_perfectly_meets_its_standards() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"n0": rng.normal(10, 2, 100), "T": rng.normal(270, 5, 100)})
    published = regressor()
    table["Sr"] = published.outputs(published.standardise(table))[:, 0]
    prepared = prepare(table, data())
    ours = MLP.of([mlp_weights(0, 2, 2, 1)])
    history = pd.DataFrame({"seed": 0, "epoch": [1, 2], "loss": [0.4, 0.2], "val_loss": [0.4, 0.5]})
    found = standards.compare(published, table, prepared, ours, history)
    by_name = found.set_index("statistic")["verdict"]
    assert by_name["shipped regressor: its mean over the mean of Sr"] == "PASS"
    assert by_name["shipped regressor: correlation with Sr"] == "PASS"
    assert by_name["regressor: validation loss after epoch 2"] == "FAIL"
    assert standards.summary(found.assign(simulated=np.nan))["shipped_regressor_correlation_with_sr"]["found"] is None
    numbers = standards.summary(found)
    assert (numbers["passed"], numbers["of"]) == (int((by_name == "PASS").sum()), 7)
    assert numbers["shipped_regressor_correlation_with_sr"]["found"] == pytest.approx(1.0)
    assert numbers["regressor_validation_loss_after_epoch_2"] == {"published": 0.2, "found": 0.5, "form": ".3g"}


@pytest.mark.parametrize(
    ("changes", "hidden", "sentence"),
    [
        (
            {"predictors": ["T", "n0"]},
            2,
            "inputs of the task: ['T', 'n0'], of its published network: ['n0', 'T']",
        ),
        ({"transforms": {"n0": "log10"}}, 2, "logarithms of the task: ['n0'], of its published network: []"),
        ({"response": "Rr"}, 2, "outputs of the task: ['Rr'], of its published network: ['Sr']"),
        ({"standardise_response": True}, 2, "response of the task: standardised, of its published network: as it is"),
        ({"missing": "median"}, 2, "missing values of the task: median, of its published network: left out"),
        ({}, 6, "hidden units of the task: 6, of its published network: 2"),
    ],
)
def test_a_task_of_another_shape_is_not_held_to_the_network(changes: dict, hidden: int, sentence: str) -> None:
    assert standards.unlike(regressor(), data(), MLPSettings(hidden=2)) == ""
    said = standards.unlike(regressor(), data(**changes), MLPSettings(hidden=hidden))
    assert said == f"Not compared: {sentence}."
    assert standards.summary(standards.nothing(), said) == {"passed": 0, "of": 0, "unlike": said}
