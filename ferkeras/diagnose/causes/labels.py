"""Labels that do not fit their faces."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import ClassPredictions, Measurements
from ferkeras.diagnose.skill import CHANCE, best_renaming
from ferkeras.diagnose.symptoms import HALF

_FEWEST = 150
"""Faces below which a simple classifier may know nothing for want of examples."""


def random_labels(m: Measurements) -> Finding | None:
    """Labels that nothing tells better than chance, neither from within nor across the split."""
    if m.on_validation.above_chance >= CHANCE or m.reference.above_chance >= CHANCE:
        return None
    within = {
        "training": (m.reference_within_train, len(m.train)),
        "validation": (m.reference_within_validation, len(m.validation)),
    }
    for name, (predicted, count) in within.items():
        if count >= _FEWEST and predicted.above_chance < CHANCE:
            return _random(m, name, predicted)
    return None


def _random(m: Measurements, name: str, predicted: ClassPredictions) -> Finding:
    return Finding(
        "random_labels",
        f"The {name} labels do not belong to their faces: nothing tells them better than chance.",
        (
            Evidence(
                f"linear regression within {name} faces, in standard deviations above chance",
                f"{predicted.above_chance:.1f} (kappa {predicted.skill:.2f})",
                f"above {CHANCE:g}",
                predicted.above_chance,
            ),
            Evidence(
                "the network on validation faces, the same",
                f"{m.on_validation.above_chance:.1f}",
                f"above {CHANCE:g}",
                m.on_validation.above_chance,
            ),
        ),
        (
            Remedy(
                f"bring the {name} labels and their faces together again: they were probably "
                "sorted or shuffled apart; look at the mosaics of python -m ferkeras.check_data",
                "labels can be learned",
            ),
        ),
        f"{CHANCE:g} standard deviations come about by chance once in 30,000",
        "Zhang et al. 2017, Understanding deep learning requires rethinking generalization",
    )


def permuted_labels(m: Measurements) -> Finding | None:
    """Validation class indices that mean other emotions than those of training."""
    network = m.on_train.skill > m.reference_within_train.skill
    predicted = m.on_validation if network else m.reference
    named = best_renaming(predicted.matrix)
    renamed = ClassPredictions(predicted.labels, named[predicted.predicted], m.classes)
    # Deviations of kappa under chance: what above_chance divides by.
    std = renamed.skill / renamed.above_chance if renamed.above_chance > 0 else np.inf
    gain = (renamed.skill - predicted.skill) / std
    known = m.on_train.skill if network else m.reference_within_train.skill
    if gain < CHANCE or renamed.skill < HALF * known:
        return None
    moved = ", ".join(
        f"{m.classes[label]} there is {m.classes[prediction]} here"
        for prediction, label in enumerate(named)
        if prediction != label and predicted.matrix[label, prediction]
    )
    return Finding(
        "permuted_labels",
        f"Training and validation name the emotions differently: {moved}.",
        (
            Evidence(
                "accuracy on validation faces",
                f"{predicted.accuracy:.1%}; {renamed.accuracy:.1%} with these names",
                "best as it is",
                predicted.accuracy,
            ),
            Evidence(
                "gain in standard deviations above chance",
                f"{gain:.0f}",
                f"below {CHANCE:g}",
                gain,
            ),
        ),
        (
            Remedy(
                "give both splits the same class indices "
                f"({', '.join(f'{index} {name}' for index, name in enumerate(m.classes))}); "
                "folders in alphabetical order are often in another",
                f"accuracy {renamed.accuracy:.0%} from this network as it is",
            ),
        ),
        "a best renaming of a right order gains nothing but chance",
        "Kuhn 1955, The Hungarian method for the assignment problem",
    )
