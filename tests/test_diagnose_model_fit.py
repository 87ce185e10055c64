"""What a program's own `fit` does beside its steps: callbacks, a training step, rows read again."""

import threading
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from ferkeras import diagnose_model
from ferkeras.diagnose.program.causes.callback import watches_the_wrong_way
from ferkeras.diagnose.program.nothing_written import WouldWrite, nothing_written
from ferkeras.diagnose.program.untouched import variables_of

layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"


def blobs(rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class, easily told apart."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % 4)
    centres = np.random.default_rng(7).normal(0, 2, (4, 6))
    return (centres[y] + rng.normal(0, 0.6, (rows, 6))).astype("float32"), y


def network(kind=keras.Model, rate=0.02) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    outputs = layers.Dense(4, "softmax")(layers.Dense(16, "relu")(inputs))
    model = kind(inputs, outputs)
    model.compile(keras.optimizers.Adam(rate), SPARSE, metrics=["accuracy"])
    return model


def diagnosis(*callbacks, model=None, **given):
    settings = {"epochs": 8, "validation": blobs(80, seed=1), "callbacks": list(callbacks)}
    return diagnose_model(model or network(), blobs(), **{**settings, **given})


class GoBack(keras.callbacks.Callback):
    """Puts the first weights back after each epoch, says so, and counts."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.kept = {"epochs": [], "sizes": np.zeros(2)}

    def on_train_begin(self, logs=None):
        self.first = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights(self.first)
        self.seen.append(epoch)
        self.kept["epochs"].append(epoch)
        self.kept["sizes"] += 1
        print("back")


class Forgets(keras.Model):
    """Takes gradients and leaves it at that."""

    def train_step(self, data):
        x, y = data
        output = self(x, training=True)
        self.compute_loss(x, y, output)
        return self.compute_metrics(x, y, output)


class Rises(keras.Model):
    """Goes up the gradient."""

    sign = -1.0

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            output = self(x, training=True)
            loss = self.compute_loss(x, y, output)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply([self.sign * each for each in gradients], self.trainable_variables)
        return self.compute_metrics(x, y, output)


class Falls(Rises):
    """Goes down it, and knows nothing of a scale."""

    sign = 1.0


class Mixes(keras.Model):
    """A sound step of its own: the usual one, and something beside it."""

    def train_step(self, data):
        return {**super().train_step(data), "extra": 1.0}


class Spoilt(keras.utils.PyDataset):
    """Rows that are halved in place whenever they are read."""

    def __init__(self, copies=False):
        super().__init__()
        self.x, self.y = blobs(256)
        self.copies = copies

    def __len__(self):
        return 8

    def __getitem__(self, at):
        part = slice(32 * at, 32 * at + 32)
        if self.copies:
            return self.x[part] / 4, self.y[part]
        self.x[part] /= 4
        return self.x[part], self.y[part]


def test_a_callback_that_puts_weights_back_is_named_with_what_it_does():
    said = diagnosis(keras.callbacks.EarlyStopping(patience=5), GoBack())
    assert said.causes == ("callback_in_the_way",)
    assert "GoBack sets the weights back to the first ones, in on_epoch_end" in said.verdict
    assert said.findings[0].line.startswith(str(Path(__file__)))
    assert said.severity == "broken"
    assert said.facts["own fit"].startswith("rehearsed for ")


def test_a_schedule_that_takes_the_rate_away_is_named_with_the_rates():
    said = diagnosis(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 1000))
    # It learns without the callback, and for a while with it.
    assert said.causes == ("callback_in_the_way", "learning_rate_fell_too_early")
    assert "LearningRateScheduler lowers the learning rate from 0.02 to 2e" in said.verdict
    assert "taken the learning rate away by epoch 2 of 8" in said.findings[1].verdict


def test_what_callbacks_usually_do_is_healthy():
    said = diagnosis(
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.02 * min(1.0, (epoch + 1) / 8)),
        keras.callbacks.ReduceLROnPlateau(patience=2),
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        keras.callbacks.TerminateOnNaN(),
    )
    assert said.severity == "healthy"


def test_a_slow_warm_up_is_not_blamed_for_the_epochs_that_were_rehearsed():
    slow = keras.callbacks.LearningRateScheduler(lambda epoch: 2e-7 * (epoch + 1))
    assert diagnosis(slow).causes == ()


def test_an_end_after_one_epoch_is_named():
    class Stops(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    said = diagnosis(Stops(), model=network(rate=0.005), epochs=30)
    assert said.causes == ("callback_in_the_way",)
    assert "Stops ends the training in epoch 1" in said.verdict


@pytest.mark.parametrize(
    ("monitor", "mode", "wrong"),
    [
        ("val_accuracy", "min", True),
        ("val_loss", "max", True),
        ("val_accuracy", "max", False),
        ("val_loss", "auto", False),
    ],
)
def test_the_way_that_a_callback_watches(monitor, mode, wrong):
    given = [keras.callbacks.EarlyStopping(monitor, mode=mode, patience=50)]
    found = watches_the_wrong_way(SimpleNamespace(rehearsals=SimpleNamespace(given=given)))
    assert (found is not None) == wrong


def test_a_callback_that_watches_the_wrong_way_is_named():
    callback = keras.callbacks.EarlyStopping("val_accuracy", mode="min", patience=50)
    assert diagnosis(callback).causes == ("callback_watches_the_wrong_way",)


def test_a_figure_that_is_not_there_is_named_and_nothing_is_saved(tmp_path):
    file = tmp_path / "best.keras"
    callback = keras.callbacks.ModelCheckpoint(file, monitor="val_acc", save_best_only=True)
    said = diagnosis(callback)
    assert said.causes == ("callback_watches_nothing",)
    assert "watches 'val_acc', which `fit` does not publish" in said.verdict
    assert said.findings[0].remedies[0].code == 'ModelCheckpoint(monitor="val_accuracy")'
    assert not file.exists()


def test_a_step_that_changes_nothing_is_told_from_one_that_goes_the_wrong_way():
    said = diagnosis(model=network(Forgets))
    assert said.causes == ("training_step_changes_nothing",)
    assert "The training step of Forgets changes no weight" in said.verdict
    assert diagnosis(model=network(Rises)).causes == ("own_training_step",)
    assert diagnosis(model=network(Mixes)).severity == "healthy"


def test_a_step_in_half_precision_that_does_not_scale_the_loss():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(Falls)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), SPARSE)
    said = diagnosis(model=model)
    assert said.causes == ("loss_not_scaled",)
    assert "the training step of Falls does not multiply the loss with it" in said.verdict
    assert said.findings[0].line.startswith(str(Path(__file__)))


class Broadcasts(keras.Model):
    """Subtracts outputs (n, 1) from labels (n,), with no loss compiled."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            error = self.labels(y) - self(x, training=True)
            loss = tf.reduce_mean(tf.square(error))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def labels(self, y):
        return y


class Subtracts(Broadcasts):
    """Does so from labels (n, 1)."""

    def labels(self, y):
        return y[:, None]


@pytest.mark.parametrize(("kind", "sound"), [(Broadcasts, False), (Subtracts, True)])
def test_a_step_with_a_loss_of_its_own_and_none_compiled(kind, sound):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = kind(inputs, layers.Dense(1, "sigmoid")(layers.Dense(16, "relu")(inputs)))
    model.compile(keras.optimizers.Adam(0.02))
    x, y = blobs()
    said = diagnose_model(model, (x, (y == 0).astype("float32")), epochs=20, callbacks=[])
    assert said.causes == (() if sound else ("own_training_step",))
    assert ("Its own `fit` learns" if sound else "their difference is (n, n)") in said.verdict
    assert said.severity == ("healthy" if sound else "broken")


class SquashesTwice(keras.Model):
    """Gives what has been through softmax to a loss that takes logits."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.loss_of(y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def loss_of(self, y, outputs):
        import tensorflow as tf

        labels = tf.one_hot(tf.cast(y, tf.int32), outputs.shape[-1])
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, outputs))


class FromLogits(SquashesTwice):
    """Does so by a loss of Keras's."""

    def loss_of(self, y, outputs):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, outputs)


