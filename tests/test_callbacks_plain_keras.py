"""Every callback in a plain compiled Keras model: labels x data x callback; nothing of ferkeras."""

import csv
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from plain_keras import BINARY, INDEX, LABELS, MAKE, THREE, TWO, X, build, published, quiet

import callbacks
from callbacks.overfitting import inference_accuracy


def test_every_callback_is_in_the_table():
    exported = [getattr(callbacks, name) for name in callbacks.__all__]
    assert set(MAKE) == {
        value.__name__
        for value in exported
        if isinstance(value, type) and issubclass(value, keras.callbacks.Callback)
    }


EAGER = {"run_eagerly": True}


def fit_all(labels, tmp_path, data="arrays", validate=True, compiling=None, **options):
    """A training with every callback of ours, beside those of Keras."""
    y, *_, names = LABELS[labels]
    keras.backend.clear_session()
    model = build(labels, monitored=True, **(compiling or {}))
    ours = {name: make(model, names, (X, y)) for name, make in MAKE.items()}
    averaged = ours.pop("AveragedWeights")
    theirs = [
        keras.callbacks.EarlyStopping("val_recall/" + names[0], mode="max", patience=9)
        if validate
        else keras.callbacks.EarlyStopping("loss", patience=9),
        keras.callbacks.ReduceLROnPlateau("loss", patience=9),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
        keras.callbacks.CSVLogger(str(tmp_path / "history.csv")),
        keras.callbacks.TensorBoard(tmp_path / "events", write_graph=False),
    ]
    if data == "tf.data":
        dataset = tf.data.Dataset.from_tensor_slices((X, y)).batch(8)
        training, validation = (dataset.repeat(),), dataset
        options |= {"steps_per_epoch": 6}
    else:
        training, validation = (X, y), (X, y)
        options |= {"batch_size": 8}
    history = model.fit(
        *training,
        validation_data=validation if validate else None,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[*ours.values(), *theirs, averaged],
        **options,
    ).history
    return ours, history


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("labels", "data"),
    [
        ("integers", "tf.data"),
        ("one-hot", "arrays"),
        ("binary", "tf.data"),
        ("one logit", "arrays"),
    ],
)
def test_all_of_them_with_any_labels_and_data(labels, data, tmp_path):
    names = LABELS[labels][-1]
    ours, history = fit_all(labels, tmp_path, data)
    assert published(names) <= set(history)
    assert len([key for key in history if key.startswith("gradient_norm/")]) == 2
    assert {len(values) for values in history.values()} == {2}
    # Easily learnt: whatever counts wrongly does not get here.
    assert history["inference_accuracy"][1] > 0.9
    assert ours["CollapseAlarm"].collapsed_since is None
    # Keras's own metric of the same validation agrees.
    matrix = ours["PerClassReport"].matrix
    assert matrix.sum() == len(X)
    if labels != "one logit":  # Keras's "accuracy" takes a logit for a probability
        assert np.trace(matrix) / len(X) == pytest.approx(history["val_accuracy"][-1])
    with (tmp_path / "history.csv").open() as file:
        assert published(names) <= set(next(csv.reader(file)))
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert saved.predict(X, verbose=0).shape == (len(X), LABELS[labels][1])


@pytest.mark.parametrize(
    ("labels", "validate", "compiling", "options"),
    [
        ("integers", False, EAGER, {}),
        ("one-hot", True, {}, {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}}),
        ("binary", True, EAGER, {"class_weight": {0: 1.0, 1: 2.0}}),
        ("one-hot", True, EAGER, {"steps_per_epoch": 4, "validation_steps": 3}),
        ("binary", True, {"steps_per_execution": 3}, {}),
        ("integers", True, EAGER, {"validation_freq": 2}),
    ],
)
def test_all_of_them_however_it_is_fitted(labels, validate, compiling, options, tmp_path):
    data = "tf.data" if "steps_per_epoch" in options else "arrays"
    _, history = fit_all(labels, tmp_path, data, validate, compiling, **options)
    figures = {key for key in published(LABELS[labels][-1]) if key.startswith("val_")}
    assert figures <= set(history) or not validate
    validated = validate * (2 // options.get("validation_freq", 1))
    for key in figures:
        assert len(history.get(key, [])) == validated
        assert all(map(math.isfinite, history.get(key, [])))


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:Early stopping conditioned on")
def test_the_best_epoch_is_one_that_was_validated():
    y, *_, names = LABELS["integers"]
    stopping = keras.callbacks.EarlyStopping(
        f"val_f1/{names[0]}", mode="max", patience=9, restore_best_weights=True
    )
    report = callbacks.PerClassReport(names, log=quiet)
    options = {"validation_data": (X, y), "validation_freq": 2, "epochs": 5, "verbose": 0}
    build("integers").fit(X, y, callbacks=[report, stopping], **options)
    assert stopping.best > 0.5
    assert stopping.best_epoch % 2 == 1  # from 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("labels", LABELS)
def test_labels_of_every_shape_are_counted_and_predicted_alike(labels):
    y, columns, activation, _, names = LABELS[labels]
    index = BINARY if len(names) == 2 else INDEX
    model = build(labels)
    scores = model.predict(X, verbose=0)
    if columns == 1:
        found = (scores[:, 0] > (0.0 if activation is None else 0.5)).astype(int)
    else:
        found = scores.argmax(axis=1)
    report = callbacks.PerClassReport(names, log=quiet)
    model.evaluate(X, y, verbose=0, callbacks=[report])
    expected = np.zeros((len(names), len(names)), int)
    np.add.at(expected, (index.astype(int), found), 1)
    np.testing.assert_array_equal(report.matrix, expected)
    assert inference_accuracy(model, [(X, y)]) == np.mean(found == index)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", sorted(set(MAKE) - {"GradientNormMonitor"}))
def test_each_alone_leaves_a_plain_model_as_it_was(name, tmp_path):
    y, *_, names = LABELS["one-hot"]
    keras.backend.clear_session()
    model = build("one-hot")
    model.fit(
        X, y, validation_data=(X, y), batch_size=24, epochs=2, verbose=0,
        callbacks=[MAKE[name](model, names, (X, y))],
    )  # fmt: skip
    figures = model.test_on_batch(X, y, return_dict=True)
    assert set(figures) == {"loss", "accuracy"}
    assert model.test_on_batch(X, y) == pytest.approx([figures["loss"], figures["accuracy"]])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(X), model(X), atol=1e-6)
    loaded.load_weights(tmp_path / "m.keras")
    # And the other way round: weights of a model that counts nothing into one that does.
    model.load_weights(tmp_path / "m.keras")


