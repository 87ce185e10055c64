"""What all callbacks have in common: how they publish, resume and say no."""

import ast
import inspect
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import callbacks
from callbacks import ConfusionMatrix, MonitoredModel, VariableDropout
from callbacks.collapse_alarm import CollapseAlarm
from callbacks.gradient_norms import GradientNormMonitor
from callbacks.overfitting import OverfittingWatch
from callbacks.per_class_report import PerClassReport
from callbacks.plateau import DelayedReduceLROnPlateau
from callbacks.ramp import VariableRamp
from ferkeras.network.loss import SmoothedCrossentropy

pytestmark = pytest.mark.usefixtures("eager")

NAMES = ("a", "b", "c")
X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 24)


def build(cls):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, name="logits")(VariableDropout(0.1, name="drop")(inputs))
    model = cls(inputs, outputs)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile("adam", loss=SmoothedCrossentropy(), metrics=[accuracy, ConfusionMatrix(3)])
    return model


def quiet(line):
    pass


def make_all(model):
    return [
        GradientNormMonitor(log=quiet, alarm=quiet),
        PerClassReport(NAMES, log=quiet),
        CollapseAlarm(NAMES, log=quiet, alarm=quiet),
        VariableRamp(
            "dropout", [model.get_layer("drop").rate], 0.1, 0.2, from_epoch=2, over_epochs=2,
            gate=0.0, log=quiet,
        ),
        DelayedReduceLROnPlateau(from_epoch=2, patience=1, log=quiet),
        OverfittingWatch([(X, Y)], every=2, log=quiet, alarm=quiet),
    ]  # fmt: skip


def fit(model, listed, **options):
    return model.fit(
        X, Y, batch_size=8, epochs=4, validation_data=(X, Y), verbose=0, callbacks=listed, **options
    ).history


@pytest.mark.parametrize("validation_freq", [1, 3])
def test_the_same_keys_every_epoch_reach_history_and_csv(tmp_path, validation_freq):
    model = build(MonitoredModel)
    seen = []
    watcher = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append({k for k in logs if not k.startswith("val_")})
    )
    logger = keras.callbacks.CSVLogger(str(tmp_path / "history.csv"))
    listed = make_all(model)
    # Keras's own plateau callback warns in an epoch without validation.
    listed[4].monitor = "loss"
    fit(model, [*listed, watcher, logger], validation_freq=validation_freq)
    assert len(seen) == 4
    assert all(keys == seen[0] for keys in seen)
    named = "gradient_norm/logits dropout"
    assert {*named.split(), "learning_rate", "inference_accuracy"} < seen[0]
    header = (tmp_path / "history.csv").read_text().splitlines()[0].split(",")
    assert seen[0] < set(header)


def test_state_survives_json():
    model = build(MonitoredModel)
    listed = make_all(model)
    fit(model, listed)
    for callback, fresh in zip(listed, make_all(model), strict=True):
        if not hasattr(callback, "get_state"):
            continue
        state = json.loads(json.dumps(callback.get_state()))
        fresh.set_state(state)
        if isinstance(fresh, DelayedReduceLROnPlateau):
            fresh.set_model(model)
            fresh.on_train_begin()
        assert fresh.get_state() == callback.get_state() == state


def test_all_but_the_gradient_monitor_work_in_a_plain_model():
    model = build(keras.Model)
    monitor, *others = make_all(model)
    fit(model, others)
    with pytest.raises(ValueError, match="GradientNormMonitor needs"):
        fit(model, [monitor])


def test_none_hooks_into_batches():
    # Such a hook would make Keras convert the logs after every batch.
    for callback in make_all(build(MonitoredModel)):
        for hook in ("train_batch", "test_batch", "batch"):
            for end in ("begin", "end"):
                name = f"on_{hook}_{end}"
                assert getattr(type(callback), name) is getattr(keras.callbacks.Callback, name)


@pytest.mark.parametrize(
    "path", sorted(Path(inspect.getfile(callbacks)).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_files_import_nothing_but_what_any_keras_project_has(path):
    # Only the step that holds the gradient tape, and only inside of its functions.
    own = {"tensorflow"} if path.stem == "monitored_model" else set()
    allowed = sys.stdlib_module_names | {"keras", "numpy"} | own
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        else:
            continue
        assert {module.split(".")[0] for module in modules} <= allowed


def test_one_public_callback_a_file():
    for callback in make_all(build(MonitoredModel)):
        module = sys.modules[type(callback).__module__]
        classes = [
            value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, keras.callbacks.Callback)
        ]
        assert classes == [type(callback)]
