"""Whether there is anything to explain."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import CHANCE, can_measure

HALF = 0.5
"""A network that has half of the skill of linear regression on gradients, or half of its own
skill under other circumstances, has something that keeps it from the rest."""

NOTHING = 0.1
"""Skill (Cohen's kappa) below which a network has not learned its task, whatever else fails at it:
"slight" agreement ends at 0.2 (Landis & Koch 1977)."""

SILENT = 0.9
"""Fraction of a layer's units, zero for every face, from which on next to nothing passes."""


def is_not_learning(m: Measurements) -> bool:
    """Whether the network knows less than half of what a simple classifier knows, or next to
    nothing.

    Where that one knows nothing either: whether the network knows nothing. Where the validation
    faces cannot tell, it is asked of the training faces.
    """
    measured = can_measure(m.validation.labels)
    network = m.on_validation if measured else m.on_train
    reference = m.reference if measured else m.reference_within_train
    if network.skill < NOTHING:
        return True
    if reference.above_chance >= CHANCE:
        return bool(network.skill < HALF * reference.skill)
    return bool(network.above_chance < CHANCE)


def has_died(m: Measurements) -> bool:
    """Whether a layer lets next to nothing through, for any face."""
    return max(m.silent_units.values(), default=0.0) >= SILENT


def can_be_learned(m: Measurements) -> bool:
    """Whether a simple classifier tells the labels of training faces that it was not shown.

    Where it does not, what a trial learns of them may be known by heart.
    """
    return m.reference_within_train.above_chance >= CHANCE


def is_behind(m: Measurements) -> bool:
    """Whether the network knows no more than a simple classifier, which a healthy one passes."""
    return is_not_learning(m) or bool(m.on_validation.skill < m.reference.skill)


def still_falling(m: Measurements) -> bool:
    """Whether the validation loss was lowest in the last epoch; False where that is not known."""
    losses = m.case.history.get("val_cross_entropy")
    if losses is None or len(losses) < 2:
        return False
    return bool(np.isfinite(losses.iloc[-1]) and losses.iloc[-1] < losses.iloc[:-1].min())


def skill_evidence(m: Measurements) -> Evidence:
    """The network's skill beside that of the simple classifier."""
    skill = m.on_validation.skill
    return Evidence(
        "skill on validation faces (Cohen's kappa)",
        f"{skill:.2f} (accuracy {m.on_validation.accuracy:.1%})",
        f"above {HALF * m.reference.skill:.2f}, half of linear regression on gradients",
        skill,
    )


def collapse_evidence(m: Measurements) -> list[Evidence]:
    """To which class the predictions collapse, since when, and what the loss is; may be empty."""
    predicted = m.on_validation.matrix.sum(axis=0) / len(m.validation)
    truth = m.on_validation.matrix.sum(axis=1) / len(m.validation)
    label = int(predicted.argmax())
    fraction = m.case.config.monitor.collapse_fraction
    if predicted[label] < fraction or truth[label] >= fraction:
        return []
    found = [
        Evidence(
            f"predictions that are {m.classes[label]}",
            f"{predicted[label]:.1%}, accuracy {m.on_validation.accuracy:.2%}"
            + (f", since epoch {since}" if (since := _since(m)) else ""),
            f"{truth[label]:.1%} of the faces are; always predicting it gives that accuracy",
            float(predicted[label]),
        )
    ]
    if "val_cross_entropy" in m.case.history:
        loss = float(m.case.history["val_cross_entropy"].iloc[-1])
        prior = truth[truth > 0]
        entropy = float(-(prior * np.log(prior)).sum())
        found.append(
            Evidence(
                "validation cross-entropy",
                f"{loss:.3f}",
                f"below {entropy:.3f}, that of knowing only how frequent each class is (all "
                f"alike: {np.log(len(m.classes)):.3f})",
                loss,
            )
        )
    return found


def _since(m: Measurements) -> int | None:
    if "val_collapse_fraction" not in m.case.history:
        return None
    fallen = m.case.history["val_collapse_fraction"] >= m.case.config.monitor.collapse_fraction
    if not fallen.iloc[-1]:
        return None
    last_healthy = np.flatnonzero(~fallen)
    return int(m.case.history["epoch"].iloc[last_healthy[-1] + 1 if len(last_healthy) else 0])
