"""`diagnose_model`: what is said of other people's classifiers before they are trained."""

import random
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program.untouched import variables_of

layers = keras.layers


def blobs(classes: int, rows: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class, and class indices."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = rng.normal(0, 1, (classes, 6))[y] * 2 + rng.normal(0, 1, (rows, 6))
    order = rng.permutation(rows)
    return x[order].astype("float32"), y[order]


def one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(y.max() + 1, dtype="float32")[y]


def network(*last, loss, metrics=(), inputs=6) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((inputs,)), layers.Dense(8, "relu"), *last])
    model.compile("adam", loss, metrics=list(metrics))
    return model


def causes(model, *data, **fit) -> list[str]:
    return list(diagnose_model(model, *data, seconds=0, **fit).causes)


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("last", "loss", "hot", "said"),
    [
        ("softmax", "sparse_categorical_crossentropy", False, []),
        ("softmax", "categorical_crossentropy", True, []),
        (None, LOGITS, False, []),
        ("softmax", "kl_divergence", True, []),
        (None, "categorical_hinge", True, []),
        ("sigmoid", "categorical_crossentropy", True, ["sigmoid_for_exclusive_classes"]),
        ("sigmoid", "sparse_categorical_crossentropy", False, ["sigmoid_for_exclusive_classes"]),
        ("relu", "sparse_categorical_crossentropy", False, ["relu_output"]),
        (None, "sparse_categorical_crossentropy", False, ["no_output_activation"]),
        ("tanh", "categorical_crossentropy", True, ["no_output_activation"]),
        (None, "mse", True, ["no_output_activation", "wrong_loss"]),
        ("softmax", "mean_absolute_error", True, ["wrong_loss"]),
        ("softmax", "binary_crossentropy", True, ["wrong_loss"]),
        ("softmax", LOGITS, False, ["wrong_loss"]),
        ("softmax", "sparse_categorical_crossentropy", True, ["wrong_loss"]),
        ("softmax", "categorical_crossentropy", False, ["wrong_loss"]),
    ],
)
def test_three_classes(last, loss, hot, said):
    x, y = blobs(3)
    model = network(layers.Dense(3, last), loss=loss)
    assert causes(model, (x, one_hot(y) if hot else y)) == said


@pytest.mark.parametrize(
    ("last", "loss", "said"),
    [
        ("sigmoid", "binary_crossentropy", []),
        (None, keras.losses.BinaryCrossentropy(from_logits=True), []),
        ("tanh", "hinge", []),
        ("softmax", "binary_crossentropy", ["softmax_on_one_unit"]),
        ("softmax", "mae", ["softmax_on_one_unit", "wrong_loss"]),
        ("softmax", "categorical_crossentropy", ["softmax_on_one_unit", "wrong_loss"]),
        ("sigmoid", "categorical_crossentropy", ["wrong_loss"]),
        ("relu", "binary_crossentropy", ["relu_output"]),
        (None, "binary_crossentropy", ["no_output_activation"]),
        ("sigmoid", keras.losses.BinaryCrossentropy(from_logits=True), ["wrong_loss"]),
    ],
)
def test_two_classes_on_one_unit(last, loss, said):
    x, y = blobs(2)
    assert causes(network(layers.Dense(1, last), loss=loss), (x, y)) == said


@pytest.mark.parametrize(
    ("last", "loss", "said"),
    [
        ("sigmoid", "binary_crossentropy", []),
        ("softmax", "binary_crossentropy", ["softmax_for_independent_labels"]),
        ("softmax", "mse", ["softmax_for_independent_labels", "wrong_loss"]),
        ("sigmoid", "categorical_crossentropy", ["wrong_loss"]),
    ],
)
def test_labels_that_do_not_exclude_each_other(last, loss, said):
    x, _ = blobs(3)
    y = (x[:, :3] > 0).astype("float32")
    assert causes(network(layers.Dense(3, last), loss=loss), (x, y)) == said
    # Smoothed, they exclude each other no more than before.
    assert causes(network(layers.Dense(3, last), loss=loss), (x, 0.9 * y + 0.05)) == said


def crossentropy(first, second):
    return -keras.ops.sum(first * keras.ops.log(keras.ops.clip(second, 1e-7, 1.0)), -1)


def labels_first(y_true, y_pred):
    return crossentropy(y_true, y_pred)


def outputs_first(y_pred, y_true):
    return crossentropy(y_true, y_pred)


