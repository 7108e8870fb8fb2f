"""Noise floors: models that differ in one thing alone, and the standard deviations that follow."""

import json
from functools import partial

import numpy as np
import pytest

from precip_sae.models import engine
from precip_sae.models.engine.blocks import pack, unpack
from precip_sae.models.engine.networks import NetworkShape, train_networks
from precip_sae.models.initial import mlp_weights, sae_weights
from precip_sae.models.mlp import MLP
from precip_sae.noise import floors, replicates
from precip_sae.settings import DataSettings, MLPSettings, SAESettings, SimulationSettings
from precip_sae.simulation.simulate import simulate
from precip_sae.tasks.episodes import Episodes
from precip_sae.tasks.prepare import prepare

DATA = DataSettings(table="data/observations.parquet", predictors=["n0", "T", "RH"], response="Sr", kind="regression",
                    transforms={"n0": "log10"}, time="time")  # fmt: skip
STUDY = replicates.Study(MLPSettings(hidden=4, epochs=3), SAESettings(latents=6, epochs=3), "keras3")
SEEDS = [0, 1, 2]


@pytest.fixture(scope="module")
def task():
    prepared = prepare(simulate(600, 3), DATA)
    networks, _ = engine.train_mlps(prepared.train, prepared.validation, "regression", 1, STUDY.mlp, SEEDS)
    hidden = engine.hidden_activations(networks, prepared.sae.x)
    saes, _ = engine.train_saes(hidden, STUDY.sae, STUDY.convention, SEEDS)
    return prepared, networks, saes


def test_weights_move_by_one_unit_in_the_last_place_and_zeros_stay():
    moved = replicates.next_numbers(np.array([1.0, -1.0, 0.0], np.float32))
    assert moved.tolist() == [1.0 + 2.0**-23, -1.0 + 2.0**-24, 0.0]


def test_networks_started_from_the_weights_of_their_seed_are_the_same_bytes(task):
    prepared, networks, _ = task
    shape, columns = NetworkShape(3, 4, 1, "regression"), np.tile(np.arange(3), (3, 1))
    start = pack([mlp_weights(seed, 3, 4, 1) for seed in SEEDS])

    def weights(order, start):
        done = train_networks(
            prepared.train, prepared.validation, shape, STUDY.mlp, columns, np.array(order), start=start
        )
        return unpack(done.weights, mlp_weights(0, 3, 4, 1), MLP)

    def taken(a, b):
        return [(p == q).all().item() for p, q in zip(a.parameters(), b.parameters(), strict=True)]

    assert all(taken(weights(SEEDS, start), networks))
    # the start is taken, and the order is that of the seeds
    assert not any(taken(weights(SEEDS, start[::-1].copy()), networks))
    assert not any(taken(weights([7, 8, 9], start), networks))


def test_saes_started_from_the_weights_of_their_seed_are_the_same_bytes(task):
    prepared, networks, saes = task
    hidden = engine.hidden_activations(networks, prepared.sae.x)
    start = pack([sae_weights(seed, 4, 6) for seed in SEEDS])
    again, _ = engine.train_saes(hidden, STUDY.sae, "keras3", [9, 9, 9], start=start)
    assert all((p == q).all() for p, q in zip(again.parameters(), saes.parameters(), strict=True))


def test_replicates_change_one_thing_alone(task):
    prepared, networks, saes = task
    found = replicates.replicates(prepared, STUDY, networks, saes, SEEDS)
    assert list(found) == ["rounding", "order", "network_seed", "rounding_sae", "sae_seed"]
    base = replicates.reductions(networks, saes, prepared.test.x)
    for pair in found.values():
        assert pair[0]["every"].tolist() == base["every"].tolist()
    # after three epochs rounding has not grown yet, and other weights are other models
    assert found["rounding"][1]["effective"] == pytest.approx(base["effective"], abs=1e-3)
    assert found["rounding_sae"][1]["effective"] == pytest.approx(base["effective"], abs=1e-3)
    for source in ("order", "network_seed", "sae_seed"):
        assert (np.abs(found[source][1]["effective"] - base["effective"]) > 1e-5).all(), source


