"""The study's models trained by Keras as published, in an environment of its own (TensorFlow 2.17 wants numpy 1).

Started by speed.py, which writes `mlp` or `sae` on a line of standard input and reads the rate, in model-samples per
second, from a line of standard output.

Usage: keras_process.py DATA.npz
"""

import os
import sys
import time

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import keras
import numpy as np

EPOCHS = 2  # timed, after one in every call of fit that is not: it holds what fit does before it trains


class Clock(keras.callbacks.Callback):
    """Seconds of the timed epochs."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.begin = time.perf_counter()

    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self.begin


def mlp(x, y):
    model = keras.Sequential([keras.layers.Dense(6, activation="relu"), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(5e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return lambda clock: model.fit(x, y, batch_size=32, epochs=1 + EPOCHS, verbose=0, callbacks=[clock])


def sae(h):
    inputs = keras.Input((h.shape[1],))
    latents = keras.layers.Dense(12, "relu", activity_regularizer=keras.regularizers.L1(0.01))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(h.shape[1], "linear")(latents))
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    return lambda clock: model.fit(h, h, batch_size=8, epochs=1 + EPOCHS, shuffle=False, verbose=0, callbacks=[clock])


def main() -> None:
    data = np.load(sys.argv[1])
    fits = {"mlp": (mlp(data["x"], data["y"]), len(data["x"])), "sae": (sae(data["h"]), len(data["h"]))}
    print(f"keras {keras.__version__}", flush=True)
    for line in sys.stdin:
        fit, rows = fits[line.strip()]
        clock = Clock()
        fit(clock)
        print(rows * EPOCHS / clock.seconds, flush=True)


if __name__ == "__main__":
    main()
