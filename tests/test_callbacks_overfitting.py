"""The overfitting watch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import ConfusionMatrix
from callbacks.overfitting import OverfittingWatch, inference_accuracy

pytestmark = pytest.mark.usefixtures("eager")

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 20)
BATCHES = [(X[:8], Y[:8]), (X[8:16], Y[8:16, None]), (X[16:], Y[16:])]


class Predicts:
    """A model that is right on a given fraction of the samples."""

    loss = None
    metrics = ()

    def __init__(self, fraction, validation=0.5):
        self.fraction = fraction
        self.metrics = [ConfusionMatrix(2)]
        right = round(10 * validation)
        self.metrics[0].matrix.assign([[right, 10 - right], [0, 0]])

    def predict_on_batch(self, x):
        wrong = np.arange(len(x)) >= round(self.fraction * len(x))
        return np.eye(2)[wrong.astype(int)]


def watch_run(watch, training_and_validation):
    logs = []
    for epoch, (training, validation) in enumerate(training_and_validation):
        watch.set_model(Predicts(training, validation))
        logs.append({})
        watch.on_epoch_begin(epoch)
        watch.on_test_begin()
        watch.on_test_end()
        watch.on_epoch_end(epoch, logs[-1])
    return logs


def test_alarm_when_the_gap_opens_and_a_line_when_it_closes():
    said, alarms = [], []
    watch = OverfittingWatch(
        [(np.zeros((10, 1)), np.zeros(10))], every=1, gap=0.2, log=said.append, alarm=alarms.append
    )
    watch_run(watch, [(0.5, 0.4), (0.9, 0.5), (0.9, 0.4), (0.6, 0.5)])
    assert len(alarms) == 1
    assert alarms[0].startswith("epoch 2: overfitting: accuracy 90.0% on training samples, 50.0%")
    assert len(said) == 1
    assert said[0].startswith("epoch 4: the gap since epoch 2 has closed")


def test_what_each_device_predicts_of_a_whole_batch_counts_once():
    class OnTwoDevices(Predicts):
        def predict_on_batch(self, x):
            return np.concatenate([super().predict_on_batch(x)] * 2)

    batches = [(np.zeros((10, 1)), np.zeros(10))]
    assert inference_accuracy(OnTwoDevices(0.7, 0.5), batches) == pytest.approx(0.7)


def test_measures_every_few_epochs_and_is_nan_between():
    watch = OverfittingWatch([(np.zeros((10, 1)), np.zeros(10))], every=2)
    logs = watch_run(watch, [(0.5, 0.5)] * 4)
    values = [entry["inference_accuracy"] for entry in logs]
    np.testing.assert_array_equal(values, [np.nan, 0.5, np.nan, 0.5])


def test_goes_on_from_its_state():
    alarms = []
    batches = [(np.zeros((10, 1)), np.zeros(10))]
    first = OverfittingWatch(batches, every=1, alarm=alarms.append)
    watch_run(first, [(0.9, 0.1)])
    second = OverfittingWatch(batches, every=1, alarm=alarms.append)
    second.set_state(first.get_state())
    watch_run(second, [(0.9, 0.1)])
    assert len(alarms) == 1


def test_leaves_the_running_fit_alone():
    def build():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        outputs = keras.layers.Dense(3)(keras.layers.Dropout(0.5, seed=0)(inputs))
        model = keras.Model(inputs, outputs)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        model.compile("adam", loss=loss, metrics=[accuracy])
        return model

    def fit(callbacks):
        model = build()
        history = model.fit(
            X,
            Y,
            batch_size=8,
            epochs=3,
            validation_data=(X, Y),
            verbose=0,
            shuffle=False,
            callbacks=callbacks,
        ).history
        return model, history

    _, expected = fit([])
    model, history = fit([OverfittingWatch(BATCHES, every=1)])
    # On the same samples both accuracies are one number: the footing is the same.
    assert history.pop("inference_accuracy") == pytest.approx(history["val_accuracy"])
    assert history == expected
    answers = model.predict(X, verbose=0).argmax(axis=1)
    assert inference_accuracy(model, BATCHES) == np.mean(answers == Y)


@pytest.mark.parametrize(
    "arguments",
    [{"every": 0}, {"gap": -0.1}, {"gap": 1.1}, {"dataset": iter(BATCHES)}],
)
def test_misuse_is_refused(arguments):
    with pytest.raises(ValueError, match="Received: "):
        OverfittingWatch(**({"dataset": BATCHES} | arguments))


class Endless(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return BATCHES[0]


@pytest.mark.parametrize(
    "dataset", [tf.data.Dataset.from_tensor_slices((X, Y)).batch(8).repeat(), Endless()]
)
def test_batches_without_end_are_refused(dataset):
    with pytest.raises(ValueError, match=r"come to an end.*take"):
        OverfittingWatch(dataset)


def test_a_pydataset_ends_where_it_says(monkeypatch):
    class Slices(keras.utils.PyDataset):
        num_batches = 2

        def __getitem__(self, index):
            assert index < 2
            return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    # As in Keras 3.6, whose slices go on beyond the end.
    monkeypatch.delattr(keras.utils.PyDataset, "__iter__", raising=False)
    assert inference_accuracy(Predicts(1), Slices()) == inference_accuracy(
        Predicts(1), [(X[:4], Y[:4]), (X[4:8], Y[4:8])]
    )


def test_no_samples_is_an_error():
    with pytest.raises(ValueError, match="Received: none"):
        inference_accuracy(Predicts(1), [])


@pytest.mark.parametrize(
    "dataset",
    [
        ((X, X[:, :1]), Y),
        [[X, X[:, :1]], Y],
        ({"a": X, "b": X[:, :1]}, Y, np.ones(20)),
        [((X[:8], X[:8, :1]), Y[:8]), ((X[8:], X[8:, :1]), Y[8:])],
    ],
)
def test_training_samples_are_taken_as_validation_data_are(dataset):
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((1,), name="b")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    model = keras.Model(
        inputs if isinstance(dataset[0], dict) else list(inputs.values()),
        keras.layers.Dense(3, activation="softmax")(joined),
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    watch = OverfittingWatch(dataset, every=1)
    watch.set_model(model)
    logs = {}
    watch.on_epoch_end(0, logs)
    x = {"a": X, "b": X[:, :1]} if isinstance(dataset[0], dict) else [X, X[:, :1]]
    right = (model.predict(x, verbose=0).argmax(1) == Y).mean()
    assert logs["inference_accuracy"] == pytest.approx(right)
