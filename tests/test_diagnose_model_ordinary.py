"""Ordinary programs that nothing is said against, and what looks like them and is a fault."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from test_diagnose_model_rows import blobs, causes, network

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program import material
from ferkeras.diagnose.program.alarm import DiagnoseOnAlarm
from ferkeras.diagnose.program.inputs import standardised
from ferkeras.diagnose.program.prepared import labelled
from ferkeras.diagnose.program.rebuilt import places_of
from ferkeras.diagnose.program.several import OneOutput
from ferkeras.diagnose.program.untouched import untouched

layers = keras.layers
RNG = np.random.default_rng(0)


def one_unit(activation=None, loss="mse", **compiled) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation)])
    model.compile("adam", loss, **compiled)
    return model


def test_whole_numbers_that_are_measured_are_no_classes():
    x = RNG.normal(size=(200, 6)).astype("float32")
    for ages in (RNG.integers(18, 90, 200), RNG.integers(18, 90, 200).astype("float32")):
        with pytest.raises(InputError, match="measured quantities"):
            diagnose_model(one_unit(), (x, ages), seconds=0)


def rmse(y_true, y_pred):
    return keras.ops.sqrt(keras.ops.mean(keras.ops.square(y_true - y_pred)))


@pytest.mark.parametrize(
    ("compiled", "quantity"),
    [
        ({"metrics": ["mae"]}, True),
        ({"metrics": [rmse]}, True),
        ({"metrics": [keras.metrics.R2Score(name="explained")]}, True),
        ({"weighted_metrics": [keras.metrics.RootMeanSquaredError()]}, True),
        ({"loss": rmse, "metrics": ["mse"]}, True),
        ({"activation": "relu", "metrics": ["mae"]}, True),
        ({"metrics": ["accuracy"]}, False),
        ({"metrics": ["mae", "accuracy"]}, False),
        ({"activation": "sigmoid", "metrics": ["mae"]}, False),
    ],
)
def test_metrics_say_whether_a_few_whole_numbers_are_classes(compiled, quantity):
    x = RNG.normal(size=(200, 6)).astype("float32")
    grades = RNG.integers(3, 9, 200)
    if not quantity:
        assert {"output_units", "wrong_loss"} <= set(causes(one_unit(**compiled), (x, grades)))
        return
    for labels in (grades, grades / 2, grades.astype("float32")[:, None]):
        with pytest.raises(InputError, match="measured quantities"):
            diagnose_model(one_unit(**compiled), (x, labels), seconds=0)
    # Two values are two classes.
    assert "wrong_loss" in causes(one_unit(metrics=["mae"]), (x, grades > 5))


def test_shares_of_several_raters_are_labels_of_one_unit():
    x, y = blobs()
    shares = RNG.binomial(5, np.where(y > 0, 0.8, 0.2)) / 5
    found = causes(one_unit("sigmoid", "binary_crossentropy"), (x, shares.astype("float32")))
    assert not {"output_units", "wrong_loss"} & set(found)


def test_a_layer_stands_where_its_model_puts_it():
    norm = layers.BatchNormalization()
    grown = keras.Sequential()
    for layer in (keras.Input((6,)), layers.Dense(4), norm, layers.Dense(4), layers.Dense(3)):
        grown.add(layer)
    assert len(norm._inbound_nodes) > 1
    assert places_of(norm, grown) == 1
    inputs = keras.Input((6,))
    twice = layers.BatchNormalization()
    model = keras.Model(inputs, layers.Add()([twice(inputs), twice(layers.Dense(6)(inputs))]))
    assert places_of(twice, model) == 2
    tower = keras.Sequential([keras.Input((6,)), inner := layers.BatchNormalization()])
    other = keras.Input((6,))
    pair = keras.Model([inputs, other], layers.Add()([tower(inputs), tower(other)]))
    assert places_of(inner, pair) == 2


@pytest.mark.parametrize(("classes", "batch"), [(500, 16), (100, 4)])
def test_small_batches_of_many_classes_are_mixed_if_they_are(classes, batch):
    y = RNG.integers(0, classes, 600 * batch)
    x = RNG.normal(size=(len(y), 6)).astype("float32")
    for labels, named in ((y, False), (np.sort(y), True)):
        data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(batch)
        found = causes(network(units=classes), data)
        assert ("not_shuffled" in found) == named


def test_classes_that_a_sample_misses_are_there():
    y = RNG.permutation(np.arange(6000) % 1500)
    x = RNG.normal(size=(6000, 6)).astype("float32")
    held = RNG.permutation(1500)
    validation = (x[:1500], held)
    assert "class_missing_in_training" not in causes(network(units=1500), (x, y), validation)
    assert "class_missing_in_training" in causes(
        network(units=1500), (x[y > 200], y[y > 200]), validation
    )


def test_a_class_of_held_out_rows_alone_is_missing():
    y = np.concatenate([RNG.permutation(np.arange(920) % 9), np.full(80, 9)])
    x = RNG.normal(size=(1000, 6)).astype("float32")
    found = causes(network(units=10), (x, y), validation_split=0.2)
    assert "class_missing_in_training" in found


def test_rows_in_the_order_of_their_classes_are_not_lost():
    x, y = blobs(1000)
    y = (np.arange(1000) >= 600).astype(int)
    found = causes(network(units=2), (x, y), validation_split=0.4)
    assert "not_shuffled" in found
    assert "labels_ill_defined" not in found


def test_of_a_stream_only_what_chance_excludes_is_missing(monkeypatch):
    monkeypatch.setattr(material, "MOST_BYTES", 6 * 4 * 440)
    y = RNG.permutation(np.arange(4000) % 200)
    x = RNG.normal(size=(4000, 6)).astype("float32")
    validation = (RNG.normal(size=(1000, 6)), RNG.integers(0, 200, 1000))
    for there, named in ((y >= 0, False), (y > 120, True)):
        data = tf.data.Dataset.from_tensor_slices((x[there], y[there])).batch(20)
        found = causes(network(units=200), data, validation)
        assert ("class_missing_in_training" in found) == named


def test_a_stream_that_begins_with_one_class_is_not_mixed(monkeypatch):
    monkeypatch.setattr(material, "MOST_BYTES", 6 * 4 * 100)
    x, y = blobs(900)
    x, y = x[np.argsort(y)], np.sort(y)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(20)
    found = causes(network(), data, blobs(60, 1))
    assert "not_shuffled" in found
    assert "labels_ill_defined" not in found
    # Where nothing says that there are others, they may have been lost.
    lost = tf.data.Dataset.from_tensor_slices((x, 0 * y)).batch(20)
    for validation in (None, (x[:60], 0 * y[:60])):
        assert "labels_ill_defined" in causes(network(), lost, validation)
    alone = tf.data.Dataset.from_tensor_slices((x[:60], y[:60])).batch(20)
    assert "labels_ill_defined" in causes(network(), alone)


def test_a_stream_that_begins_without_its_rare_class_may_be_mixed(monkeypatch):
    monkeypatch.setattr(material, "MOST_BYTES", 6 * 4 * 100)
    y = np.zeros(1000, int)
    y[[300, 700, 900]] = 1
    x, held = (RNG.normal(size=(rows, 6)).astype("float32") for rows in (1000, 100))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(20)
    model = one_unit("sigmoid", "binary_crossentropy")
    seldom, often = (held, np.arange(100) // 99), (held, np.arange(100) % 2)
    found = diagnose_model(model, data, seldom, seconds=2)
    assert found.causes == ()
    assert "all rows that were examined are of class 0" in found.verdict
    assert causes(model, data, often) == ["not_shuffled"]
    alone = diagnose_model(model, data, seconds=2)
    assert (alone.causes, alone.severity) == (("labels_ill_defined",), "suspicious")
    assert alone.verdict.startswith("The first 1")


def half_labelled(rows: int = 1000, part: float = 0.2):
    x, y = blobs(rows)
    labels = np.where(RNG.random(rows) < part, y, -1)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    return x, labels, network(loss=loss)


def test_rows_without_a_label_were_drawn_as_well():
    x, y, model = half_labelled()
    there = np.flatnonzero(y >= 0)[:6]
    held, truth = blobs(300, 1)
    held[:6], truth[:6] = x[there], y[there]
    assert "leakage" not in causes(model, (x, y), (held, truth))
    assert "leakage" in causes(model, (x, y), (x[y >= 0][:100], y[y >= 0][:100]))


@pytest.mark.parametrize(("part", "batch"), [(0.2, 32), (0.02, 8)])
def test_batches_of_which_some_rows_have_labels_are_in_a_mixed_order(part, batch):
    x, y, model = half_labelled(part=part)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)
    assert causes(model, data) == causes(model, (x, y)) == []
    rows = labelled(material.read_material(data), model)
    assert sum(rows.sizes) == len(rows) == int((y >= 0).sum())
    assert rows.ends
    in_order = np.argsort(np.where(y < 0, RNG.integers(0, 3, len(y)), y), kind="stable")
    data = tf.data.Dataset.from_tensor_slices((x[in_order], y[in_order])).batch(batch)
    assert ("not_shuffled" in causes(model, data)) == (part > 0.1)


def test_rows_of_few_values_repeat_by_themselves():
    x = RNG.integers(0, 3, (30_000, 9)).astype("float32")
    y = RNG.integers(0, 3, 30_000)
    whole = network(shape=(9,))
    assert "leakage" not in causes(whole, (x[:24_000], y[:24_000]), (x[24_000:], y[24_000:]))
    rows = RNG.normal(size=(30_000, 9)).astype("float32")
    leaked = (rows[:6000], y[:6000])
    assert "leakage" in causes(whole, (rows[:24_000], y[:24_000]), leaked)


def test_a_category_is_no_text():
    sex = RNG.integers(0, 2, (300, 1))
    model = network(layers.Embedding(2, 4), layers.Flatten(), shape=(1,), units=2)
    assert "tokens_alike" not in causes(model, (sex, sex[:, 0]))
    words = np.where(RNG.random((300, 20)) < 0.99, 1, 5)
    reader = network(layers.Embedding(10, 4), layers.GlobalAveragePooling1D(), shape=(20,), units=2)
    assert "tokens_alike" in causes(reader, (words, sex[:, 0]))


def test_columns_of_a_table_in_batches_are_examined():
    x, y = blobs()
    columns = {f"c{at}": x[:, at] for at in range(6)}
    inputs = {name: keras.Input((1,), name=name) for name in columns}
    outputs = layers.Dense(3, "softmax")(layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensor_slices((columns, y)).batch(20)
    assert causes(model, data) == causes(model, (columns, y))
    assert standardised(x[:, 0]).std() == pytest.approx(1, abs=0.01)
    with pytest.raises(InputError, match="not in batches"):
        diagnose_model(model, tf.data.Dataset.from_tensor_slices((columns, y)), seconds=0)


def test_sparse_rows_are_examined(monkeypatch):
    x, y = blobs()
    rows = sparse.csr_matrix(np.where(x > 1, x, 0))
    assert causes(network(), (rows, y)) == causes(network(), (rows.toarray(), y))
    monkeypatch.setattr(material, "_MOST_DENSE", 100)
    with pytest.raises(InputError, match="some of its rows are enough"):
        diagnose_model(network(), (rows, y), seconds=0)


def two_outputs(loss, outputs) -> keras.Model:
    inputs = keras.Input((6,))
    made = {name: layers.Dense(units, name=name)(inputs) for name, units in outputs.items()}
    model = keras.Model(inputs, list(made.values()))
    model.compile("adam", loss)
    return model


@pytest.mark.parametrize("form", ["list", "dict"])
def test_weights_of_losses_are_of_every_output_in_the_form_of_the_losses(form):
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = {"price": "mse", "kind": logits, "side": logits}
    outputs = {"price": 1, "kind": 3, "side": 2}
    model = two_outputs(losses if form == "dict" else list(losses.values()), outputs)
    weights = OneOutput(model, "kind")._weights([1.0, 2.0, 1.0], "price", 1e-5)
    expected = {"price": 1e-5, "kind": 2.0, "side": 1.0}
    assert weights == (expected if form == "dict" else list(expected.values()))
    again = two_outputs(model.loss, outputs)
    again.compile("adam", model.loss, loss_weights=weights)
    x, y = blobs()
    again.fit(x, [y.astype("float32"), y, y % 2], verbose=0)


def test_every_optimizer_of_a_model_is_given_back():
    class Two(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.head.apply(gradients[2:], self.trainable_variables[2:])
            self.base["first"].apply(gradients[:2], self.trainable_variables[:2])
            return {"loss": loss}

    x, y = blobs()
    model = Two([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(3, "softmax")])
    model.head, model.base = keras.optimizers.Adam(), {"first": keras.optimizers.SGD(0.1)}
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    model.head.build(model.trainable_variables[2:])
    before = [np.array(each) for each in model.head.variables]
    with untouched(model):
        model.fit(x, y, verbose=0)
        assert int(model.head.iterations) > 0
        assert model.base["first"].built
    for variable, value in zip(model.head.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert not model.base["first"].built
    model.fit(x, y, verbose=0)
    assert int(model.base["first"].iterations) == 8


class Counts(layers.Layer):
    """Counts its calls, and keeps a number of each."""

    def __init__(self):
        super().__init__()
        self.calls, self.means = 0, [0.5]

    def call(self, x):
        self.calls += 1
        self.means.append(float(self.calls))
        # TensorFlow's own generator, without a seed of the layer's.
        return x + tf.random.get_global_generator().normal(tf.shape(x), stddev=0.01)


def test_what_a_layer_counts_and_what_it_draws_from_are_given_back():
    tf.random.set_global_generator(tf.random.Generator.from_seed(1))
    counts = Counts()
    model = keras.Sequential([keras.Input((6,)), counts, layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    calls, means = counts.calls, list(counts.means)
    drawn = tf.random.get_global_generator().state.numpy()
    diagnose_model(model, blobs(), seconds=2)
    assert (counts.calls, counts.means) == (calls, means)
    np.testing.assert_array_equal(tf.random.get_global_generator().state.numpy(), drawn)
    model.predict(blobs()[0], verbose=0)
    assert counts.calls > calls


def test_minus_one_beside_one_is_a_class():
    class Own(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    model = Own([keras.Input((6,)), layers.Dense(1)])
    model.compile("adam", "hinge")
    x, y = blobs()
    rows = material.read_material((x, np.where(y > 0, 1, -1)))
    assert len(labelled(rows, model)) == len(x)
    unlabelled = material.read_material((x, np.where(y > 1, -1, y)))
    assert len(labelled(unlabelled, model)) == int((y <= 1).sum())


def test_the_batch_of_several_outputs_is_that_of_their_rows(monkeypatch):
    given = {}
    monkeypatch.setattr(
        "ferkeras.diagnose.program.alarm.diagnose_model", lambda *_, **kw: given.update(kw)
    )
    x, y = blobs()
    alarm = DiagnoseOnAlarm((x, {"a": y, "b": y}), None)
    alarm.set_model(two_outputs("mse", {"a": 1, "b": 1}))
    alarm.set_params({"steps": 12, "epochs": 2})
    alarm.on_train_begin()
    alarm._diagnose()
    assert given["batch_size"] == 20


def test_a_normalisation_that_was_never_adapted_is_named():
    x, y = blobs()
    x = 1e4 + 2e3 * x
    norm = layers.Normalization(name="norm")
    found = diagnose_model(network(norm), (x, y), seconds=8)
    (named,) = (each for each in found.findings if each.cause == "unscaled_inputs")
    assert "'norm' was never adapted" in named.verdict
    assert named.remedies[0].code == "norm.adapt(x_train)"
    adapted = layers.Normalization()
    adapted.adapt(x)
    assert "unscaled_inputs" not in causes(network(adapted), (x, y), seconds=8)


def test_validation_that_is_scaled_otherwise_is_seen_behind_a_normalisation_too():
    x, y = blobs()
    model = network(layers.BatchNormalization(), layers.Dense(8, "relu"))
    assert "validation_scaled_otherwise" in causes(model, (x, y), (255 * x, y))
    assert "validation_scaled_otherwise" not in causes(model, (x, y), (x, y))
