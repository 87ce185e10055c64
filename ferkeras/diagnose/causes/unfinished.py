"""The cause named when no other was found."""

from __future__ import annotations

from ferkeras.config.schema import Config
from ferkeras.diagnose.causes.dropout import dropout_overrides
from ferkeras.diagnose.causes.one_batch import one_batch_evidence
from ferkeras.diagnose.finding import UNEXPLAINED, Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import (
    NOTHING,
    collapse_evidence,
    is_not_learning,
    skill_evidence,
    still_falling,
)


def not_finished(m: Measurements) -> Finding | None:
    """The loss was still falling when the training ended."""
    if not is_not_learning(m) or not still_falling(m):
        return None
    losses = m.case.history["val_cross_entropy"]
    return Finding(
        "not_finished",
        f"Nothing is wrong but the end: after {m.case.steps:,} steps the validation loss was "
        "still falling.",
        (
            Evidence(
                "validation cross-entropy of the last two epochs",
                f"{losses.iloc[-2]:.3f}, then {losses.iloc[-1]:.3f}",
                "no longer falling",
                float(losses.iloc[-1]),
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "train for longer",
                "the loss keeps falling",
                {"train.epochs": 3 * m.case.config.train.epochs},
            ),
        ),
        "a loss that is lowest at the end has not found its lowest",
        "Prechelt 1998, Early stopping - but when?",
    )


def unreadable_faces(m: Measurements) -> Finding | None:
    """Neither the network nor a simple classifier learns from the training faces."""
    within = m.reference_within_train
    if not is_not_learning(m) or within.skill >= NOTHING:
        return None
    return Finding(
        "unreadable_faces",
        "Neither the network nor a simple classifier learns from these training faces: images or "
        "labels are at fault, not settings.",
        (
            Evidence(
                "skill of linear regression on gradients within training faces",
                f"{within.skill:.2f}",
                f"above {NOTHING:g}",
                within.skill,
            ),
            Evidence(
                "the same within validation faces",
                f"{m.reference_within_validation.skill:.2f}",
                f"above {NOTHING:g}",
                m.reference_within_validation.skill,
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "look at the mosaics of python -m ferkeras.check_data: can you tell the classes on "
                "these images, and are the labels what you would say?",
                "faces and labels that belong together",
            ),
        ),
        "what is told apart by eye is told a little by linear regression too",
        "Karpathy 2019, A recipe for training neural networks: become one with the data",
    )


def unexplained(m: Measurements) -> Finding | None:
    """Something is wrong, and none of the known causes is it."""
    if not is_not_learning(m):
        return None
    usual = Config()
    return Finding(
        UNEXPLAINED,
        "The network does not learn, and none of the known causes was found.",
        (*collapse_evidence(m), skill_evidence(m), *one_batch_evidence(m)),
        (
            Remedy(
                "go back to the recommended recipe and change one thing at a time",
                "a healthy training",
                {
                    **dropout_overrides(
                        m.case.config,
                        conv=usual.network.conv_dropout,
                        dense=usual.network.dense_dropout,
                    ),
                    "network.batchnorm_momentum": usual.network.batchnorm_momentum,
                    "train.learning_rate": usual.train.learning_rate,
                    "train.optimizer": usual.train.optimizer,
                    "train.weight_decay": usual.train.weight_decay,
                    "train.label_smoothing": usual.train.label_smoothing,
                    "train.global_clip_norm": usual.train.global_clip_norm,
                    "train.batch_size": usual.train.batch_size,
                    "train.sampler": "shuffle",
                    "class_weight.rule": "cube_root",
                },
            ),
        ),
        "half the skill of linear regression is not enough",
        "the analysis that ferkeras began with: start simple, add complexity",
    )
