"""Stages that run at once: none begins before what it reads is there, and one that fails is the last that begins."""

import os
import threading
from graphlib import CycleError

import pytest

from precip_sae.errors import StageError
from precip_sae.pipeline.side_by_side import Job, jobs, run_jobs, run_quietly
from precip_sae.pipeline.stages import stages
from precip_sae.settings import load_settings


def job(address, reads=(), writes=(), command=()):
    return Job(address, tuple(command), frozenset(reads), frozenset(writes))


CHAIN = [
    job("draw", ["results/rain/fit.json"], ["figures/rain"]),
    job("fit", ["models/rain/mlp", "data/table.csv"], ["results/rain/fit.json", "models/rain/sae"]),
    job("train", ["data/table.csv", "digests/train.json"], ["models/rain/mlp"]),
    job("collect", ["results"], ["paper/numbers.json"]),
    job("code", [], ["digests"]),
    job("paper", ["paper/numbers.json", "figures"], ["paper/manuscript.pdf"]),
]


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_nothing_begins_before_all_that_it_reads_is_made(processes):
    begun, ended, lock = {}, [], threading.Lock()

    def run(one):
        with lock:
            begun[one.address] = set(ended)
        with lock:
            ended.append(one.address)

    run_jobs(CHAIN, run, processes)
    assert sorted(ended) == sorted(one.address for one in CHAIN)
    for later, earlier in {"train": "code", "fit": "train", "draw": "fit", "collect": "fit"}.items():
        assert earlier in begun[later], later
    assert {"collect", "draw"} <= begun["paper"]


def test_stages_that_do_not_rest_on_each_other_run_at_once():
    together = threading.Barrier(2, timeout=20)
    run_jobs([job("a", ["x"], ["y/a"]), job("b", ["x"], ["y/b"])], lambda one: together.wait(), 2)


def test_a_name_that_only_begins_like_another_is_another():
    together = threading.Barrier(2, timeout=20)
    run_jobs([job("a", [], ["results/rain"]), job("b", ["results/rainy"], [])], lambda one: together.wait(), 2)


def test_after_a_failure_nothing_else_begins():
    begun = []

    def run(one):
        begun.append(one.address)
        if one.address == "train":
            raise StageError("train failed.")

    with pytest.raises(StageError, match="train failed"):
        run_jobs(CHAIN, run, 2)
    assert begun == ["code", "train"]


def test_stages_that_wait_for_each_other_are_refused():
    with pytest.raises(CycleError):
        run_jobs([job("a", ["b"], ["a"]), job("b", ["a"], ["b"])], lambda one: None, 2)


def test_every_stage_of_the_paper_has_its_place(repository):
    settings = load_settings(repository.params)
    found = {one.address: one for one in jobs(stages().values(), settings)}
    per_task = [stage.address(task) for stage in stages().values() if stage.per_task for task in stage.tasks(settings)]
    assert set(found) == set(per_task) | {name for name, stage in stages().items() if not stage.per_task}
    task = next(iter(settings.tasks))
    assert found[f"train@{task}"].command == ("precip-sae", "stage", "train", "--task", task)
    assert found["collect"].command == ("precip-sae", "stage", "collect")
    order = []
    run_jobs(list(found.values()), lambda one: order.append(one.address), 1)
    assert order.index("collect") < order.index("paper")
    assert max(order.index(one) for one in per_task) < order.index("collect")


def test_what_a_failing_stage_says_is_shown_and_what_others_say_is_not(tmp_path, capfd):
    around = {"PATH": os.environ["PATH"]}
    run_quietly(job("good", command=["sh", "-c", "echo all is well"]), tmp_path, around)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(StageError, match=r"^`sh -c echo no >&2; exit 3` in .* failed; the lines above say why\.$"):
        run_quietly(job("bad", command=["sh", "-c", "echo no >&2; exit 3"]), tmp_path, around)
    assert capfd.readouterr().err == "no\n"
