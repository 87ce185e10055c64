"""Every column of a training's history, once: its name for people, and its TensorBoard tag.

A column is a key of Keras's logs. A key that ends in `/` stands for a family, such as
`val_recall/happy`; what follows the slash names the member.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Writer = Literal["train", "validation"]


@dataclass(frozen=True)
class Column:
    """One column of the history, or a family of them.

    Attributes:
        key: in the logs and in `history.csv`.
        name: for people; that of a family's member is what follows the slash.
        tag: in TensorBoard; of a family the part before the member's name.
        writer: which of the two TensorBoard runs has it.
        percent: whether it is a fraction that is shown in percent.
        sparse: whether it is measured in some epochs only, and NaN in the others.
    """

    key: str
    name: str
    tag: str
    writer: Writer = "train"
    percent: bool = False
    sparse: bool = False


COLUMNS = (
    Column("loss", "training loss (weighted, smoothed)", "epoch/loss"),
    Column("val_loss", "validation loss", "epoch/loss", "validation"),
    Column("cross_entropy", "training cross-entropy", "epoch/cross_entropy"),
    Column("val_cross_entropy", "validation cross-entropy", "epoch/cross_entropy", "validation"),
    Column("accuracy", "training, as trained", "epoch/accuracy", percent=True),
    Column("val_accuracy", "validation", "epoch/accuracy", "validation", percent=True),
    Column("balanced_accuracy", "training, balanced", "epoch/balanced_accuracy", percent=True),
    Column(
        "val_balanced_accuracy",
        "validation, balanced",
        "epoch/balanced_accuracy",
        "validation",
        percent=True,
    ),
    Column(
        "inference_accuracy",
        "training faces, in inference mode",
        "overfitting/accuracy",
        percent=True,
        sparse=True,
    ),
    Column("val_recall/", "recall", "recall/", "validation", percent=True, sparse=True),
    Column("val_precision/", "precision", "precision/", "validation", percent=True, sparse=True),
    Column("val_f1/", "F1", "f1/", "validation", percent=True, sparse=True),
    Column("val_predicted/", "predicted", "predicted/", "validation", percent=True, sparse=True),
    Column(
        "val_collapse_fraction",
        "majority prediction",
        "collapse/largest_fraction",
        "validation",
        percent=True,
        sparse=True,
    ),
    Column("gradient_norm", "mean of the epoch", "gradients/global_norm", sparse=True),
    Column("gradient_norm_min", "smallest", "gradients/global_norm_min", sparse=True),
    Column("gradient_norm_max", "largest", "gradients/global_norm_max", sparse=True),
    Column("gradient_norm/", "norm of a layer", "gradient_layers/", sparse=True),
    Column(
        "gradient_clipped",
        "fraction of steps that were clipped",
        "gradients/clipped_fraction",
        percent=True,
        sparse=True,
    ),
    Column("gradient_skipped", "skipped steps", "gradients/skipped_steps", sparse=True),
    Column("learning_rate", "learning rate", "optimizer/learning_rate", sparse=True),
    Column("conv_dropout", "conv dropout", "regularisation/conv_dropout", sparse=True),
    Column("dense_dropout", "dense dropout", "regularisation/dense_dropout", sparse=True),
    Column("label_smoothing", "label smoothing", "regularisation/label_smoothing", sparse=True),
)

_BY_KEY = {column.key: column for column in COLUMNS}

REGULARISATION = ("conv_dropout", "dense_dropout", "label_smoothing")
"""Columns that ramps change."""


def column_of(key: str) -> Column | None:
    """The column, or the family, that a key of the logs belongs to; None for any other key."""
    family, slash, _ = key.partition("/")
    return _BY_KEY.get(family + slash)


def members(keys: Iterable[str], family: str) -> dict[str, str]:
    """Keys of a family (which ends in `/`) among `keys`, in order, with their members' names."""
    return {key: key.removeprefix(family) for key in map(str, keys) if key.startswith(family)}


def tag_of(key: str) -> tuple[Writer, str]:
    """TensorBoard's run and tag for a key; keys of other metrics are filed under `epoch/`."""
    column = column_of(key)
    if column is not None:
        return column.writer, column.tag + key.partition("/")[2]
    if key.startswith("val_"):
        return "validation", f"epoch/{key.removeprefix('val_')}"
    return "train", f"epoch/{key}"


def is_sparse(key: str) -> bool:
    """Whether NaN means "not measured in this epoch" rather than a number that went wrong."""
    column = column_of(key)
    return column is not None and column.sparse
