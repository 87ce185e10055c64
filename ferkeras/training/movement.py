"""How far training moves the weights, relative to their size."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np


def trained_variables(model: keras.Model) -> list[keras.Variable]:
    """What the optimizer changes in the course of a training.

    These are the trainable weights in the model's order, those of layers that are frozen now too.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_weights)
    return list(model.optimizer._trainable_variables)


def weights_of(model: keras.Model) -> list[np.ndarray]:
    """Copies of `trained_variables`."""
    # Copied: on a processor the array may be the variable's own memory.
    return [np.array(variable.numpy()) for variable in trained_variables(model)]


def movement_of_kernels(model: keras.Model, before: Sequence[np.ndarray]) -> dict[str, float]:
    """Relative change ||after - before|| / ||before|| of each kernel, by its path.

    Kernels that were zero are left out, and those that are frozen.

    Args:
        model: as it is after.
        before: what `weights_of` gave before.

    Source:
        The update-to-weight ratio of Karpathy, CS231n, "Neural networks part 3".
    """
    return {
        variable.path: float(np.linalg.norm(variable.numpy() - old) / np.linalg.norm(old))
        for variable, old in zip(trained_variables(model), before, strict=True)
        if variable.trainable and variable.path.endswith("kernel") and np.any(old)
    }
