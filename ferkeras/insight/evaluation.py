"""What a network answers on a set of faces, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from ferkeras.data.faces import Faces
from ferkeras.data.feed import plain_dataset
from ferkeras.labels import EMOTIONS


@dataclass(frozen=True)
class Predictions:
    """Answers of a network on faces.

    Attributes:
        probabilities: float32, shape (N, 7).
        labels: int32, shape (N,), the truth.
    """

    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """The most probable class of each face, int64, shape (N,)."""
        return self.probabilities.argmax(axis=1)

    def matrix(self) -> np.ndarray:
        """Counts [truth, answer], int64, shape (7, 7)."""
        return confusion_matrix(self.labels, self.answers, labels=range(len(EMOTIONS)))

    def metrics(self) -> dict[str, Any]:
        """Accuracy, balanced accuracy, macro F1, log loss, and a table by emotion.

        Emotions without faces count for nothing in the means.
        """
        truth, answers = self.labels, self.answers
        classes = list(range(len(EMOTIONS)))
        present = np.unique(truth)
        columns = precision_recall_fscore_support(truth, answers, labels=classes, zero_division=0)
        return {
            "faces": len(truth),
            "accuracy": float(accuracy_score(truth, answers)),
            "balanced_accuracy": float(balanced_accuracy_score(truth, answers)),
            "macro_f1": float(f1_score(truth, answers, labels=present, average="macro")),
            "log_loss": float(log_loss(truth, self.probabilities, labels=classes)),
            "emotions": {
                name: {
                    "precision": float(precision),
                    "recall": float(recall),
                    "f1": float(f1),
                    "support": int(support),
                }
                for name, precision, recall, f1, support in zip(EMOTIONS, *columns, strict=True)
            },
        }


def predict(model: keras.Model, faces: Faces) -> Predictions:
    """Run a network of logits over faces, in inference mode."""
    logits = model.predict(plain_dataset(faces), verbose=0)
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    return Predictions(probabilities.astype(np.float32), faces.labels)