class Sigmoids(SquashesTwice):
    """Judges each class by itself."""

    def loss_of(self, y, outputs):
        import tensorflow as tf

        labels = tf.one_hot(tf.cast(y, tf.int32), outputs.shape[-1])
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, outputs))


class OfProbabilities(SquashesTwice):
    """Takes a loss of probabilities."""

    def loss_of(self, y, outputs):
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, outputs))


@pytest.mark.parametrize(
    ("kind", "last", "sound"),
    [
        (SquashesTwice, "softmax", False),
        (FromLogits, "softmax", True),  # Keras takes what was before its softmax.
        (FromLogits, None, True),
        (Sigmoids, "sigmoid", False),
        (Sigmoids, None, True),
        (OfProbabilities, "softmax", True),
    ],
)
def test_a_step_that_gives_probabilities_to_a_loss_of_logits(kind, last, sound):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = kind(inputs, layers.Dense(4, last)(layers.Dense(16, "relu")(inputs)))
    model.compile(keras.optimizers.Adam(0.02))
    before = model.get_weights()
    said = diagnose_model(model, blobs(), epochs=20, callbacks=[])
    found = [each for each in said.findings if each.cause == "wrong_loss"]
    assert len(found) == (not sound)
    if not sound:
        assert f"to tf.nn.{last}_cross_entropy_with_logits" in found[0].verdict
        assert found[0].line.startswith(str(Path(__file__)))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_functions_of_the_program_are_converted_as_ever_and_its_fit_works_afterwards():
    import tensorflow as tf

    @tf.function
    def loss_of(y, outputs):
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, outputs))
        if loss > 10.0:
            loss = loss / 2
        return loss

    class Converts(SquashesTwice):
        def loss_of(self, y, outputs):
            return loss_of(y, outputs)

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = Converts(inputs, layers.Dense(4, "softmax")(layers.Dense(16, "relu")(inputs)))
    model.compile(keras.optimizers.Adam(0.02))
    said = diagnose_model(model, blobs(), epochs=20, callbacks=[])
    assert "not rehearsed" not in said.facts.get("own fit", "")
    assert np.isfinite(model.fit(*blobs(), verbose=0).history["loss"][0])


