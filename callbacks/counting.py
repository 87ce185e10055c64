"""Have a compiled model count true against predicted classes while Keras validates it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from .class_indices import decision_threshold
from .confusion_matrix import ConfusionMatrix

_ATTRIBUTE = "_counting_of_callbacks"


def count_confusion(model: keras.Model, num_classes: int, threshold: float | None = None) -> None:
    """Have a compiled model count in the validation that begins, if no compiled metric does.

    `read_confusion_matrix` at its end leaves the model as it was; logs, files and the list that
    ``evaluate`` returns are never other ones. Call both in every validation; several callbacks
    may.

    Args:
        model: compiled, with one output of probabilities or logits.
        num_classes: K; 2 for a model with one column of predictions.
        threshold: what one column must exceed for the second class; None for what the compiled
            loss says.
    """
    counting = vars(model).get(_ATTRIBUTE)
    if counting is not None:
        counting.end()
    if compiled_matrix(model) is not None:
        return
    if threshold is None:
        threshold = decision_threshold(model)
    if counting is None or not counting.serves(num_classes, threshold):
        counting = vars(model)[_ATTRIBUTE] = _Counting(model, num_classes, threshold)
    counting.begin()


def read_confusion_matrix(
    model: keras.Model, num_classes: int, threshold: float | None = None
) -> np.ndarray | None:
    """Read the counts of the validation that has ended.

    Any compiled metric will do that has a variable `matrix` of shape (K, K) with counts, truth by
    row and prediction by column; or see `count_confusion`.

    Args:
        model: a compiled model that has been evaluated.
        num_classes: K.
        threshold: as for `count_confusion`.

    Returns:
        int64 array of shape (K, K), a copy; None where predictions are not numbers (NaN).

    Raises:
        ValueError: nothing has been counted, it is for another number of classes or another
            threshold, or labels have several classes each.
    """
    counting = vars(model).get(_ATTRIBUTE)
    if counting is not None:
        counting.end()
    compiled = compiled_matrix(model)
    metric = compiled if compiled is not None else getattr(counting, "metric", None)
    if metric is None:
        raise ValueError(
            "Expected a metric with a variable `matrix` of shape (classes, classes), for instance "
            "a ConfusionMatrix; add one to `compile(metrics=[...])`. "
            f"Received: metrics={[metric.name for metric in _flatten(model.metrics)]}"
        )
    matrix = np.array(ops.convert_to_numpy(metric.matrix)).astype(np.int64)
    if matrix.shape != (num_classes, num_classes):
        raise ValueError(
            f"Expected a confusion matrix for {num_classes} classes, one for each name. "
            f"Received: {metric.name}.matrix with shape {matrix.shape}"
        )
    if threshold is None and compiled is None:
        threshold = decision_threshold(model)
    counted = getattr(metric, "threshold", None)
    if threshold is not None and counted is not None and threshold != counted:
        raise ValueError(
            "Expected all that counts in one validation to have one threshold: give every "
            "callback, and a ConfusionMatrix that is compiled, the same. "
            f"Received: {threshold:g}, and {counted:g} for {metric.name}"
        )
    several, broken = (
        int(ops.convert_to_numpy(getattr(metric, name, 0))) for name in ("of_several", "broken")
    )
    if several:
        raise ValueError(
            "Expected labels of one class each: a confusion matrix, and whatever is computed from "
            "it, has no meaning for classes that do not exclude each other. "
            f"Received: {several:,} of {matrix.sum() + broken:,} samples with several classes"
        )
    if broken:
        return None
    if compiled is None and not matrix.any():
        raise ValueError(
            "Expected a validation that counts its samples. Does the model's `test_step` call "
            "`compute_metrics`, and are the labels class indices from 0? Else add a "
            "ConfusionMatrix to what it updates. Received: no count"
        )
    return matrix


def compiled_matrix(model: keras.Model) -> Any:
    """The metric of a model that keeps a confusion matrix, and is its own; or None."""
    return next(
        (
            metric
            for metric in _flatten(model.metrics)
            if getattr(metric, "matrix", None) is not None and not isinstance(metric, _Counts)
        ),
        None,
    )


class _Counts(ConfusionMatrix):
    """The counts alone, without a key in the logs, so that a model stays as it was."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        # A step of one's own may hand the weights to every metric of the model.
        super().update_state(y_true, y_pred)

    def result(self) -> dict[str, Any]:
        return {}


class _Counting:
    """A metric that a model has from `begin` to `end`, with the test function that updates it.

    The function is kept from one validation to the next, so that it is traced once.

    Args:
        model: compiled, with a test function.
        num_classes: K.
        threshold: see `ConfusionMatrix`.
    """

    def __init__(self, model: keras.Model, num_classes: int, threshold: float) -> None:
        self.metric = _Counts(num_classes, name="confusion_counts", threshold=threshold)
        self._model = model
        self._plain = model.test_function
        self._function: Callable[..., Any] | None = None
        self._own: Any = None
        self._active = False

    def serves(self, num_classes: int, threshold: float) -> bool:
        """Whether it counts this, and the model has not been compiled anew."""
        return (
            self._plain is self._model.test_function
            and self.metric.num_classes == num_classes
            and self.metric.threshold == threshold
        )

    def begin(self) -> None:
        """Count from 0."""
        model, metric = self._model, self.metric
        self._own = vars(model).get("compute_metrics")
        inherited = model.compute_metrics

        def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            try:
                _count(metric, y, y_pred)
            except Exception:
                # The validation ends here, and nobody else is told.
                self.end()
                raise
            return inherited(x, y, y_pred, sample_weight)

        model.compute_metrics = compute_metrics
        # Not an attribute: a subclassed model takes none once it is built, and would save it.
        model._metrics.append(metric)
        # Keras does not where a model names its metrics itself.
        metric.reset_state()
        self._active = True
        if self._function is None:
            model.make_test_function(force=True)
            self._function = model.test_function
        model.test_function = self._function

    def end(self) -> None:
        """Leave the model as it was; what is counted stays in the metric."""
        if not self._active:
            return
        model = self._model
        self._active = False
        model._metrics.remove(self.metric)
        if self._own is None:
            del model.compute_metrics
        else:
            model.compute_metrics = self._own
        if model.test_function is self._function:
            model.test_function = self._plain


def _count(metric: ConfusionMatrix, y: Any, y_pred: Any) -> None:
    outputs = keras.tree.flatten(y_pred)
    if len(outputs) != 1:
        raise ValueError(
            "Expected a model with one output. Where there are several, compile a "
            "ConfusionMatrix for the one that is meant, in `compile(metrics={...})`. "
            f"Received: {len(outputs)} outputs"
        )
    metric.update_state(keras.tree.flatten(y)[0], outputs[0])


def _flatten(metrics: Iterable[Any]) -> Iterator[Any]:
    for metric in metrics:
        yield metric
        # Keras keeps those passed to `compile` in a container that is itself a metric.
        yield from _flatten(getattr(metric, "metrics", ()))
