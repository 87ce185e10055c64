"""Parts of a program that are all there, and stand or were made for somewhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ferkeras import diagnose_model
from ferkeras.diagnose.program.code_names import attributes_set, names_of

layers = keras.layers
RNG = np.random.default_rng(0)
SPARSE = "sparse_categorical_crossentropy"


def said(model, x, y, seconds=0.0, **fit):
    return diagnose_model(model, (x, y), seconds=seconds, **fit)


def stack(shape, *body, optimizer=None, batch=None):
    keras.utils.set_random_seed(0)
    given = keras.Input(shape) if batch is None else keras.Input(batch_shape=(batch, *shape))
    model = keras.Sequential([given, *body])
    model.compile(optimizer or keras.optimizers.Adam(0.01), SPARSE, metrics=["accuracy"])
    return model


def table(rows=200):
    x = RNG.uniform(0, 255, size=(rows, 6)).astype("float32")
    return x, (x[:, 0] > x[:, 1]).astype(int)


def normalised(adapted_to, shape=(6,)):
    layer = layers.Normalization()
    layer.adapt(adapted_to)
    return stack(
        shape, layer, layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(2, "softmax")
    )


def test_a_normalization_that_was_adapted_before_rows_were_scaled():
    x, y = table()
    (found,) = said(normalised(x), x / 255, y).findings
    assert (found.cause, found.severity) == ("adapted_to_other_numbers", "broken")
    assert "standard deviation of 1 leaves it with -1." in found.verdict
    assert said(normalised(x), x, y).causes == ()
    # Of other rows of the same data, and of columns that hardly ever are anything but zero.
    x[:, 5] = RNG.random(len(x)) < 0.02
    assert said(normalised(x[:40]), x, y).causes == ()


def test_pictures_that_a_normalization_was_not_adapted_to():
    x = RNG.uniform(0, 255, size=(60, 8, 8, 3)).astype("float32")
    y = np.arange(60) % 2
    assert said(normalised(x, (8, 8, 3)), x / 255, y).causes == ("adapted_to_other_numbers",)
    assert said(normalised(x / 255, (8, 8, 3)), x, y).causes == ("adapted_to_other_numbers",)
    assert said(normalised(x, (8, 8, 3)), x, y).causes == ()


@pytest.mark.parametrize("last", [layers.Dropout(0.5), layers.GaussianNoise(0.1)])
def test_what_drops_the_outputs(last):
    x, y = table()
    x = x / 127.5 - 1
    model = stack((6,), layers.Dense(8, "relu"), layers.Dense(2, "softmax"), last)
    (found,) = said(model, x, y).findings
    assert (found.cause, found.layer) == ("dropout_behind_output", last.name)
    assert "it is the probabilities of classes that are dropped" in found.verdict
    before = stack((6,), layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(2, "softmax"))
    assert said(before, x, y).causes == ()


def test_dropout_behind_the_output_of_a_model_within_a_model():
    x, y = table()
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(2, "softmax"), layers.Dropout(0.3)])
    assert said(stack((6,), inner), x / 127.5 - 1, y).causes == ("dropout_behind_output",)


class Former(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.lr = 0.1 / (1 + epoch)


class Own(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.lr = 0.1 / (1 + epoch)
        self.model.optimizer.learning_rate = self.lr


def test_a_rate_under_its_former_name():
    x, y = table()
    x = x / 127.5 - 1
    body = layers.Dense(8, "relu"), layers.Dense(2, "softmax")
    (found,) = said(stack((6,), *body), x, y, callbacks=[Former()], epochs=2).findings
    assert (found.cause, found.severity) == ("rate_that_nothing_reads", "suspicious")
    assert "The callback Former sets, in on_epoch_begin, optimizer.lr" in found.verdict
    assert found.line.startswith(__file__)
    assert said(stack((6,), *body), x, y, callbacks=[Own()], epochs=2).causes == ()
    model = stack((6,), *body)

    def begin(epoch, logs):
        model.optimizer.lr = 0.1

    given = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    assert said(model, x, y, callbacks=[given], epochs=2).causes == ("rate_that_nothing_reads",)
    adam = keras.optimizers.Adam(0.01)
    adam.lr = 1e-3
    (found,) = said(stack((6,), *body, optimizer=adam), x, y).findings
    assert found.verdict.endswith("which Keras 3 does not read: the learning rate stays 0.01.")


def test_what_code_names_and_sets_is_read_without_a_call():
    assert "optimizer" in names_of(Former.on_epoch_begin)
    assert attributes_set(Former.on_epoch_begin, "optimizer") == {"lr"}
    assert attributes_set(Own.on_epoch_begin, "optimizer") == {"learning_rate"}
    assert attributes_set(print, "optimizer") == names_of(3) == set()


class Resets(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        for layer in self.model.layers:
            if hasattr(layer, "reset_state"):
                layer.reset_state()


def test_a_state_that_is_of_other_rows():
    x = RNG.choice([-1.0, 1.0], (128, 5, 1)).astype("float32")
    y = (x.sum((1, 2)) > 0).astype(int)

    def model():
        remembers = layers.LSTM(4, stateful=True, name="remembers")
        return stack((5, 1), remembers, layers.Dense(2, "softmax"), batch=32)

    (found,) = said(model(), x, y).findings
    assert (found.cause, found.layer) == ("state_of_other_rows", "remembers")
    assert found.remedies[0].code == "layers.LSTM(4)"
    assert said(model(), x, y, shuffle=False).causes == ()
    assert said(model(), x, y, callbacks=[Resets()], epochs=2).causes == ()


def texts(rows=300):
    """Words 2 to 19 say nothing, four words of each row say its class."""
    x = RNG.integers(2, 20, (rows, 12))
    y = np.arange(rows) % 2
    for row, label in zip(x, y, strict=True):
        row[RNG.choice(12, 4, replace=False)] = 100 * label + RNG.integers(20, 100, 4)
    return x, y


def looking_up(table):
    keras.utils.set_random_seed(0)
    embedding = layers.Embedding(*table.shape, trainable=False)
    tail = layers.GlobalAveragePooling1D(), layers.Dense(2, "softmax")
    model = keras.Sequential([keras.Input((12,), dtype="int32"), embedding, *tail])
    embedding.set_weights([table])
    model.compile(keras.optimizers.Adam(0.05), SPARSE, metrics=["accuracy"])
    return model


def test_word_vectors_that_are_zeros_for_the_words_that_tell():
    x, y = texts()
    vectors = RNG.normal(size=(200, 16)).astype("float32")
    few = vectors * (np.arange(200) < 20)[:, None]
    (found,) = said(looking_up(few), x, y, seconds=60, epochs=10).findings
    assert found.cause == "vectors_missing"
    assert "of the words that the rows have are zeros in it" in found.verdict
    assert "right" in found.remedies[1].tried
    assert said(looking_up(vectors), x, y, seconds=60, epochs=10).causes == ()


def tagging(x, y, classes=4):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input(x.shape[1:], dtype="int32"), layers.Embedding(int(x.max()) + 1, 8),
        layers.LSTM(12, return_sequences=True), layers.Dense(classes, "softmax"),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(0.02), SPARSE, metrics=["accuracy"])
    return said(model, x, y, seconds=60, epochs=6)


def test_labels_of_the_next_step():
    kinds = RNG.integers(0, 4, 60)
    words = RNG.integers(2, 60, (320, 9))
    marked = np.concatenate([np.ones((320, 1), int), words], axis=1)[:, :9]
    (found,) = tagging(marked, kinds[words]).findings
    assert found.cause == "labels_of_other_steps"
    assert "stand 1 step too early: they are those of the words 1 step behind them" in found.verdict
    assert "np.roll(y, 1, axis=1)" in found.remedies[0].code
    assert tagging(words, kinds[words]).causes == ()


def test_words_that_are_to_be_told_from_the_one_before_are_no_shifted_labels():
    follows = RNG.permutation(20)
    words = [RNG.integers(0, 20, 320)]
    for _ in range(9):
        words.append(np.where(RNG.random(320) < 0.5, follows[words[-1]], RNG.integers(0, 20, 320)))
    text = np.stack(words, axis=1)
    assert tagging(text[:, :-1] + 1, text[:, 1:], 20).causes == ()


@pytest.mark.parametrize("inverted", [True, False])
def test_an_attention_mask_that_lets_padding_pass(inverted):
    x = RNG.integers(10, 30, (120, 8))
    x[np.arange(8) >= RNG.integers(3, 8, 120)[:, None]] = 0
    y = np.arange(120) % 2
    x[:, 1] = 2 + y
    keras.utils.set_random_seed(0)
    words = keras.Input((8,), dtype="int32")
    mask = keras.ops.equal(words, 0) if inverted else keras.ops.not_equal(words, 0)
    embedded = layers.Embedding(30, 8)(words)
    attention = layers.MultiHeadAttention(2, 4, name="looks")
    seen = attention(embedded, embedded, attention_mask=keras.ops.expand_dims(mask, 1))
    model = keras.Model(words, layers.Dense(2, "softmax")(seen[:, 0]))
    model.compile("adam", SPARSE, metrics=["accuracy"])
    found = said(model, x, y).findings
    assert [each.cause for each in found] == ["attention_mask_inverted"] * inverted
    if inverted:
        assert "In Keras true means that a place is looked at" in found[0].verdict
        assert found[0].layer == "looks"


class Asks(keras.Model):
    """Asks NumPy what it is given, which only an eager call can."""

    def __init__(self, last):
        super().__init__()
        self.hidden = layers.Dense(8, "relu")
        self.last = layers.Dense(2, last, name="last")

    def call(self, x):
        limit = np.abs(x.numpy()).max(axis=1, keepdims=True)
        return self.last(self.hidden(x / limit))


@pytest.mark.parametrize(("last", "causes"), [("relu", ("relu_output",)), ("softmax", ())])
def test_a_model_that_asks_numpy_is_examined_as_it_runs(last, causes):
    x, y = table(120)
    keras.utils.set_random_seed(0)
    model = Asks(last)
    model.compile(keras.optimizers.Adam(0.02), SPARSE, metrics=["accuracy"], run_eagerly=True)
    found = said(model, x, y, seconds=20, batch_size=30, epochs=40)
    assert found.causes == causes
    assert found.facts["output"] == f"2 units, {last} after linear"
    assert not tf.config.functions_run_eagerly()


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule as tutorials have it, which does not say how it is made."""

    def __call__(self, step):
        return 0.02 * keras.ops.minimum(keras.ops.cast(step, "float32") / 5.0, 1.0)