def test_a_replicate_of_the_sae_alone_stands_on_the_tasks_own_network(task):
    prepared, networks, saes = task
    found = replicates.replicates(prepared, STUDY, networks, saes, SEEDS)
    hidden = engine.hidden_activations(networks, prepared.sae.x)
    other, _ = engine.train_saes(hidden, STUDY.sae, "keras3", [seed + replicates.OTHER for seed in SEEDS])
    expected = replicates.reductions(networks, other, prepared.test.x)
    for name, values in expected.items():
        assert found["sae_seed"][1][name].tolist() == values.tolist()


def test_models_on_the_tasks_own_simulation_are_the_tasks_models(task):
    prepared, networks, saes = task
    same, other = replicates.simulated(DATA, STUDY, partial(simulate, 600), [3, 4], SEEDS)
    base = replicates.reductions(networks, saes, prepared.test.x)
    assert same["effective"].tolist() == base["effective"].tolist()
    assert other["effective"].tolist() != base["effective"].tolist()


def test_storms_drawn_anew_move_every_model(task):
    prepared, networks, saes = task
    drawn = replicates.on_storms(networks, saes, prepared.test.x, Episodes(np.arange(120) // 10, "storms"), 15)
    assert len(drawn) == 15
    assert np.ptp([found["effective"] for found in drawn], axis=0).min() > 0


def test_other_tables_are_made_only_of_the_simulation_that_the_task_rests_on(tmp_path):
    source, settings = tmp_path / "source.json", SimulationSettings(records=500, seed=1)
    source.write_text(json.dumps({"kind": "simulation", "records": 500, "seed": 1}))
    assert replicates.own_table_of(settings, source, "data/observations.parquet")
    assert not replicates.own_table_of(settings, source, "data/mine.csv")
    assert not replicates.own_table_of(SimulationSettings(records=501, seed=1), source, "data/observations.parquet")
    source.write_text(json.dumps({"kind": "archive", "site": "MQT"}))
    assert not replicates.own_table_of(settings, source, "data/observations.parquet")


def test_a_pairs_variance_is_half_the_square_of_its_difference():
    pairs = np.array([[0.1, 0.2, np.nan], [0.3, 0.2, 0.5]])
    assert floors.within(pairs) == pytest.approx([0.02, 0.0, np.nan], nan_ok=True)
    assert floors.floor(pairs)["mean"] == pytest.approx(0.1)
    assert floors.floor(pairs)["n"] == 2
    assert floors.floor(pairs)["low"] is None


def test_floors_find_the_standard_deviation_that_was_put_in():
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 0.3, 400)
    found = floors.floor(seeds + rng.normal(0, 0.05, (2, 400)))
    assert found["mean"] == pytest.approx(0.05, rel=0.1)
    assert found["low"] < 0.05 < found["high"]
    assert floors.independent(seeds)["mean"] == pytest.approx(0.3, rel=0.1)


def test_how_far_twins_lie_apart_by_hand():
    found = floors.twins(np.array([[0.1, 0.2, 0.3, np.nan], [0.1, 0.25, 0.5, 0.1]]))
    assert found["pairs"] == 3
    assert found["apart"]["median"] == pytest.approx(0.05)
    assert found["apart"]["most"] == pytest.approx(0.2)
    assert found["beyond_1"]["value"] == pytest.approx(2 / 3)
    assert found["beyond_10"]["value"] == pytest.approx(1 / 3)
    assert floors.twins(np.full((2, 2), np.nan)) == {"pairs": 0}


def test_the_table_of_replicates_names_source_seed_and_measure():
    base = {"every": np.array([0.1, 0.2])}
    table = floors.long_table({"order": [base, {"every": np.array([0.3, 0.2])}], "seeds": [base]}, [5, 6])
    assert table.columns.tolist() == ["source", "replicate", "seed", "measure", "reduction"]
    row = table[(table.source == "order") & (table.replicate == 1) & (table.seed == 5)]
    assert row["reduction"].tolist() == [0.3]
    found = floors.floors(table)["every"]
    assert found["order"]["mean"] == pytest.approx(0.1)
    assert found["seeds"]["mean"] == pytest.approx(np.std([0.1, 0.2], ddof=1))


def test_a_source_without_a_replicate_has_no_floor():
    # with tables: 0 no other table is simulated; how far seeds lie apart is no noise of tables
    base = {"every": np.linspace(0.1, 0.5, 8)}
    found = floors.floors(floors.long_table({"seeds": [base], "data": [base]}, list(range(8))))["every"]
    assert found["data"]["mean"] is None
    assert found["seeds"]["low"] < found["seeds"]["mean"]