def either_way(y_pred, y_true):
    return keras.ops.mean(keras.ops.square(y_pred - y_true), -1)


class OutputsFirst(keras.losses.Loss):
    def call(self, logits, targets):
        return crossentropy(targets, logits)


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        (outputs_first, "def outputs_first(y_true, y_pred):"),
        (OutputsFirst(), "def call(targets, logits):"),
        (labels_first, None),
        (either_way, None),
        (keras.losses.CategoricalCrossentropy(), None),
    ],
)
def test_a_loss_that_takes_outputs_first(loss, code):
    x, y = blobs(3)
    model = network(layers.Dense(3, "softmax"), loss=loss)
    found = diagnose_model(model, (x, one_hot(y)), seconds=0)
    assert found.causes == (("loss_arguments_exchanged",) if code else ())
    if code:
        assert found.findings[0].remedies[0].code == code


def test_smoothed_labels_of_one_class_a_row_exclude_each_other():
    x, y = blobs(3)
    smooth = 0.9 * one_hot(y) + 0.05
    found = causes(
        network(layers.Dense(3, "sigmoid"), loss="categorical_crossentropy"), (x, smooth)
    )
    assert found == ["sigmoid_for_exclusive_classes"]


def standardised(values, of=None):
    of = values if of is None else of
    return ((values - of.mean(0)) / of.std(0)).astype("float32")


def noise(like, columns):
    return np.random.default_rng(0).normal(size=(len(like), columns)).astype("float32")


@pytest.mark.parametrize(
    ("scale", "named"),
    [
        (lambda x, held: (standardised(x), standardised(held)), True),
        (lambda x, held: (standardised(x), standardised(held, x)), False),
        # All by one number, as pictures often are.
        (lambda x, held: ((x - x.mean()) / x.std(), (held - held.mean()) / held.std()), True),
        (lambda x, held: ((x - x.mean()) / x.std(), (held - x.mean()) / x.std()), False),
        # Each row by itself, in both.
        (lambda x, held: (standardised(x.T).T, standardised(held.T).T), False),
        # The same rows twice.
        (lambda x, held: (standardised(x), standardised(x)[: len(x)]), False),
        (lambda x, held: (x, held), False),
        # Many numbers of mean 0, none of which was scaled.
        (lambda x, held: (noise(x, 2000), noise(held, 2000)), False),
    ],
)
def test_validation_that_is_scaled_by_itself(scale, named):
    x, y = blobs(3)
    held, of_held = blobs(3, seed=1)
    x, held = scale(3 * x + 1, 3 * held[: len(held) // 2] + 1)
    last = layers.Dense(3, "softmax")
    model = network(last, loss="sparse_categorical_crossentropy", inputs=x.shape[1])
    found = causes(model, (x, y), (held, of_held[: len(held)]))
    assert ("validation_scaled_by_itself" in found) == named


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda y: y / 255, "labels_destroyed"),
        (lambda y: y + 1, "labels_out_of_range"),
        (lambda y: y * 10, "labels_out_of_range"),
        (lambda y: y - 1, "labels_out_of_range"),
        (lambda y: y.astype(str), "labels_out_of_range"),
        (lambda y: np.zeros_like(y), "labels_ill_defined"),
    ],
)
def test_labels_that_were_spoilt(change, said):
    x, y = blobs(3)
    model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    assert causes(model, (x, change(y)))[:1] == [said]


def test_scaled_one_hot_labels():
    x, y = blobs(3)
    model = network(layers.Dense(3, "softmax"), loss="categorical_crossentropy")
    assert causes(model, (x, one_hot(y) / 255)) == ["labels_destroyed"]


def test_soft_labels_are_labels():
    x, y = blobs(3)
    model = network(layers.Dense(3, "softmax"), loss="categorical_crossentropy")
    assert causes(model, (x, one_hot(y) * 0.9 + 0.1 / 3)) == []


@pytest.mark.parametrize("metrics", [(), ("accuracy",)])
def test_more_classes_than_units(metrics):
    x, y = blobs(5)
    model = network(
        layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy", metrics=metrics
    )
    assert causes(model, (x, y)) == ["output_units"]


@pytest.mark.parametrize(("units", "shift"), [(1, 0.5), (2, 2), (3, -1)])
def test_labels_that_no_output_can_name_are_told_beside_a_metric(units, shift):
    x, y = blobs(3, rows=24)
    loss = "sparse_categorical_crossentropy"
    model = network(layers.Dense(units, "softmax"), loss=loss, metrics=["accuracy"])
    assert causes(model, (x, y + shift))


