"""Counting in Keras's own validation: what is counted, and that the model stays as it was."""

import math

import keras
import numpy as np
import pytest

from callbacks import CollapseAlarm, ConfusionMatrix, OverfittingWatch, PerClassReport
from callbacks.class_indices import decision_threshold

NAMES = ("a", "b", "c")
SPARSE = "sparse_categorical_crossentropy"
RNG = np.random.default_rng(0)
Y = np.arange(12) % 3
X = np.eye(4, dtype=np.float32)[Y]


def quiet(line):
    pass


def build(columns=3, activation="softmax", loss=SPARSE, **compiling):
    """A model that is right on `X`, and is not trained."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(columns, activation)])
    model.layers[0].set_weights([9 * np.eye(4, columns), np.zeros(columns)])
    model.compile(keras.optimizers.SGD(0.0), loss, **compiling)
    return model


def fit(model, *callbacks, x=X, y=Y, epochs=1):
    return model.fit(
        x, y, validation_data=(x, y), epochs=epochs, verbose=0, callbacks=callbacks
    ).history


def report(names=NAMES, **options):
    return PerClassReport(names, log=quiet, **options)


def test_a_model_is_as_it_was_after_an_error_and_counts_rightly_from_then_on():
    model = build()
    before = (set(vars(model)), list(model._metrics))
    with pytest.raises(ValueError, match="Expected predictions of 2 classes, one for each name"):
        fit(model, report(NAMES[:2]))
    assert "compute_metrics" not in vars(model)
    assert (list(model._metrics), model.metrics_names) == (before[1], ["loss"])
    right = report()
    fit(model, right)
    np.testing.assert_array_equal(right.matrix, 4 * np.eye(3))
    model.evaluate(X, Y, verbose=0)


@pytest.mark.usefixtures("eager")
def test_a_step_that_hands_weights_to_every_metric_is_counted_without_them():
    class Own(keras.Sequential):
        def test_step(self, data):
            x, y, weights = data
            y_pred = self(x)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(self.compute_loss(x, y, y_pred))
                else:
                    metric.update_state(y, y_pred, sample_weight=weights)
            return {"loss": 0.0}

    model = Own([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", SPARSE)
    counted = report()
    weighted = (X, Y, np.full(len(Y), 0.5, "float32"))
    model.fit(X, Y, validation_data=weighted, verbose=0, callbacks=[counted])
    assert counted.matrix.sum() == len(Y)


def test_the_way_out_for_several_outputs_leads_out():
    inputs = keras.Input((4,))
    outputs = {name: keras.layers.Dense(3, "softmax", name=name)(inputs) for name in "pq"}
    model, y = keras.Model(inputs, outputs), {"p": Y, "q": Y}
    model.compile("sgd", dict.fromkeys("pq", SPARSE), run_eagerly=True)
    with pytest.raises(ValueError, match="compile a ConfusionMatrix for the one"):
        fit(model, report(), y=y)
    metrics = {"p": ConfusionMatrix(3)}
    model.compile("sgd", dict.fromkeys("pq", SPARSE), metrics=metrics, run_eagerly=True)
    counted = report()
    fit(model, counted, y=y)
    assert counted.matrix.sum() == len(X)
    with pytest.raises(ValueError, match="OverfittingWatch measures a model with one output"):
        fit(model, OverfittingWatch((X, Y), every=1), y=y)


@pytest.mark.usefixtures("eager")
def test_a_loss_that_is_corrected_corrects_the_threshold():
    binary = (Y > 0).astype("float32")[:, None]
    model = build(1, None, "binary_crossentropy")
    model.layers[0].set_weights([np.array([[-0.2], [0.2], [0.2], [0]]), np.zeros(1)])
    for loss, right in (
        ("binary_crossentropy", 4),
        (keras.losses.BinaryCrossentropy(from_logits=True), 12),
    ):
        model.compile(keras.optimizers.SGD(0.0), loss)
        counted = report(NAMES[:2])
        fit(model, counted, y=binary)
        assert np.trace(counted.matrix) == right


def test_the_test_step_is_traced_once_and_neither_training_nor_other_evaluations_count():
    traces = []

    class Traced(keras.Model):
        def test_step(self, data):
            traces.append(1)
            return super().test_step(data)

    inputs = keras.Input((4,))
    model = Traced(inputs, keras.layers.Dense(3, "softmax")(inputs))
    model.compile("sgd", SPARSE)
    counted, alarm = report(), CollapseAlarm(NAMES, alarm=quiet)
    fit(model, counted, alarm, epochs=3)
    assert len(traces) == 1
    counter = vars(model)["_counting_of_callbacks"].metric
    model.evaluate(X, Y, verbose=0)
    assert counter.matrix.numpy().sum() == counted.matrix.sum() == len(X)
    assert "compute_metrics" not in vars(model)


@pytest.mark.usefixtures("eager")
def test_a_model_that_names_its_metrics_itself_counts_too():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3, "softmax")
            self.figure = keras.metrics.Mean(name="figure")

        def call(self, inputs):
            return self.dense(inputs)

        @property
        def metrics(self):
            return [self.figure]

    model = Own()
    model.compile("sgd", SPARSE)
    counted = report()
    fit(model, counted, CollapseAlarm(NAMES, alarm=quiet), epochs=2)
    assert counted.matrix.sum() == len(X)
    assert "compute_metrics" not in vars(model)


@pytest.mark.usefixtures("eager")
def test_padding_of_a_sequence_is_not_counted():
    inputs = keras.Input((5,), dtype="int32")
    hidden = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
    functional = keras.Model(inputs, keras.layers.Dense(3, "softmax")(hidden))

    class Own(keras.Model):
        def call(self, inputs):
            return functional(inputs)

    x = np.array([[1, 2, 0, 0, 0], [3, 1, 4, 0, 0]] * 3)
    y = np.where(x == 0, 0, x % 3)
    for model in (functional, Own()):
        model.compile(keras.optimizers.SGD(0.0), SPARSE, metrics=["accuracy"])
        counted = report()
        watch = OverfittingWatch((x, y), every=1)
        history = fit(model, counted, watch, x=x, y=y)
        assert counted.matrix.sum() == (x > 0).sum()
        accuracy = np.trace(counted.matrix) / counted.matrix.sum()
        assert history["val_accuracy"][0] == pytest.approx(accuracy)
        assert history["inference_accuracy"][0] == pytest.approx(accuracy)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("one_hot", [False, True])
def test_samples_without_a_class_count_on_neither_side(one_hot):
    y = np.where(np.arange(12) < 6, -1, Y)
    if one_hot:
        model, y = build(loss="categorical_crossentropy"), np.eye(4)[y][:, :3]
    else:
        model = build(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=-1))
    counted = report()
    history = fit(model, counted, OverfittingWatch((X, y), every=1, alarm=quiet), y=y)
    np.testing.assert_array_equal(counted.matrix, 2 * np.eye(3))
    assert history["inference_accuracy"] == [1.0]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("metrics", [(), (ConfusionMatrix,)])
def test_predictions_that_are_not_numbers_are_no_collapse(metrics):
    model = build(metrics=[metric(3) for metric in metrics])
    broken = X.copy()
    broken[:2] = np.nan
    alarms, said = [], []
    history = fit(
        model,
        CollapseAlarm(NAMES, action="stop", alarm=alarms.append),
        PerClassReport(NAMES, every=1, log=said.append),
        OverfittingWatch((broken, Y), every=1, alarm=alarms.append),
        x=broken,
    )
    assert [line.split(";")[0] for line in alarms] == [
        "epoch 1: predictions of the validation are not numbers (NaN)"
    ]
    assert said == ["epoch 1: predictions of the validation are not numbers (NaN)"]
    for key in ("val_collapse_fraction", "val_recall/a", "val_predicted/c", "inference_accuracy"):
        assert math.isnan(history[key][0])
    if metrics:
        assert math.isnan(history["val_balanced_accuracy"][0])


@pytest.mark.usefixtures("eager")
def test_labels_of_several_classes_are_refused_by_a_compiled_matrix_too():
    model = build(activation="sigmoid", loss="binary_crossentropy", metrics=[ConfusionMatrix(3)])
    with pytest.raises(ValueError, match=r"labels of one class each.*12 of 12 samples"):
        fit(model, report(), y=np.ones((12, 3), np.float32))


LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


def of_ones_own(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize(
    ("loss", "activation", "threshold"),
    [
        (LOGITS, None, 0.0),
        ([LOGITS], None, 0.0),
        ({"o": LOGITS}, None, 0.0),
        (of_ones_own, None, 0.0),
        (of_ones_own, "sigmoid", 0.5),
        ("hinge", "tanh", 0.0),
        (keras.losses.SquaredHinge(), "tanh", 0.0),
        ("binary_crossentropy", "sigmoid", 0.5),
        (keras.losses.BinaryCrossentropy(), "sigmoid", 0.5),
        ("crossentropy", "sigmoid", 0.5),
        ("ce", "sigmoid", 0.5),
        ("mse", None, 0.5),  # of labels 0 and 1
        (None, "sigmoid", 0.5),
        (None, None, 0.0),  # that of a `compute_loss` of one's own
    ],
)
def test_the_threshold_is_where_the_loss_parts_the_classes(loss, activation, threshold):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1, activation, name="o")(inputs))
    model.compile("sgd", loss)
    assert decision_threshold(model) == threshold


@pytest.mark.usefixtures("eager")
def test_a_threshold_that_is_given_is_that_of_all():
    y = (Y > 0).astype("float32")[:, None]
    model = build(1, "sigmoid", "binary_crossentropy")
    model.layers[0].set_weights([np.array([[-1.0], [-0.5], [-0.5], [0]]), np.zeros(1)])
    counted = report(NAMES[:2], threshold=0.3)
    watch = OverfittingWatch((X, y), every=1, threshold=0.3, alarm=quiet)
    history = fit(model, counted, watch, CollapseAlarm(NAMES[:2], threshold=0.3), y=y)
    np.testing.assert_array_equal(counted.matrix, [[4, 0], [0, 8]])
    assert history["inference_accuracy"] == [1.0]
    with pytest.raises(ValueError, match=r"to have one threshold.*Received: 0.3, and 0.5"):
        fit(model, counted, report(NAMES[:2]), y=y)
    model.compile("sgd", "binary_crossentropy", metrics=[ConfusionMatrix(2, threshold=0.3)])
    history = fit(model, OverfittingWatch((X, y), every=1), y=y)
    assert history["inference_accuracy"] == [1.0]


@pytest.mark.usefixtures("eager")
def test_a_training_that_begins_knows_nothing_of_an_earlier_one():
    alarms, said = [], []
    model = build()
    alarm = CollapseAlarm(NAMES, action="stop", log=said.append, alarm=alarms.append)
    watch = OverfittingWatch((X, Y), every=1, gap=0.5, log=said.append, alarm=alarms.append)
    collapsing = {"x": X, "validation_data": (X[:4], (Y + 1)[:4] % 3)}
    model.layers[0].set_weights([np.zeros((4, 3)), np.array([9.0, 0, 0])])
    for _ in range(2):
        fit(model, alarm, epochs=2)
        assert alarm.stopped.startswith("epoch 1")
    assert len(alarms) == 2
    # One that goes on goes on.
    model.fit(X, Y, validation_data=(X, Y), initial_epoch=1, epochs=2, verbose=0, callbacks=[alarm])
    assert len(alarms) == 2
    sound = build()
    for _ in range(2):
        sound.fit(callbacks=[watch], y=Y, verbose=0, **collapsing)
    assert len(alarms) == 4
    fit(sound, alarm, watch)
    assert (alarm.stopped, alarm.collapsed_since, said) == (None, None, [])
    # A state that was given is no earlier training.
    fit(model, alarm)
    other = CollapseAlarm(NAMES, alarm=alarms.append)
    other.set_state(alarm.get_state())
    alarms.clear()
    fit(model, other)
    assert alarms == []
