"""Labels that do not fit their faces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ferkeras.check_data.finding import TOO_MANY
from ferkeras.data.digests import digests_of_images
from ferkeras.data.faces import Faces
from ferkeras.diagnose.causes.images import LIKE_A_PICTURE, SHARP
from ferkeras.diagnose.causes.shift import DISTINGUISHABLE
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import ClassPredictions, Measurements
from ferkeras.diagnose.skill import (
    CHANCE,
    best_renaming,
    can_measure,
    kappa_error,
    renamed_by_chance,
)
from ferkeras.diagnose.symptoms import HALF, NOTHING

_FEWEST = 150
_FEWEST_OTHERS = 100
"""Faces, and faces outside the most frequent class, below which a simple classifier may know
nothing for want of examples."""

_TELLING = 300
"""Faces of which a simple classifier knows something if there is anything to be known."""

_SURE = 2.5
"""Standard errors by which two skills differ where labels are wrong."""

_NOISY = 0.25
"""Fraction of wrong labels from which it is told: people disagree about FER2013's by less."""

_ENOUGH = 1000
"""Training faces below which two thirds of them are too few to learn a skill to be compared."""


def random_labels(m: Measurements) -> Finding | None:
    """Labels that nothing tells better than chance, neither from within nor across the split.

    Not where the images may be at fault: where those of the other split cannot be read either, or
    look unlike these; nor where nearly all faces are of one class.
    """
    if m.on_validation.above_chance >= CHANCE or m.reference.above_chance >= CHANCE:
        return None
    within: dict[str, tuple[Faces, Callable[[], ClassPredictions]]] = {
        "training": (m.train, lambda: m.reference_within_train),
        "validation": (m.validation, lambda: m.reference_within_validation),
    }
    for name, (faces, crossed) in within.items():
        if len(faces) < _FEWEST or not can_measure(faces.labels, _FEWEST_OTHERS):
            continue
        if m.neighbours[name] < LIKE_A_PICTURE or m.detail[name] < SHARP:
            continue
        predicted = crossed()
        other = "validation" if name == "training" else "training"
        others = within[other][1]()
        wrong = _at_chance(m, name, predicted) or _next_to_nothing(predicted, others)
        unreadable = len(others.labels) >= _TELLING and _at_chance(m, other, others)
        if wrong and not unreadable and m.splits_told_apart < DISTINGUISHABLE:
            return _random(m, name, predicted, other, others)
    return None


def _at_chance(m: Measurements, name: str, predicted: ClassPredictions) -> bool:
    return predicted.above_chance < CHANCE and (
        m.balanced_reference_within(name).above_chance < CHANCE
    )


def _next_to_nothing(predicted: ClassPredictions, others: ClassPredictions) -> bool:
    """Whether it is a small part of what is known of no more faces of the other split."""
    return (
        len(others.labels) <= len(predicted.labels)
        and others.above_chance >= CHANCE
        and predicted.skill < NOTHING
        and predicted.skill < HALF * others.skill
    )