def of_steps(loss="sparse_categorical_crossentropy", **arguments):
    model = keras.Sequential([keras.Input((12, 2)), layers.Dense(3, "softmax")])
    model.compile("adam", loss, **arguments)
    return model


def padded():
    """Steps of two features, of which the label follows; behind the last one all is 0."""
    rng = np.random.default_rng(0)
    there = np.arange(12) < rng.integers(3, 12, 40)[:, None]
    y = np.where(there, rng.integers(1, 3, (40, 12)), 0)
    return (rng.normal(size=(40, 12, 2)) * there[..., None]).astype("float32"), y


def test_a_unit_for_padding():
    x, y = padded()
    assert causes(of_steps(), (x, y)) == ["labels_ill_defined", "output_units"]
    assert causes(of_steps(), (x, np.random.default_rng(1).integers(0, 3, y.shape))) == []


def test_the_last_stage_of_an_order_is_no_padding():
    x, y = padded()
    going_on = np.random.default_rng(2).normal(size=x.shape).astype("float32")
    assert causes(of_steps(), (going_on, y)) == []


def test_padding_that_is_left_out_costs_nothing():
    x, y = padded()

    def of_real_steps(labels, output):
        counted = keras.ops.cast(keras.ops.squeeze(labels, -1) > 0, "float32")
        each = keras.losses.sparse_categorical_crossentropy(labels, output)
        return keras.ops.sum(each * counted) / keras.ops.sum(counted)

    assert causes(of_steps(of_real_steps), (x, y[..., None])) == []
    assert causes(of_steps(), (x, y, (y > 0).astype("float32"))) == []


def test_a_softmax_over_the_rows():
    x, y = blobs(3)
    model = network(layers.Dense(3), layers.Softmax(axis=0), loss="sparse_categorical_crossentropy")
    assert causes(model, (x, y)) == ["softmax_over_another_axis"]


def test_one_activation_after_another():
    x, y = blobs(3)
    loss = "sparse_categorical_crossentropy"
    twice = network(layers.Dense(3, "softmax"), layers.Softmax(), loss=loss)
    assert causes(twice, (x, y)) == ["activation_doubled"]
    rectified = network(layers.Dense(3, "relu"), layers.Softmax(), loss=loss)
    assert causes(rectified, (x, y)) == ["relu_output"]


@keras.saving.register_keras_serializable("test_diagnose_model")
class Subclass(keras.Model):
    def __init__(self, last):
        super().__init__()
        self.inner, self.last, self.end = layers.Dense(8, "relu"), layers.Dense(3), last

    def call(self, inputs, training=None):
        return self.end(self.last(self.inner(inputs)))


@pytest.mark.parametrize(
    ("end", "said"),
    [(keras.ops.softmax, []), (keras.ops.sigmoid, ["sigmoid_for_exclusive_classes"])],
)
def test_subclasses_are_read_as_well(end, said):
    x, y = blobs(3)
    model = Subclass(end)
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert causes(model, (x, y)) == said


def test_data_comes_in_any_form():
    x, y = blobs(3)
    model = network(layers.Dense(3, "sigmoid"), loss="sparse_categorical_crossentropy")
    said = ["sigmoid_for_exclusive_classes"]
    assert causes(model, tf.data.Dataset.from_tensor_slices((x, y)).batch(16)) == said
    assert causes(model, [(x[:60], y[:60]), (x[60:], y[60:])]) == said

    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, at):
            return x[at::4], y[at::4]

    assert causes(model, Sequence()) == said


