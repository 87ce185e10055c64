"""Everything about a model and the process that an examination touches, given back as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from tensorflow.python.eager import context as tensorflow_context


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Give weights, optimizer, metrics and random states back when the block ends.

    Layers' attributes are not in this; what changes one gives it back itself.
    """
    variables = variables_of(model)
    values = [variable.numpy() for variable in variables]
    shared = keras.src.backend.common.global_state.get_global_attribute("global_seed_generator")
    seed = None if shared is None else shared.state.numpy()
    states = random.getstate(), np.random.get_state(), _tensorflow_state()
    stop = getattr(model, "stop_training", False)
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        if seed is not None:
            shared.state.assign(seed)
        random.setstate(states[0])
        np.random.set_state(states[1])
        _restore_tensorflow(states[2])
        model.stop_training = stop


def variables_of(model: keras.Model) -> list[Any]:
    """Weights, random states, optimizer and metrics, each variable once."""
    found = [*model.variables, *model.metrics_variables]
    if getattr(model, "optimizer", None) is not None:
        found += model.optimizer.variables
    return list({id(variable): variable for variable in found}.values())


def _tensorflow_state() -> Any:
    # Operations without a seed of their own draw one from the context's generator.
    generator = getattr(tensorflow_context.context(), "_rng", None)
    return None if generator is None else generator.getstate()


def _restore_tensorflow(state: Any) -> None:
    if state is not None:
        tensorflow_context.context()._rng.setstate(state)
