"""What this machine cannot hold, or computes slowly, is said before the training."""

import gc
import io

import keras
import pytest
from brief_training import QUICK, synthetic_splits
from tensorflow.python.framework.func_graph import FuncGraph

from ferkeras.cli.console import Console
from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.config.sections import train
from ferkeras.fit import header
from ferkeras.fit.brief import train_one
from ferkeras.network import precision as network_precision
from ferkeras.training.memory import activation_bytes, physical_memory
from ferkeras.training.setup import build_setup


def test_activations_are_the_outputs_of_all_layers():
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", dtype="bfloat16")(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    numbers = {"input": 64, "scaled": 64 * 4, "convolved": 256 * 2, "flat": 256 * 4, "scores": 12}
    assert activation_bytes(model, 5) == 5 * sum(numbers.values())


def test_this_machine_has_some():
    there = physical_memory()
    assert there is None or there > 2**28


@pytest.mark.parametrize(("pages", "said"), [(2**20, True), (2**40, False), (None, False)])
def test_a_batch_that_has_no_room_is_an_alarm_before_the_first_step(monkeypatch, pages, said):
    splits = synthetic_splits(300)
    config = with_values(Config(), QUICK | {"train.batch_size": 4096})
    monkeypatch.setattr(header, "physical_memory", lambda: pages)
    console = Console(stream := io.StringIO())
    header.print_what_will_be_trained(config, splits, build_setup(config, splits), console, None)
    assert bool(console.alarms) == said
    assert ("Lower train.batch_size" in stream.getvalue()) == said


@pytest.mark.parametrize(("precision", "said"), [("mixed_bfloat16", True), ("auto", False)])
def test_bfloat16_where_the_processor_has_none_is_an_alarm(monkeypatch, precision, said):
    for module in (network_precision, train):
        monkeypatch.setattr(module, "computes_bfloat16", lambda: False)
    splits = synthetic_splits(300)
    config = with_values(Config(), QUICK | {"train.precision": precision})
    console = Console(stream := io.StringIO())
    header.print_what_will_be_trained(config, splits, build_setup(config, splits), console, None)
    assert bool(console.alarms) == said
    assert ("with train.precision=auto" in stream.getvalue()) == said
    assert (", float32\n" in stream.getvalue()) != said


def traced_graphs():
    gc.collect()
    return sum(isinstance(each, FuncGraph) for each in gc.get_objects())


def test_one_training_of_many_keeps_none_of_its_traced_steps(tmp_path):
    quick = {"train.epochs": 1, "monitor.tensorboard": False, "monitor.diagnose": False}
    config = with_values(Config(), QUICK | quick | {"output.folder": str(tmp_path)})

    def training():
        console, splits = Console(io.StringIO()), synthetic_splits(200)
        train_one(config, splits, console, None, watch=(), epoch_done=lambda: None)
        return traced_graphs()

    assert training() == training()
