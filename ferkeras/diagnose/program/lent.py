"""What a rehearsal is lent by the program, and gives back as it was."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from ferkeras.diagnose.program.optimizers import another_optimizer


@contextmanager
def silence() -> Iterator[None]:
    """What the program's own code prints meanwhile is not for whoever reads the diagnosis."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def copied(data: Any) -> Any:
    """A copy of what may change itself at the end of an epoch; the same where there is none."""
    if not isinstance(data, keras.utils.PyDataset):
        return data
    try:
        return copy.deepcopy(data)
    except Exception:
        # It holds what cannot be copied, such as a file.
        return data


@contextmanager
def eagerly() -> Iterator[None]:
    """Leave no traces of the program's own functions: they would hold what is only lent here."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def as_it_runs(model: keras.Model, x: Any) -> Iterator[None]:
    """Call a model eagerly that is compiled for that, where it cannot be called otherwise.

    Args:
        model: may ask NumPy, which no trace can.
        x: inputs of a few rows.
    """
    asks = getattr(model, "run_eagerly", False) and not _is_traceable(model, x)
    with eagerly() if asks else contextlib.nullcontext():
        yield


def _is_traceable(model: keras.Model, x: Any) -> bool:
    import tensorflow as tf

    try:
        tf.function(lambda rows: model(rows, training=False)).get_concrete_function(
            keras.tree.map_structure(tf.convert_to_tensor, x)
        )
    except Exception:
        # Whatever its code raises of a tensor without values.
        return False
    return True


@contextmanager
def its_strategy(model: keras.Model) -> Iterator[None]:
    """Make variables where the model's are: on each device of the strategy that it is made for."""
    strategy = getattr(model, "_distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        yield


@contextmanager
def own_optimizer(model: keras.Model) -> Iterator[None]:
    """Train with an optimizer like the model's, whose own stays as it is."""
    names = ("optimizer", "train_function", "test_function", "history", "stop_training")
    before = {name: getattr(model, name, None) for name in names}
    optimizer: Any = before["optimizer"]
    with its_strategy(model):
        model.optimizer = another_optimizer(optimizer)
    model.train_function = model.test_function = None
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)


@contextmanager
def trained_as_before(model: keras.Model) -> Iterator[None]:
    """Give back which layers are trained; a callback may say so."""
    before = [(layer, layer.trainable) for layer in model._flatten_layers(include_self=True)]
    try:
        yield
    finally:
        # What holds others comes before these, and says so for them too.
        for layer, trainable in before:
            if layer.trainable != trainable:
                layer.trainable = trainable