def test_a_schedule_of_the_programs_own_is_trained_with():
    x, y = table()
    rate = WarmUp()
    model = stack((6,), layers.Dense(16, "relu"), layers.Dense(2, "softmax"),
                  optimizer=keras.optimizers.Adam(rate))  # fmt: skip
    found = said(model, x / 255, y, seconds=30, epochs=40, callbacks=[])
    assert (found.causes, found.severity) == ((), "healthy")
    assert "not measured" not in found.facts
    assert model.optimizer._learning_rate is rate


@pytest.mark.parametrize("mixed", ["experts", "mean", "sum"])
def test_a_mixture_of_probabilities_is_one(mixed):
    x, y = table()
    given = keras.Input((6,))
    each = [layers.Dense(3, "softmax")(given) for _ in range(2)]
    if mixed == "experts":
        gates = layers.Reshape((2, 1))(layers.Dense(2, "softmax")(given))
        outputs = keras.ops.sum(gates * keras.ops.stack(each, axis=1), axis=1)
    elif mixed == "mean":
        outputs = layers.Average()(each)
    else:
        outputs = 0.6 * each[0] + 0.4 * each[1]
    model = keras.Model(given, outputs)
    model.compile(keras.optimizers.Adam(0.01), SPARSE)
    assert "no_output_activation" not in said(model, x / 255, y + (x[:, 2] > 200)).causes