def test_a_subclassed_model_counts_too():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3, "softmax")

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    report = callbacks.PerClassReport(THREE, log=quiet)
    watch = callbacks.OverfittingWatch((X, INDEX), every=1, log=quiet, alarm=quiet)
    history = model.fit(
        X, INDEX, validation_data=(X, INDEX), epochs=2, verbose=0, callbacks=[report, watch]
    ).history
    assert history["inference_accuracy"][-1] == pytest.approx(np.trace(report.matrix) / len(X))


def test_one_sigmoid_at_86_percent_is_no_collapse():
    alarms = []
    y = (np.arange(100) < 40).astype("float32")
    x = np.where(np.arange(100) % 7 == 0, 1 - y, y)[:, None].astype("float32")
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, "sigmoid", kernel_initializer=keras.initializers.Constant(8.0),
                               bias_initializer=keras.initializers.Constant(-4.0))  # fmt: skip
    model = keras.Model(inputs, dense(inputs))
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy", metrics=["accuracy"])
    alarm = callbacks.CollapseAlarm(TWO, alarm=alarms.append)
    history = model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[alarm]).history
    assert history["val_accuracy"] == [pytest.approx(0.85)]
    assert history["val_collapse_fraction"][0] < 0.7
    assert alarms == []


def test_a_plain_model_that_diverges_is_left():
    model = build("integers")
    broken = X.copy()
    broken[16:24] = np.nan
    with pytest.raises(callbacks.Diverged, match="epoch 1, 4 steps done: the loss is not finite"):
        model.fit(
            broken, INDEX, batch_size=8, epochs=2, shuffle=False, verbose=0,
            callbacks=[callbacks.DivergenceGuard(2)],
        )  # fmt: skip


def test_several_outputs_are_refused_with_the_way_out():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", [loss, loss])
    with pytest.raises(ValueError, match=r"compile a ConfusionMatrix for the one.*2 outputs"):
        model.evaluate(
            X, [INDEX, INDEX], verbose=0, callbacks=[callbacks.PerClassReport(THREE, log=quiet)]
        )


@pytest.mark.usefixtures("eager")
def test_labels_that_do_not_exclude_each_other_are_refused():
    y = np.eye(3, dtype="float32")[INDEX.astype(int)]
    y[::2, 0] = y[::2, 1] = 1
    model = build("one-hot")
    with pytest.raises(ValueError, match=r"labels of one class each.*samples with several"):
        model.evaluate(X, y, verbose=0, callbacks=[callbacks.PerClassReport(THREE, log=quiet)])
    # Soft labels, a half for each of two classes among them, are labels of one class.
    soft = np.full((len(X), 3), [0.5, 0.5, 0.0], "float32")
    report = callbacks.PerClassReport(THREE, log=quiet)
    model.evaluate(X, soft, verbose=0, callbacks=[report])
    assert report.matrix.sum() == len(X)


def test_where_the_average_takes_over_validation_accuracy_does_not_fall():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 20)).astype(np.float32)
    y = rng.integers(0, 10, 1200)
    x = centres[y] + rng.normal(size=(1200, 20)).astype(np.float32)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((20,)), keras.layers.Dense(64, "tanh"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.99)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    # 25 steps an epoch: the average takes over after 300 of them.
    history = model.fit(
        x[:800],
        y[:800],
        batch_size=32,
        epochs=16,
        validation_data=(x[800:], y[800:]),
        verbose=0,
        callbacks=[callbacks.AveragedWeights()],
    ).history["val_accuracy"]
    assert history[0] < 0.5
    assert min(np.diff(history)) > -0.05
