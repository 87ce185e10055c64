"""Ramps of dropout and label smoothing, and the plateau that begins late."""

import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks import MonitoredModel, VariableDropout
from callbacks.plateau import DelayedReduceLROnPlateau
from callbacks.ramp import VariableRamp, ramp_value
from ferkeras.network.loss import SmoothedCrossentropy


def test_a_plateau_refuses_an_optimizer_with_a_schedule_when_the_training_begins():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 9)
    model.compile(keras.optimizers.SGD(schedule, name="sgd"), "mse")
    with pytest.raises(ValueError, match=r"has a schedule.*optimizer=sgd"):
        model.fit(
            np.zeros((4, 2)), np.zeros(4), verbose=0,
            callbacks=[DelayedReduceLROnPlateau(monitor="loss")],
        )  # fmt: skip


values = st.floats(-10, 10)
epochs = st.integers(1, 200)


@given(epochs, epochs, epochs, values, values)
def test_ramp_starts_and_ends_exactly_and_stays_within(epoch, start, over, begin, end):
    assert ramp_value(start, start, over, begin, end) == begin
    assert ramp_value(start + over, start, over, begin, end) == end
    assert ramp_value(start + over + epoch, start, over, begin, end) == end
    assert min(begin, end) <= ramp_value(epoch, start, over, begin, end) <= max(begin, end)


@given(epochs, epochs, epochs, values, values)
def test_ramp_never_turns_back(epoch, start, over, begin, end):
    now, later = (ramp_value(e, start, over, begin, end) for e in (epoch, epoch + 1))
    assert now <= later if begin <= end else now >= later


def run(ramp, accuracies, key="val_accuracy", first=1):
    """Drive the ramp as `fit` does, and return what it published."""
    published = []
    for epoch, accuracy in enumerate(accuracies, first - 1):
        logs = {key: accuracy}
        ramp.on_epoch_begin(epoch)
        ramp.on_epoch_end(epoch, logs)
        published.append(logs[ramp.name])
    return published


def make_ramp(**changes):
    lines = []
    arguments = {"begin": 0.1, "end": 0.3, "from_epoch": 2, "over_epochs": 2, "log": lines.append}
    variable = keras.Variable(0.05, trainable=False)
    ramp = VariableRamp("dropout", [variable], **(arguments | changes))
    return ramp, lines


def test_variables_stay_until_the_first_epoch_of_the_ramp():
    ramp, lines = make_ramp()
    assert run(ramp, [0.9] * 5) == pytest.approx([0.05, 0.1, 0.2, 0.3, 0.3])
    assert ramp.started_epoch == 2
    assert lines == ["epoch 2: dropout goes from 0.1 to 0.3 by epoch 4"]


def test_a_fit_that_begins_later_finds_the_ramp_where_it_would_be():
    ramp, _ = make_ramp(over_epochs=4, gate=None)
    assert run(ramp, [0.9] * 4, first=4) == pytest.approx([0.2, 0.25, 0.3, 0.3])


def test_waits_for_the_gate_and_says_so_once():
    ramp, lines = make_ramp()
    assert run(ramp, [0.3, 0.5, 0.2, 0.51, 0.1, 0.1, 0.1]) == pytest.approx(
        [0.05, 0.05, 0.05, 0.05, 0.1, 0.2, 0.3]
    )
    assert ramp.started_epoch == 5
    assert len(lines) == 2
    assert "epoch 2" in lines[0]
    assert "val_accuracy is above 50%" in lines[0]
    assert "30.0% at best" in lines[0]


def test_a_gate_passed_early_stays_open():
    assert run(make_ramp(from_epoch=3)[0], [0.6, 0.1, 0.1, 0.1]) == pytest.approx(
        [0.05, 0.05, 0.1, 0.2]
    )


def test_without_a_gate_no_metric_is_needed():
    assert run(make_ramp(gate=None)[0], [0.0] * 3, key="loss") == pytest.approx([0.05, 0.1, 0.2])


def test_an_epoch_without_validation_only_waits():
    assert run(make_ramp()[0], [1.0] * 3, key="loss") == pytest.approx([0.05] * 3)


def test_a_monitored_key_that_never_comes_is_an_error():
    with pytest.raises(ValueError, match=r"waits for 'val_accuracy'.*Received: logs with val_loss"):
        run(make_ramp()[0], [1.0], key="val_loss")


def test_goes_on_from_its_state():
    accuracies = [0.4, 0.6, 0.1, 0.1, 0.1, 0.1]
    whole = run(make_ramp(over_epochs=4)[0], accuracies)
    first, _ = make_ramp(over_epochs=4)
    begun = run(first, accuracies[:3])
    second, lines = make_ramp(over_epochs=4)
    second.set_state(first.get_state())
    assert begun + run(second, accuracies[3:], first=4) == pytest.approx(whole)
    assert lines == []


@pytest.mark.parametrize("changes", [{"from_epoch": 0}, {"over_epochs": 0}, {"end": float("nan")}])
def test_ramp_refuses_misuse(changes):
    with pytest.raises(ValueError, match="Received: "):
        make_ramp(**changes)