def test_pixels_of_no_class_are_no_class():
    x = RNG.uniform(size=(20, 8, 8, 1)).astype("float32")
    y = (x[..., 0] * 3).astype(int)
    y[:, 0] = 255
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 1)])
    model.compile("adam", loss)
    found = said(model, x, y)
    assert found.causes == ()
    assert found.facts["labels"].startswith("index, 3 classes")


def test_between_classes_there_is_one_less():
    x, y = table()
    y = y + (x[:, 2] > 100) + (x[:, 3] > 150)

    def between(truth, logits):
        above = keras.ops.cast(keras.ops.reshape(truth, (-1, 1)) > keras.ops.arange(3), "float32")
        return keras.ops.mean(keras.ops.binary_crossentropy(above, logits, from_logits=True), -1)

    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    model.compile("adam", between)
    assert "output_units" not in said(model, x / 255, y).causes


class Counts(layers.Layer):
    """Counts its calls, and drops in front of a kernel of its own."""

    def __init__(self, units):
        super().__init__()
        self.units, self.drop = units, layers.Dropout(0.5)
        self.calls = tf.Variable(0, dtype=tf.int64)
        self.largest = tf.Variable(0.0)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x, training=False):
        self.calls.assign_add(1)
        return keras.ops.softmax(keras.ops.matmul(self.drop(x, training=training), self.kernel))