def batches(drawn_once: bool):
    """Rows of batches that are drawn before the loop, or in it."""
    x, y = blobs(400)
    rng = np.random.default_rng(0)
    rows = rng.choice(400, 16, replace=False)
    while True:
        if not drawn_once:
            rows = rng.choice(400, 16, replace=False)
        yield x[rows], y[rows]


def test_a_generator_that_yields_one_batch_over_and_over():
    given = {"steps_per_epoch": 25, "epochs": 8, "seconds": 0}
    said = diagnose_model(network(), batches(True), blobs(80, seed=1), **given)
    assert said.causes == ("one_batch_over_and_over",)
    assert "holds the same 16 rows" in said.verdict
    assert diagnose_model(network(), batches(False), blobs(80, seed=1), **given).causes == ()


def test_rows_that_change_as_they_are_read():
    said = diagnose_model(network(), Spoilt(), epochs=4, callbacks=[])
    assert said.causes == ("rows_change_as_they_are_read",)
    assert diagnose_model(network(), Spoilt(copies=True), epochs=4, callbacks=[]).causes == ()


def test_model_and_callbacks_are_left_as_they_were(capsys):
    model, callback = network(), GoBack()
    model.fit(*blobs(), epochs=1, verbose=0)
    callback.seen = seen = [7]
    before, attributes = [v.numpy() for v in variables_of(model)], dict(vars(callback))
    optimizer, history = model.optimizer, model.history
    diagnosis(callback, model=model)
    for variable, value in zip(variables_of(model), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert vars(callback) == attributes
    assert seen == [7]
    assert callback.kept["epochs"] == []
    assert not callback.kept["sizes"].any()
    assert capsys.readouterr().out == ""
    assert model.optimizer is optimizer
    assert model.history is history
    model.fit(*blobs(), epochs=1, verbose=0)


def test_a_callback_that_writes_is_not_let_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Writes(GoBack):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            Path("log.txt").write_text("ended")

    said = diagnosis(Writes())
    assert said.causes == ()
    assert said.facts["own fit"].startswith("not rehearsed: '")
    assert "log.txt' would have been written" in said.facts["own fit"]
    assert list(tmp_path.iterdir()) == []


def test_without_callbacks_nothing_is_rehearsed():
    said = diagnose_model(network(Forgets), blobs(), epochs=8)
    assert said.causes == ()
    assert "own train_step was not tried; give callbacks=" in said.facts["own fit"]


@pytest.mark.parametrize(
    "does",
    [
        lambda: Path("new").write_text("x"),
        lambda: Path("new").mkdir(),
        lambda: Path(__file__).rename("away"),
        lambda: network().save("model.keras"),
        lambda: __import__("subprocess").run(["true"], check=True),
        lambda: __import__("socket").create_connection(("127.0.0.1", 9)),
    ],
    ids=["file", "folder", "rename", "save", "process", "connection"],
)
def test_nothing_is_written_sent_or_started(does, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with nothing_written(), pytest.raises(WouldWrite):
        does()
    assert list(tmp_path.iterdir()) == []
    with nothing_written():
        assert Path(__file__).read_text("utf-8")
    Path("after").write_text("x")


def test_threads_that_ran_before_are_let_write(tmp_path):
    go, gone = threading.Event(), threading.Event()

    def write():
        go.wait()
        (tmp_path / "log").write_text("x")
        gone.set()

    thread = threading.Thread(target=write)
    thread.start()
    with nothing_written():
        go.set()
        assert gone.wait(10)
    thread.join()


class Parts(keras.utils.PyDataset):
    """Puts rows into another order after each epoch, with their labels or without."""

    def __init__(self, apart):
        super().__init__()
        self.x, self.y = blobs(256)
        self.apart, self.rng = apart, np.random.default_rng(0)

    def __len__(self):
        return 8

    def __getitem__(self, at):
        return self.x[32 * at : 32 * at + 32], self.y[32 * at : 32 * at + 32]

    def on_epoch_end(self):
        order = self.rng.permutation(len(self.x))
        self.x = self.x[order]
        if not self.apart:
            self.y = self.y[order]


def test_labels_that_part_from_their_rows_after_an_epoch():
    data = Parts(apart=True)
    first = data.x
    said = diagnose_model(network(), data, epochs=4, callbacks=[])
    assert said.causes == ("labels_part_from_rows",)
    assert data.x is first
    assert diagnose_model(network(), Parts(apart=False), epochs=4, callbacks=[]).causes == ()


def test_a_rate_that_a_callback_sets_is_the_one_that_counts():
    rise = keras.callbacks.LearningRateScheduler(lambda epoch: 0.02)
    said = diagnosis(rise, model=network(rate=1e-6))
    assert said.causes == ()
    assert said.verdict.startswith("Its own `fit` learns: ")
    assert said.severity == "healthy"


# Methods that nothing calls


class Pool(keras.utils.PyDataset):
    """Batches of a few rows that are meant to be others in every epoch."""

    def __init__(self):
        super().__init__()
        self.x, self.y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2

    def __len__(self):
        return 5

    def __getitem__(self, at):
        return self.x[8 * at : 8 * at + 8], self.y[8 * at : 8 * at + 8]


def named(base, name, **more):
    return type("Mine", (base,), {name: lambda self, *_: None, **more})()


@pytest.mark.parametrize(
    ("base", "name", "meant"),
    [
        (Pool, "on_epoch_start", "on_epoch_begin"),
        (Pool, "on_epoch", "on_epoch_end"),
        (Pool, "on_epoch_end", None),
        (keras.callbacks.Callback, "on_epoch_finish", "on_epoch_end"),
        (keras.callbacks.Callback, "on_epochs_end", "on_epoch_end"),
        (keras.callbacks.Callback, "on_batch_start", "on_batch_begin"),
        (keras.callbacks.Callback, "on_train_batch_end", None),
        (keras.callbacks.Callback, "on_improvement", None),
    ],
)
def test_a_method_with_another_name_than_fit_calls(base, name, meant):
    own = named(base, name)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    data = own if base is Pool else Pool()
    callbacks = [] if base is Pool else [own]
    found = diagnose_model(model, data, callbacks=callbacks, seconds=0)
    if meant is None:
        assert "hook_never_called" not in found.causes
    else:
        assert found.causes[0] == "hook_never_called"
        assert f"never calls Mine.{name}" in found.verdict
        assert f"is {meant}" in found.verdict


class Renewed(Pool):
    """Draws its rows anew, in a method that something has to call."""

    def on_epoch_start(self):
        self.x = self.x[::-1]


def test_what_a_method_would_have_changed_is_told():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax")])
    model.compile("adam", SPARSE)
    data = Renewed()
    before = data.x.copy()
    found = diagnose_model(model, data, callbacks=[], seconds=0)
    assert found.causes == ("hook_never_called",)
    assert found.severity == "broken"
    assert "so x stays as at first" in found.verdict
    np.testing.assert_array_equal(data.x, before)


def test_a_method_that_is_called_by_something_is_not_blamed():
    def on_epoch_end(self, epoch, logs=None):
        self.on_epoch_finish()

    def on_epoch_begin(self, *_):
        return None

    data = Renewed()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax")])
    model.compile("adam", SPARSE)
    for given, callbacks in (
        (Pool(), [named(keras.callbacks.Callback, "on_epoch_finish", on_epoch_end=on_epoch_end)]),
        # Another name for the same, for another library.
        (
            Pool(),
            [named(keras.callbacks.Callback, "on_epoch_start", on_epoch_begin=on_epoch_begin)],
        ),
        (data, [keras.callbacks.LambdaCallback(lambda epoch, logs: data.on_epoch_start())]),
    ):
        found = diagnose_model(model, given, callbacks=callbacks, seconds=0)
        assert "hook_never_called" not in found.causes