def test_several_inputs():
    x, y = blobs(2)
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    out = layers.Dense(1, "softmax")(layers.Concatenate()([a, b]))
    model = keras.Model({"a": a, "b": b}, out)
    model.compile("adam", "binary_crossentropy")
    assert causes(model, ({"a": x[:, :3], "b": x[:, 3:]}, y)) == ["softmax_on_one_unit"]


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("accuracy", []),
        ("categorical_accuracy", []),
        ("binary_accuracy", ["wrong_metric"]),
        (keras.metrics.Accuracy(), ["wrong_metric"]),
        (keras.metrics.TopKCategoricalAccuracy(2), []),
        ("mse", []),
    ],
)
def test_metrics_are_held_against_counted_answers(metric, said):
    x, y = blobs(5)
    model = network(layers.Dense(5, "softmax"), loss="categorical_crossentropy", metrics=[metric])
    assert causes(model, (x, one_hot(y))) == said


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        ([], "this alone loses nothing here"),
        ([keras.layers.Reshape((3,))], "which have been through softmax"),
    ],
)
def test_what_keras_puts_right_itself_is_told_from_softmax_twice(behind, said):
    keras.utils.set_random_seed(0)
    x, y = blobs(3)
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(3, "softmax"), *behind])
    model.compile(keras.optimizers.Adam(0.05), LOGITS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras tells it, too.
        found = diagnose_model(model, (x, y), epochs=20, seconds=2)
    assert found.causes == ("wrong_loss",)
    assert found.severity == "suspicious"
    assert said in found.verdict


def test_accuracy_of_logits_is_no_wrong_metric():
    x, y = blobs(2)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    assert causes(network(layers.Dense(1), loss=loss, metrics=["accuracy"]), (x, y)) == []


@pytest.mark.parametrize("initializer", ["zeros", "ones"])
def test_units_that_are_copies_of_each_other(initializer):
    x, y = blobs(3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "relu", kernel_initializer=initializer),
            layers.Dense(3, "softmax", kernel_initializer=initializer),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    assert causes(model, (x, y)) == ["initialisation"]


def test_a_last_layer_of_zeros_is_a_fair_start():
    x, y = blobs(3)
    last = layers.Dense(3, "softmax", kernel_initializer="zeros")
    assert causes(network(last, loss="sparse_categorical_crossentropy"), (x, y)) == []


def test_weights_that_are_no_numbers():
    x, y = blobs(3)
    model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    model.layers[0].kernel.assign(np.full((6, 8), np.nan))
    assert causes(model, (x, y)) == ["initialisation"]


def test_an_optimizer_of_another_model():
    x, y = blobs(3)
    model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    other = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    other.optimizer.build(other.trainable_variables)
    model.compile(other.optimizer, "sparse_categorical_crossentropy")
    assert causes(model, (x, y)) == ["optimizer_holds_other_variables"]


def test_rows_in_the_order_of_their_classes():
    x, y = blobs(3, rows=300)
    x, y = x[np.argsort(y)], np.sort(y)
    model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensor_slices((x, y))
    assert causes(model, data.batch(16)) == ["not_shuffled"]
    assert causes(model, data.shuffle(300, seed=0).batch(16)) == []
    assert causes(model, (x, y), batch_size=16, shuffle=False) == ["not_shuffled"]
    assert causes(model, (x, y), batch_size=16) == []
    assert causes(model, (x, y), validation_split=0.3) == ["not_shuffled"]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({0: 1.0, 1: 0.0, 2: 1e-4}, ["classes_without_weight"]),
        ({0: 1.0, 1: 5.0, 2: 0.2}, []),
        ({0: 3.0}, []),
    ],
)
def test_classes_that_weigh_nothing(weights, said):
    x, y = blobs(3)
    for labels, loss in (
        (y, "sparse_categorical_crossentropy"),
        (one_hot(y), "categorical_crossentropy"),
    ):
        model = network(layers.Dense(3, "softmax"), loss=loss)
        assert causes(model, (x, labels), class_weight=weights) == said


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda x: 255 * x, ["validation_scaled_otherwise"]),
        (lambda x: x / 255, ["validation_scaled_otherwise"]),
        (lambda x: 1.5 * x + 0.2, []),
        (np.zeros_like, []),
    ],
)
def test_validation_rows_that_are_scaled_otherwise(prepare, said):
    x, y = blobs(3, rows=240)
    model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    held = prepare(x[120:] + 0.01), y[120:]
    assert causes(model, (x[:120], y[:120]), held) == said


def test_a_few_huge_numbers_are_no_other_scale():
    rng = np.random.default_rng(0)
    x = np.exp(rng.normal(0, 3, (400, 6))).astype("float32")
    x[399] *= 1000
    y = (x[:, 0] > 1).astype(int)
    model = network(layers.Dense(2, "softmax"), loss="sparse_categorical_crossentropy")
    found = causes(model, (x[:300], y[:300]), (x[300:], y[300:]))
    assert "validation_scaled_otherwise" not in found


def test_validation_labels_that_mean_something_else():
    x, y = blobs(3, rows=400)
    for change, said in ((1, ("validation_labels_do_not_fit",)), (0, ())):
        model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
        held = x[200:], (y[200:] + change) % 3
        found = diagnose_model(model, (x[:200], y[:200]), held, epochs=60, seconds=20)
        assert found.causes == said


