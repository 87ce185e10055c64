"""Baseline: a simple classifier on the same faces.

It needs no learning rate, no dropout and no BatchNormalization, so that what it cannot tell apart
is a matter of faces and labels, and what it can tell apart is the least that a network should
learn.
"""

from __future__ import annotations

import cv2
import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold, cross_val_predict

from ferkeras.data.faces import Faces
from ferkeras.data.reduced import grey
from ferkeras.data.selection import Images
from ferkeras.diagnose.skill import counts, kappa

_ALPHA = 10.0
_FOLDS = 3
_SIDE = 48


def gradients(images: Images) -> np.ndarray:
    """Histograms of oriented gradients: cells of 8 pixels, 9 directions, blocks of 2 x 2 cells.

    Args:
        images: uint8, shape (N, H, W, C); looked at in grey and at 48 x 48.

    Returns:
        float32, shape (N, 900).

    Source:
        Dalal & Triggs 2005, "Histograms of oriented gradients for human detection".
    """
    hog = cv2.HOGDescriptor((_SIDE, _SIDE), (16, 16), (8, 8), (8, 8), 9)
    return np.stack([np.ravel(hog.compute(_small(image))) for image in grey(np.asarray(images))])


def _small(image: np.ndarray) -> np.ndarray:
    if image.shape == (_SIDE, _SIDE):
        return image
    return cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def transferred(train: Faces, others: Faces) -> np.ndarray:
    """Predictions on other faces of ridge regression fitted to the gradients of training faces.

    Returns:
        class indices, int, shape (len(others),).
    """
    if len(np.unique(train.labels)) < 2:
        return np.full(len(others), train.labels[0])
    return (
        _classifier().fit(gradients(train.images), train.labels).predict(gradients(others.images))
    )


def crossed(faces: Faces, seed: int, balanced: bool = False) -> np.ndarray:
    """Predictions on each face of classifiers that were fitted to the other folds.

    Args:
        faces: that are predicted.
        seed: of the folds.
        balanced: every class counts the same, however rare. One that may say the most frequent
            class for every face shows nothing of what it knows where nearly all are of it.

    Returns:
        class indices, int, shape (N,).
    """
    if len(np.unique(faces.labels)) < 2 or len(faces) < 2 * _FOLDS:
        return np.full(len(faces), faces.labels[0])
    classifier = _classifier("balanced" if balanced else None)
    return cross_val_predict(classifier, gradients(faces.images), faces.labels, cv=_folds(seed))


def skill_of_folds(train: Faces, others: Faces, seed: int) -> float:
    """Cohen's kappa on other faces of the classifiers that `crossed` fits, in the mean.

    Each is fitted to as many faces as what `crossed` predicts comes from: fitted to all, it would
    be better for that alone.

    Args:
        train: that the folds are of.
        others: that are predicted.
        seed: of the folds.
    """
    described, asked = gradients(train.images), gradients(others.images)
    return float(
        np.mean(
            [
                kappa(
                    counts(
                        others.labels,
                        _classifier().fit(described[rest], train.labels[rest]).predict(asked),
                        len(others.classes),
                    )
                )
                for rest, _ in _folds(seed).split(described)
            ]
        )
    )


def _folds(seed: int) -> KFold:
    return KFold(_FOLDS, shuffle=True, random_state=seed)


def _classifier(class_weight: str | None = None) -> RidgeClassifier:
    return RidgeClassifier(_ALPHA, class_weight=class_weight)
