"""Programs with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from programs.planted import (
    SPARSE,
    Planted,
    compiled,
    convolutional,
    dense,
    digits,
    hot,
    program,
    rings,
    table,
)

Make = Callable[[int], Planted]
FAULTS: dict[str, tuple[str, Make]] = {}


def fault(cause: str) -> Callable[[Make], Make]:
    """Register a program with one thing wrong."""

    def register(make: Make) -> Make:
        FAULTS[make.__name__] = cause, make
        return make

    return register


@fault("softmax_on_one_unit")
def one_softmax(seed: int) -> Planted:
    """One softmax."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "softmax"), "binary_crossentropy"), x, y)


@fault("sigmoid_for_exclusive_classes")
def sigmoids(seed: int) -> Planted:
    """Sigmoids."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3, "sigmoid"), "categorical_crossentropy"), x, hot(y))


@fault("softmax_for_independent_labels")
def exclusive(seed: int) -> Planted:
    """Exclusive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(800, 8)).astype("float32")
    y = (x[:, :4] > 0).astype("float32")
    return program(compiled(dense(x, 4), "binary_crossentropy", metrics=()), x, y)


@fault("no_output_activation")
def raw_numbers(seed: int) -> Planted:
    """Raw numbers."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10, None)), x, y)


@fault("relu_output")
def rectified(seed: int) -> Planted:
    """Rectified."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "relu"), "binary_crossentropy"), x, y)


@fault("wrong_loss")
def squares(seed: int) -> Planted:
    """Squares."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3), "mse"), x, hot(y))


@fault("wrong_loss")
def logits_twice(seed: int) -> Planted:
    """Logits twice."""
    import keras

    x, y = table("wine", seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return program(compiled(dense(x, 3), loss), x, y)


@fault("output_units")
def too_few_units(seed: int) -> Planted:
    """Too few units."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 9)), x, y)


@fault("labels_out_of_range")
def labels_from_one(seed: int) -> Planted:
    """Labels from one."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3)), x, y + 1)


@fault("labels_out_of_range")
def labels_with_signs(seed: int) -> Planted:
    """Labels with signs."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "sigmoid"), "binary_crossentropy"), x, 2 * y - 1)


@fault("labels_destroyed")
def labels_scaled(seed: int) -> Planted:
    """Labels scaled."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10)), x, y / 255)


@fault("labels_destroyed")
def labels_shuffled(seed: int) -> Planted:
    """Labels shuffled."""
    x, y = digits(seed)
    result = program(compiled(convolutional(x, 10, flat=True)), x, y)
    rows = np.random.default_rng(seed).permutation(len(result.train[1]))
    result.train = (result.train[0], result.train[1][rows])
    return result


@fault("unscaled_inputs")
def raw_columns(seed: int) -> Planted:
    """Raw columns."""
    x, y = table("wine", seed)
    x = x * 10.0 ** np.arange(13)[None] % 1e7
    return program(compiled(dense(x, 3)), x.astype("float32"), y)


@fault("unscaled_inputs")
def shifted_columns(seed: int) -> Planted:
    """Shifted columns."""
    x, y = table("iris", seed)
    return program(compiled(dense(x, 3, hidden=(8,)), rate=0.001), x + 300, y, epochs=30)


@fault("unscaled_inputs")
def scaled_twice(seed: int) -> Planted:
    """Scaled twice."""
    x, y = digits(seed)
    model = compiled(dense(x, 10, hidden=(32,)), rate=0.01, optimizer="sgd")
    return program(model, x / 255, y)


@fault("channels_first")
def channels_first(seed: int) -> Planted:
    """Channels first."""
    x, y = digits(seed)
    x = np.moveaxis(np.repeat(x, 3, -1), -1, 1)
    import keras

    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Conv2D(16, 2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    return program(compiled(model), x, y)


@fault("initialisation")
def all_zero(seed: int) -> Planted:
    """All zero."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10, kernel_initializer="zeros")), x, y)


@fault("initialisation")
def all_equal(seed: int) -> Planted:
    """All equal."""
    import keras

    x, y = table("digits", seed)
    model = dense(x, 10, kernel_initializer=keras.initializers.Constant(0.1))
    model.layers[-1].kernel.assign(np.full((32, 10), 0.1))
    return program(compiled(model), x, y)


