"""The charts of a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.report.events import Event
from ferkeras.report.html.charts import Chart, Line

if TYPE_CHECKING:
    import pandas as pd


def run_charts(
    history: pd.DataFrame, events: Sequence[Event], clip_norm: float | None
) -> list[Chart]:
    """The curves of one run, ramps and reductions marked; charts without data are empty.

    Args:
        history: one row an epoch, as `ferkeras.report.curves.curves_figure` takes it.
        events: what is marked.
        clip_norm: the norm gradients are clipped to, or None.
    """

    def line(key: str, name: str, style: str) -> list[Line]:
        return [_line(history, key, name, style)] if key in history else []

    def all_of(prefix: str, styles: str | None = None) -> list[Line]:
        keys = [key for key in map(str, history.columns) if key.startswith(prefix)]
        return [
            _line(history, key, name, styles or name)
            for key in keys
            if (name := key.removeprefix(prefix))
        ]

    accuracy = [
        *line("val_accuracy", "validation", "validation"),
        *line("val_balanced_accuracy", "validation, balanced", "validation dotted"),
        *line("inference_accuracy", "training faces in inference", "train"),
        *line("accuracy", "training, as trained", "train dotted"),
    ]
    loss = [
        *line("val_cross_entropy", "validation cross-entropy", "validation"),
        *line("cross_entropy", "training cross-entropy", "train"),
        *line("val_loss", "validation loss", "validation dotted"),
        *line("loss", "training loss, weighted and smoothed", "train dotted"),
    ]
    norm = line("gradient_norm", "mean, with least and largest", "train")
    if norm and {"gradient_norm_min", "gradient_norm_max"} <= set(history):
        norm = [
            _line(
                history,
                "gradient_norm",
                "mean, with least and largest",
                "train",
                band=("gradient_norm_min", "gradient_norm_max"),
            )
        ]
    level = None if clip_norm is None else (clip_norm, f"clipped to {clip_norm:g}")
    regularisation = [
        *line("conv_dropout", "conv dropout", "train"),
        *line("dense_dropout", "dense dropout", "validation"),
        *line("label_smoothing", "label smoothing", "third"),
    ]
    layers = all_of("gradient_norm/")
    layers = [
        Line(each.name, each.epochs, each.values, f"shade{round(9 * at / max(1, len(layers) - 1))}")
        for at, each in enumerate(layers)
    ]
    charts = [
        Chart("Accuracy", accuracy, percent=True),
        Chart("Loss and cross-entropy, nats", loss),
        Chart("Recall of each emotion", all_of("recall/"), percent=True, least_range=(0, 1)),
        Chart(
            "Share of validation answers", all_of("predicted/"), percent=True, least_range=(0, 0.4)
        ),
        Chart("Gradient norm before clipping", norm, log=True, level=level),
        Chart("Gradient norm of each layer, first dark, last light", layers, log=True),
        Chart(
            "Clipped steps",
            line("gradient_clipped", "share of steps", "train"),
            percent=True,
            least_range=(0, 1),
        ),
        Chart("Learning rate", line("learning_rate", "learning rate", "train"), log=True),
        Chart("Dropout and label smoothing", regularisation, least_range=(0, 0.5)),
    ]
    for chart in charts:
        chart.events = events
    return charts


COMPARED = (
    ("val_accuracy", "Validation accuracy", True, False),
    ("val_balanced_accuracy", "Balanced validation accuracy", True, False),
    ("val_cross_entropy", "Validation cross-entropy, nats", False, False),
    ("accuracy", "Training accuracy, as trained", True, False),
    ("cross_entropy", "Training cross-entropy, nats", False, False),
    ("collapse_fraction", "Fraction of the majority prediction", True, False),
    ("gradient_norm", "Gradient norm before clipping", False, True),
    ("learning_rate", "Learning rate", False, True),
    ("conv_dropout", "Conv dropout", False, False),
    ("dense_dropout", "Dense dropout", False, False),
    ("label_smoothing", "Label smoothing", False, False),
)
"""What is drawn of several runs: column, title, share, logarithmic."""


def compared_charts(histories: dict[str, pd.DataFrame]) -> list[Chart]:
    """The curves of several runs over each other, one line a run, by the run's name."""
    charts = []
    for key, title, percent, log in COMPARED:
        lines = [
            _line(history, key, name, f"run{at % 8}")
            for at, (name, history) in enumerate(histories.items())
            if key in history
        ]
        charts.append(Chart(title, lines, percent=percent, log=log))
    return charts


def _line(
    history: pd.DataFrame, key: str, name: str, style: str, band: tuple[str, str] | None = None
) -> Line:
    low, high = (None, None) if band is None else (_floats(history, b) for b in band)
    return Line(
        name, history["epoch"].to_numpy(float), _floats(history, key), style, low=low, high=high
    )


def _floats(history: pd.DataFrame, key: str) -> np.ndarray:
    return history[key].to_numpy(float)
