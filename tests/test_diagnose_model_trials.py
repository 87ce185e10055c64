"""Causes that show only in training: brief trainings, with a change and without."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from ferkeras import diagnose_model
from ferkeras.diagnose import DiagnoseOnAlarm
from ferkeras.diagnose.program.altered import dropping, nothing_dropped
from ferkeras.diagnose.program.untouched import variables_of

layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"


def blobs(classes: int = 3, rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class, easily told apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = rng.normal(0, 2, (classes, 6))[y] + rng.normal(0, 0.5, (rows, 6))
    order = rng.permutation(rows)
    return x[order].astype("float32"), y[order]


def network(optimizer, *hidden, loss=SPARSE, units=3, last="softmax") -> keras.Model:
    keras.utils.set_random_seed(0)
    hidden = hidden or (layers.Dense(16, "relu"),)
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(units, last)])
    model.compile(optimizer, loss)
    return model


def diagnosis(model, x, y, **fit):
    return diagnose_model(model, (x, y), seconds=60, **{"epochs": 10, **fit})


def test_a_training_that_learns_is_healthy():
    said = diagnosis(network(keras.optimizers.Adam(0.01)), *blobs())
    assert said.causes == ()
    assert said.severity == "healthy"


@pytest.mark.parametrize("shift", [1000.0, -300.0])
def test_inputs_far_from_zero(shift):
    x, y = blobs()
    said = diagnosis(network(keras.optimizers.Adam(0.003)), x + shift, y)
    assert said.causes == ("unscaled_inputs",)
    assert "after 80 steps from the same start" in said.findings[0].remedies[0].tried


def test_inputs_that_are_scaled_inside_are_not_named():
    x, y = blobs()
    norm = layers.Normalization()
    norm.adapt(x + 1000)
    model = network(keras.optimizers.Adam(0.01), norm, layers.Dense(16, "relu"))
    assert diagnosis(model, x + 1000, y).causes == ()


def test_inputs_of_thousands_that_are_learnt_all_the_same():
    x, y = blobs()
    wide = (x + 1) * 10.0 ** np.arange(6)
    said = diagnosis(network(keras.optimizers.Adam(0.003)), wide.astype("float32"), y, epochs=20)
    assert said.causes == ("unscaled_inputs",)


def test_inputs_that_are_scaled_once_more_inside():
    x, y = blobs()
    norm = layers.Rescaling(1 / 255)
    said = diagnosis(network(keras.optimizers.SGD(0.05), norm, layers.Dense(16, "relu")), x, y)
    assert said.causes == ("unscaled_inputs",)
    assert "they were scaled twice" in said.verdict


def test_dropout_of_nearly_all():
    digits = load_digits()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, "relu"),
            layers.Dropout(0.98, name="drop"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", SPARSE)
    said = diagnosis(model, digits.data[:600] / 16, digits.target[:600])
    assert said.causes == ("too_much_dropout",)
    assert "'drop' drops 98%" in said.verdict


@pytest.mark.parametrize(("factor", "said"), [(3.0, ["weight_penalty_too_strong"]), (1e-4, [])])
def test_weights_that_cost(factor, said):
    penalty = keras.regularizers.L2(factor)
    hidden = [layers.Dense(16, "relu", kernel_regularizer=penalty) for _ in range(2)]
    model = network(keras.optimizers.SGD(0.05), *hidden, layers.Dropout(0.3))
    assert list(diagnosis(model, *blobs()).causes) == said


def test_activities_that_cost():
    hidden = (layers.Dense(16, "relu", activity_regularizer=keras.regularizers.L2(0.001)),)
    said = diagnosis(network(keras.optimizers.SGD(1e-7), *hidden), *blobs())
    assert said.causes == ("learning_rate_too_low",)


def test_activities_that_cost_are_held_against_rows_that_validation_split_holds_out():
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = (data.images[order, ..., None] / 16).astype("float32"), data.target[order]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", activity_regularizer=keras.regularizers.L1(1)),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile("rmsprop", SPARSE)
    said = diagnosis(model, x, y, epochs=15, batch_size=64, validation_split=0.2)
    assert said.causes == ("weight_penalty_too_strong",)
    assert "activity_regularizer=keras.regularizers.L1(1e-5)" in said.findings[0].remedies[0].code
    assert said.facts["rows"] == "1,797, 1,437 examined"


def test_weights_that_the_optimizer_takes_away():
    x, y = blobs()
    said = diagnosis(network(keras.optimizers.SGD(0.05, weight_decay=10.0)), x, y)
    assert said.causes == ("weight_penalty_too_strong",)
    assert "the optimizer's weight decay" in said.verdict


def test_gradients_that_are_shortened_to_nothing():
    said = diagnosis(network(keras.optimizers.SGD(0.1, global_clipnorm=1e-6)), *blobs())
    assert said.causes == ("gradients_clipped_away",)
    assert "global_clipnorm=1e-06" in said.verdict
    assert diagnosis(network(keras.optimizers.SGD(0.1, clipnorm=1.0)), *blobs()).causes == ()


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LSTM(8, dropout=0.95, recurrent_dropout=0.9),
        lambda: layers.RNN([layers.LSTMCell(8, dropout=0.95), layers.GRUCell(8)]),
        lambda: layers.Bidirectional(layers.SimpleRNN(8, dropout=0.95)),
    ],
)
def test_layers_drop_in_their_own_ways_and_are_left_as_they_were(make):
    model = keras.Sequential([keras.Input((4, 3)), make(), layers.Dense(3, "softmax")])
    before = dropping(model)
    assert max(rate for _, _, rate in before) == 0.95
    with nothing_dropped(model):
        assert dropping(model) == []
        x = np.ones((8, 4, 3), "float32")
        np.testing.assert_allclose(model(x, training=True), model(x, training=False), atol=1e-6)
    assert dropping(model) == before


def test_inputs_that_are_changed_beyond_recognition():
    digits = load_digits()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomRotation(1.0),
            layers.RandomTranslation(0.9, 0.9),
            layers.Flatten(),
            layers.Dense(32, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", SPARSE)
    said = diagnosis(model, digits.images[:600, ..., None] / 16, digits.target[:600])
    assert said.causes == ("too_much_augmentation",)
    assert said.verdict.startswith("RandomTranslation takes away what tells the classes apart")


def test_what_nothing_explains_is_not_called_healthy():
    x, y = np.ones((240, 6), "float32"), np.arange(240) % 3
    said = diagnosis(network(keras.optimizers.Adam(0.01)), x, y, epochs=20)
    assert said.causes == ()
    assert said.severity == "suspicious"
    assert "It learns nothing in 160 steps" in said.verdict
    x, y = blobs()
    said = diagnosis(network(keras.optimizers.SGD(1e-12)), x, y, epochs=20)
    assert said.causes == ()
    assert said.severity == "suspicious"
    assert "the loss is" in said.verdict or "no more than" in said.verdict
    assert "decision trees read the classes" in said.verdict


def test_what_there_was_no_time_to_see_is_not_said():
    said = diagnose_model(network("adam"), blobs(), seconds=0.1)
    assert (said.causes, said.severity) == ((), "suspicious")
    assert "not seen to learn either, in the 0 steps" in said.verdict


@pytest.mark.parametrize("momentum", [0.999, 0.99])
def test_running_statistics_that_lag_behind_in_a_brief_training(momentum):
    x, y = blobs()
    hidden = (layers.Dense(16, "relu"), layers.BatchNormalization(momentum=momentum))
    # Their average of the first layer's outputs is 0 at first, and these are far from it.
    model = network(keras.optimizers.Adam(0.01), *hidden)
    model.layers[0].bias.assign(np.linspace(-30, 30, 16))
    said = diagnosis(model, x, y, epochs=1000)
    assert (said.causes, said.severity) == ((), "healthy")


def test_a_rate_with_which_the_loss_runs_away():
    said = diagnosis(network(keras.optimizers.SGD(300.0)), *blobs())
    assert said.causes == ("learning_rate_too_high",)


def test_a_rate_with_which_nothing_moves():
    said = diagnosis(network(keras.optimizers.Adam(1e-7)), *blobs())
    assert said.causes == ("learning_rate_too_low",)


def test_labels_of_several_raters_are_learnt_each_by_itself():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 6))
    shares = np.mean([x[:, :3] + rng.normal(0, 0.3, (240, 3)) > 0 for _ in range(3)], axis=0)
    model = network(keras.optimizers.Adam(0.01), loss="binary_crossentropy", last="sigmoid")
    said = diagnosis(model, x.astype("float32"), shares.astype("float32"), epochs=40)
    assert (said.causes, said.severity) == ((), "healthy")


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises from 0 to a rate in a few steps, and stays there."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate * keras.ops.minimum(keras.ops.cast(step, "float32") / 5.0, 1.0)


def test_a_schedule_that_begins_at_0_is_judged_by_the_rate_that_it_comes_to():
    said = diagnosis(network(keras.optimizers.Adam(WarmUp(1e-7))), *blobs())
    assert said.causes == ("learning_rate_too_low",)
    assert said.verdict.startswith("With the learning rate 1e-07 ")
    said = diagnosis(network(keras.optimizers.Adam(WarmUp(0.01))), *blobs())
    assert said.causes == ()
    assert "not measured" not in said.facts


@pytest.mark.parametrize("rate", [0.0, WarmUp(0.0)])
def test_a_rate_of_0(rate):
    said = diagnosis(network(keras.optimizers.Adam(rate)), *blobs())
    assert said.causes == ("learning_rate_too_low",)
    assert "not measured" not in said.facts
    assert said.verdict == "The learning rate is 0: no step changes a weight."
    assert said.findings[0].remedies[0].code == "learning_rate=0.001"


def test_a_rate_of_0_that_a_callback_raises_is_not_blamed():
    rise = keras.callbacks.LearningRateScheduler(lambda epoch: 0.02)
    model = network(keras.optimizers.Adam(0.0))
    said = diagnosis(model, *blobs(), callbacks=[rise])
    assert (said.causes, said.severity) == ((), "healthy")


def test_a_training_that_ends_too_early():
    x, y = blobs()
    model = network(keras.optimizers.Adam(0.002))
    said = diagnosis(model, x, y, epochs=1, batch_size=48)
    assert said.causes == ("too_few_epochs",)
    # Without the number of epochs nothing is said about it.
    assert diagnosis(model, x, y, epochs=None).causes == ()


def test_layers_of_noise_that_are_frozen():
    x, y = blobs(6)
    hidden = [layers.Dense(64, "relu", trainable=False), layers.Dense(1, "relu", trainable=False)]
    model = network(keras.optimizers.Adam(0.01), *hidden, units=6)
    assert diagnosis(model, x, y, epochs=40).causes == ("frozen_layers",)


def test_nothing_can_be_trained():
    model = network("adam")
    model.trainable = False
    model.compile("adam", SPARSE)
    assert diagnosis(model, *blobs()).causes == ("frozen_layers",)


def test_a_gradient_that_is_stopped():
    hidden = [layers.Dense(16, "relu"), layers.Lambda(keras.ops.stop_gradient)]
    model = network(keras.optimizers.Adam(0.01), *hidden)
    assert "gradient_does_not_reach" in diagnosis(model, *blobs()).causes


def test_layers_without_a_bend_between_them():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 6)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    options = {"loss": "binary_crossentropy", "units": 1, "last": "sigmoid"}
    model = network(keras.optimizers.Adam(0.02), layers.Dense(32), layers.Dense(32), **options)
    assert diagnosis(model, x, y, epochs=25).causes == ("hidden_activation",)
    model = network(keras.optimizers.Adam(0.02), layers.Dense(32, "relu"), **options)
    assert diagnosis(model, x, y, epochs=25).causes == ()


def test_dropout_that_never_ends():
    drop = layers.Lambda(lambda values: keras.random.dropout(values, 0.5))
    model = network(keras.optimizers.Adam(0.01), layers.Dense(16, "relu"), drop)
    assert diagnosis(model, *blobs()).causes == ("random_in_inference",)


class Normal(layers.Layer):
    def __init__(self, always):
        super().__init__()
        self.always, self.norm = always, layers.BatchNormalization(name="norm")

    def call(self, inputs, training=None):
        return self.norm(inputs, training=True if self.always else training)


@pytest.mark.parametrize("always", [True, False])
def test_statistics_of_the_batch_that_are_taken_in_use_too(always):
    hidden = layers.Dense(16), Normal(always), layers.ReLU()
    model = network(keras.optimizers.Adam(0.01), *hidden)
    said = diagnosis(model, *blobs())
    assert said.causes == (("batch_statistics_in_inference",) if always else ())
    if always:
        assert "'norm' takes the mean and variance of the batch" in said.verdict


def test_a_remedy_of_the_output_is_tried():
    x, y = blobs(2)
    model = network(
        keras.optimizers.Adam(0.01), loss="binary_crossentropy", units=1, last="softmax"
    )
    said = diagnosis(model, x, y)
    assert said.causes == ("softmax_on_one_unit",)
    assert "100.0% of the training rows are right" in said.findings[0].remedies[0].tried


class Lines(list):
    def __call__(self, line):
        self.append(line)


def test_an_alarm_in_anybody_s_fit():
    x, y = blobs()
    model = network(keras.optimizers.Adam(1e-7))
    say = Lines()
    alarm = DiagnoseOnAlarm((x, y), patience=2, say=say, stop=True)
    history = model.fit(x, y, epochs=6, verbose=0, callbacks=[alarm])
    assert history.epoch == [0, 1, 2]
    assert alarm.diagnosis is not None
    assert alarm.diagnosis.causes == ("learning_rate_too_low",)
    assert say[0].startswith("epoch 3: the loss has not fallen")
    assert "learning_rate=" in say[1]


class Unbuilt(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.end = layers.Dense(16, "relu"), layers.Dense(3, "softmax")

    def call(self, inputs):
        return self.end(self.hidden(inputs))


def test_an_alarm_of_a_model_that_fit_builds():
    x, y = blobs()
    results = []
    for callbacks in ([], [DiagnoseOnAlarm((x, y), patience=1, seconds=5, say=Lines())]):
        keras.utils.set_random_seed(0)
        model = Unbuilt()
        model.compile(keras.optimizers.SGD(1e-7), SPARSE)
        model.fit(x, y, epochs=4, verbose=0, callbacks=callbacks)
        results.append([v.numpy() for v in model.weights])
    assert callbacks[0].diagnosis.causes == ("learning_rate_too_low",)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_no_alarm_while_it_learns():
    x, y = blobs()
    say = Lines()
    alarm = DiagnoseOnAlarm((x, y), say=say)
    network(keras.optimizers.Adam(0.01)).fit(x, y, epochs=5, verbose=0, callbacks=[alarm])
    assert (alarm.diagnosis, say) == (None, [])


def test_training_goes_on_after_an_alarm_as_if_there_had_been_none():
    x, y = blobs()
    say = Lines()
    results = []
    for callbacks in ([], [DiagnoseOnAlarm((x, y), patience=1, seconds=2, say=say)]):
        model = network(keras.optimizers.Adam(1e-7))
        model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
        results.append([v.numpy() for v in variables_of(model)])
    assert len(say) == 2
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_an_alarm_with_a_patience_that_is_none():
    with pytest.raises(ValueError, match="patience=0"):
        DiagnoseOnAlarm(([], []), patience=0)


def test_labels_that_belong_to_other_rows():
    x, y = blobs(3, rows=600)
    held = (x[400:], y[400:])
    mixed = np.random.default_rng(1).permutation(y[:400])
    model = network(keras.optimizers.Adam(0.01))
    assert diagnose_model(model, (x[:400], mixed), held, epochs=8).causes == ("labels_destroyed",)
    assert diagnose_model(model, (x[:400], y[:400]), held, epochs=8).causes == ()
    # Rows of noise in both splits say nothing about the labels, and are known by heart at most.
    noise = np.random.default_rng(2).normal(size=(600, 6)).astype("float32")
    said = diagnose_model(model, (noise[:400], y[:400]), (noise[400:], y[400:]), epochs=8)
    assert set(said.causes) <= {"learnt_by_heart"}


def test_a_network_of_too_few_units():
    x, y = blobs(12, rows=240)
    narrow = network(keras.optimizers.Adam(0.01), layers.Dense(1, "relu"), units=12)
    assert diagnosis(narrow, x, y, epochs=20).causes == ("network_too_small",)
    wide = network(keras.optimizers.Adam(0.01), layers.Dense(16, "relu"), units=12)
    assert diagnosis(wide, x, y, epochs=20).causes == ()


def test_a_small_network_is_not_to_blame_for_noise():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 6)).astype("float32"), rng.integers(0, 3, 200)
    model = network(keras.optimizers.Adam(0.01), layers.Dense(2, "relu"))
    assert diagnosis(model, x, y, epochs=5).causes == ()
