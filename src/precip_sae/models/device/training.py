"""Trains many networks and SAEs on a device, each the same bytes as by `engine`."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precip_sae.errors import SettingsError
from precip_sae.models.class_weights import class_weights
from precip_sae.models.device.cuda import Device, Start
from precip_sae.models.engine.blocks import pack, segment_rows, step_sizes
from precip_sae.models.engine.networks import NetworkShape
from precip_sae.models.initial import mlp_weights, row_order, sae_weights
from precip_sae.settings import MLPSettings, SAESettings
from precip_sae.tasks.prepare import Part

LANES = 32  # see `loops.cu`
MOST_PARAMETERS = 4096  # of a network or SAE: a thread keeps them, and their derivatives, in memory of its own
i32, f32 = np.int32, np.float32


def _in_lanes(values: NDArray) -> NDArray:
    """[models, values] -> [groups of models, values, LANES]; the last model fills the last group."""
    models, size = values.shape
    filled = values[np.minimum(np.arange(-(-models // LANES) * LANES), models - 1)]
    return np.ascontiguousarray(filled.reshape(-1, LANES, size).transpose(0, 2, 1))


class Trainer:
    """Networks and their SAEs, trained on one device, for the same rows.

    Args:
        columns: the inputs of each network, as columns of a part [models, inputs]; seeds: of each [models].

    Raises:
        SettingsError: a network or SAE has more parameters than a thread of the device can hold.
    """

    def __init__(
        self,
        device: Device,
        shape: NetworkShape,
        mlp: MLPSettings,
        sae: SAESettings,
        columns: NDArray[np.int64],
        seeds: NDArray[np.int64],
    ) -> None:
        parameters = max(
            (shape.inputs + 1) * shape.hidden + (shape.hidden + 1) * shape.outputs,
            2 * shape.hidden * sae.latents + shape.hidden + sae.latents,
        )
        if parameters > MOST_PARAMETERS:
            raise SettingsError(
                f"search: engine is cuda, and a network or SAE has {parameters} parameters, "
                f"expected at most {MOST_PARAMETERS}, or compiled."
            )
        self.device, self.shape, self.mlp, self.sae = device, shape, mlp, sae
        # threads that run together read the same rows if their models share a seed
        self.sorted = np.argsort(seeds, kind="stable")
        self.seeds = seeds[self.sorted]
        self.columns = device.array(_in_lanes(columns[self.sorted].astype(i32)))
        self.models = len(seeds)
        self.compiled: dict[bool, Start] = {}

    def _loops(self, weighted: bool) -> Start:
        if weighted not in self.compiled:
            sizes = {
                "INPUTS": self.shape.inputs, "HIDDEN": self.shape.hidden, "OUTPUTS": self.shape.outputs,
                "CLASSIFICATION": int(self.shape.kind == "classification"), "WEIGHTED": int(weighted),
                "MLP_BATCH": self.mlp.batch, "LATENTS": self.sae.latents, "SAE_BATCH": self.sae.batch,
            }  # fmt: skip
            self.compiled[weighted] = self.device.loops(sizes)
        return self.compiled[weighted]

    def _state(self, start: NDArray[np.float32]) -> tuple[Any, Any, Any]:
        """Weights and the moments of Adam on the device, from weights [models, parameters]."""
        laid_out = _in_lanes(start)
        nothing = np.zeros_like(laid_out)
        return tuple(self.device.array(values) for values in (laid_out, nothing, nothing))

    def _given(self, weights: Any) -> NDArray[np.float32]:
        """A device's weights as [models, parameters], the models in the order in which they were given."""
        groups = self.device.numpy(weights)
        found = groups.transpose(0, 2, 1).reshape(-1, groups.shape[1])[: self.models]
        return found[np.argsort(self.sorted)]

    def networks(self, train: Part) -> NDArray[np.float32]:
        """Trains the networks; returns their packed weights [models, parameters], those of `engine.train_networks`."""
        device, shape, settings, rows = self.device, self.shape, self.mlp, len(train)
        given = class_weights(settings, train, shape.outputs)
        start = self._loops(given is not None)
        by_class = device.array(np.ones(shape.outputs, f32) if given is None else given.astype(f32))
        seeds, seed_of = np.unique(self.seeds, return_inverse=True)
        initial = [mlp_weights(int(seed), shape.inputs, shape.hidden, shape.outputs) for seed in seeds]
        weights, m, v = self._state(pack(initial)[seed_of])
        response = train.y.astype(f32).reshape(rows, -1)
        table, told, which = device.array(train.x), device.array(response), device.array(seed_of.astype(i32))
        segment = segment_rows(shape.inputs, settings.batch)
        sizes = self._sizes(settings.learning_rate, settings.epochs, rows, settings.batch)
        for epoch in range(settings.epochs):
            if epoch == 0 or settings.shuffle == "per_epoch":
                orders = np.stack([row_order(int(seed), rows, epoch, settings.shuffle) for seed in seeds])
                order = device.array(orders.astype(i32))
            start(
                "train_networks", self.models, table, i32(train.x.shape[1]), told, i32(response.shape[1]), order, which,
                self.columns, device.array(sizes[epoch]), by_class, i32(rows), i32(segment), i32(self.models),
                weights, m, v,
            )  # fmt: skip
        return self._given(weights)

    def autoencoders(
        self, networks: NDArray[np.float32], part: Part, convention: str
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Fits an SAE on the hidden activations of every network, as `engine.fit_autoencoders` does.

        Args:
            networks: packed [models, parameters].

        Returns:
            The SAEs' packed weights [models, parameters], and how many epochs each ran [models].
        """
        device, settings, rows, hidden = self.device, self.sae, len(part), self.shape.hidden
        start = self._loops(False)
        seeds, seed_of = np.unique(self.seeds, return_inverse=True)
        weights, m, v = self._state(pack([sae_weights(int(s), hidden, settings.latents) for s in seeds])[seed_of])
        table, trained = device.array(part.x), device.array(_in_lanes(networks[self.sorted]))
        sizes = self._sizes(settings.learning_rate, settings.epochs, rows, settings.batch)
        best, waited = np.full(self.models, math.inf), np.zeros(self.models, np.int64)
        ran, running = np.zeros(self.models, np.int64), np.ones(self.models, bool)
        loss = device.array(best)
        for epoch in range(1, settings.epochs + 1):
            start(
                "fit_autoencoders", self.models, table, i32(part.x.shape[1]), self.columns, trained,
                device.array(running.astype(i32)), device.array(sizes[epoch - 1]), i32(rows), i32(self.models),
                f32(settings.l1), i32(convention == "batch_mean"), weights, m, v, loss,
            )  # fmt: skip
            losses = device.numpy(loss) / rows
            better = losses < best
            best, waited = np.where(better, losses, best), np.where(better, 0, waited + 1)
            ran[running] = epoch
            running &= waited < (settings.patience or math.inf)
            if not running.any():
                break
        return self._given(weights), ran[np.argsort(self.sorted)]

    @staticmethod
    def _sizes(learning_rate: float, epochs: int, rows: int, batch: int) -> NDArray[np.float32]:
        """Adam's step sizes [epochs, steps]."""
        steps = -(-rows // batch)
        return step_sizes(learning_rate, steps * epochs).reshape(epochs, steps)
