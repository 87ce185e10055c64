"""Every measure of a classifier, once: its name, how it is written, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

DASH = "\N{EN DASH}"

FEWEST = 30
"""Faces below which no figure says anything: the bootstrap fails, and a temperature is a guess."""


@dataclass(frozen=True)
class Measure:
    """One figure that says how good predictions are.

    Attributes:
        key: in `Predictions.metrics` and in every JSON file.
        name: for people.
        percent: whether it is a fraction that is shown in percent, or a number with three digits.
        lower_is_better: whether a smaller value is the better one.
    """

    key: str
    name: str
    percent: bool = True
    lower_is_better: bool = False


MEASURES = {
    measure.key: measure
    for measure in (
        Measure("accuracy", "accuracy"),
        Measure("balanced_accuracy", "balanced accuracy"),
        Measure("macro_f1", "macro F1"),
        Measure("cohen_kappa", "Cohen's kappa", percent=False),
        Measure("matthews", "Matthews correlation", percent=False),
        Measure("top2_accuracy", "top-2 accuracy"),
        Measure("log_loss", "log loss", percent=False, lower_is_better=True),
        Measure("brier", "Brier score", percent=False, lower_is_better=True),
        Measure("ece", "calibration error", lower_is_better=True),
    )
}
"""By key, in the order in which they are shown."""

PER_CLASS = {
    measure.key: measure
    for measure in (
        Measure("precision", "precision"),
        Measure("recall", "recall"),
        Measure("f1", "F1"),
    )
}
"""Measures of one class; a figure's key is `recall/<class>`."""


def measure_of(key: str) -> Measure:
    """The measure of a figure, such as `accuracy`, `recall` or `recall/happy`.

    Raises:
        KeyError: there is none of this key.
    """
    kind, slash, name = key.partition("/")
    if not slash:
        return MEASURES[key] if key in MEASURES else PER_CLASS[key]
    found = PER_CLASS[kind]
    return Measure(key, f"{found.name} of {name}", found.percent, found.lower_is_better)


def formatted(key: str, value: float | None, *, unit: bool = True) -> str:
    """A figure as text; a dash where it is not defined (None or NaN)."""
    if value is None or value != value:
        return DASH
    if not measure_of(key).percent:
        return f"{value:.3f}"
    return f"{100 * value:.1f}{'%' if unit else ''}"


def formatted_difference(key: str, value: float | None, *, unit: bool = True) -> str:
    """A difference of two figures with its sign; fractions in percentage points."""
    if value is None or value != value:
        return DASH
    if not measure_of(key).percent:
        return f"{value:+.3f}"
    return f"{100 * value:+.1f}{' points' if unit else ''}"


def formatted_interval(key: str, interval: tuple[float, float] | None) -> str:
    """An interval as text, such as `69.6 to 72.5`; empty where there is none."""
    if interval is None or interval[0] != interval[0]:
        return ""
    return " to ".join(formatted(key, end, unit=False) for end in interval)
