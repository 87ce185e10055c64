"""Look at a network in ways that change it, and find it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np


@contextmanager
def preserved(model: keras.Model) -> Iterator[None]:
    """Put every variable back when the block ends: weights, statistics, optimizer, metrics.

    Also those that drive dropout's random numbers, and the label smoothing of a
    `ferkeras.network.loss.SmoothedCrossentropy`.

    Args:
        model: compiled, its optimizer built.
    """
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    if hasattr(model.loss, "smoothing"):
        variables.append(model.loss.smoothing)
    # Copied: on a processor the array may be the variable's own memory.
    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
