"""Programs whose own `fit` does much beside its steps, and learns."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from programs.healthy import healthy
from programs.planted import Planted, compiled, dense, digits, program, sentences, table


class Averages(keras.callbacks.Callback):
    """Trains on with an average of the weights of the last two epochs."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keep."""
        self._before = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Average."""
        pairs = zip(self._before, self.model.get_weights(), strict=True)
        self.model.set_weights([0.2 * old + 0.8 * new for old, new in pairs])


class Mixes(keras.Model):
    """Trains on mixtures of two rows."""

    def train_step(self, data: Any) -> Any:
        """One step."""
        x, y = data
        x = 0.8 * x + 0.2 * keras.ops.roll(x, 1, axis=0)
        return super().train_step((x, y))


class Reads(keras.utils.PyDataset):
    """Batches that are scaled in a copy, with noise of their own in each epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self._x, self._y, self._rng = x * 255, y, np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self._x) // 32

    def __getitem__(self, at: int) -> Any:
        part = slice(32 * at, 32 * at + 32)
        noise = self._rng.normal(0, 0.1, self._x[part].shape).astype("float32")
        return self._x[part] / 255 + noise, self._y[part]


def _digits(seed: int, *callbacks: keras.callbacks.Callback, rate: float = 0.003) -> Planted:
    x, y = digits(seed)
    return program(compiled(dense(x, 10), rate=rate), x, y, callbacks=list(callbacks))


@healthy
def warm_up_of_many_epochs(seed: int) -> Planted:
    """Warm up of many epochs."""
    rise = keras.callbacks.LearningRateScheduler(lambda epoch: 3e-3 * min(1.0, (epoch + 1) / 10))
    return _digits(seed, rise)


@healthy
def cyclical_rate(seed: int) -> Planted:
    """Cyclical rate."""
    wave = keras.callbacks.LearningRateScheduler(lambda epoch: 3e-3 * (1 - 0.9 * (epoch % 4) / 3))
    return _digits(seed, wave)


@healthy
def usual_callbacks(seed: int) -> Planted:
    """Usual callbacks."""
    return _digits(
        seed,
        keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2),
        keras.callbacks.TerminateOnNaN(),
        rate=0.01,
    )


@healthy
def weights_averaged(seed: int) -> Planted:
    """Weights averaged."""
    program = _digits(seed, Averages(), keras.callbacks.SwapEMAWeights())
    program.model.optimizer.use_ema = True
    return program


@healthy
def own_step(seed: int) -> Planted:
    """Own step."""
    x, y = table("digits", seed)
    inner = dense(x, 10)
    return program(compiled(Mixes(inner.inputs, inner.outputs)), x, y, callbacks=[])


@healthy
def noisy_copies(seed: int) -> Planted:
    """Noisy copies."""
    x, y = digits(seed)
    data = Reads(x[:1400], y[:1400])
    return Planted(
        compiled(dense(x, 10)), data, (x[1400:], y[1400:]), {"epochs": 10, "callbacks": []}
    )


@healthy
def padded_and_masked(seed: int) -> Planted:
    """Padded and masked."""
    x, y = sentences(1000, seed)
    padded = np.pad(x, ((0, 0), (0, 30)))
    layers = keras.layers
    body = [layers.Embedding(700, 16, mask_zero=True), layers.LSTM(16)]
    model = keras.Sequential([keras.Input((None,)), *body, layers.Dense(2, "softmax")])
    return program(compiled(model), padded, y, epochs=8)
