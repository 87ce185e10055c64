"""Kinds that people asked about in threads: axes, vocabularies, half precision, schedules."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from ferkeras import diagnose_model
from ferkeras.diagnose.program import diagnosis
from ferkeras.diagnose.program.asked_schedule import rates_of
from ferkeras.diagnose.program.program import Program

CANNOT_MEASURE = Program.cannot_measure
layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


def network(shape, *hidden, units=2, rate=0.01, loss=SPARSE, **compiled) -> keras.Model:
    model = keras.Sequential(
        [keras.Input(shape), *hidden, layers.Flatten(), layers.Dense(units, "softmax")]
    )
    model.compile(keras.optimizers.Adam(rate), loss, **compiled)
    return model


def digits():
    data = load_digits()
    return (data.images[..., None] / 16).astype("float32"), data.target


# Inputs


def recordings(channels: int = 4, times: int = 32, rows: int = 300) -> np.ndarray:
    """Slow waves, shape (rows, channels, times); two of the channels go together."""
    rng = np.random.default_rng(0)
    time = np.arange(times) / times
    turns, phase = rng.uniform(2, 4, (2, rows, channels, 1))
    return np.sin(2 * np.pi * (turns * time + phase)) + rng.normal(0, 0.3, (rows, channels, times))


def colours(rows: int = 300, size: int = 10, channels: int = 3) -> np.ndarray:
    """Smooth pictures, shape (rows, size, size, channels), bright in all channels alike."""
    rng = np.random.default_rng(0)
    grey = rng.normal(size=(rows, size // 2, size // 2, 1)).repeat(2, axis=1).repeat(2, axis=2)
    return grey + 0.3 * rng.normal(size=(rows, 1, 1, channels))


@pytest.mark.parametrize(
    ("x", "stored"),
    [
        (recordings().reshape(-1, 32, 4), "(4, 32)"),
        (recordings().transpose(0, 2, 1), None),
        (np.moveaxis(colours(), -1, 1).reshape(-1, 10, 10, 3), "(3, 10, 10)"),
        (colours(), None),
        (colours(size=24), None),
        (colours(size=32, channels=4), None),
        (np.moveaxis(colours(size=24), -1, 1).reshape(-1, 24, 24, 3), "(3, 24, 24)"),
        # A frame of one value, which rounding makes vary.
        (np.pad(colours(), ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-0.4242), None),
        (np.repeat(colours()[..., :1], 3, axis=-1), None),
        (np.random.default_rng(0).normal(size=(300, 32, 4)), None),
    ],
)
def test_rows_that_were_reshaped_where_they_should_have_been_transposed(x, stored):
    x = x.astype("float32")
    found = diagnose_model(network(x.shape[1:]), (x, np.arange(len(x)) % 2), seconds=0)
    if stored is None:
        assert found.causes == ()
    else:
        assert found.causes == ("reshaped_not_transposed",)
        assert f"lie in memory as {stored}" in found.verdict


@pytest.mark.parametrize(
    "spoilt",
    [
        # Of whole numbers, those below the middle begin anew.
        lambda x: ((255 * x).astype("uint8") - np.uint8(128)) / 128 / 128 + 0.99,
        lambda x: x / 127.5 - 1,
    ],
)
def test_inputs_of_nearly_one_value(spoilt):
    x, y = digits()
    model = network((8, 8, 1), layers.Conv2D(8, 3, activation="relu"), units=10)
    found = diagnose_model(model, (spoilt(x).astype("float32"), y), epochs=5)
    assert found.causes == ("unscaled_inputs",)
    assert "nearly one value: they were scaled twice" in found.verdict


def test_outputs_that_saturate_do_not_make_rows_alike():
    rng = np.random.default_rng(0)
    x = (45 + 12 * rng.normal(size=(200, 4))).astype("float32")
    model = network((4,), layers.Dense(64, "relu"))
    assert diagnose_model(model, (x, rng.integers(0, 2, 200)), epochs=1).causes == ()


def test_words_that_have_other_numbers_in_validation():
    rng = np.random.default_rng(0)
    y = np.arange(900) % 4
    x = rng.integers(40, 60, (900, 8))
    # Two words of ten that each class has for itself.
    x[:, :2] = rng.integers(0, 10, (900, 2)) + 10 * y[:, None]
    same = np.arange(60)

    def found(words, labels=None):
        model = network((8,), layers.Embedding(60, 4), units=4)
        held = y[600:] if labels is None else labels[y[600:]]
        return diagnose_model(model, (x[:600], y[:600]), (words[x[600:]], held), seconds=0)

    said = found(rng.permutation(60))
    assert said.causes == ("validation_inputs_unlike",)
    assert said.verdict.startswith("The words of the validation rows have other numbers")
    assert found(same).causes == ()
    assert found(same, np.array([1, 2, 3, 0])).causes == ("validation_labels_do_not_fit",)


def test_grey_values_that_are_changed_as_if_they_had_another_range():
    x, y = digits()
    bright = layers.RandomBrightness(0.5)
    found = diagnose_model(network((8, 8, 1), bright, units=10), (x, y), epochs=5)
    assert found.causes == ("too_much_augmentation",)
    remedy = found.findings[0].remedies[0]
    assert remedy.what.startswith("tell it what the inputs range over: it takes them for 0 to 255")
    assert remedy.code == "RandomBrightness(..., value_range=(0, 1))"
    told = layers.RandomBrightness(0.2, value_range=(0, 1))
    assert diagnose_model(network((8, 8, 1), told, units=10), (x, y), epochs=5).causes == ()


# What fails


def test_what_cannot_be_measured_is_told_and_the_rest_is_examined(monkeypatch):
    def fails(program):
        raise ValueError("Dimensions must be equal\nand more")

    monkeypatch.setattr(Program, "cannot_measure", CANNOT_MEASURE)
    monkeypatch.setattr(diagnosis, "HEAD", (fails, *diagnosis.HEAD))
    x, y = digits()
    found = diagnose_model(network((8, 8, 1), units=8), (x, y), seconds=0)
    assert found.causes == ("output_units",)
    assert found.facts["not measured"] == "fails (ValueError: Dimensions must be equal)"


# Weights of rows


def test_steps_that_weigh_nothing_are_no_mistakes():
    """The next of two symbols, behind which rows end at different steps."""
    rng = np.random.default_rng(0)
    length = rng.integers(3, 10, 200)
    symbols = rng.integers(0, 2, (200, 1)) ^ np.arange(11) % 2
    used = np.arange(10) < length[:, None]
    x = np.eye(2)[symbols[:, :-1]] * used[..., None]
    y = np.eye(2)[symbols[:, 1:]] * used[..., None]
    model = keras.Sequential(
        [keras.Input((10, 2)), layers.GRU(8, return_sequences=True), layers.Dense(2, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.02), "categorical_crossentropy")
    rows = x.astype("float32"), y.astype("float32"), used.astype("float32")
    train, held = (tuple(each[part] for each in rows) for part in (slice(150), slice(150, 200)))
    found = diagnose_model(model, train, held, epochs=20)
    assert found.severity == "healthy"
    assert "100% of its training rows" in found.verdict


def test_weights_in_half_precision():
    x, y = digits()
    before = keras.config.dtype_policy()
    found = {}
    for kind in ("float16", "float32"):
        keras.config.set_dtype_policy(kind)
        try:
            model = network((8, 8, 1), layers.Flatten(), layers.Dense(32, "relu"), units=10)
            found[kind] = diagnose_model(model, (x.astype(kind), y), epochs=5)
        finally:
            keras.config.set_dtype_policy(before)
    assert found["float16"].causes[0] == "weights_in_half_precision"
    assert "4 weights are float16" in found["float16"].verdict
    assert found["float32"].causes == ()


# What a `fit` does


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (lambda epoch, rate: rate * 0.9**epoch, "lowers the rate that it is given"),
        (lambda epoch: 0.01 * 0.7**epoch, "by epoch 21 of 60."),
        (lambda epoch: 0.01 * 0.97**epoch, None),
        (lambda epoch: 0.01 * (epoch // 60), "a learning rate of 0 for each of the 60 epochs"),
        (lambda epoch, rate: rate if epoch < 50 else rate * 0.1, None),
        (lambda epoch: float("not told") if epoch else 0.01, None),
    ],
)
def test_a_scheduler_is_asked_for_the_rates_of_all_epochs(schedule, said):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(0, 2, (200, 4)) + y[:, None]).astype("float32")
    found = diagnose_model(
        network((4,), rate=0.01),
        (x, y),
        epochs=60,
        callbacks=[keras.callbacks.LearningRateScheduler(schedule)],
        seconds=20,
    )
    assert ("learning_rate_fell_too_early" in found.causes) == (said is not None)
    if said:
        assert said in found.verdict


@pytest.mark.parametrize(("decay", "steps"), [("CosineDecay", "140"), ("ExponentialDecay", "35")])
def test_a_schedule_that_ends_is_given_the_steps_of_the_whole_training(decay, steps):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(0, 2, (200, 4)) + y[:, None]).astype("float32")
    last = () if decay == "CosineDecay" else (0.01,)
    model = network((4,))
    model.optimizer.learning_rate = getattr(keras.optimizers.schedules, decay)(0.01, 5, *last)
    found = diagnose_model(model, (x, y), epochs=20, seconds=20)
    assert found.causes[0] == "learning_rate_fell_too_early"
    assert found.findings[0].remedies[0].code == f"decay_steps={steps}"


def test_a_rate_that_stays_next_to_nothing_is_no_warm_up():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(0, 1, (200, 4)) + 3 * y[:, None]).astype("float32")
    stays = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-9 if epoch < 60 else 0.01)
    found = diagnose_model(network((4,)), (x, y), epochs=60, callbacks=[stays], seconds=30)
    assert found.causes == ("callback_in_the_way",)


class NoRate(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.0


def test_a_fit_that_learns_nothing_is_not_called_healthy_for_a_trial_that_does():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(0, 1, (200, 4)) + 3 * y[:, None]).astype("float32")
    found = diagnose_model(
        network((4,)), (x, y), epochs=60, callbacks=[NoRate(), NoRate()], seconds=60
    )
    # Neither alone is in the way.
    assert (found.causes, found.severity) == ((), "suspicious")
    assert found.verdict.startswith("Its own `fit` has ")


@pytest.mark.parametrize("stops", [True, False])
def test_epochs_that_are_a_bound_are_not_held_against_a_schedule(stops):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(0, 2, (200, 4)) + y[:, None]).astype("float32")
    callbacks = [keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * 0.9**epoch)]
    if stops:
        callbacks.append(keras.callbacks.EarlyStopping("loss", patience=20))
    found = diagnose_model(network((4,)), (x, y), epochs=600, callbacks=callbacks, seconds=20)
    assert ("learning_rate_fell_too_early" in found.causes) != stops


class Thaw(keras.callbacks.Callback):
    """Says before the second epoch that a layer is trained, and may have the step built anew."""

    def __init__(self, layer, heard):
        super().__init__()
        self.layer, self.heard = layer, heard

    def on_epoch_begin(self, epoch, logs=None):
        self.layer.trainable = epoch >= 1
        if self.heard:
            self.model.make_train_function(force=True)


@pytest.mark.parametrize("heard", [False, True])
def test_a_layer_that_a_callback_thaws_in_vain(heard):
    x, y = digits()
    base = layers.Dense(24, "relu", name="base")
    model = network((8, 8, 1), layers.Flatten(), base, units=10)
    base.trainable = False
    model.compile(keras.optimizers.Adam(0.01), SPARSE)
    found = diagnose_model(model, (x, y), epochs=5, callbacks=[Thaw(base, heard)], seconds=20)
    assert ("trainable_set_during_fit" in found.causes) != heard
    if not heard:
        assert found.causes == ("trainable_set_during_fit", "frozen_layers")
        assert "The callback Thaw trains layers from epoch 2 on, as it says" in found.verdict
    # It says so in `fit` alone.
    assert base.trainable is False


@pytest.mark.parametrize("schedule", ["object", "list"])
def test_a_schedule_that_remembers_is_not_asked_beside_fit(schedule):
    asked = []

    class Decays:
        def __call__(self, epoch, rate):
            asked.append(epoch)
            return rate

    def notes(epoch, rate):
        asked.append(epoch)
        return rate

    scheduler = keras.callbacks.LearningRateScheduler(Decays() if schedule == "object" else notes)
    assert rates_of(scheduler, 0.1, 60) is None
    assert asked == []


def test_rows_that_a_shuffled_dataset_gives_to_either_split():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 4)).astype("float32"), np.arange(400) % 2
    for anew, said in ((True, ["leakage"]), (False, [])):
        rows = tf.data.Dataset.from_tensor_slices((x, y))
        rows = rows.shuffle(400, reshuffle_each_iteration=anew).batch(40)
        found = diagnose_model(network((4,)), rows.take(8), rows.skip(8), seconds=0)
        assert list(found.causes) == said
        if said:
            assert "reshuffle_each_iteration=False" in found.findings[0].remedies[0].code
