"""Files that a reader opens: what fits is shown, what does not is a sentence, and what is saved is read again."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from precip_sae.errors import NetworkError
from precip_sae.models.exchange import read_published
from precip_sae.models.initial import mlp_weights
from precip_sae.models.mlp import MLP
from precip_sae.models.store import save_models

REPOSITORY = Path(__file__).resolve().parents[2]
CLASSIFIER = json.loads((REPOSITORY / "published/classifier.json").read_text(encoding="utf-8"))


def changed(**fields: Any) -> str:
    return json.dumps(CLASSIFIER | fields)


def without(field: str) -> str:
    return json.dumps({name: value for name, value in CLASSIFIER.items() if name != field})


def deep(path: list[Any], value: Any) -> str:
    content = copy.deepcopy(CLASSIFIER)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(content)


# what is wrong: the file's text, and what its sentence names
MALFORMED: dict[str, tuple[str, str]] = {
    "empty": ("", "is not JSON"),
    "text": ("hello", "is not JSON"),
    "half": (json.dumps(CLASSIFIER)[:500], "is not JSON"),
    "list": ("[1, 2]", "expected an object"),
    "number": ("7", "expected an object"),
    "null": ("null", "expected an object"),
    "nothing": ("{}", "predictors is missing"),
    "no predictors": (without("predictors"), "predictors is missing"),
    "no responses": (without("response_variable"), "response_variable is missing"),
    "no weights": (without("weights_history"), "weights_history is missing"),
    "no biases": (without("biases_history"), "biases_history is missing"),
    "units of four": (changed(units=["K"] * 4), "5 units, one per predictor"),
    "transform of nothing": (changed(transforms={"nothing": "log10"}), 'transforms has "nothing"'),
    "two hidden layers": (changed(N_HIDDEN=[4, 4]), "one hidden layer"),
    "predictors a text": (changed(predictors="T"), "a list of names"),
    "predictors numbers": (changed(predictors=[1, 2, 3, 4, 5]), "a list of names"),
    "predictors twice": (changed(predictors=["n0", "n0", "Dm", "T", "RH"]), "different names"),
    "one predictor less": (changed(predictors=["n0", "Rho", "Dm", "T"]), "expected finite numbers of shape 4 x 4"),
    "very many predictors": (changed(predictors=[f"p{k}" for k in range(500)]), "at most 64"),
    "size zero": (changed(N_HIDDEN=0), "N_HIDDEN is 0"),
    "size a text": (changed(N_HIDDEN="4"), 'N_HIDDEN is "4"'),
    "size huge": (changed(N_HIDDEN=10**9), "N_HIDDEN is 1000000000"),
    "other size": (changed(N_HIDDEN=5), "weights_history[0][0] has the shape 5 x 4"),
    "no epoch": (changed(weights_history=[], biases_history=[]), "has 0 epochs"),
    "epochs differ": (changed(biases_history=CLASSIFIER["biases_history"][:3]), "biases_history has 3 epochs"),
    "three layers": (deep(["weights_history", 2], [[], [], []]), "weights_history[2] is"),
    "ragged": (deep(["weights_history", 1, 0, 2], [1.0]), "several lengths"),
    "not a number": (deep(["biases_history", 4, 1, 0], "a"), 'biases_history[4][1] holds "a"'),
    "beyond float32": (deep(["biases_history", 4, 1, 0], 1e300), "biases_history[4][1] holds 1e+300"),
    "scale zero": (deep(["scaling_info", "scale", 0], 0), "positive numbers"),
    "mean missing": (deep(["scaling_info"], {"scale": [1] * 5}), "scaling_info.mean is missing"),
    "unknown loss": (deep(["hyperparameters", "LOSS_FUNC"], "hinge"), 'LOSS_FUNC is "hinge"'),
    "inherited loss": (deep(["hyperparameters", "LOSS_FUNC"], "toString"), 'LOSS_FUNC is "toString"'),
    "other activation": (deep(["hyperparameters", "ACTIVATION"], "tanh"), 'ACTIVATION is "tanh", expected relu'),
    "loss of another kind": (deep(["hyperparameters", "LOSS_FUNC"], "mse"), "response_variable has 3 names"),
    "curve too short": (changed(loss_history=[1.0]), "loss_history has the shape 1"),
    "deep": ("[" * 50_000, "is not JSON"),
}


def drop(looking, *files: tuple[str, bytes | str]) -> list[str]:
    """Opens files as if they were chosen together; what the page says of them."""
    payload = [
        {
            "name": name,
            "mimeType": "application/octet-stream",
            "buffer": text.encode() if isinstance(text, str) else text,
        }
        for name, text in files
    ]
    looking.page.set_input_files("#files", payload)
    looking.page.wait_for_selector(".messages li")
    return looking.page.locator(".messages li").all_inner_texts()


def test_malformed_files_are_each_answered_by_their_sentence_and_the_page_goes_on(looking):
    assert len(MALFORMED) >= 30
    looking.go("view=models")
    for name, (text, named) in MALFORMED.items():
        (said,) = drop(looking, (f"{name}.json", text))
        assert named in said, name
        assert said.startswith(f"{name}.json: "), name
    (said,) = drop(looking, ("fine.json", json.dumps(CLASSIFIER)))
    assert "5 inputs, 4 hidden units" in said
    looking.page.click("#tab-testing")
    assert looking.page.locator("#view-testing .node .unit").count() == 5 + 4 + 3


def test_what_python_refuses_the_page_refuses_too(tmp_path):
    # Python reads larger networks, in float64, and of more kinds than the page draws
    drawn_only = ("very many predictors", "size huge", "beyond float32", "other activation")
    for text in (text for name, (text, _) in MALFORMED.items() if name not in drawn_only):
        path = tmp_path / "network.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(NetworkError):
            read_published(path)


def test_names_that_want_to_be_more_than_text_stay_text(looking):
    hostile = [
        '<script>document.title="taken"</script>',
        '"><img src=x onerror=alert(1)>',
        "‮evil",
        "{{7*7}}",
        "a\u0000b & ']",
    ]
    looking.go("view=models")
    (said,) = drop(
        looking, ("<b>x</b>.json", changed(predictors=hostile, units=hostile, response_variable=hostile[:3]))
    )
    assert said.startswith("<b>x</b>.json: 5 inputs")
    for view in ("training", "testing", "features", "models"):
        looking.page.click(f"#tab-{view}")
    looking.page.click("#tab-testing")
    assert hostile[0] in looking.page.locator("#view-testing").inner_text()
    assert looking.page.title().startswith("Inspector")
    assert looking.page.locator("main img, main script, .messages b").count() == 0


def test_what_is_not_needed_to_compute_may_be_left_out(looking):
    looking.go("view=models")
    bare = {
        k: v for k, v in CLASSIFIER.items() if not k.endswith("_history") or k in ("weights_history", "biases_history")
    }
    needed = ("predictors", "response_variable", "weights_history", "biases_history")
    (said,) = drop(looking, ("bare.json", json.dumps({k: v for k, v in bare.items() if k in needed})))
    assert "5 inputs" in said
    looking.page.click("#tab-training")
    assert looking.page.locator("#view-training .node .unit").count() == 12


def test_what_is_saved_is_read_again_by_the_page_and_by_python(looking, study, tmp_path):
    looking.go("view=models&task=classifier&hidden=6&seed=1&l1=1")
    with looking.page.expect_download() as waiting:
        looking.page.get_by_role("button", name="Save the chosen network").click()
    saved = tmp_path / "saved.json"
    waiting.value.save_as(saved)
    network = read_published(saved)
    x = np.random.default_rng(0).standard_normal((50, 5)).astype(np.float32)
    script = """(x) => {
      const now = inspector.current(inspector.store.get());
      const { maths } = inspector;
      return x.map((row) => maths.softmax(maths.outputOf(now.net, maths.hiddenOf(now.net, row)))); }"""
    page = looking.ask(script, x.tolist())
    np.testing.assert_allclose(network.outputs(x.astype(float)), page, atol=1e-6)
    assert network.epochs == 4
    assert network.logged == ("n0", "Dm")
    drop(looking, ("saved.json", saved.read_bytes()))
    assert looking.state()["task"].startswith("own")
    assert looking.ask(script, x.tolist()) == page
    records = looking.ask("() => inspector.current(inspector.store.get()).set.rows.length")
    assert records == looking.ask("() => inspector.content.sets.find((s) => s.id === 'classifier').rows.length")


def test_config_and_safetensors_of_this_package_open(looking, study, tmp_path):
    task = study.tasks["classifier"]
    arrays = [mlp_weights(seed, 5, 6, 3) for seed in (3, 8)]
    stack = MLP.of(arrays)
    save_models(
        tmp_path,
        stack,
        task.prepared.config("classifier", [3, 8], task.settings.mlp),
        study.named("classifier", 6).history,
    )
    config, tensors = (tmp_path / "config.json").read_bytes(), (tmp_path / "weights.safetensors").read_bytes()
    looking.go("view=models")
    (said,) = drop(looking, ("config.json", config), ("weights.safetensors", tensors))
    assert "5 inputs, 6 hidden units" in said
    looking.page.check('input[name="seed"][value="1"]')
    x = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    page = looking.ask("""(x) => {
      const now = inspector.current(inspector.store.get());
      const { maths } = inspector;
      return x.map((row) => Array.from(maths.outputOf(now.net, maths.hiddenOf(now.net, row)))); }""",
                       x.tolist())  # fmt: skip
    with torch.no_grad():
        np.testing.assert_allclose(page, stack(torch.from_numpy(x))[1].numpy(), atol=1e-5)


def test_damaged_safetensors_are_answered_by_a_sentence(looking, study, tmp_path):
    task = study.tasks["classifier"]
    stack = MLP.of([mlp_weights(0, 5, 6, 3)])
    save_models(
        tmp_path,
        stack,
        task.prepared.config("classifier", [0], task.settings.mlp),
        study.named("classifier", 6).history,
    )
    config, tensors = (tmp_path / "config.json").read_text(), (tmp_path / "weights.safetensors").read_bytes()
    other = json.loads(config)
    other["data"]["predictors"] = other["data"]["predictors"][:4]
    other |= {"mean": other["mean"][:4], "scale": other["scale"][:4]}
    cases = {
        "has 3 bytes": (config, tensors[:3]),
        "its header has": (config, b"\xff" * 40),
        "not JSON": (config, (4).to_bytes(8, "little") + b"abcd"),
        "bytes for the shape": (config, tensors[:-40]),
        "hidden.weight has the shape": (json.dumps(other), tensors),
        "data is missing": ("{}", tensors),
    }
    looking.go("view=models")
    for expected, (one, two) in cases.items():
        (said,) = drop(looking, ("config.json", one), ("weights.safetensors", two))
        assert expected in said
    (said,) = drop(looking, ("weights.safetensors", tensors))
    assert "came alone" in said
