"""Everything about a model and the process that an examination touches, given back as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from tensorflow.python.eager import context as tensorflow_context
from tensorflow.python.ops import stateful_random_ops

from ferkeras.diagnose.program.attributes import counters_as_they_were


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Give weights, optimizer, metrics and random states back when the block ends.

    Of layers' attributes it gives those back that count; what else changes one gives it back
    itself.
    """
    others = _other_optimizers(model)
    new = [(each, _state_of(each)) for each in others if not each.built]
    variables = variables_of(model)
    values = [variable.numpy() for variable in variables]
    stop = getattr(model, "stop_training", False)
    try:
        with random_states(), counters_as_they_were(model._flatten_layers(include_self=True)):
            yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for optimizer, state in new:
            vars(optimizer).clear()
            vars(optimizer).update(state)
        model.stop_training = stop


@contextmanager
def random_states() -> Iterator[None]:
    """Give the process's random states back when the block ends."""
    shared = keras.src.backend.common.global_state.get_global_attribute("global_seed_generator")
    seed = None if shared is None else shared.state.numpy()
    states = random.getstate(), np.random.get_state(), _tensorflow_state()
    try:
        yield
    finally:
        if seed is not None:
            shared.state.assign(seed)
        random.setstate(states[0])
        np.random.set_state(states[1])
        _restore_tensorflow(states[2])


def variables_of(model: keras.Model) -> list[Any]:
    """Weights, random states, optimizer and metrics, each variable once."""
    found = [*model.variables, *model.metrics_variables]
    if getattr(model, "optimizer", None) is not None:
        found += model.optimizer.variables
    found += [variable for each in _other_optimizers(model) for variable in each.variables]
    return list({id(variable): variable for variable in found}.values())


def _other_optimizers(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Optimizers that a model of somebody's own has besides the compiled one."""
    held = []
    for value in vars(model).values():
        several = value.values() if isinstance(value, dict) else value
        held += list(several) if isinstance(value, (dict, list, tuple)) else [value]
    own = getattr(model, "optimizer", None)
    found = [e for e in held if isinstance(e, keras.optimizers.Optimizer) and e is not own]
    return list({id(each): each for each in found}.values())


def _state_of(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """The attributes of one that is not built, with its lists as they are now."""
    return {
        name: type(value)(value) if type(value) in (list, dict) else value
        for name, value in vars(optimizer).items()
    }


def _tensorflow_state() -> Any:
    # Operations without a seed of their own draw one from the context's generator.
    generator = getattr(tensorflow_context.context(), "_rng", None)
    shared = stateful_random_ops.global_generator
    return (
        None if generator is None else generator.getstate(),
        None if shared is None else shared.state.numpy(),
    )


def _restore_tensorflow(state: Any) -> None:
    own, shared = state
    if own is not None:
        tensorflow_context.context()._rng.setstate(own)
    if shared is not None:
        stateful_random_ops.global_generator.state.assign(shared)