def _random(
    m: Measurements, name: str, predicted: ClassPredictions, other: str, others: ClassPredictions
) -> Finding:
    return Finding(
        "random_labels",
        f"The {name} labels do not belong to their faces: nothing tells them "
        + (
            "better than chance." if predicted.above_chance < CHANCE else "much better than chance."
        ),
        (
            Evidence(
                f"skill of linear regression within {name} faces",
                f"{predicted.skill:.2f}, {predicted.above_chance:.1f} standard deviations above "
                "chance",
                f"above {CHANCE:g} deviations; the skill within {other} faces is "
                f"{others.skill:.2f}",
                predicted.above_chance,
            ),
            Evidence(
                "the network on validation faces, in standard deviations above chance",
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
    if not can_measure(m.validation.labels):
        return None
    network = m.on_train.skill > m.reference_within_train.skill
    predicted = m.on_validation if network else m.reference
    named = best_renaming(predicted.matrix)
    renamed = ClassPredictions(predicted.labels, named[predicted.predicted], m.classes)
    if renamed.skill < max(NOTHING, HALF * m.reference_within_train.skill):
        return None
    chance, std = renamed_by_chance(predicted.labels, predicted.predicted, len(m.classes))
    gain = (renamed.skill - max(predicted.skill, chance)) / max(std, 1e-9)
    if gain < CHANCE:
        return None
    moved = ", ".join(
        f"{m.classes[label]} there is {m.classes[prediction]} here"
        for prediction, label in enumerate(named)
        if prediction != label and predicted.matrix[label, prediction]
    )
    return Finding(
        "permuted_labels",
        f"Training and validation name the classes differently: {moved}.",
        (
            Evidence(
                "accuracy on validation faces",
                f"{predicted.accuracy:.1%}; {renamed.accuracy:.1%} with these names",
                "best as it is",
                predicted.accuracy,
            ),
            Evidence(
                "gain in standard deviations, above what renaming gains by chance",
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


def noisy_labels(m: Measurements) -> Finding | None:
    """Training labels that are known less well from within than validation labels from outside.

    What a simple classifier learns from labels of which a fraction is wrong at random holds for
    right labels as before, but for the training's own labels only for the rest of them: the ratio
    of the two skills is the fraction that is right.
    """
    if len(m.train) < _ENOUGH:
        return None
    if not (can_measure(m.train.labels) and can_measure(m.validation.labels)):
        return None
    within, outside = m.reference_within_train, m.reference
    if outside.above_chance < CHANCE or m.skill_of_folds <= 0:
        return None
    wrong = 1 - max(0.0, within.skill) / m.skill_of_folds
    error = float(np.hypot(kappa_error(within.matrix), kappa_error(outside.matrix)))
    if wrong < _NOISY or m.skill_of_folds - within.skill < _SURE * error:
        return None
    return Finding(
        "noisy_labels",
        f"About {wrong:.0%} of the training labels are wrong: what is learned from them holds for "
        "validation faces better than for training faces.",
        (
            Evidence(
                "skill of linear regression within training faces",
                f"{within.skill:.2f}",
                f"about {m.skill_of_folds:.2f}, that on validation faces",
                within.skill,
            ),
            Evidence(
                "skill of the network on training faces",
                f"{m.on_train.skill:.2f}",
                f"at least {m.on_validation.skill:.2f}, that on validation faces; more where wrong "
                "labels were memorised",
                m.on_train.skill,
            ),
        ),
        (
            Remedy(
                "look at the suspicious labels that python -m ferkeras.check_data lists, and at "
                "how they were joined to their faces; leave out what cannot be mended",
                f"skill about {m.skill_of_folds / max(within.skill, 0.01):.1f} times as high on "
                "training faces",
            ),
        ),
        f"a quarter and {_SURE:g} standard errors are more than splits of one source differ by",
        "Frenay & Verleysen 2014, Classification in the presence of label noise: a survey",
    )


def noisy_validation_labels(m: Measurements) -> Finding | None:
    """Validation labels that are known less well than training labels that were not learned from.

    By a simple classifier that learned from other training faces: it knows as much of both where
    they come from one source, and of wrong labels it knows nothing. Not where training faces show
    the same people, or the same pictures, again and again, and validation others: those are known
    better whatever the labels. So validation must be known less well from within too, than as many
    training faces are.
    """
    if len(m.train) < _ENOUGH or not can_measure(m.validation.labels, _FEWEST_OTHERS):
        return None
    if m.case.splits.by_person:
        return None
    within, outside = m.reference_within_train, m.reference
    if within.above_chance < CHANCE or within.skill <= 0:
        return None
    wrong = 1 - max(0.0, m.skill_of_folds) / within.skill
    error = float(np.hypot(kappa_error(within.matrix), kappa_error(outside.matrix)))
    if wrong < _NOISY or within.skill - m.skill_of_folds < _SURE * error:
        return None
    if m.reference_within_validation.skill >= (1 - _NOISY) * m.skill_within_as_many:
        return None
    copies = 1 - len(set(digests_of_images(m.train.images))) / len(m.train)
    if copies > TOO_MANY or m.splits_told_apart >= DISTINGUISHABLE:
        return None
    return Finding(
        "noisy_validation_labels",
        f"About {wrong:.0%} of the validation labels are wrong: what is learned from training "
        "faces holds for other training faces, and less for these.",
        (
            Evidence(
                "skill of linear regression on validation faces",
                f"{m.skill_of_folds:.2f}",
                f"about {within.skill:.2f}, that on training faces that it did not learn from",
                m.skill_of_folds,
            ),
            Evidence(
                "skill of linear regression within validation faces",
                f"{m.reference_within_validation.skill:.2f}",
                f"about {m.skill_within_as_many:.2f}, that within as many training faces",
                m.reference_within_validation.skill,
            ),
            Evidence(
                "a classifier that tells the images of the two splits apart (area under the curve)",
                f"{m.splits_told_apart:.2f}",
                f"below {DISTINGUISHABLE:g}: the images are alike, the labels are not",
                m.splits_told_apart,
            ),
        ),
        (
            Remedy(
                "look at the mosaics of python -m ferkeras.check_data, and at how validation "
                "labels were joined to their faces; or split the faces anew",
                "validation figures that mean something",
            ),
        ),
        f"a quarter and {_SURE:g} standard errors are more than splits of one source differ by",
        "Northcutt, Athalye & Mueller 2021, Pervasive label errors in test sets",
    )
