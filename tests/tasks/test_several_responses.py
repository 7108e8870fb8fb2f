"""Several responses at once: what one network learns of them is what a hand and other libraries say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import linear_model, metrics, tree

from precip_sae.errors import NetworkError, SettingsError, TableError
from precip_sae.files import read_json
from precip_sae.folds.pool import Fold, pooled_rows, pooled_skill
from precip_sae.interpretation.units import UNTRAINED, untrained_saes
from precip_sae.manuscript import report, tables
from precip_sae.models import engine, reference, skill
from precip_sae.models.exchange import read_network
from precip_sae.models.exchange.description import describe
from precip_sae.models.exchange.network import Network
from precip_sae.models.exchange.write import export_network
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.store import load_models, save_models
from precip_sae.paths import Paths
from precip_sae.pipeline.networks import told_by
from precip_sae.search.plan import plan
from precip_sae.search.unit import Work, run_unit
from precip_sae.settings import (
    DataSettings,
    MLPSettings,
    SAESettings,
    Settings,
    SubsetSettings,
    TaskSettings,
    load_settings,
    parse,
)
from precip_sae.table_check import check, shown
from precip_sae.tables.read import read_table
from precip_sae.tasks.episodes import episodes
from precip_sae.tasks.folds import every_fold
from precip_sae.tasks.prepare import Part, Prepared, prepare

PLAIN: dict[str, Any] = {"table": "t.csv", "predictors": ["a", "b"], "kind": "regression"}


def data(**changes: Any) -> DataSettings:
    return DataSettings(**(PLAIN | {"response": ["snow", "rain"]} | changes))


def frame(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, rows))
    snow, rain = 1000 + 500 * (a + 0.2 * rng.normal(size=rows)), 0.002 * (a * b + 0.1 * rng.normal(size=rows))
    return pd.DataFrame({"a": a, "b": b, "snow": snow, "rain": rain, "y": rng.normal(size=rows)})


SLIPS = {
    "twice": ({"response": ["snow", "snow"]}, r"data\.response: it names snow more than once"),
    "none": ({"response": []}, r"data\.response: it is \[\], expected the name of a column, or a list of names"),
    "numbers": ({"response": [1, 2]}, r"data\.response: it is \[1, 2\], expected the name of a column, or a list"),
    "more than sixteen": ({"response": [f"r{k}" for k in range(17)]}, "names 17 columns, expected at most 16"),
    "an input": ({"response": ["snow", "a"]}, "the response a is also among the predictors"),
    "the times": ({"response": ["snow", "rain"], "time": "rain"}, "rain is the time column and also a predictor or"),
    "the groups": ({"response": ["snow", "rain"], "groups": "rain"}, "groups names rain, the response"),
    "classes": (
        {"response": ["snow", "rain"], "kind": "classification", "classes": ["u", "v"]},
        "response is a list, which belongs to a regression, and kind is classification",
    ),
    "not standardised": (
        {"response": ["snow", "rain"], "standardise_response": False},
        "standardise_response is false, and several responses are always standardised: leave it out",
    ),
    "scaling of a stranger": (
        {"response": ["snow", "rain"], "scaling": {"hail": [0, 1]}},
        "scaling names hail, which is not standardised",
    ),
    "transform of a response": (
        {"response": ["snow", "rain"], "transforms": {"rain": "log1p"}},
        "transforms names rain, which is not among the predictors",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_responses_is_one_sentence_that_names_it(slip: str) -> None:
    changed, sentence = SLIPS[slip]
    with pytest.raises(SettingsError, match=rf"^task\.yaml: .*{sentence}") as told:
        parse(TaskSettings, {"title": "t", "data": PLAIN | changed}, "task.yaml")
    assert str(told.value).count("\n") == 0


@pytest.mark.parametrize("section", ["standards", "controls", "features"])
def test_what_is_about_one_response_is_refused_by_one_sentence(section: str) -> None:
    more = {"network": "published/regressor.json"} if section == "standards" else {}
    whole = {"tasks": {"wet": {"title": "t", "data": data().model_dump()}}, section: {"wet": {"table": "t.csv"} | more}}
    with pytest.raises(SettingsError, match=rf"{section}\.wet: .*tasks\.wet\.data\.response names several"):
        parse(Settings, whole, "params.yaml")


def test_the_pool_of_a_search_names_none_of_the_responses() -> None:
    subsets = {"table": "t.csv", "size": 1, "pool": ["a", "rain"], "seeds": [0]}
    whole = {"tasks": {"wet": {"title": "t", "data": data().model_dump()}}, "search": {"tasks": {"wet": subsets}}}
    with pytest.raises(SettingsError, match=r"search\.tasks\.wet\.pool names rain, the response"):
        parse(Settings, whole, "params.yaml")


def test_one_response_is_spelt_and_stored_as_before() -> None:
    one = DataSettings(**PLAIN, response="y")
    assert DataSettings(**PLAIN, response=["y"]) == one
    assert (one.response, one.standardise_response, one.outputs, one.several) == ("y", False, 1, False)
    assert DataSettings(**one.model_dump()) == one
    config = prepare(frame(), one).config("t", [0], MLPSettings())
    assert (config["response_mean"], config["response_scale"], config["data"]["response"]) == (0.0, 1.0, "y")


def test_each_response_is_standardised_by_itself_and_comes_back_in_its_unit() -> None:
    table = frame()
    prepared = prepare(table, data())
    learnt = table[["snow", "rain"]][:180].to_numpy()
    np.testing.assert_allclose(prepared.response_mean, learnt.mean(axis=0))
    np.testing.assert_allclose(prepared.response_scale, learnt.std(axis=0))
    both = np.concatenate([prepared.train.y, prepared.validation.y])
    np.testing.assert_allclose(both.std(axis=0), [1, 1], rtol=1e-5)
    np.testing.assert_allclose(prepared.response(prepared.test.y), table[["snow", "rain"]][240:], rtol=1e-5, atol=1e-8)
    told = prepare(table, data(scaling={"rain": [1.0, 2.0]}))
    np.testing.assert_allclose(told.train.y[:, 1], (table["rain"][:144] - 1) / 2, rtol=1e-6)
    # each as if it were the only one, bit for bit
    alone = prepare(table, DataSettings(**PLAIN, response="rain", standardise_response=True))
    np.testing.assert_array_equal(prepared.train.y[:, 1], alone.train.y)


def test_a_row_counts_only_where_all_responses_are_there() -> None:
    table = frame()
    table.loc[[3, 7], "snow"] = np.nan
    table.loc[[7, 9], "rain"] = np.inf
    counts = prepare(table, data()).counts
    assert (counts["read"], counts["dropped, a response missing"]) == (300, 3)
    table["snow"] = np.where(np.arange(300) % 2 == 0, table["snow"], np.nan)
    table["rain"] = np.where(np.arange(300) % 2 == 1, table["rain"], np.nan)
    with pytest.raises(TableError, match=r"t\.csv: no row holds all responses \(snow, rain\)\."):
        prepare(table, data())


@pytest.mark.parametrize("value", [0.1, 1e30])
def test_a_constant_response_is_named(value: float) -> None:
    with pytest.raises(TableError, match=r"t\.csv: response 'rain' is constant in the training part\."):
        prepare(frame().assign(rain=value), data())


def test_the_loss_is_the_mean_of_the_responses_squared_errors_by_hand() -> None:
    z = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    y = torch.tensor([[[0.0, 2.0], [3.0, 1.0]]])
    # errors 1 and 0, 0 and 3
    assert reference.response_loss(z, y, "regression").tolist() == [(1 + 9) / 4]
    assert reference.response_score(z, y, "regression").tolist() == [(1 + 3) / 4]


def trained_by(kind: Any, outputs: int, hidden_l1: float = 0.0) -> tuple[MLP, pd.DataFrame]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 4)).astype(np.float32)
    y = (x @ rng.standard_normal((4, outputs)) + 0.3 * rng.standard_normal((500, outputs))).astype(np.float32)
    y = y if outputs > 1 else y[:, 0]
    parts = Part(x[:403], y[:403]), Part(x[403:], y[403:])
    return kind.train_mlps(*parts, "regression", outputs, MLPSettings(hidden=5, epochs=12, batch=32), [3, 0, 8])


@pytest.mark.parametrize("outputs", [2, 5])
def test_networks_of_the_engine_are_those_of_the_reference(outputs: int) -> None:
    (expected, told), (found, history) = trained_by(reference, outputs), trained_by(engine, outputs)
    for a, b in zip(expected.parameters(), found.parameters(), strict=True):
        assert float(np.abs(a.detach().numpy() - b.detach().numpy()).max()) < 1e-6
    np.testing.assert_allclose(history, told, rtol=2e-5, atol=2e-6)


def test_a_step_is_that_of_torch_s_own_mean_squared_error() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((16, 3)).astype(np.float32), rng.standard_normal((16, 2)).astype(np.float32)
    settings = MLPSettings(hidden=4, epochs=1, batch=16, learning_rate=1e-3)
    trained, _ = engine.train_mlps(Part(x, y), Part(x, y), "regression", 2, settings, [7])
    start = {name: torch.from_numpy(w).requires_grad_() for name, w in mlp_weights(7, 3, 4, 2).items()}
    hidden = torch.relu(torch.from_numpy(x) @ start["hidden.weight"] + start["hidden.bias"])
    z = hidden @ start["output.weight"] + start["output.bias"]
    torch.nn.functional.mse_loss(z, torch.from_numpy(y)).backward()
    for name, w in start.items():
        # Adam's first step goes by the sign of the gradient, the learning rate long (Keras' epsilon apart)
        g = w.grad.numpy()
        expected = w.detach().numpy() - 1e-3 * g / (np.abs(g) + 1e-7 / np.sqrt(1e-3))
        np.testing.assert_allclose(trained.arrays(0)[name], expected, atol=2e-6)


def stack_and(prepared: Prepared) -> MLP:
    return MLP.of([mlp_weights(seed, 2, 3, 2) for seed in (0, 1)])


def test_scores_and_forecasts_of_each_response_are_scikit_learns_in_its_own_unit() -> None:
    table = frame()
    prepared = prepare(table, data())
    stack = stack_and(prepared)
    found, beside = skill.skill_by_part(stack, prepared)["test"], skill.baselines(prepared)
    said = prepared.said(skill.predict(stack, prepared.test))
    for k, name in enumerate(["snow", "rain"]):
        y = table[name][240:].to_numpy()
        errors = [metrics.mean_squared_error(y, one[:, k]) for one in said]
        assert found[name]["mse"]["mean"] == pytest.approx(np.mean(errors), rel=1e-4)
        own = {
            "linear": linear_model.LinearRegression(),
            "threshold": tree.DecisionTreeRegressor(max_depth=1, random_state=0),
        }
        for forecast, model in own.items():
            expected = model.fit(prepared.train.x, table[name][:144]).predict(prepared.test.x)
            assert beside[forecast][name]["mse"] == pytest.approx(metrics.mean_squared_error(y, expected), rel=1e-3)
        median = np.median(table[name][:144])
        assert beside["climatology"][name]["mae"] == pytest.approx(np.abs(y - median).mean(), rel=1e-4)
    gain = skill.gain_over_baselines(stack, prepared, episodes(table, prepared, "test"))
    lost = beside["linear"]["rain"]["mse"] - found["rain"]["mse"]["mean"]
    assert gain["linear"]["rain"]["mse"]["mean"] == pytest.approx(lost, rel=1e-4)


def test_a_response_is_scored_as_if_it_were_the_only_one() -> None:
    prepared = prepare(frame(), data())
    stack = stack_and(prepared)
    one = replace(
        prepared,
        data=data().one("rain"),
        **{name: replace(part, y=part.y[:, 1]) for name, part in prepared.parts.items()},
        response_mean=float(prepared.response_mean[1]),
        response_scale=float(prepared.response_scale[1]),
    )
    weights = {name: p.detach() for name, p in stack.named().items()}
    of_one = MLP(weights | {name: weights[name][..., 1:] for name in ("output.weight", "output.bias")})
    both = skill.skill_by_part(stack, prepared)
    assert {part: scores["rain"] for part, scores in both.items()} == skill.skill_by_part(of_one, one)
    assert {name: scores["rain"] for name, scores in skill.baselines(prepared).items()} == skill.baselines(one)


def test_the_page_has_a_row_and_a_verdict_for_each_response() -> None:
    task = TaskSettings(title="Wet", data=data(units={"snow": "mm/h"}, names={"rain": "drops"}))
    numbers: dict[str, Any] = {}
    for response, low, high in (("snow", 0.1, 0.2), ("rain", -0.1, 0.2)):
        for baseline in tables.BASELINES:
            key = f"t.train.gain_over.{baseline}.{response}.mse"
            numbers |= {key: {"text": "G"}, f"{key}.low": {"value": low}, f"{key}.high": {"value": high}}
            for score in ("mse", "mae", "r2"):
                numbers[f"t.train.baselines.{baseline}.{response}.{score}"] = {"value": 0.5, "text": "B"}
        for part in ("train", "validation", "test"):
            for score in ("mse", "mae", "r2"):
                for end in ("mean", "low", "high"):
                    numbers[f"t.train.skill.{part}.{response}.{score}.{end}"] = {"value": None, "text": end}
    table = tables.skill(numbers, {"t": task})
    assert table["Response"].tolist() == ["snow (mm h⁻¹)"] * 3 + ["drops"] * 3
    assert report.verdict(numbers, "t", task.data)[:2] == [
        "The networks do better than climatology, which uses no input, for snow (mm h⁻¹) (B): gain G.",
        "The networks are not distinguishable from climatology, which uses no input, for drops (B): gain G.",
    ]
    assert "all weigh the same" in report.describe_models(task, "2")


def test_pooled_folds_score_each_response_on_all_rows() -> None:
    table, folds = frame(), []
    for one in every_fold(data(folds=3)):
        prepared = prepare(table, one)
        saes = {"keras3": untrained_saes([7, 8], 3, 6), UNTRAINED: untrained_saes([0, 1], 3, 6)}
        folds.append(Fold(prepared, stack_and(prepared), saes))
    rows = pooled_rows(folds, table)
    np.testing.assert_allclose(rows.observed, table[["snow", "rain"]], rtol=1e-5, atol=1e-8)
    found = pooled_skill(rows, data(folds=3))
    for k, name in enumerate(["snow", "rain"]):
        errors = np.square(rows.predicted[..., k] - rows.observed[:, k], dtype=np.float64).mean()
        assert found["skill"]["test"][name]["mse"]["mean"] == pytest.approx(errors, rel=1e-5)
        assert found["baselines"]["linear"][name]["mse"]["value"] > 0
        assert found["gain_over"]["linear"][name]["mse"]["mean"] == pytest.approx(
            found["baselines"]["linear"][name]["mse"]["value"] - errors, rel=1e-3
        )
        assert found["by_fold"][name]["mse"]["least"] <= errors <= found["by_fold"][name]["mse"]["most"]


def test_a_search_trains_the_very_networks_of_the_task_and_scores_them_standardised() -> None:
    subsets = SubsetSettings(table="t.csv", size=2, pool=["a", "b"], seeds=[0, 1])
    planned = plan(frame(), data(), subsets)
    mlp, sae = MLPSettings(hidden=3, epochs=2), SAESettings(latents=4, epochs=2)
    found = run_unit(Work(planned, "regression", 2, mlp, sae, 0.4), planned.units[0])
    prepared = prepare(frame(), data())
    stack, history = engine.train_mlps(prepared.train, prepared.validation, "regression", 2, mlp, [0, 1])
    np.testing.assert_array_equal(found["val_loss"], history[history["epoch"] == 2]["val_loss"])
    errors = np.abs(skill.predict(stack, prepared.test) - prepared.test.y)
    np.testing.assert_allclose(found["test_mae"], errors.mean(axis=(1, 2)), rtol=1e-5)


def checked(folder: Path, table: pd.DataFrame, **changes: Any) -> Any:
    table.to_parquet(folder / "t.parquet")
    return check(folder / "t.parquet", data(**({"table": "t.parquet"} | changes)))


def test_the_table_check_speaks_of_each_response(tmp_path: Path) -> None:
    table = frame(1000)
    table["rain"] = 2 * table["b"]
    table.loc[:9, "snow"] = np.nan
    table.loc[5:14, "rain"] = np.nan
    found = checked(tmp_path, table)
    assert found.parts.loc["test", ["mean snow", "sd rain"]].notna().all()
    assert any("'b' alone predicts 'rain' with R² 0.99" in told or "'b' alone predicts 'rain' with R² 1.0" in told
               for told in found.warnings)  # fmt: skip
    assert not any("predicts 'snow'" in told for told in found.warnings)
    assert (
        "A row is used only where all responses are there, and 10 of 1000 rows hold one and lack another ('snow' is "
        "missing in 10, 'rain' is missing in 10)."
    ) in found.warnings
    text = [piece for piece in shown(found, "t", ["snow", "rain"]) if isinstance(piece, str)]
    assert sum("What a network has to beat on the test part, predicting" in piece for piece in text) == 2


def test_the_table_check_tells_responses_that_say_the_same_and_a_scaling_that_cannot_be_learnt(tmp_path: Path) -> None:
    table = frame(1000)
    found = checked(tmp_path, table.assign(rain=3 * table["snow"] + 1), scaling={"rain": [0.0, 1e-3]}).warnings
    assert any("The responses 'snow' and 'rain' have the rank correlation 1.0000" in told for told in found)
    assert any("The standard deviation of 'rain' is" in told and "data.scaling makes it so" in told for told in found)


def of_two(folder: Path) -> tuple[Path, Prepared, MLP]:
    prepared = prepare(frame(), data(transforms={"a": "cbrt"}))
    stack = stack_and(prepared)
    history = pd.DataFrame({"seed": [0], "epoch": [1], "loss": [1.0]})
    save_models(folder / "mlp", stack, prepared.config("wet", [0, 1], MLPSettings(hidden=3)), history)
    return folder / "mlp", prepared, stack


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
def test_an_exported_network_predicts_every_response_in_its_unit(form: str, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnx")
    folder, prepared, stack = of_two(tmp_path)
    written = tmp_path / f"net.{form}"
    export_network(folder, written, form, seed=1)
    network = read_network(written)
    assert (network.kind, network.responses) == ("regression", ("snow", "rain"))
    said = network.outputs(network.standardise(frame()[240:]))
    expected = prepared.said(skill.predict(stack, prepared.test))[1]
    np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-6)


def test_an_onnx_graph_predicts_every_response_in_onnxruntime(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    folder, prepared, stack = of_two(tmp_path)
    export_network(folder, tmp_path / "net.onnx", "onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    given = frame()[["a", "b"]][240:].assign(a=lambda t: np.cbrt(t["a"])).to_numpy(np.float32)
    (said,) = session.run(None, {"inputs": given})
    np.testing.assert_allclose(said, prepared.said(skill.predict(stack, prepared.test))[0], rtol=1e-4, atol=1e-6)


def test_the_page_that_draws_one_response_says_so(tmp_path: Path) -> None:
    from precip_sae.inspector.own import own_page

    folder, _, _ = of_two(tmp_path)
    with pytest.raises(NetworkError, match="predicts 2 responses at once, expected one: the page's format"):
        export_network(folder, tmp_path / "net.json", "inspector")
    with pytest.raises(NetworkError, match="predicts 2 responses at once, expected one or classes"):
        own_page([folder], None)


def test_a_task_takes_a_network_of_several_responses_as_it_is(tmp_path: Path) -> None:
    folder, prepared, _ = of_two(tmp_path)
    told = told_by(read_network(folder))
    taken = DataSettings(table="t.csv", **told)
    assert taken.responses == ["snow", "rain"]
    np.testing.assert_allclose(taken.scaling["rain"], [prepared.response_mean[1], prepared.response_scale[1]])
    again = prepare(frame(), taken)
    np.testing.assert_array_equal(again.test.y, prepared.test.y)
    np.testing.assert_array_equal(again.test.x, prepared.test.x)


@pytest.mark.parametrize(
    ("mean", "scale", "sentence"),
    [
        ((0.0,), 1.0, "1 means of responses are given, and 2 outputs are named"),
        (0.0, (1.0, 0.0), "the response's scale is 0, expected a number above 0"),
        ((0.0, np.nan), 1.0, "a response's mean is nan, expected a finite number"),
    ],
)
def test_a_wrong_scaling_of_responses_is_one_sentence(mean: Any, scale: Any, sentence: str, tmp_path: Path) -> None:
    network = read_network(of_two(tmp_path)[0])
    with pytest.raises(NetworkError, match=sentence):
        Network(network.source, network.inputs, network.layers, network.responses, "regression", mean, scale)
    assert describe(network)["response_mean"] == list(network.response_mean)


def test_one_response_still_gives_the_committed_weights_and_results(repository: Paths) -> None:
    folder, results = repository.models("regressor") / "mlp", repository.task_results("regressor") / "train.json"
    if not (folder.is_dir() and repository.observations.is_file()):
        pytest.skip("models or observations are not pulled")
    task = load_settings(repository.params).tasks["regressor"]
    table = read_table(repository.root / task.data.table, task.data)
    prepared = prepare(table, task.data)
    networks, config = load_models(folder, MLP)
    assert config["data"] == task.data.model_dump()
    again, _ = engine.train_mlps(prepared.train, prepared.validation, "regression", 1, task.mlp, task.seeds[:1])
    for name, weights in again.arrays(0).items():
        np.testing.assert_array_equal(weights, networks.arrays(0)[name])
    found = {
        "skill": skill.skill_by_part(networks, prepared),
        "baselines": skill.formed(skill.baselines(prepared)),
        "gain_over": skill.gain_over_baselines(networks, prepared, episodes(table, prepared, "test")),
    }
    now, then = (pd.json_normalize({name: of[name] for name in found}).iloc[0] for of in (found, read_json(results)))
    assert sorted(now.index) == sorted(then.index)
    # the last digits of predictions are the linear algebra's of the machine
    assert now[then.index].tolist() == [pytest.approx(v, rel=1e-5) if isinstance(v, float) else v for v in then]
