"""The metrics that a model is compiled with, and what they say of its labels."""

from __future__ import annotations

import re
from typing import Any

import keras

_OF_CLASSES = re.compile(
    "acc|precision|recall|auc|f1|f_?score|f_?beta|crossentropy|top_?k|hinge|iou|kappa|matthews|mcc|"
    "sensitivity|specificity|confusion"
)
_OF_DISTANCES = re.compile(
    "(^|_)(r?mse|mae|s?mape|r?msle|r2|huber)(_|$)|r_?squared|determination|log_?cosh|"
    "(squared|absolute|percentage|logarithmic)_?error"
)


def named_metrics(model: keras.Model, *, weighted: bool = False) -> list[tuple[str, Any]]:
    """Metrics as `compile` was given them, with their names: they are there before `fit` is.

    Args:
        model: compiled.
        weighted: whether those that rows are weighed in are among them.
    """
    compiled = getattr(model, "_compile_metrics", None)
    places = ("_user_metrics", "_user_weighted_metrics")[: 1 + weighted]
    given = [getattr(compiled, place, None) or [] for place in places]
    return [(_name(each), each) for each in keras.tree.flatten(given) if each is not None]


def is_accuracy(name: str) -> bool:
    """Whether a metric of that name counts right answers."""
    return "acc" in name.lower() and "top" not in name.lower()


def measures_distances(model: keras.Model) -> bool:
    """Whether a model is judged by distances between numbers, and by nothing that is of classes."""
    kinds = [_kind(name, metric) for name, metric in named_metrics(model, weighted=True)]
    return any(map(_OF_DISTANCES.search, kinds)) and not any(map(_OF_CLASSES.search, kinds))


def _name(metric: Any) -> str:
    """The name of a metric, of a string, or of a function that is one."""
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "name", None) or getattr(metric, "__name__", ""))


def _kind(name: str, metric: Any) -> str:
    """Name and class of a metric in lower case, with underscores between the words."""
    words = f"{name}_{type(metric).__name__}" if isinstance(metric, keras.metrics.Metric) else name
    return re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", words).lower()