@fault("initialisation")
def exploding(seed: int) -> Planted:
    """Exploding."""
    import keras

    x, y = table("digits", seed)
    start = keras.initializers.RandomNormal(stddev=10, seed=seed)
    model = dense(x, 10, hidden=(32, 32, 32, 32), kernel_initializer=start)
    return program(compiled(model, rate=0.001), x, y)


@fault("frozen_layers")
def all_frozen(seed: int) -> Planted:
    """All frozen."""
    x, y = table("digits", seed)
    model = dense(x, 10)
    model.trainable = False
    return program(compiled(model), x, y)


@fault("frozen_layers")
def frozen_at_random(seed: int) -> Planted:
    """Frozen at random."""
    x, y = digits(seed)
    model = convolutional(x, 10, widths=(4, 4))
    for layer in model.layers[:-1]:
        layer.trainable = False
    return program(compiled(model, rate=0.01), x, y, epochs=40)


@fault("gradient_does_not_reach")
def stopped(seed: int) -> Planted:
    """Stopped."""
    import keras

    x, y = table("digits", seed)
    inputs = keras.Input(x.shape[1:])
    z = keras.layers.Dense(16, "relu")(inputs)
    z = keras.layers.Lambda(keras.ops.stop_gradient)(z)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(z))
    return program(compiled(model), x, y)


@fault("optimizer_holds_other_variables")
def old_optimizer(seed: int) -> Planted:
    """Old optimizer."""
    import keras

    x, y = table("digits", seed)
    old = compiled(dense(x, 10))
    old.optimizer.build(old.trainable_variables)
    model = keras.Sequential([*old.layers[:-1], keras.layers.Dense(10, "softmax")])
    model.build((None, *x.shape[1:]))
    model.compile(old.optimizer, SPARSE)
    return program(model, x, y)


@fault("learning_rate_too_high")
def rate_ten(seed: int) -> Planted:
    """Rate ten."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=3.0), x, y)


@fault("learning_rate_too_high")
def rate_high_sgd(seed: int) -> Planted:
    """Rate high sgd."""
    x, y = digits(seed)
    model = compiled(convolutional(x, 10, flat=True), rate=5.0, optimizer="sgd")
    return program(model, x, y)


@fault("learning_rate_too_low")
def rate_tiny(seed: int) -> Planted:
    """Rate tiny."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=1e-7), x, y)


@fault("learning_rate_too_low")
def rate_tiny_sgd(seed: int) -> Planted:
    """Rate tiny sgd."""
    x, y = digits(seed)
    model = compiled(convolutional(x, 10, flat=True), rate=1e-5, optimizer="sgd")
    return program(model, x, y)


@fault("too_few_epochs")
def one_epoch(seed: int) -> Planted:
    """One epoch."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3, hidden=(16,)), rate=0.001), x, y, epochs=1)


@fault("batch_size")
def whole_batch(seed: int) -> Planted:
    """Whole batch."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=0.001), x, y, epochs=10, batch_size=2000)


@fault("wrong_metric")
def exact_equality(seed: int) -> Planted:
    """Exact equality."""
    import keras

    x, y = table("breast_cancer", seed)
    model = dense(x, 1, "sigmoid")
    return program(compiled(model, "binary_crossentropy", metrics=[keras.metrics.Accuracy()]), x, y)


@fault("wrong_metric")
def binary_of_many(seed: int) -> Planted:
    """Binary of many."""
    x, y = table("digits", seed)
    model = compiled(dense(x, 10), "categorical_crossentropy", metrics=["binary_accuracy"])
    return program(model, x, hot(y))


@fault("not_shuffled")
def sorted_stream(seed: int) -> Planted:
    """Sorted stream."""
    import tensorflow as tf

    x, y = digits(seed)
    order = np.argsort(y, kind="stable")
    data = tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(32)
    return Planted(compiled(convolutional(x, 10)), data, None, {"epochs": 20})


@fault("not_shuffled")
def sorted_split(seed: int) -> Planted:
    """Sorted split."""
    x, y = digits(seed)
    order = np.argsort(y, kind="stable")
    model = compiled(convolutional(x, 10))
    return Planted(model, (x[order], y[order]), None, {"epochs": 20, "validation_split": 0.2})


