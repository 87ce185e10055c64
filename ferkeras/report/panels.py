"""What is drawn of a history: which columns stand together in a panel, and how.

The pictures of a run, the pages and the arrangement of TensorBoard's Custom Scalars all follow
these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ferkeras.report.columns import members
from ferkeras.report.palette import THIRD, TRAIN, VALIDATION

if TYPE_CHECKING:
    import pandas as pd

Style = Literal["-", "--", ":"]


@dataclass(frozen=True)
class Line:
    """How a column is drawn.

    Attributes:
        key: of a column or a family, see `ferkeras.report.columns`.
        color: None for families, whose members have colours of their own.
        style: of the line.
        width: in points.
        marker: of an epoch.
        band: columns between which a band is drawn around the line.
    """

    key: str
    color: str | None = None
    style: Style = "-"
    width: float = 1.8
    marker: str = "o"
    band: tuple[str, str] | None = None


@dataclass(frozen=True)
class Panel:
    """Columns that are read together.

    Attributes:
        title: above them.
        group: the question they are about; TensorBoard's heading.
        lines: what is drawn.
        unit: of the vertical axis.
        log: logarithmic where all values are above 0.
        least_range: the vertical axis shows at least from the one to the other.
        steps: values hold for a whole epoch.
        best: mark the largest value of the column of this name.
        clipping: draw the norm that gradients are clipped to.
        skipped: mark the epochs in which the column of this name is above 0.
        in_pictures: whether it is drawn, or only arranged in TensorBoard.
        legend_columns: entries of the legend side by side.
    """

    title: str
    group: str
    lines: tuple[Line, ...]
    unit: Literal["", "nats", "%"] = ""
    log: bool = False
    least_range: tuple[float, float] | None = None
    steps: bool = False
    best: str | None = None
    clipping: bool = False
    skipped: str | None = None
    in_pictures: bool = True
    legend_columns: int = 2

    def is_measured(self, history: pd.DataFrame) -> bool:
        """Whether the history has a finite value of any of its lines."""
        return any(
            is_measured(history, key) for line in self.lines for key in keys_of(history, line.key)
        )


LEARNS, CLASSES = "Does it learn?", "Every class?"
SETTINGS, GRADIENTS = "Regularisation and learning rate", "Gradients"

PANELS = (
    Panel(
        "Loss and cross-entropy",
        LEARNS,
        (
            Line("loss", TRAIN, "--", 1.1),
            Line("val_loss", VALIDATION, "--", 1.1),
            Line("cross_entropy", TRAIN),
            Line("val_cross_entropy", VALIDATION),
        ),
        unit="nats",
    ),
    Panel(
        "Accuracy",
        LEARNS,
        (
            Line("accuracy", TRAIN, ":", 1.4),
            Line("inference_accuracy", TRAIN),
            Line("val_accuracy", VALIDATION),
            Line("val_balanced_accuracy", VALIDATION, ":", 1.4),
        ),
        unit="%",
        best="val_accuracy",
    ),
    Panel(
        "Recall of each class",
        CLASSES,
        (Line("val_recall/", width=1.5),),
        unit="%",
        least_range=(0, 1),
        legend_columns=4,
    ),
    Panel(
        "Precision of each class",
        CLASSES,
        (Line("val_precision/", width=1.5),),
        unit="%",
        least_range=(0, 1),
        in_pictures=False,
    ),
    Panel(
        "Gradient norm before clipping",
        GRADIENTS,
        (Line("gradient_norm", TRAIN, band=("gradient_norm_min", "gradient_norm_max")),),
        log=True,
        clipping=True,
        legend_columns=3,
    ),
    Panel(
        "Clipped steps",
        GRADIENTS,
        (Line("gradient_clipped", TRAIN),),
        unit="%",
        least_range=(0, 1),
        skipped="gradient_skipped",
        legend_columns=1,
    ),
    Panel(
        "Gradient norm of each layer, first to last",
        GRADIENTS,
        (Line("gradient_norm/", width=1.3),),
        log=True,
        legend_columns=3,
    ),
    Panel(
        "Learning rate",
        SETTINGS,
        (Line("learning_rate", TRAIN),),
        log=True,
        steps=True,
        legend_columns=1,
    ),
    Panel(
        "Dropout and label smoothing",
        SETTINGS,
        (
            Line("conv_dropout", TRAIN),
            Line("dense_dropout", VALIDATION, marker="s"),
            Line("label_smoothing", THIRD, "--", marker="^"),
        ),
        least_range=(0, 0.5),
        legend_columns=3,
    ),
    Panel(
        "Fraction of validation predictions",
        CLASSES,
        (Line("val_predicted/", width=1.5),),
        unit="%",
        least_range=(0, 0.4),
        legend_columns=4,
    ),
)

COMPARED = {
    "val_accuracy": "Validation accuracy",
    "val_balanced_accuracy": "Balanced validation accuracy",
    "val_cross_entropy": "Validation cross-entropy, nats",
    "accuracy": "Training accuracy, as trained",
    "cross_entropy": "Training cross-entropy, nats",
    "val_collapse_fraction": "Fraction of the majority prediction",
    "gradient_norm": "Gradient norm before clipping",
    "learning_rate": "Learning rate",
    "conv_dropout": "Conv dropout",
    "dense_dropout": "Dense dropout",
    "label_smoothing": "Label smoothing",
}
"""Columns that are drawn of several runs over each other, with the titles of their panels."""


def keys_of(history: pd.DataFrame, key: str) -> list[str]:
    """The columns that a line stands for: itself, or the members of its family."""
    if key.endswith("/"):
        return list(members(history.columns, key))
    return [key] if key in history else []


def is_measured(history: pd.DataFrame, key: str) -> bool:
    """Whether a column is there and has a finite value."""
    return key in history and bool(np.isfinite(history[key].to_numpy(float)).any())
