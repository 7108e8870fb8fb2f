"""What the page computes is what torch and the library compute."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from precip_sae.interpretation.sensitivity import correlations, mean_sensitive
from precip_sae.models.exchange import read_published
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.sae import SAE
from precip_sae.models.skill import classification_scores, regression_scores

TASKS = ["classifier", "regressor", "shipped_classifier", "shipped_regressor"]


def unpacked(numbers: NDArray[np.float32], like: dict[str, NDArray[np.float32]], kind: type) -> MLP | SAE:
    named, at = {}, 0
    for name, value in like.items():
        named[name] = torch.from_numpy(numbers[at : at + value.size].reshape(1, *value.shape))
        at += value.size
    return kind(named)


def network(study, task: str, hidden: int, seed: int, epoch: int) -> MLP:
    data = study.tasks[task].settings.data
    like = mlp_weights(0, len(data.predictors), hidden, data.outputs)
    return unpacked(study.named(task, hidden).networks[seed, epoch], like, MLP)


def sae(study, task: str, hidden: int, seed: int, which: str) -> SAE:
    one = study.named(task, hidden)
    return unpacked(getattr(one, which)[seed], sae_weights(0, hidden, one.latents), SAE)


def chosen(task: str, hidden: int, seed: int = 0) -> str:
    """JavaScript that finds a model, for the scripts below."""
    return f"""
      const set = inspector.content.sets.find((s) => s.id === "{task}");
      const model = set.models.filter((m) => m.hidden === {hidden} && m.l1 === 0)[{seed}];
      const {{ maths, statistics }} = inspector;
    """


def random_inputs(task: str, rows: int = 200) -> NDArray[np.float32]:
    return np.random.default_rng(len(task)).standard_normal((rows, 5)).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
def test_predictions_are_torchs_at_every_epoch(looking, study, task):
    hidden, x = study.tasks[task].settings.mlp.hidden, random_inputs(task)
    found = looking.ask(
        f"""(x) => {{ {chosen(task, hidden)}
        return Array.from({{ length: model.weights.shape[0] }}, (_, e) => {{
          const net = maths.networkAt(set, model, e);
          return x.map((row) => maths.predictionOf(set, maths.outputOf(net, maths.hiddenOf(net, row))));
        }}); }}""",
        x.tolist(),
    )
    for epoch, page in enumerate(found):
        with torch.no_grad():
            z = network(study, task, hidden, 0, epoch)(torch.from_numpy(x))[0]
        expected = torch.softmax(z, 1) if "classifier" in task else z
        np.testing.assert_allclose(page, expected.numpy(), atol=1e-5, rtol=1e-5)
    assert len(found) == 5


def test_records_are_standardised_as_the_networks_saw_them(looking, study):
    for name, task in study.tasks.items():
        looking.go(f"task={name}")
        found = looking.ask("() => Array.from(inspector.current(inspector.store.get()).xAll)")
        rows = looking.ask("() => inspector.current(inspector.store.get()).set.rows.length")
        x = np.array(found, np.float32).reshape(rows, -1)
        test = task.prepared.test.x
        # the records are some of the test part's, in its order
        distance = np.abs(test[None, :, :] - x[:, None, :]).max(axis=2)
        positions = distance.argmin(axis=1)
        assert distance.min(axis=1).max() < 1e-5
        assert (np.diff(positions) > 0).all()
        y = looking.ask("() => Array.from(inspector.current(inspector.store.get()).set.y)")
        np.testing.assert_allclose(y, task.prepared.test.y[positions], rtol=1e-6)


@pytest.mark.parametrize("task", ["classifier", "regressor"])
def test_relevances_and_biases_add_up_to_the_output_and_are_gradient_times_input(looking, study, task):
    """For a network of ReLUs layer-wise relevance without an epsilon is gradient times input, which torch derives."""
    hidden, x = 6, random_inputs(task, 40)
    outputs = study.tasks[task].settings.data.outputs
    found = looking.ask(
        f"""(x) => {{ {chosen(task, hidden)}
        const net = maths.networkAt(set, model, 4);
        return x.map((row) => Array.from({{ length: {outputs} }}, (_, o) => {{
          const r = maths.relevance(net, row, o);
          return [...r.inputs, r.bias, maths.outputOf(net, maths.hiddenOf(net, row))[o]];
        }})); }}""",
        x.tolist(),
    )
    given = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    stack = network(study, task, hidden, 0, 4).double()
    for o in range(outputs):
        (gradient,) = torch.autograd.grad(stack(given)[0, :, o].sum(), given, retain_graph=True)
        page = np.array(found)[:, o]
        np.testing.assert_allclose(page[:, :5], (gradient * given).detach().numpy(), atol=1e-6)
        np.testing.assert_allclose(page[:, :6].sum(axis=1), page[:, 6], atol=1e-9)


@pytest.mark.parametrize("which", ["trained", "untrained"])
@pytest.mark.parametrize("task", ["classifier", "regressor"])
def test_interventions_on_latents_are_those_of_python(looking, study, task, which):
    hidden, x = 6, random_inputs(task, 30)
    edits = {"1": {"how": "off", "value": 0}, "4": {"how": "scale", "value": 2.5}, "7": {"how": "clamp", "value": 0.75}}
    one, all_rows = looking.ask(
        f"""([x, edits]) => {{ {chosen(task, hidden)}
        const net = maths.networkAt(set, model, 4);
        const sae = maths.saeOf(model, "{which}");
        const each = x.map((row) => Array.from(maths.intervene(net, sae, maths.hiddenOf(net, row), edits).z));
        const {{ h, z }} = maths.forwardAll(net, Float32Array.from(x.flat()));
        const latents = maths.forwardAll(sae, h).h;
        return [each, Array.from(maths.interveneAll(net, sae, z, latents, edits))]; }}""",
        [x.tolist(), edits],
    )
    stack, autoencoder = network(study, task, hidden, 0, 4).double(), sae(study, task, hidden, 0, which).double()
    with torch.no_grad():
        h = stack.hidden(torch.from_numpy(x.astype(np.float64)))
        before = autoencoder.encode(h)
        after = before.clone()
        after[..., 1], after[..., 4], after[..., 7] = 0, 2.5 * before[..., 4], 0.75
        z = stack.output(h + autoencoder.decode(after) - autoencoder.decode(before))[0].numpy()
    np.testing.assert_allclose(one, z, atol=1e-6)
    np.testing.assert_allclose(np.reshape(all_rows, z.shape), z, atol=1e-4)


def test_nothing_changes_while_no_latent_is_changed(looking, study):
    for task in ("classifier", "regressor"):
        looking.go(f"task={task}&view=features")
        before, after = looking.ask("""() => {
          const now = inspector.current(inspector.store.get());
          const { maths } = inspector;
          return [Array.from(maths.outputOf(now.finalNet, now.finalH)),
                  Array.from(maths.intervene(now.finalNet, now.sae, now.finalH, {}).z)]; }""")
        assert before == after


@pytest.mark.parametrize("task", ["classifier", "regressor"])
def test_correlations_counts_and_scores_are_the_librarys(looking, study, task):
    looking.go(f"task={task}&hidden=6&view=features")
    found = looking.ask("""() => {
      const now = inspector.current(inspector.store.get());
      const { statistics } = inspector;
      return { x: Array.from(now.xAll), h: Array.from(now.finalAll.h), f: Array.from(now.latentsAll),
               z: Array.from(now.finalAll.z), y: Array.from(now.set.y), r: now.r, latentR: now.latentR,
               mean: statistics.meanSensitive(statistics.sensitiveInputs(now.latentR, 0.4)),
               scores: now.finalScores }; }""")
    x = np.array(found["x"], np.float32).reshape(-1, 5)
    for key, units in (("r", "h"), ("latentR", "f")):
        r = correlations(np.array(found[units], np.float32).reshape(1, len(x), -1), x)
        page = np.array([[np.nan if v is None else v for v in row] for row in found[key]])
        np.testing.assert_allclose(page, r[0], atol=1e-6)
    expected = mean_sensitive(r, 0.4, "published")[0]
    assert found["mean"] == pytest.approx(expected, nan_ok=True)
    z, scores = np.array(found["z"]).reshape(1, len(x), -1), found["scores"]
    y = np.array(found["y"])
    if task == "classifier":
        expected = classification_scores(z, y.astype(int))
        assert scores["accuracy"] == pytest.approx(expected["accuracy"][0])
        assert scores["cross_entropy"] == pytest.approx(expected["cross_entropy"][0])
        assert np.sum(scores["confusion"]) == len(x)
    else:
        expected = regression_scores(z[..., 0], y)
        assert {name: pytest.approx(v[0]) for name, v in expected.items()} == scores


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_the_published_networks_score_as_they_do_in_python(looking, study, kind):
    looking.go(f"task=published_shipped_{kind}")
    found = looking.ask("""() => {
      const now = inspector.current(inspector.store.get());
      return { rows: now.set.inputs.map((i) => Array.from(now.set.rows, (r) => now.table.columns[i.name][r])),
               epochs: now.model.weights.shape[0], y: Array.from(now.set.y), scores: now.scores }; }""")
    published = read_published(study.paths.published / f"{kind}.json")
    frame = study.tasks[f"shipped_{kind}"].frame.iloc[:0].reindex(range(len(found["y"])))
    for name, values in zip(published.predictors, found["rows"], strict=True):
        frame[name] = values
    outputs, y = published.outputs(published.standardise(frame)), np.array(found["y"])
    assert found["epochs"] == published.epochs
    if kind == "classifier":
        assert found["scores"]["accuracy"] == pytest.approx((outputs.argmax(axis=1) == y).mean())
    else:
        expected = regression_scores(outputs[:, 0][None].astype(np.float32), y)
        assert found["scores"]["mse"] == pytest.approx(expected["mse"][0], rel=1e-5)
