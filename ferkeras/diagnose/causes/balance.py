"""Rare classes that count for more than frequent ones."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import (
    HALF,
    NOTHING,
    collapse_evidence,
    is_not_learning,
    skill_evidence,
)

_MORE_THAN_BALANCE = 1.5
_LEANS = 3.0
_ONE_CLASS = 0.8


def rare_classes_overweighted(m: Measurements) -> Finding | None:
    """A rare class outweighs the majority class, and the predictions show it."""
    balance = m.case.setup.balance
    counts = m.case.splits.train.counts()
    fractions = counts / counts.sum()
    weight = {label: effective * fractions[label] for label, effective in balance.effective.items()}
    heaviest = max(weight, key=weight.__getitem__)
    majority = int(counts.argmax())
    ratio = weight[heaviest] / weight[majority]
    predicted = float(m.on_validation.matrix[:, heaviest].sum() / len(m.validation))
    truth = float(m.on_validation.matrix[heaviest].sum() / len(m.validation))
    leans = predicted > _LEANS * truth
    if ratio <= _MORE_THAN_BALANCE or not (is_not_learning(m) or leans):
        return None
    config = m.case.config
    twice = config.train.sampler == "balanced" and config.class_weight.rule != "none"
    rare, common = m.classes[heaviest], m.classes[majority]
    return Finding(
        "rare_classes_overweighted",
        f"{rare.capitalize()} counts {ratio:.1f} times as much as {common} in the loss"
        + (
            ": the balanced sampler and the class weights correct rare classes twice."
            if twice
            else ", though it is rare."
        ),
        (
            Evidence(
                f"what {rare} weighs in the loss against {common}, the majority class",
                f"{ratio:.1f} times",
                "at most once: that is full balance",
                ratio,
            ),
            Evidence(
                f"predictions that are {rare}",
                f"{predicted:.1%}",
                f"about {truth:.1%}, their fraction of the faces",
                predicted,
            ),
            *(collapse_evidence(m) or [skill_evidence(m)])[-1:],
        ),
        (
            Remedy(
                "correct rare classes once, and gently: shuffled faces, cube-root weights with "
                "caps",
                f"{rare} weighs less than {common} again",
                {
                    "train.sampler": "shuffle",
                    "class_weight.rule": "cube_root",
                    "class_weight.min": 0.7,
                    "class_weight.max": 1.3,
                },
            ),
            Remedy(
                "leave the sampler and take the weights away",
                "every class weighs the same",
                {"train.sampler": "balanced", "class_weight.rule": "none"},
            ),
        ),
        "full balance is all that a correction can aim at; half as much again is beyond it",
        "Cui et al. 2019, Class-balanced loss; the analysis that ferkeras began with, no. 3",
    )


def class_imbalance(m: Measurements) -> Finding | None:
    """One class is nearly all of the training faces, and nearly all that is predicted."""
    counts = m.case.splits.train.counts()
    label = int(counts.argmax())
    fraction = float(counts[label] / counts.sum())
    predicted = float(m.on_validation.matrix[:, label].sum() / len(m.validation))
    truth = float(m.on_validation.matrix[label].sum() / len(m.validation))
    missed = truth < 1 and predicted - truth > HALF * (1 - truth)
    if fraction < _ONE_CLASS or not (missed and is_not_learning(m)):
        return None
    # Among so few others a class may be missing; that one explains its own faces alone.
    wrong = m.on_validation.matrix.sum(axis=1) - np.diag(m.on_validation.matrix)
    if wrong[counts == 0].sum() > HALF * wrong.sum():
        return None
    name = m.classes[label]
    sampler = Remedy(
        "let every class come up equally often in training",
        "the other classes are predicted too",
        {"train.sampler": "balanced", "class_weight.rule": "none"},
    )
    trial = m.trial(sampler.overrides)
    faces = Remedy(
        f"add training faces of other classes: {int(counts.sum() - counts[label]):,} are too few "
        "to learn from, however often they are repeated",
        "the other classes are predicted too",
    )
    return Finding(
        "class_imbalance",
        f"{fraction:.0%} of the training faces are {name}, so the network says {name} for nearly "
        "every face.",
        (
            Evidence(
                f"training faces that are {name}",
                f"{counts[label]:,} of {int(counts.sum()):,} ({fraction:.0%})",
                f"below {_ONE_CLASS:.0%}; {truth:.0%} of the validation faces are",
                fraction,
            ),
            Evidence(f"predictions that are {name}", f"{predicted:.0%}", f"{truth:.0%}", predicted),
            Evidence(
                f"skill on validation faces after {trial.steps} steps in which every class comes "
                "up equally often",
                f"{trial.on_validation:.2f}",
                f"above {NOTHING:g}, if repeating the rare ones were enough",
                trial.on_validation,
            ),
            skill_evidence(m),
        ),
        (sampler, faces) if trial.on_validation >= NOTHING else (faces, sampler),
        "who says one class always is right on four of five then: little is left to gain",
        "He & Garcia 2009, Learning from imbalanced data",
    )
