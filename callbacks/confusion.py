"""Find the confusion matrix that a model's validation pass has filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np


def read_confusion_matrix(model: keras.Model, num_classes: int) -> np.ndarray:
    """Read the counts of the compiled metric that keeps a confusion matrix.

    Any metric will do that has a variable `matrix` of shape (K, K) with counts, truth by row and
    answer by column.

    Args:
        model: a compiled model that has been evaluated.
        num_classes: K.

    Returns:
        int64 array of shape (K, K), a copy.

    Raises:
        ValueError: there is no such metric, or it is for another number of classes.
    """
    metrics = list(_flatten(model.metrics))
    for metric in metrics:
        variable = getattr(metric, "matrix", None)
        if variable is None:
            continue
        matrix = np.array(keras.ops.convert_to_numpy(variable)).astype(np.int64)
        if matrix.shape != (num_classes, num_classes):
            raise ValueError(
                f"Expected a confusion matrix for {num_classes} classes, one for each name. "
                f"Received: {metric.name}.matrix with shape {matrix.shape}"
            )
        return matrix
    raise ValueError(
        "Expected a metric with a variable `matrix` of shape (classes, classes) among the "
        "compiled metrics, for instance a ConfusionMatrix; add one to `compile(metrics=[...])`. "
        f"Received: metrics={[metric.name for metric in metrics]}"
    )


def _flatten(metrics: Iterable[Any]) -> Iterator[Any]:
    for metric in metrics:
        yield metric
        # Keras keeps those passed to `compile` in a container that is itself a metric.
        yield from _flatten(getattr(metric, "metrics", ()))
