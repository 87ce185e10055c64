"""Whether two sets of faces come from one source."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ferkeras.data.faces import Faces
from ferkeras.data.reduced import block_means, grey

_SIDE = 8


def told_apart(faces: Faces, others: Faces) -> float:
    """How well random forests tell which set an image is of, by its coarse grey values.

    Returns:
        area under the curve on images that they have not seen: 0.5 by chance, 1 always right.

    Source:
        Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests".
    """
    images = np.concatenate([faces.images, others.images])
    split = np.repeat([0, 1], [len(faces), len(others)])
    blocks = block_means(grey(images), _SIDE).reshape(len(images), -1)
    flat = images.reshape(len(images), -1)
    levels = np.percentile(flat, (1, 25, 50, 75, 99), axis=1).T
    features = np.concatenate([blocks, levels, flat.std(axis=1, keepdims=True)], axis=1)
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0, n_jobs=2)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    probabilities = cross_val_predict(forest, features, split, cv=folds, method="predict_proba")
    return float(roc_auc_score(split, probabilities[:, 1]))