@pytest.mark.parametrize("variables", [[], [0.1], [keras.Variable([0.1, 0.2])]])
def test_ramp_refuses_what_is_no_scalar_variable(variables):
    with pytest.raises(ValueError, match="Received: "):
        VariableRamp("dropout", variables, 0.1, 0.2, from_epoch=1, over_epochs=1)


def test_a_whole_fit_with_two_ramps_is_one_trace_and_drops_more():
    traces = []

    class Traced(MonitoredModel):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    inputs = keras.Input((64,))
    drop = VariableDropout(0.1, seed=1, name="drop")
    model = Traced(inputs, keras.layers.Dense(2, name="logits")(drop(inputs)))
    loss = SmoothedCrossentropy()
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile("adam", loss=loss, metrics=[accuracy])
    ones = np.ones((256, 64), np.float32)
    x = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)
    before = np.mean(np.asarray(drop(ones, training=True)) == 0)
    options = {"from_epoch": 2, "over_epochs": 2, "gate": 0.0, "log": lambda line: None}
    history = model.fit(
        x,
        y,
        batch_size=16,
        epochs=5,
        validation_data=(x, y),
        verbose=0,
        callbacks=[
            VariableRamp("dropout", [drop.rate], 0.1, 0.5, **options),
            VariableRamp("label_smoothing", [loss.smoothing], 0.05, 0.1, **options),
        ],
    ).history
    assert history["dropout"] == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])
    assert history["label_smoothing"] == pytest.approx([0.0, 0.05, 0.075, 0.1, 0.1])
    after = np.mean(np.asarray(drop(ones, training=True)) == 0)
    assert (before, after) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.5, abs=0.02))
    assert len(traces) == 1


class Optimizing:
    """What the plateau callback needs of a model."""

    metrics = ()

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(0.1)


def plateau_run(plateau, losses, first=1, model=None):
    rates = []
    plateau.set_model(model or Optimizing())
    plateau.on_train_begin()
    for epoch, loss in enumerate(losses, first - 1):
        logs = {"val_loss": loss}
        plateau.on_epoch_end(epoch, logs)
        rates.append(logs["learning_rate"])
    return rates


def make_plateau(**changes):
    lines = []
    options = {"from_epoch": 4, "patience": 2, "factor": 0.5, "log": lines.append}
    return DelayedReduceLROnPlateau(**(options | changes)), lines


def test_plateau_acts_from_its_epoch_on_and_says_what_it_did():
    plateau, lines = make_plateau()
    # The rate published is the one in force during the epoch; epochs 4 and 6 lower it.
    assert plateau_run(plateau, [1.0] * 7) == pytest.approx([0.1] * 4 + [0.05] * 2 + [0.025])
    assert len(lines) == 2
    assert lines[0].startswith("epoch 4: learning rate lowered from 0.1 to 0.05: val_loss")


def test_plateau_does_nothing_while_the_metric_improves():
    plateau, lines = make_plateau()
    assert plateau_run(plateau, [1 / n for n in range(1, 8)]) == pytest.approx([0.1] * 7)
    assert lines == []


def test_a_key_that_is_nan_is_neither_the_best_nor_worse():
    plateau, lines = make_plateau(from_epoch=1)
    losses = [math.nan, 1.0, math.nan, 0.9, math.nan, math.nan, 0.8]
    assert plateau_run(plateau, losses) == pytest.approx([0.1] * 7)
    assert (plateau.best, lines) == (0.8, [])


def test_each_of_several_optimizers_is_lowered_and_told():
    one, two = keras.optimizers.SGD(0.1, name="one"), keras.optimizers.Adam(0.01, name="two")
    model = Optimizing()
    model.optimizer = SimpleNamespace(optimizers=[one, two])
    plateau, lines = make_plateau(from_epoch=1, patience=1)
    plateau.set_model(model)
    plateau.on_train_begin()
    for epoch in range(2):
        plateau.on_epoch_end(epoch, {"val_loss": 1.0})
    assert [float(each.learning_rate) for each in (one, two)] == pytest.approx([0.05, 0.005])
    assert [line.split(" lowered")[0] for line in lines] == [
        "epoch 2: learning rate one",
        "epoch 2: learning rate two",
    ]


def test_plateau_goes_on_from_its_state():
    whole = plateau_run(make_plateau()[0], [1.0] * 7)
    model = Optimizing()
    first, _ = make_plateau()
    begun = plateau_run(first, [1.0] * 5, model=model)
    second, _ = make_plateau()
    second.set_state(first.get_state())
    assert begun + plateau_run(second, [1.0] * 2, first=6, model=model) == pytest.approx(whole)


def test_plateau_refuses_misuse():
    with pytest.raises(ValueError, match="Received: from_epoch=0"):
        make_plateau(from_epoch=0)
    with pytest.raises(ValueError, match=r"passed as `monitor=`\. Received: from_epoch='val_loss'"):
        DelayedReduceLROnPlateau("val_loss")
    with pytest.raises(TypeError, match="Received: patiance"):
        make_plateau(patiance=3)