def test_what_a_layer_keeps_to_itself_and_drops_in_front_of_its_kernel_is_in_order():
    x, y = table()
    assert said(stack((6,), layers.Dense(8, "relu"), Counts(2)), x / 255, y).causes == ()


def test_branches_that_begin_at_zero_wake_up():
    x, y = table()
    given = keras.Input((6,))
    body = layers.Dense(16, "relu")(given)
    for _ in range(2):
        inner = layers.Dense(16, "relu")(body)
        body = layers.Add()([body, layers.Dense(16, kernel_initializer="zeros")(inner)])
    model = keras.Model(given, layers.Dense(2, "softmax", kernel_initializer="zeros")(body))
    model.compile(keras.optimizers.Adam(0.01), SPARSE)
    assert said(model, x / 255, y).causes == ()


def test_callbacks_that_save_every_epoch_and_that_know_both_names_are_sound(tmp_path):
    class Falls(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if hasattr(self.model.optimizer, "learning_rate"):
                self.model.optimizer.learning_rate = 0.01
            else:
                self.model.optimizer.lr = 0.01

    x, y = table()
    model = stack((6,), layers.Dense(16, "relu"), layers.Dense(2, "softmax"))
    saves = keras.callbacks.ModelCheckpoint(tmp_path / "c.weights.h5", save_weights_only=True)
    found = said(model, x / 255, y, seconds=30, epochs=40, callbacks=[saves, Falls()])
    assert found.causes == ()


def test_rows_that_are_drawn_leave_the_generator_where_it_was():
    class Drawn(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, at):
            rows = np.random.permutation(50)
            return X[rows], Y[rows]

    X, Y = table(50)
    model = stack((6,), layers.Dense(2, "softmax"))
    _, keys, place, *_ = np.random.get_state()
    diagnose_model(model, Drawn(), seconds=0)
    assert np.random.get_state()[2] == place
    assert np.array_equal(np.random.get_state()[1], keys)


def test_validation_that_lacks_a_class_is_numbered_as_training_is():
    class Steps(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                logits = self(x, training=True)
                loss = keras.ops.mean(
                    keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
                )
            self.optimizer.apply(
                tape.gradient(loss, self.trainable_weights), self.trainable_weights
            )
            return {"loss": loss}

    y = np.repeat(np.arange(5), [4, 49, 49, 49, 49])
    x = (4 * np.eye(5)[y] + RNG.normal(size=(200, 5)) * 0.3).astype("float32")
    held = y != 0
    given = keras.Input((5,))
    model = Steps(given, layers.Dense(5)(layers.Dense(16, "relu")(given)))
    model.compile(keras.optimizers.Adam(0.02))
    found = diagnose_model(model, (x, y), (x[held], y[held]), epochs=30, seconds=20)
    assert "learnt_by_heart" not in found.causes
