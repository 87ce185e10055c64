"""The moving average of the weights: validated, saved, and never trained on."""

import keras
import numpy as np
import pytest

from callbacks.averaged_weights import (
    AveragedWeights,
    average_is_trained,
    average_is_trained_after,
)

pytestmark = pytest.mark.usefixtures("eager")

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 24)


def build(use_ema=True, seed=0, rate=0.5, momentum=0.3):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(
        keras.optimizers.SGD(rate, use_ema=use_ema, ema_momentum=momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


class Look(keras.callbacks.Callback):
    """Remember the kernel as it is in each epoch's end."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_epoch_end(self, epoch, logs=None):
        self.kernels.append(self.model.layers[0].kernel.numpy().copy())


def fit(model, *callbacks, validate=True, **options):
    validation = {"validation_data": (X, Y)} if validate else {}
    return model.fit(
        X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=callbacks, **validation, **options
    ).history


def averages_by_hand(epochs):
    """Kernel and its average after each epoch of a training that averages nothing."""
    model = build(use_ema=False)
    average, found = None, []
    for _ in range(epochs):
        for start in range(0, len(X), 8):
            model.train_on_batch(X[start : start + 8], Y[start : start + 8])
            kernel = model.layers[0].kernel.numpy().copy()
            average = kernel if average is None else 0.3 * average + 0.7 * kernel
        found.append((kernel, average))
    return found


def test_those_before_it_see_the_average_and_those_after_it_the_weights():
    before, after = Look(), Look()
    fit(build(), before, AveragedWeights(), after, epochs=4)
    for epoch, (kernel, average, (expected, expected_average)) in enumerate(
        zip(after.kernels, before.kernels, averages_by_hand(4), strict=True), start=1
    ):
        np.testing.assert_allclose(kernel, expected, rtol=1e-5, atol=1e-6)
        # After one epoch of three steps 9 % of the average is the weights of the first.
        seen = expected if epoch == 1 else expected_average
        np.testing.assert_allclose(average, seen, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("validate", [True, False])
def test_an_average_of_few_steps_is_not_left_in_the_end(validate):
    model = build()
    fit(model, AveragedWeights(), epochs=1, validate=validate)
    np.testing.assert_allclose(
        model.layers[0].kernel.numpy(), averages_by_hand(1)[-1][0], rtol=1e-5, atol=1e-6
    )


def test_the_average_is_what_is_validated_and_left_in_the_end():
    model = build()
    history = fit(model, AveragedWeights(), epochs=2)
    np.testing.assert_allclose(
        model.layers[0].kernel.numpy(), averages_by_hand(2)[-1][1], rtol=1e-5, atol=1e-6
    )
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(history["val_loss"][-1], rel=1e-5)


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize("first", [1, 2])
def test_a_second_fit_goes_on_from_the_weights(first, validate):
    whole, parts = build(), build()
    fit(whole, AveragedWeights(), epochs=3, validate=validate)
    callback = AveragedWeights()
    fit(parts, callback, epochs=first, validate=validate)
    fit(parts, callback, initial_epoch=first, epochs=3, validate=validate)
    for a, b in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_an_evaluation_beside_the_training_is_left_alone():
    model = build()
    before = model.layers[0].kernel.numpy().copy()
    model.evaluate(X, Y, verbose=0, callbacks=[AveragedWeights()])
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), before)


def test_an_optimizer_without_average_is_named():
    with pytest.raises(ValueError, match="Received: SGD with use_ema=False"):
        fit(build(use_ema=False), AveragedWeights(), epochs=1)


@pytest.mark.parametrize("momentum", [0.3, 0.99])  # the average is trained, and is not
def test_the_best_weights_that_early_stopping_restores_stay(momentum):
    validated = []
    look = keras.callbacks.LambdaCallback(
        on_test_end=lambda logs: validated.append(model.get_weights())
    )
    # The loss falls, so that the first epoch has the highest.
    stopping = keras.callbacks.EarlyStopping("val_loss", 9, mode="max", restore_best_weights=True)
    model = build(momentum=momentum)
    averaged = AveragedWeights()
    fit(model, stopping, averaged, look, epochs=3)
    assert stopping.best_epoch == 0
    for kept, best, seen in zip(
        model.get_weights(), stopping.best_weights, validated[0], strict=True
    ):
        np.testing.assert_array_equal(kept, best)
        np.testing.assert_array_equal(kept, seen)
    # And another training goes on from them.
    before = model.get_weights()
    model.optimizer.learning_rate.assign(0.0)
    seen_first = []
    first = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen_first.append(model.get_weights())
    )
    fit(model, averaged, first, epochs=1)
    np.testing.assert_array_equal(seen_first[0][0], before[0])


@pytest.mark.parametrize("built", [True, False])
def test_no_weights_pass_from_one_model_into_another(built):
    callback = AveragedWeights()
    fit(build(), callback, epochs=2)
    model = build(seed=1, rate=0.0)
    if built:
        model.optimizer.build(model.trainable_variables)
    before = model.get_weights()
    fit(model, callback, epochs=2)
    # Their average, too, is no more than rounded.
    np.testing.assert_allclose(model.get_weights()[0], before[0], rtol=1e-6)


def test_weights_that_are_set_between_two_trainings_are_trained_on():
    callback, model = AveragedWeights(), build()
    fit(model, callback, epochs=2)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(np.abs(model.get_weights()[0]).max())
    )
    fit(model, callback, look, epochs=1)
    assert seen[0] == 0


def test_a_model_compiled_anew_is_trained_as_it_is():
    callback, model = AveragedWeights(), build()
    fit(model, callback, epochs=2)
    before = model.get_weights()[0]
    model.compile(keras.optimizers.SGD(0.0, use_ema=True, ema_momentum=0.3), model.loss)
    fit(model, callback, epochs=1)
    np.testing.assert_allclose(model.get_weights()[0], before, rtol=1e-6)


@pytest.mark.parametrize("accumulated", [None, 4])
def test_an_average_is_trained_once_a_twentieth_of_it_is_the_start(accumulated):
    optimizer = keras.optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=accumulated
    )
    variable = keras.Variable(1.0)
    # Keras averages in every batch, and begins with the weights after the first update.
    first, trained = accumulated or 1, []
    for _ in range(first + 5):
        optimizer.apply([keras.ops.ones(())], [variable])
        trained.append(average_is_trained(optimizer))
    # 0.5 ** 4 is above a twentieth, 0.5 ** 5 is not.
    assert trained == [False] * (first + 4) + [True]
    optimizer.ema_momentum = 0.0
    optimizer._iterations.assign(0)
    assert not average_is_trained(optimizer)
    assert [average_is_trained_after(steps, 0.5) for steps in (5, 6)] == [False, True]
