"""Validation faces that are not like training faces."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ferkeras.data.reduced import block_means, grey
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import HALF

_DISTINGUISHABLE = 0.75
"""Area under the curve from which two sets of faces differ: halfway from chance to certain."""

_SIDE = 8


def unlike_validation(m: Measurements) -> Finding | None:
    """A network fails on validation faces, and a classifier can tell which faces these are."""
    if m.on_validation.skill >= HALF * m.on_train.skill:
        return None
    auc = _distinguishable(m)
    if auc < _DISTINGUISHABLE:
        return None
    pixels = [np.asarray(faces.images) for faces in (m.train, m.validation)]
    grey = [float(images.mean()) for images in pixels]
    spread = [float(images.std()) for images in pixels]
    return Finding(
        "unlike_validation",
        "Validation faces differ from training faces: they were prepared differently.",
        (
            Evidence(
                "a classifier that tells the two splits apart (area under the curve)",
                f"{auc:.2f}",
                f"below {_DISTINGUISHABLE:g}; 0.5 for splits of one source",
                auc,
            ),
            Evidence(
                "grey values of validation faces, mean and std",
                f"{grey[1]:.0f} and {spread[1]:.0f}",
                f"about {grey[0]:.0f} and {spread[0]:.0f}, as in training",
                grey[1],
            ),
            Evidence(
                "skill on training and on validation faces",
                f"{m.on_train.skill:.2f} and {m.on_validation.skill:.2f}",
                "of one size",
                m.on_validation.skill,
            ),
        ),
        (
            Remedy(
                "prepare both splits alike: the same crop and size, grey values 0 to 255, not "
                "inverted and not scaled; or draw the validation faces from the training source",
                "validation accuracy comes closer to training accuracy",
            ),
        ),
        "area 0.75 is halfway from guessing to certainty, and splits of one source are guessed",
        "Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests",
    )


def _distinguishable(m: Measurements) -> float:
    """Area under the curve of random forests, on faces that they have not seen."""
    images = np.concatenate([m.train.images, m.validation.images])
    split = np.repeat([0, 1], [len(m.train), len(m.validation)])
    blocks = block_means(grey(images), _SIDE).reshape(len(images), -1)
    flat = images.reshape(len(images), -1)
    levels = np.percentile(flat, (1, 25, 50, 75, 99), axis=1).T
    features = np.concatenate([blocks, levels, flat.std(axis=1, keepdims=True)], axis=1)
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0, n_jobs=2)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    probabilities = cross_val_predict(forest, features, split, cv=folds, method="predict_proba")
    return float(roc_auc_score(split, probabilities[:, 1]))
