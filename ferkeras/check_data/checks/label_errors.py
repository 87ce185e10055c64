"""Labels that a small network, which has not seen them, confidently contradicts (cleanlab)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
from cleanlab.filter import find_label_issues
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold

from ferkeras.check_data.check import DataCheck
from ferkeras.check_data.checks.copies import Copies
from ferkeras.check_data.checks.near import NearCopies
from ferkeras.check_data.finding import MOST_LISTED, Exhibit, Finding, Level
from ferkeras.check_data.material import Material
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.training.setup import build_setup, make_reproducible

_FOLDS = 4
_EPOCHS_A_FOLD = 8
EPOCHS = _FOLDS * _EPOCHS_A_FOLD
"""Epochs that are trained in all."""

_SHOWN = 48

_NETWORK = (
    "network.filters=[16,32,64]",
    "network.dense_units=[64]",
    "network.conv_dropout=0.1",
    "network.dense_dropout=0.3",
    "class_weight.rule=none",
    f"train.epochs={_EPOCHS_A_FOLD}",
    "train.batch_size=64",
    "train.learning_rate=2e-3",
)


def out_of_fold_probabilities(
    material: Material, photograph: np.ndarray, seed: int, progress: Callable[[int], None]
) -> np.ndarray:
    """Probabilities for each face from a network that was trained on the other folds.

    Faces of one photograph are in one fold, so that no label is memorised from a copy.

    Args:
        material: what is checked.
        photograph: int, shape (N,), number of the photograph that each face shows.
        seed: of the folds and the trainings.
        progress: called with the number of epochs just done, `EPOCHS` in all.

    Returns:
        float64, shape (N, K), rows summing to 1.
    """
    config = load_config(None, (*_NETWORK, f"seed={seed}"))
    make_reproducible(config)
    faces = material.faces
    probabilities = np.empty((len(faces), len(faces.classes)))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for others, fold in folds.split(faces.labels, faces.labels, photograph):
        splits = Splits(faces.take(others), faces.take(fold), None, "", "", official=False)
        probabilities[fold] = softmax(
            _trained_logits(config, splits, progress).astype(float), axis=1
        )
        keras.backend.clear_session()
    return probabilities


def with_label_errors(checked: DataCheck, seed: int, progress: Callable[[int], None]) -> DataCheck:
    """Add suspicious labels to what was found.

    Where near copies were not compared, some may be in several folds, which is said.

    Args:
        checked: what was found without training.
        seed: of the folds and the trainings.
        progress: called with the number of epochs just done, `EPOCHS` in all.

    Raises:
        InputError: a class that occurs has fewer different photographs than there are folds.
    """
    photograph = photographs(checked.copies, checked.near)
    labels = checked.material.faces.labels
    for label in np.unique(labels):
        count = len(np.unique(photograph[labels == label]))
        if count < _FOLDS:
            name = checked.material.faces.classes[label]
            raise InputError(
                f"--label-errors: {count} different photographs of {name}; expected at "
                f"least {_FOLDS}, one for each fold; add faces or leave the option out"
            )
    finding = check_label_errors(checked.material, photograph, seed, progress)
    if checked.near.too_many:
        finding = _with_shared_copies(finding)
    return replace(checked, findings=(*checked.findings, finding))


def _with_shared_copies(finding: Finding) -> Finding:
    """The same where near copies may be in several folds."""
    unsure = "near copies were not compared: folds may share them, and a network know their labels"
    return replace(finding, level=Level.LOOK, found=f"{finding.found}; {unsure}")


def check_label_errors(
    material: Material, photograph: np.ndarray, seed: int, progress: Callable[[int], None]
) -> Finding:
    """Count the labels that confident learning holds to be wrong (Northcutt et al. 2021).

    A face counts if the probability of another class is higher than it is, on average, of the faces
    labelled so; as many of each pair of classes are kept as the estimated joint distribution of
    given and true labels has. What is found is a list of suspects, no list of errors.

    Args:
        material: what is checked.
        photograph: int, shape (N,), number of the photograph that each face shows.
        seed: of the folds and the trainings.
        progress: called with the number of epochs just done.
    """
    labels = material.faces.labels
    probabilities = out_of_fold_probabilities(material, photograph, seed, progress)
    suspects = _suspects(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    fraction = len(suspects) / len(labels)
    accuracy = float((predicted == labels).mean())
    chosen = suspects[:_SHOWN]
    exhibit = Exhibit(
        "label_errors",
        f"Suspicious labels: the first {len(chosen)} of {len(suspects):,} (label, then prediction)",
        chosen,
        [
            f"{material.label(i)}, not {material.faces.classes[predicted[i]]}?\n"
            f"{material.short_place(i)}, {probabilities[i, predicted[i]]:.0%}"
            for i in chosen
        ],
    )
    return Finding(
        "label errors",
        Level.LOOK if len(suspects) else Level.OK,
        f"{len(suspects):,} of {len(labels):,} labels ({fraction:.1%}) are suspicious to a network "
        f"that is right on {accuracy:.0%} of faces it has not seen",
        "look at them, the first ones first; correct or remove what is wrong" if fraction else "",
        {
            "count": len(suspects),
            "out_of_fold_accuracy": accuracy,
            "by_label": {
                name: int((labels[suspects] == label).sum())
                for label, name in enumerate(material.faces.classes)
            },
            "suspects": [
                {
                    "place": material.place(i),
                    "label": material.label(i),
                    "prediction": material.faces.classes[predicted[i]],
                    "probability_of_label": round(float(probabilities[i, labels[i]]), 4),
                    "probability_of_prediction": round(float(probabilities[i, predicted[i]]), 4),
                }
                for i in suspects[:MOST_LISTED]
            ],
        },
        (exhibit,) if len(suspects) else (),
    )


def _suspects(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of suspicious labels, the first ones first, among the classes that there are."""
    there = np.unique(labels)
    if len(there) < probabilities.shape[1]:
        # cleanlab warns of each class without faces.
        labels = np.searchsorted(there, labels)
        probabilities = probabilities[:, there]
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    # One process: its own would be forked beside TensorFlow's threads.
    return find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )


def photographs(copies: Copies, near: NearCopies) -> np.ndarray:
    """Number of the photograph of each face, int, shape (N,): copies and near copies together."""
    count = len(copies.first)
    links = coo_array((np.ones(len(near.pairs)), tuple(near.pairs.T)), shape=(count, count))
    return connected_components(links, directed=False)[1][copies.image]


def _trained_logits(config: Config, splits: Splits, progress: Callable[[int], None]) -> np.ndarray:
    setup = build_setup(config, splits)
    epochs = config.train.epochs
    setup.model.fit(
        setup.pipeline.dataset(1, epochs),
        steps_per_epoch=setup.pipeline.steps_per_epoch,
        epochs=epochs,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(1)),
            keras.callbacks.LearningRateScheduler(
                lambda epoch: (
                    config.train.first_learning_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
                )
            ),
        ],
        shuffle=False,
        verbose=0,
    )
    # Not `predict`: it is traced anew for each fold, of which TensorFlow complains.
    batches = [np.asarray(setup.model(images, training=False)) for images, _ in setup.validation]
    return np.concatenate(batches)
