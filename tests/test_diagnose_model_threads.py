"""Faults that people have asked about, and what unusual programs must not be blamed for."""

import keras
import numpy as np
import pytest

from ferkeras import diagnose_model

layers, ops = keras.layers, keras.ops


def blobs(rows: int = 200, classes: int = 4, spread: float = 0.6, seed: int = 0):
    """Points around one centre a class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % classes)
    centres = np.random.default_rng(7).normal(0, 2, (classes, 6))
    return (centres[y] + rng.normal(0, spread, (rows, 6))).astype("float32"), y


def network(units, activation, loss, *hidden, optimizer="adam", shape=(6,), **compiled):
    keras.utils.set_random_seed(0)
    hidden = hidden or (layers.Dense(16, "relu"),)
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(units, activation)])
    model.compile(optimizer, loss, **compiled)
    return model


def test_sigmoids_on_purpose_are_not_blamed():
    x, y = blobs()
    y = np.eye(4)[y]
    focal = network(4, "sigmoid", keras.losses.BinaryFocalCrossentropy())
    assert diagnose_model(focal, (x, y), seconds=0).causes == ()


def test_sigmoids_that_cost_nothing_are_named_with_little_confidence():
    x, y = blobs()
    model = network(4, "sigmoid", "binary_crossentropy", optimizer=keras.optimizers.Adam(0.02))
    said = diagnose_model(model, (x, np.eye(4)[y]), epochs=20).findings[0]
    assert said.cause == "sigmoid_for_exclusive_classes"
    assert said.verdict.endswith("It learns all the same.")
    assert said.confidence == pytest.approx(0.6)


def test_one_unit_for_many_classes_is_no_fault_of_the_labels():
    said = diagnose_model(network(1, "sigmoid", "binary_crossentropy"), blobs(), seconds=0)
    assert said.causes == ("output_units", "wrong_loss", "labels_out_of_range")
    assert said.findings[2].remedies[0].what.startswith("leave the labels as they are")


@pytest.mark.parametrize(("bad", "infinite"), [(np.nan, 0), (np.inf, 1)])
def test_values_that_are_not_finite_are_told_with_their_column(bad, infinite):
    x, y = blobs()
    x[5, 2] = bad
    said = diagnose_model(network(4, "softmax", "sparse_categorical_crossentropy"), (x, y))
    assert said.causes[0] == "inputs_not_finite"
    assert "1 input values in column 2 are NaN or infinite" in said.verdict
    assert said.findings[0].evidence[1].value == infinite
    scope = {"x": x, "y": y, "np": np}
    exec(said.findings[0].remedies[0].code, scope)
    assert np.isfinite(scope["x"]).all()
    assert len(scope["x"]) == len(scope["y"]) == 199


def test_measurements_are_no_words():
    x, y = blobs()
    model = network(
        4, "softmax", "sparse_categorical_crossentropy", layers.Embedding(9, 4), layers.Flatten()
    )
    said = diagnose_model(model, (np.abs(x), y), seconds=0)
    assert said.causes == ("tokens_cut_off",)
    assert said.findings[0].remedies[0].what.startswith("leave the Embedding out")
    words = np.random.default_rng(0).integers(0, 9, (200, 6)) / 9
    said = diagnose_model(model, (words, y), seconds=0)
    assert said.findings[0].remedies[0].what.startswith("give it the numbers of the words")


def test_what_was_tried_says_that_inputs_were_scaled_too():
    x = np.random.default_rng(0).uniform(0, 1e5, (300, 6)).astype("float32")
    y = (np.abs(x[:, 0] - 5e4) > 2.5e4).astype(int)
    model = network(1, "relu", "binary_crossentropy", optimizer=keras.optimizers.Adam(0.01))
    said = diagnose_model(model, (x, y), epochs=20)
    assert said.causes[:2] == ("relu_output", "unscaled_inputs")
    assert "in order, and inputs scaled as well," in said.findings[0].remedies[0].tried


def test_statistics_that_lag_are_no_want_of_epochs():
    x, y = blobs(60)
    hidden = [layers.Dense(32), layers.BatchNormalization(), layers.ReLU()]
    model = network(
        4,
        "softmax",
        "sparse_categorical_crossentropy",
        *hidden,
        optimizer=keras.optimizers.Adam(0.02),
    )
    said = diagnose_model(model, (30 + x, y), epochs=5, batch_size=20)
    assert "batchnorm_statistics" in said.causes
    assert "too_few_epochs" not in said.causes


def contrastive(turned: bool):
    """Distances of pairs; label 1 means of one class."""

    def loss(y_true, y_pred):
        same, other = (1 - y_true, y_true) if turned else (y_true, 1 - y_true)
        apart = ops.square(ops.maximum(1 - y_pred, 0))
        return ops.mean(same * ops.square(y_pred) + other * apart)

    def accuracy(y_true, y_pred):
        return ops.mean(
            ops.cast(ops.equal(y_true, ops.cast(y_pred < 0.5, y_true.dtype)), "float32")
        )

    left, right = keras.Input((6,)), keras.Input((6,))
    encoder = layers.Dense(8)
    gap = ops.sum(ops.square(encoder(left) - encoder(right)), axis=1, keepdims=True)
    model = keras.Model([left, right], ops.sqrt(gap + 1e-7))
    model.compile("adam", loss, metrics=[accuracy])
    return model


@pytest.mark.parametrize("turned", [False, True])
def test_a_loss_that_has_the_labels_the_wrong_way_round(turned):
    (x, y), (other, also) = blobs(), blobs(seed=1)
    same = (y == also).astype("float32")[:, None]
    said = diagnose_model(contrastive(turned), ([x, other], same), seconds=0)
    assert said.causes == (("metric_contradicts_loss",) if turned else ())
    if turned:
        assert "wants outputs of 0 for label 0 and 1 for label 1" in said.verdict


@pytest.mark.parametrize(("rate", "named"), [(0.2, True), (0.002, False)])
def test_a_rate_that_is_too_high_for_hard_data(rate, named):
    """Classes that overlap: a tenth of the rate does not learn much either, but something."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 20)).astype("float32")
    y = (x[:, :4].sum(axis=1) + rng.normal(0, 3, 900) > 0).astype(int)
    hidden = [layers.Dense(32, "relu") for _ in range(3)]
    model = network(
        2,
        "softmax",
        "sparse_categorical_crossentropy",
        *hidden,
        shape=(20,),
        optimizer=keras.optimizers.Adam(rate),
    )
    said = diagnose_model(model, (x[:600], y[:600]), (x[600:], y[600:]), epochs=4)
    assert said.causes == (("learning_rate_too_high",) if named else ())
