"""The monitor of gradient norms."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks import MonitoredModel
from callbacks.gradient_metric import GradientNorms
from callbacks.gradient_norms import GradientNormMonitor, describe, layer_norms
from ferkeras.network.loss import SmoothedCrossentropy

pytestmark = pytest.mark.usefixtures("eager")


def test_norms_by_layer_are_those_of_the_kernels():
    assert layer_norms(
        {
            "block/conv/kernel": 2.0,
            "block/conv/bias": 9.0,
            "norm/gamma": 9.0,
            "separable/depthwise_kernel": 3.0,
            "separable/pointwise_kernel": 4.0,
        }
    ) == {"block/conv": 2.0, "separable": 5.0}


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(1e-6, 1e3), min_size=1))
def test_description_lists_all_layers_and_names_the_smallest(layers):
    text = describe(layers)
    assert text.count(",") == len(layers)
    assert f"smallest at {min(layers, key=layers.get)}" in text


def test_description_of_a_layer_that_no_gradient_reaches():
    assert describe({"a": 0.0, "b": 1.0}).endswith("(none reaches a)")


class Variable:
    def __init__(self, path):
        self.path = path


class Measured:
    """A model that has measured the norms it is given."""

    def __init__(self, norms):
        self.weights = [Variable("first/kernel"), Variable("last/kernel")]
        self.trainable_weights = self.weights
        self.optimizer = self
        self._trainable_variables = self.trainable_weights
        self.gradient_norms = self
        self.norms = norms

    def mean_norms(self):
        return self.norms


def judge(norm=1.0, clipped=0.0, skipped=0.0, monitor=None, epoch=1, norms=None):
    said, alarms = [], []
    monitor = monitor or GradientNormMonitor()
    monitor.log, monitor.alarm = said.append, alarms.append
    monitor.set_model(
        Measured({"first/kernel": 1.0, "last/kernel": 2.0} if norms is None else norms)
    )
    logs = {"gradient_norm": norm, "gradient_clipped": clipped, "gradient_skipped": skipped}
    monitor.on_train_begin()
    monitor.on_epoch_begin(epoch - 1)
    monitor.on_epoch_end(epoch - 1, logs)
    return said, alarms, logs


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ({}, None),
        ({"norm": 1e-5}, "vanish"),
        ({"norm": 1e3}, "explode"),
        ({"clipped": 1.0}, "100% of the steps were clipped"),
        ({"skipped": 3.0}, "3 step(s) had a loss or gradient that was not finite"),
        ({"norm": math.nan, "clipped": math.nan, "skipped": 5.0}, "5 step(s)"),
    ],
)
def test_alarms(logs, expected):
    _, alarms, _ = judge(**logs)
    assert len(alarms) == (expected is not None)
    if expected:
        assert expected in alarms[0]


def test_an_alarm_is_not_repeated_and_its_end_is_told_also_after_a_restart():
    first = GradientNormMonitor()
    assert len(judge(1e3, monitor=first, epoch=1)[1]) == 1
    assert judge(1e3, monitor=first, epoch=2)[:2] == ([], [])
    second = GradientNormMonitor()
    second.set_state(first.get_state())
    said, alarms, _ = judge(1.0, monitor=second, epoch=3)
    assert said == ["epoch 3: gradients: exploding since epoch 1 is over"]
    assert alarms == []


def test_what_was_not_measured_is_not_judged():
    monitor = GradientNormMonitor()
    judge(1e3, clipped=1.0, monitor=monitor, epoch=1)
    said, alarms, _ = judge(math.nan, clipped=math.nan, skipped=4.0, monitor=monitor, epoch=2)
    assert said == []
    assert len(alarms) == 1
    assert "4 step(s)" in alarms[0]
    assert judge(1.0, monitor=monitor, epoch=3)[0] == [
        "epoch 3: gradients: exploding since epoch 1 is over",
        "epoch 3: gradients: clipping since epoch 1 is over",
    ]


def test_a_training_that_begins_knows_nothing_of_an_earlier_one():
    monitor = GradientNormMonitor()
    assert len(judge(1e3, monitor=monitor)[1]) == 1
    assert len(judge(1e3, monitor=monitor)[1]) == 1
    assert judge(1.0, monitor=monitor)[0] == []


def test_layers_are_published_every_epoch_and_said_every_few():
    monitor = GradientNormMonitor(layers_every=2)
    for epoch, lines in ((1, 0), (2, 1), (3, 0)):
        said, _, logs = judge(monitor=monitor, epoch=epoch)
        assert logs["gradient_norm/first"] == 1
        assert logs["gradient_norm/last"] == 2
        assert len(said) == lines
    _, _, logs = judge(monitor=monitor, epoch=4, norms={})
    assert math.isnan(logs["gradient_norm/first"])


@pytest.mark.parametrize("by_a_callback", [False, True])
def test_norms_are_those_of_training_though_validation_resets_the_metrics(by_a_callback):
    inputs = keras.Input((4,))
    model = MonitoredModel(inputs, keras.layers.Dense(2, name="logits")(inputs))
    model.compile("sgd", loss=SmoothedCrossentropy())
    x, y = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), np.arange(8) % 2
    evaluate = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.evaluate(x, y, verbose=0)
    )
    history = model.fit(
        x,
        y,
        epochs=2,
        validation_data=None if by_a_callback else (x, y),
        verbose=0,
        callbacks=[
            *([evaluate] if by_a_callback else []),
            GradientNormMonitor(log=lambda line: None),
        ],
    ).history
    # Of one dense layer on the logits the kernel holds all of the norm but the bias's share.
    for kernel, total in zip(
        history["gradient_norm/logits"], history["gradient_norm"], strict=True
    ):
        assert 0.5 * total < kernel <= total


def test_figures_of_an_epoch_are_there_until_the_next_step():
    norms = GradientNorms(["dense/kernel"])
    assert np.isnan(norms.figures()["gradient_norm"])
    norms.update_state([3.0], global_norm=3.0, finite=True)
    norms.update_state([5.0], global_norm=5.0, finite=False)
    for _ in range(3):
        # A validation resets the metrics, and the beginning of an epoch does.
        found = norms.figures()
        assert (found["gradient_norm"], found["gradient_skipped"]) == (3.0, 1.0)
        norms.reset_state()
    norms.update_state([7.0], global_norm=7.0, finite=True)
    assert norms.figures()["gradient_norm"] == 7.0


@pytest.mark.parametrize(
    "arguments",
    [{"layers_every": 0}, {"vanishing": -1}, {"vanishing": 5, "exploding": 4}, {"clipping": 0}],
)
def test_misuse_is_refused(arguments):
    with pytest.raises(ValueError, match="Received: "):
        GradientNormMonitor(**arguments)


def test_a_model_that_measures_nothing_is_refused():
    monitor = GradientNormMonitor()
    monitor.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match=r"model = MonitoredModel.*Received: model="):
        monitor.on_train_begin()
    monitor.set_model(Measured({}))
    with pytest.raises(ValueError, match="Received: logs without gradient_norm"):
        monitor.on_epoch_end(0, {})
