"""Predictions of a network on faces, and the figures computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.data.task import Classes
from ferkeras.files.arrays import DamagedArrays, read_arrays
from ferkeras.files.inner import AnyPath, inside
from ferkeras.metrics.calibration import reliability

_LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True)
class Predictions:
    """Predictions of a network on faces.

    Attributes:
        probabilities: float32, shape (N, K).
        labels: int32, shape (N,), the truth.
        classes: names of the K classes.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    classes: Classes

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each face, int64, shape (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def float64_probabilities(self) -> np.ndarray:
        """The probabilities as float64, shape (N, K), each row summing to 1 to its precision."""
        probabilities = self.probabilities.astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    @property
    def in_top2(self) -> np.ndarray:
        """Whether the truth is one of the two most probable classes, bool, shape (N,)."""
        order = np.argsort(self.float64_probabilities, axis=1, kind="stable")[:, -2:]
        return (order == self.labels[:, None]).any(axis=1)

    def take(self, index: np.ndarray) -> Predictions:
        """Those at `index` (int or bool array), in that order."""
        return Predictions(self.probabilities[index], self.labels[index], self.classes)

    def matrix(self) -> np.ndarray:
        """Counts [truth, prediction], int64, shape (K, K)."""
        return confusion_matrix(self.labels, self.predicted, labels=range(len(self.classes)))

    def metrics(self) -> dict[str, Any]:
        """Figures by `ferkeras.metrics.measures.MEASURES`, the number of faces, a table by emotion.

        Fractions are 0 to 1; kappa and Matthews' correlation -1 to 1; log loss in nats; the Brier
        score is the squared distance summed over the classes, 0 to 2; the calibration error is
        that of `ferkeras.metrics.calibration.Reliability`. Emotions without faces count for
        nothing in the means. Where all faces are of one emotion kappa is not defined: NaN is
        given as None.
        """
        truth, predicted = self.labels, self.predicted
        probabilities = self.float64_probabilities
        classes = list(range(len(self.classes)))
        present = np.unique(truth)
        columns = precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)
        several = len(present) > 1
        values = {
            "accuracy": accuracy_score(truth, predicted),
            # balanced_accuracy_score, without its warning of predictions that are no label.
            "balanced_accuracy": columns[1][present].mean(),
            "macro_f1": f1_score(truth, predicted, labels=present, average="macro"),
            "cohen_kappa": cohen_kappa_score(truth, predicted) if several else np.nan,
            "matthews": matthews_corrcoef(truth, predicted)
            if several or len(np.unique(predicted)) > 1
            else 0.0,
            "top2_accuracy": _top2_accuracy(truth, probabilities),
            "log_loss": log_loss(truth, probabilities, labels=classes),
            "brier": brier_score_loss(truth, probabilities, labels=classes, scale_by_half=False),
            "ece": reliability(probabilities, truth).expected_error,
        }
        return {
            "faces": len(truth),
            **{key: None if np.isnan(v) else float(v) for key, v in values.items()},
            "emotions": {
                name: {
                    "precision": float(precision),
                    "recall": float(recall),
                    "f1": float(f1),
                    "support": int(support),
                }
                for name, precision, recall, f1, support in zip(self.classes, *columns, strict=True)
            },
        }


def _top2_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Fraction of faces whose class is one of the two most probable; always 1 for two classes."""
    classes = probabilities.shape[1]
    # scikit-learn takes one column for two classes.
    return (
        1.0
        if classes == 2
        else top_k_accuracy_score(truth, probabilities, k=2, labels=range(classes))
    )


def read_predictions(path: AnyPath, classes: Classes) -> Predictions:
    """Read `probabilities` and `labels` from a `predictions.npz`.

    Raises:
        InputError: no such file, or it is damaged.
    """
    try:
        with inside(path).open() as file:
            found = read_arrays(file, ("probabilities", "labels"), largest=_LARGEST_FILE)
    except FileNotFoundError:
        raise InputError(
            f"{shown(path)}: no such file; the run is not complete without it"
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None
    except DamagedArrays as error:
        raise InputError(
            f"{shown(path)}: damaged ({error}); take the file from a copy of the run, or train "
            "again"
        ) from None
    probabilities, labels = found["probabilities"], found["labels"]
    if (
        probabilities.ndim != 2
        or labels.ndim != 1
        or not len(labels)
        or probabilities.shape != (len(labels), len(classes))
        or probabilities.dtype.kind != "f"
        or labels.dtype.kind not in "iu"
    ):
        raise InputError(
            f"{shown(path)}: damaged: expected probabilities (N, {len(classes)}) and labels "
            f"(N,), found {probabilities.dtype} {probabilities.shape} and {labels.dtype} "
            f"{labels.shape}"
        )
    if (
        not np.isin(labels, range(len(classes))).all()
        or not np.isfinite(probabilities).all()
        or (probabilities < 0).any()
        or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    ):
        raise InputError(
            f"{shown(path)}: damaged: expected labels 0 to {len(classes) - 1} and probabilities "
            "that sum to 1, found others"
        )
    return Predictions(probabilities.astype(np.float32), labels.astype(np.int32), classes)
