"""Sound programs in shapes that few have: they are examined, and nothing is said against them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError

layers = keras.layers
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 6)).astype("float32")
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def causes(model, *data, **fit):
    return list(diagnose_model(model, *data, seconds=0, **fit).causes)


def network(classes=3, loss=LOGITS):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(classes)])
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def test_batches_that_are_as_long_as_their_longest_row():
    labels = RNG.integers(0, 3, 96)
    rows = [RNG.integers(1, 20, RNG.integers(4, 20)) for _ in labels]
    for row, label in zip(rows, labels, strict=True):
        row[RNG.integers(len(row))] = 20 + label
    data = tf.data.Dataset.from_generator(
        lambda: zip(rows, labels, strict=True),
        output_signature=(tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)),
    ).padded_batch(8)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(23, 8, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3),
        ]
    )
    model.compile("adam", LOGITS, metrics=["accuracy"])
    assert causes(model, data) == []


def test_one_number_a_row_without_an_axis_of_its_own():
    class Squeezed(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = layers.Dense(8, "relu"), layers.Dense(1)

        def call(self, x):
            return keras.ops.squeeze(self.out(self.hidden(x)), -1)

    keras.utils.set_random_seed(0)
    model = Squeezed()
    metric = keras.metrics.BinaryAccuracy(threshold=0.0)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, metrics=[metric])
    found = diagnose_model(model, (X, X[:, 0] > 0), seconds=300)
    assert found.verdict.startswith("Nothing was found")


def test_a_loss_of_ones_own_from_before_its_argument_training():
    class Older(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return super().compute_loss(x, y, y_pred, sample_weight)

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = Older(inputs, layers.Dense(3)(layers.Dense(16, "relu")(inputs)))
    model.compile(keras.optimizers.Adam(1e-2), LOGITS, metrics=["accuracy"])
    found = diagnose_model(model, (X, Y), seconds=300)
    assert found.verdict.startswith("Nothing was found")


def test_a_counter_that_is_not_meant_to_be_trained():
    class Counted(layers.Layer):
        def __init__(self):
            super().__init__()
            self.steps = tf.Variable(0, trainable=False, dtype=tf.int64)

        def call(self, x):
            return x

    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(3)(Counted()(inputs)))
    model.compile("adam", LOGITS, metrics=["accuracy"])
    assert "variables_not_tracked" not in causes(model, (X, Y))


def test_rows_of_weight_nothing_are_in_neither_split():
    held = np.arange(len(X)) % 4 == 0
    splits = [(X, Y, weight.astype("float32")) for weight in (~held, held)]
    assert "leaked_rows" not in causes(network(), *splits)
    both = [(X, Y, np.ones(len(X), "float32"))] * 2
    assert causes(network(), *both) != causes(network(), *splits)


def test_labels_beyond_the_units_that_the_loss_ignores():
    ignored = np.where(np.arange(len(Y)) % 5 == 0, 255, Y)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model = network(loss=loss)
    model.compile("adam", loss)
    assert causes(model, (X, ignored)) == []


def test_what_cannot_be_called_with_a_few_rows_is_refused_in_a_sentence():
    class Whole(layers.Layer):
        def call(self, x):
            return tf.ensure_shape(x, (160, 6))

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(3)(Whole()(inputs)))
    model.compile("adam", LOGITS)
    with pytest.raises(InputError, match=r"cannot be examined: called with a few rows"):
        diagnose_model(model, (X, Y), seconds=0)


def test_rows_of_sparse_tensors():
    words = [f"{'good' if label else 'bad'} w{at % 7} w{at % 5}" for at, label in enumerate(Y > 0)]
    counted = layers.TextVectorization(max_tokens=20, pad_to_max_tokens=True,
                                       output_mode="multi_hot", sparse=True)  # fmt: skip
    counted.adapt(words)
    data = tf.data.Dataset.from_tensor_slices((words, Y > 0)).batch(32)
    data = data.map(lambda text, label: (counted(text), label))
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,), sparse=True), layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    found = diagnose_model(model, data, epochs=10, seconds=60)
    assert (found.causes, found.severity) == ((), "healthy")


def test_what_reading_the_rows_raises_is_told_in_a_line():
    files = tf.data.Dataset.from_tensor_slices(([b"no picture"] * 8, [0, 1] * 4)).batch(4)
    broken = files.map(lambda each, label: (tf.map_fn(tf.io.decode_jpeg, each, tf.uint8), label))
    with pytest.raises(
        InputError, match=r"^train: batch 1 .* cannot be read.*InvalidArgumentError: [^{]"
    ):
        diagnose_model(network(), broken, seconds=0)

    def rows():
        yield X[:32], Y[:32]
        raise KeyError("label")

    with pytest.raises(InputError, match=r"^train: batch 2 .* KeyError: 'label'"):
        diagnose_model(network(), rows(), seconds=0)


class Stops(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.0


def test_a_model_that_was_made_under_a_strategy_is_trained_under_it():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = network()
        model.compile(keras.optimizers.Adam(0.02), LOGITS, metrics=["accuracy"])
    before = model.get_weights()
    sound = diagnose_model(model, (X, Y), epochs=20, seconds=60)
    assert (sound.severity, sound.brief.accuracy > 0.8) == ("healthy", True)
    stopped = diagnose_model(model, (X, Y), epochs=20, seconds=60, callbacks=[Stops()])
    assert stopped.causes == ("callback_in_the_way",)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
