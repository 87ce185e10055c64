"""The same network with more units in its hidden layers, as a program of its own."""

from __future__ import annotations

import copy
from typing import Any

import keras

from ferkeras.diagnose.program.program import Program

_WIDTHS = {"Dense": "units", "Conv1D": "filters", "Conv2D": "filters"}


def widened(program: Program, times: int) -> Program | None:
    """A program whose hidden layers are so many times as wide; None where it cannot be built.

    Only models that Keras can describe (sequential, functional) are widened.
    """
    model = program.model
    if not isinstance(model, keras.Sequential):
        return None
    last = program.head.last_weighted
    rebuilt = [keras.Input(batch_shape=model.input_shape)]
    for layer in model.layers:
        config = copy.deepcopy(layer.get_config())
        key = _WIDTHS.get(type(layer).__name__)
        if key is not None and layer is not last:
            config[key] *= times
        rebuilt.append(type(layer).from_config(config))
    try:
        wide = keras.Sequential(rebuilt)
    except (ValueError, TypeError):
        return None
    wide.compile(loss=model.loss, optimizer=another_optimizer(model.optimizer))
    result = Program(wide, program.train, None, program.fit, max(0.0, program.trials.seconds_left))
    result.trials.head_is_wrong = program.trials.head_is_wrong
    result.trials.scale_inputs = program.trials.scale_inputs
    return result


def another_optimizer(optimizer: Any) -> Any:
    """One with the same settings, which holds no variables yet."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return type(inner).from_config(inner.get_config())