@fault("batchnorm_statistics")
def slow_statistics(seed: int) -> Planted:
    """Slow statistics."""
    x, y = digits(seed)
    x = 4 * x - 2
    model = convolutional(x, 10, norm=True, momentum=0.9999)
    return program(compiled(model, rate=0.01), x, y, epochs=8)


@fault("random_in_inference")
def dropout_always(seed: int) -> Planted:
    """Dropout always."""
    import keras

    x, y = table("digits", seed)
    inputs = keras.Input(x.shape[1:])
    z = keras.layers.Dense(32, "relu")(inputs)
    z = keras.layers.Lambda(lambda values: keras.random.dropout(values, 0.5))(z)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(z))
    return program(compiled(model), x, y)


@fault("leakage")
def copied_rows(seed: int) -> Planted:
    """Copied rows."""
    x, y = table("digits", seed)
    result = program(compiled(dense(x, 10)), x, y)
    result.validation = (x[:300], y[:300])
    return result


@fault("hidden_activation")
def linear_stack(seed: int) -> Planted:
    """Linear stack."""
    x, y = rings(seed=seed)
    model = dense(x, 1, "sigmoid", (32, 32), "linear")
    return program(compiled(model, "binary_crossentropy", 0.01), x, y, epochs=30)


@fault("hidden_activation")
def deep_sigmoids(seed: int) -> Planted:
    """Deep sigmoids."""
    x, y = table("digits", seed)
    model = dense(x, 10, hidden=(32,) * 6, activation="sigmoid")
    return program(compiled(model, rate=0.001), x, y)


@fault("network_too_small")
def one_unit(seed: int) -> Planted:
    """One hidden unit for ten classes."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10, hidden=(1,)), rate=0.005), x, y, epochs=10)


@fault("network_too_small")
def two_units_for_rings(seed: int) -> Planted:
    """Two hidden units for two rings."""
    x, y = rings(seed=seed)
    model = compiled(dense(x, 1, "sigmoid", (2,)), "binary_crossentropy", 0.01)
    return program(model, x, y, epochs=30)


@fault("activation_doubled")
def softmax_twice(seed: int) -> Planted:
    """Softmax twice."""
    import keras

    x, y = table("digits", seed)
    model = keras.Sequential([dense(x, 10), keras.layers.Softmax()])
    model.build((None, *x.shape[1:]))
    return program(compiled(model), x, y)


@fault("inputs_not_finite")
def missing(seed: int) -> Planted:
    """Missing."""
    x, y = table("wine", seed)
    x[3, 2] = np.nan
    return program(compiled(dense(x, 3)), x, y)


@fault("classes_without_weight")
def classes_of_no_weight(seed: int) -> Planted:
    """Weights that were meant for one class."""
    x, y = table("digits", seed)
    weights = {at: float(at == 3) for at in range(10)}
    return program(compiled(dense(x, 10)), x, y, class_weight=weights)


@fault("validation_scaled_otherwise")
def raw_validation(seed: int) -> Planted:
    """Pixels divided by 16 in training alone."""
    x, y = digits(seed)
    planted = program(compiled(convolutional(x, 10)), x, y)
    held, labels = planted.validation
    planted.validation = held * 255, labels
    return planted


@fault("unscaled_inputs")
def scaled_inside_too(seed: int) -> Planted:
    """Divided before the model and in it."""
    import keras

    x, y = digits(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )
    return program(compiled(model, rate=0.01, optimizer="sgd"), x, y)


@fault("too_much_dropout")
def dropout_of_nearly_all(seed: int) -> Planted:
    """The fraction that is kept, given as the one that is dropped."""
    import keras

    x, y = table("digits", seed)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dropout(0.98),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    return program(compiled(model, rate=0.001), x, y)


@fault("weight_penalty_too_strong")
def dear_weights(seed: int) -> Planted:
    """A penalty of ten on every kernel."""
    import keras

    x, y = table("digits", seed)
    model = dense(x, 10, kernel_regularizer=keras.regularizers.L2(10.0))
    return program(compiled(model), x, y)


@fault("weight_penalty_too_strong")
def decay_of_everything(seed: int) -> Planted:
    """A decay that was meant for a rate of 1e-4."""
    import keras

    x, y = table("wine", seed)
    model = dense(x, 3)
    model.compile(keras.optimizers.SGD(0.05, weight_decay=10.0), SPARSE, metrics=["accuracy"])
    return program(model, x, y, epochs=40)
