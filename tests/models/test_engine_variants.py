"""The compiled training of dictionaries against the readable one, and what it must not depend on."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from precip_sae.models import variant_training
from precip_sae.models.dictionary import largest
from precip_sae.models.engine import dictionary_kernels as kernels
from precip_sae.models.engine.variants import fit_variant
from precip_sae.models.variants import VARIANTS, Variant
from precip_sae.settings import DescentSettings

EVERY = pytest.mark.parametrize("name", VARIANTS)
PENALTIES = {"topk": [1.0, 3.0], "batch_topk": [0.75, 2.0], "matryoshka": [0.75, 2.0], "jumprelu": [0.01, 0.1]}
SHORT = DescentSettings(steps=12, batch=16, learning_rate=0.01)


def activations(units: int, rows: int = 64) -> NDArray[np.float32]:
    return np.maximum(np.random.default_rng(5).normal(size=(2, rows, units)), 0).astype(np.float32)


def trained(name: str, units: int = 3, threads: int | None = None, settings: DescentSettings = SHORT) -> Variant:
    penalties = PENALTIES.get(name, [0.001, 0.05])
    return fit_variant(name, activations(units), 3 * units, penalties, settings, [3, 4], threads)


def assert_alike(ours: Variant, theirs: Variant) -> None:
    """Equal up to rounding; but Adam makes a whole step of a slope that is nothing but rounding, in a few weights."""
    for parameter, value in theirs.named().items():
        mine = ours.named()[parameter]
        assert mine.shape == value.shape
        apart = (mine - value).abs().detach().numpy()
        assert np.quantile(apart, 0.9) < 1e-4, parameter
        assert apart.max() < 0.01, parameter


def bytes_of(stack: Variant) -> bytes:
    return b"".join(value.detach().numpy().tobytes() for value in stack.named().values())


@EVERY
@pytest.mark.parametrize("units", [1, 3, 9])
def test_compiled_training_ends_where_the_readable_one_does(name: str, units: int) -> None:
    ours = trained(name, units)
    penalties = PENALTIES.get(name, [0.001, 0.05])
    reference = variant_training.fit_variant(name, activations(units), 3 * units, penalties, SHORT, [3, 4])
    assert_alike(ours, reference)


@EVERY
def test_what_compiled_training_leaves_unexplained_is_what_the_readable_one_leaves(name: str) -> None:
    settings, h = DescentSettings(steps=120, batch=16, learning_rate=0.01), activations(3, rows=256)
    penalties = PENALTIES.get(name, [0.001, 0.05])
    left = []
    for fit in (fit_variant, variant_training.fit_variant):
        stack = fit(name, h, 9, penalties, settings, [3, 4])
        with torch.no_grad():
            x = stack.scaled(torch.from_numpy(h))
            rest = (stack.after(stack.active(x)) - x).square().sum(dim=(1, 2))
            left.append((rest / (x - x.mean(dim=1, keepdim=True)).square().sum(dim=(1, 2))).numpy())
    # of two equal latents TopK may keep another one where rounding differs
    assert left[0] == pytest.approx(left[1], abs=2e-3 if name == "topk" else 1e-6)


def test_a_variant_that_is_not_compiled_is_trained_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "new", VARIANTS["l1"])
    reference = variant_training.fit_variant("new", activations(3), 9, [0.001, 0.05], SHORT, [3, 4])
    assert bytes_of(trained("new")) == bytes_of(reference)


@pytest.mark.parametrize("name", ["topk", "batch_topk", "matryoshka", "l1", "gated"])
def test_dead_latents_are_revived_as_in_the_readable_training(name: str) -> None:
    # few of many latents are active, so that some are dead after two steps and are revived or start anew
    settings = DescentSettings(steps=20, batch=32, learning_rate=0.003)
    h, penalties = activations(4), [0.25 if name != "topk" else 1.0] * 2
    ours, theirs = (
        fit(name, h, 32, penalties, settings, [3, 4]) for fit in (fit_variant, variant_training.fit_variant)
    )
    assert_alike(ours, theirs)


@EVERY
def test_weights_are_the_same_bytes_on_one_thread_on_two_and_alone(name: str) -> None:
    one, two = trained(name, threads=1), trained(name, threads=2)
    assert bytes_of(one) == bytes_of(two)
    alone = fit_variant(name, activations(3)[1:], 9, PENALTIES.get(name, [0.001, 0.05])[1:], SHORT, [4])
    assert bytes_of(one[1]) == bytes_of(alone)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 45))
def test_the_largest_are_kept_as_the_readable_function_keeps_them(values: list[int], how_many: int) -> None:
    mine = np.array(values, np.float32)
    theirs = largest(torch.from_numpy(mine.copy())[None, None], torch.tensor([float(how_many)]))[0, 0]
    kernels.keep_largest(mine, how_many, np.empty(len(values), np.float32))
    assert mine.tolist() == theirs.tolist()


@given(st.floats(-20, 20, width=32))
def test_the_exponential_is_right_to_the_last_digit_or_the_one_before(x: float) -> None:
    assert kernels.exponential(np.float32(x)) == pytest.approx(np.exp(np.float64(np.float32(x))), rel=1.2e-7)


OTHER_CPU = """
import sys
sys.path.insert(0, {here!r})
from test_engine_variants import digest
print(digest())
"""


def digest() -> str:
    """Of the weights of every variant after some steps without a resampling, which torch does."""
    found = (trained(name) for name in VARIANTS if not VARIANTS[name].RESAMPLES)
    return hashlib.sha256(b"".join(map(bytes_of, found))).hexdigest()


def test_weights_are_the_same_bytes_on_another_cpu() -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    code = OTHER_CPU.format(here=os.path.dirname(__file__))  # noqa: PTH120
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest()