def test_validation_rows_that_are_training_rows():
    x, y = blobs(3, rows=200)
    model = network(layers.Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    assert causes(model, (x, y), (x[:80], y[:80])) == ["leakage"]
    assert causes(model, (x[:100], y[:100]), (x[100:], y[100:])) == []
    # Rows of few values repeat by themselves.
    coarse = np.clip(np.round(x / 4), -1, 1)
    assert causes(model, (coarse[:100], y[:100]), (coarse[100:], y[100:])) == []


@pytest.mark.parametrize("seconds", [0, 2])
def test_the_model_is_left_as_it_was(seconds):
    x, y = blobs(3)
    model = network(
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(3),
        layers.Activation("relu"),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x, y, epochs=1, verbose=0)
    before = [v.numpy() for v in variables_of(model)]
    attributes = [(layer.trainable, getattr(layer, "activation", None)) for layer in model.layers]
    called = [set(layer.__dict__) for layer in model.layers]
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert "relu_output" in causes_of(model, x, y, seconds)
    assert all(
        np.array_equal(old, v.numpy()) for old, v in zip(before, variables_of(model), strict=True)
    )
    assert attributes == [
        (layer.trainable, getattr(layer, "activation", None)) for layer in model.layers
    ]
    assert called == [set(layer.__dict__) for layer in model.layers]
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


def causes_of(model, x, y, seconds):
    return diagnose_model(model, (x, y), epochs=3, seconds=seconds).causes


def test_training_goes_on_as_if_nobody_had_looked():
    x, y = blobs(3)
    results = []
    for look in (False, True):
        model = network(
            layers.Dropout(0.5),
            layers.Dense(3, "softmax"),
            loss="sparse_categorical_crossentropy",
        )
        model.fit(x, y, epochs=1, verbose=0)
        if look:
            diagnose_model(model, (x, y), epochs=3, seconds=2)
        model.fit(x, y, epochs=2, verbose=0)
        results.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_the_answer_as_json_names_the_change():
    x, y = blobs(2)
    model = network(layers.Dense(1, "softmax", name="end"), loss="binary_crossentropy")
    said = diagnose_model(model, (x, y), seconds=0).as_json()
    assert said["severity"] == "broken"
    assert "'end'" in said["verdict"]
    remedy = said["findings"][0]["remedies"][0]
    assert remedy["code"] == 'activation="sigmoid"'
    assert 0 < said["findings"][0]["confidence"] <= 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lambda x, y: (x, None), "no labels"),
        (lambda x, y: (x, y[:-1]), "119 and 120 rows"),
        (lambda x, y: (x[:0], y[:0]), "no rows"),
        (lambda x, y: "faces.csv", "received str"),
        (lambda x, y: (x, x[:, 0]), "quantities"),
        (lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)), "not in batches"),
    ],
)
def test_data_that_cannot_be_examined(data, text):
    x, y = blobs(3)
    model = network(layers.Dense(1), loss="mse")
    with pytest.raises(InputError, match=text):
        diagnose_model(model, data(x, y), seconds=0)


def test_a_model_that_cannot_be_examined():
    x, y = blobs(3)
    with pytest.raises(InputError, match="not compiled"):
        diagnose_model(keras.Sequential([keras.Input((6,)), layers.Dense(3)]), (x, y))
    with pytest.raises(InputError, match=r"expected a keras.Model"):
        diagnose_model("model.keras", (x, y))
    inputs = keras.Input((6,))
    two = keras.Model(inputs, [layers.Dense(3)(inputs), layers.Dense(3)(inputs)])
    two.compile("adam", "mse")
    with pytest.raises(InputError, match="2 outputs"):
        diagnose_model(two, (x, y))


@pytest.mark.parametrize("layer", [layers.GRU, layers.LSTM])
def test_biases_of_a_recurrent_layer_all_begin_at_zero_and_are_no_copies(layer):
    rng = np.random.default_rng(0)
    x = np.pad(rng.normal(0, 1, (200, 3, 1)), ((0, 0), (0, 30), (0, 0))).astype("float32")
    y = (x.sum(axis=(1, 2)) > 0).astype(int)
    model = keras.Sequential([keras.Input((33, 1)), layer(24), layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    assert causes(model, (x, y)) == []
