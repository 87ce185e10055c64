"""Leaving a training that has diverged, and not leaving one that has not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import Diverged, DivergenceGuard, MonitoredModel

pytestmark = pytest.mark.usefixtures("eager")

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.arange(24) % 3
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fit(model, x, in_a_row=3, y=Y, **options):
    model.fit(
        x, y, batch_size=4, verbose=0, callbacks=[DivergenceGuard(in_a_row)], **options
    )  # fmt: skip


def test_a_training_goes_on_from_good_weights_that_are_put_back():
    inputs = keras.Input((4,))
    model = MonitoredModel(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", LOSS)
    good = model.get_weights()
    with pytest.raises(Diverged, match="the last 3 steps"):
        fit(model, X * np.nan)
    model.set_weights(good)
    fit(model, X)
    with pytest.raises(Diverged, match="the last 3 steps"):
        fit(model, X * np.nan)


class Own(keras.Model):
    """A model with a loss of its own, beside that of Keras."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        return self.dense(inputs)


class OfAnotherName(Own):
    """A model whose metrics have no loss."""

    def __init__(self):
        super().__init__()
        self.total = keras.metrics.Mean(name="total")

    @property
    def metrics(self):
        return [self.total]

    def train_step(self, data):
        return {**super().train_step(data), "loss": keras.ops.mean(self(data[0]))}


@pytest.mark.parametrize(("cls", "steps"), [(Own, 2), (OfAnotherName, 6)])
def test_models_with_losses_of_their_own_are_guarded(cls, steps):
    model = cls()
    model.compile("sgd", LOSS)
    fit(model, X, in_a_row=2)
    with pytest.raises(Diverged, match=f"epoch 1, {steps} steps done: the loss is not finite"):
        fit(model, X * np.nan, in_a_row=2)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_step_that_loss_scaling_skips_is_no_divergence(normalised):
    layers = [keras.layers.BatchNormalization()] if normalised else []
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3)])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), LOSS)
    broken = X.copy()
    broken[4:8] = np.inf
    if not normalised:
        fit(model, broken, in_a_row=2, shuffle=False)
        assert all(np.isfinite(each).all() for each in model.get_weights())
        return
    # Nothing protects the statistics of BatchNormalization.
    with pytest.raises(Diverged, match="the loss is not finite"):
        fit(model, broken, in_a_row=1, shuffle=False)


def test_loss_scaling_that_never_applies_a_step_has_diverged():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), LOSS)
    with pytest.raises(Diverged, match="epoch 1, 3 steps done: the last 3 steps"):
        fit(model, X * np.nan, in_a_row=3)
    # Also over epochs that have fewer steps.
    with pytest.raises(Diverged, match="epoch 2, 6 steps done: the last 12 steps"):
        fit(model, X * np.nan, in_a_row=10, epochs=3)


def test_epochs_whose_steps_are_not_known_are_counted():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), LOSS)

    def fit_batches(x):
        signature = (tf.TensorSpec((4, 4)), tf.TensorSpec((4,), tf.int64))
        data = tf.data.Dataset.from_generator(
            lambda: zip(np.split(x, 6), np.split(Y, 6), strict=True), output_signature=signature
        )
        model.fit(data, epochs=3, verbose=0, callbacks=[DivergenceGuard(10)])

    with pytest.raises(Diverged, match="epoch 2, 6 steps done: the last 12 steps"):
        fit_batches(X * np.nan)
    broken = X.copy()
    broken[:4] = np.inf
    fit_batches(broken)


def test_accumulated_gradients_are_applied_steps():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    inner = keras.optimizers.SGD(0.1, gradient_accumulation_steps=16)
    model.compile(keras.optimizers.LossScaleOptimizer(inner), LOSS)
    broken = X.copy()
    broken[:4] = np.inf
    # No update is due in so few steps, and the mean loss is infinite from the first one on.
    fit(model, broken, in_a_row=2, epochs=2, shuffle=False)
    assert int(inner.iterations) == 0


def test_steps_that_are_executed_together_do_not_put_the_look_off():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", LOSS, steps_per_execution=4)
    x, y = np.tile(X * np.nan, (4, 1)), np.tile(Y, 4)
    with pytest.raises(Diverged, match="epoch 1, 4 steps done"):
        fit(model, x, y=y, in_a_row=3)
