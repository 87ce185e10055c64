"""What the outputs of a program answer, and how often that is right."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.head import Head
from ferkeras.diagnose.program.labels import Labels
from ferkeras.diagnose.program.losses import LossForm

_RARE = 0.25
"""Of the rows, the part up to which those of a class are rare: accuracy says little of them."""


class Answers:
    """Reads outputs as the program's loss and last layer mean them.

    Args:
        labels: of the training rows.
        head: the end of the model.
        loss: the compiled loss.
        weighted: whether rare classes are made to count: then what is known of each class counts
            where it is more than what is known of all rows.
    """

    def __init__(
        self, labels: Labels, head: Head, loss: LossForm, *, weighted: bool = False
    ) -> None:
        self._labels, self._head, self._loss = labels, head, loss
        self._weighted = weighted

    def judge(self, rows: np.ndarray, output: np.ndarray, repaired: bool) -> tuple[float, float]:
        """Accuracy of outputs for rows, and the same above always answering the majority."""
        labels = self._labels
        counted = labels.counted[rows]
        if not labels.exclusive:
            truth = labels.present[rows]
            right = (output > self.threshold(repaired)) == truth
            base = np.maximum(truth.mean(0), 1 - truth.mean(0)).mean()
            accuracy = float(right.mean())
            return accuracy, (accuracy - base) / max(1e-9, 1 - base)
        answer = self.answers(output, repaired)
        index = np.full(labels.counted.shape, -1)
        index[labels.counted] = labels.index
        right = (answer == index[rows])[counted]
        accuracy = float(right.mean())
        truth = index[rows][counted]
        base = np.bincount(truth).max() / counted.sum()
        skill = float((accuracy - base) / max(1e-9, 1 - base))
        if self._weighted and len(known := np.unique(truth)) > 1:
            recall = np.mean([right[truth == each].mean() for each in known])
            skill = max(skill, float((recall - 1 / len(known)) / (1 - 1 / len(known))))
        return accuracy, skill

    def ranking(self, rows: np.ndarray, output: np.ndarray) -> float | None:
        """How well outputs rank rare rows before the others: the area under the ROC curve, 0 to 1.

        Where all rows are answered with the frequent class, the rare ones may stand in front all
        the same. Of independent labels it is the mean over the rare ones. None of more than two
        classes, where neither is rare, and where chance ranks as well, once in seven hundred times.

        Source: Hanley and McNeil 1982, The meaning and use of the area under a ROC curve.
        """
        from sklearn.metrics import roc_auc_score

        labels = self._labels
        counted = labels.counted[rows]
        if not labels.exclusive:
            truth, scores = labels.present[rows][counted], output[counted]
        elif len(labels.classes) == 2 and self._head.units in (1, 2):
            index = np.full(labels.counted.shape, -1)
            index[labels.counted] = labels.index
            truth = index[rows][counted][:, None] == 1
            scores = (output[..., -1] - output[..., 0] * (self._head.units == 2))[counted][:, None]
        else:
            return None
        if truth.shape != scores.shape or not np.isfinite(scores).all():
            return None
        there = truth.sum(axis=0)
        fewer = np.minimum(there, len(truth) - there)
        told = np.flatnonzero((fewer > 0) & (fewer <= _RARE * len(truth)))
        if not len(told):
            return None
        each = [roc_auc_score(truth[:, at], scores[:, at]) for at in told]
        positive, negative = there[told], len(truth) - there[told]
        variance = (positive + negative + 1) / (12 * positive * negative)
        by_chance = 0.5 + 3 * float(np.sqrt(variance.sum())) / len(told)
        found = float(np.mean(each))
        return found if found > by_chance else None

    def answers(self, output: np.ndarray, repaired: bool = False) -> np.ndarray:
        """The class that outputs name, as an index into the classes of the labels."""
        known = self._labels.classes
        if self._head.units == 1:
            value = output[..., 0]
            if repaired or len(known) <= 2:
                return (value > self.threshold(repaired)).astype(int)
            return np.abs(value[..., None] - known.astype(float)).argmin(-1)
        best = np.where(np.isfinite(output), output, -np.inf).argmax(-1)
        if repaired or self._labels.form == "text":
            return best
        place = {int(v): at for at, v in enumerate(known)} if _whole(known) else {}
        return np.vectorize(lambda v: place.get(int(v), -1), otypes=[int])(best)

    def threshold(self, repaired: bool) -> float:
        """Where an output of one unit begins to name the second class."""
        if repaired or (self._loss.from_logits and self._head.activation not in ("sigmoid",)):
            return 0.0
        if self._loss.kind == "hinge" or self._head.activation == "tanh":
            return 0.0
        return 0.5


def _whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "biuf" and bool(np.array_equal(values, np.round(values)))
