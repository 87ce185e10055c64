"""Precision, recall, F1 and fraction of predictions for each class, from Keras's own validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from .counting import count_confusion, read_confusion_matrix


@dataclass(frozen=True)
class ClassScores:
    """Scores of each class, all arrays of shape (K,).

    Attributes:
        precision: fraction of the predictions of the class that are right, 0 where there are none.
        recall: fraction of the class that is found (its accuracy), 0 where there is none of it.
        f1: harmonic mean of the two.
        support: int64, samples of the class.
        predicted: fraction of all predictions that are the class.
        truth: fraction of all samples that are the class.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray


def score_classes(matrix: np.ndarray) -> ClassScores:
    """Score each class from a confusion matrix of counts (K, K), truth by row.

    Raises:
        ValueError: the matrix is not square, or is empty of counts.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"Expected a square matrix. Received: shape {matrix.shape}")
    total = matrix.sum()
    if not total:
        raise ValueError("Expected a matrix with counts. Received: only zeros")
    right = np.diagonal(matrix)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    # At least 1: where nothing is counted, the score is 0.
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return ClassScores(precision, recall, f1, support, predicted / total, support / total)


def format_table(scores: ClassScores, names: Sequence[str]) -> str:
    """Lay the scores out as an aligned table, one line a class and one of means."""
    width = max(len(name) for name in (*names, "mean"))
    head = f"{'class':<{width}}  recall  precision     F1  support  predicted   truth"
    rows = [
        f"{name:<{width}}  {recall:6.1%}  {precision:9.1%}  {f1:5.1%}  {support:7,}"
        f"  {predicted:9.1%}  {truth:6.1%}"
        for name, recall, precision, f1, support, predicted, truth in zip(
            names,
            scores.recall,
            scores.precision,
            scores.f1,
            scores.support,
            scores.predicted,
            scores.truth,
            strict=True,
        )
    ]
    present = scores.support > 0
    means = [values[present].mean() for values in (scores.recall, scores.precision, scores.f1)]
    rows.append(
        f"{'mean':<{width}}  {means[0]:6.1%}  {means[1]:9.1%}  {means[2]:5.1%}"
        f"  {scores.support.sum():7,}"
    )
    return "\n".join([head, *rows])


class PerClassReport(keras.callbacks.Callback):
    """Publish the scores of every class after validation, and log a table now and then.

    Use it wherever classes are unequal: an accuracy that rises can hide a class that is never
    found. The scores come from a confusion matrix that the model keeps during Keras's validation,
    so they cost no forward pass. Labels may be class indices, one-hot, or 0 and 1.

    Reads: a compiled `ConfusionMatrix`; where there is none, the callback adds one that leaves
    logs and files alone.
    Publishes, in every epoch with a validation: ``val_recall/<name>``, ``val_precision/<name>``,
    ``val_f1/<name>`` and ``val_predicted/<name>`` (fraction of all predictions); NaN where a
    prediction is not a number.

    Args:
        names: names of the classes in the order of their labels, at least two, all different.
        every: epochs between two tables, at least 1.
        log: called with each table.
        threshold: what one column of predictions must exceed for the second of two classes; by
            default as the compiled loss says: 0 where it reads logits or is a hinge, or is a
            function of one's own behind a linear output; else 0.5.

    Attributes:
        matrix: int64 array (K, K) of the last validation, truth by row; None before, and where
            predictions are not numbers.

    Raises:
        ValueError: an argument is out of its range, or the model has another number of classes.

    Example:

    ```python
    report = PerClassReport(["cat", "dog", "bird"], every=2)
    history = model.fit(x, y, validation_data=(x, y), epochs=4, verbose=0, callbacks=[report])
    history.history["val_recall/bird"]
    ```
    """

    def __init__(
        self,
        names: Sequence[str],
        every: int = 5,
        log: Callable[[str], None] = print,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(
                "Invalid value received for argument `names`. Expected at least two different "
                f"names. Received: names={names}"
            )
        if every < 1:
            raise ValueError(
                "Invalid value received for argument `every`. Expected at least 1. "
                f"Received: every={every}"
            )
        self.names = tuple(names)
        self.every = every
        self.log = log
        self.threshold = threshold
        self.matrix: np.ndarray | None = None
        self._fresh = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Wait for this epoch's validation."""
        self._fresh = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Have the model count, if it does not."""
        count_confusion(self.model, len(self.names), self.threshold)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the matrix of the validation that has just ended."""
        self.matrix = read_confusion_matrix(self.model, len(self.names), self.threshold)
        self._fresh = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish the scores; log the table every few epochs."""
        if not self._fresh:
            # As Keras's own ``val_...``: `EarlyStopping` and `ModelCheckpoint` take a NaN of the
            # first epoch for the best that there is.
            return
        logs = {} if logs is None else logs
        scores = None
        if self.matrix is not None and self.matrix.any():
            scores = score_classes(self.matrix)
        for key in ("recall", "precision", "f1", "predicted"):
            for index, name in enumerate(self.names):
                value = math.nan if scores is None else float(getattr(scores, key)[index])
                logs[f"val_{key}/{name}"] = value
        if (epoch + 1) % self.every == 0:
            if scores is not None:
                table = format_table(scores, self.names)
                self.log(f"epoch {epoch + 1}: validation by class\n{table}")
            elif self.matrix is None:
                self.log(f"epoch {epoch + 1}: predictions of the validation are not numbers (NaN)")
