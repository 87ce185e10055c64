"""Training faces that were memorised."""

from __future__ import annotations

import numpy as np

from ferkeras.config.sections.augment import Augment
from ferkeras.diagnose.causes.dropout import dropout_overrides
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import still_falling

_CONV_DROPOUT = 0.2
_DENSE_DROPOUT = 0.4
"""As at the end of the recommended ramp."""

_LEARNT = 0.5
_KEPT = 0.6


def overfitting(m: Measurements) -> Finding | None:
    """Most of what is known of training faces does not hold for validation faces.

    Not while the validation loss still falls: what is learned then generalises to them too.
    """
    train, validation = m.on_train, m.on_validation
    gap = train.accuracy - validation.accuracy
    if (
        train.skill < _LEARNT
        or validation.skill >= _KEPT * train.skill
        or gap < m.case.config.monitor.overfit_gap
        or still_falling(m)
    ):
        return None
    network, augment, usual = m.case.config.network, m.case.config.augment, Augment()
    return Finding(
        "overfitting",
        f"The network has memorised its {len(m.case.splits.train):,} training faces: "
        f"{train.accuracy:.0%} right on them, {validation.accuracy:.0%} on validation faces.",
        (
            Evidence(
                "skill on validation faces, as a fraction of that on training faces",
                f"{validation.skill / train.skill:.0%}",
                f"above {_KEPT:.0%}",
                validation.skill / train.skill,
            ),
            Evidence(
                "accuracy on training faces minus that on validation faces",
                f"{100 * gap:.0f} points",
                f"below {100 * m.case.config.monitor.overfit_gap:.0f}",
                gap,
            ),
            *_loss_evidence(m),
        ),
        (
            Remedy(
                "change the training faces a little each time, and add dropout",
                "a smaller gap, and often a better validation accuracy",
                {
                    f"augment.{key}": max(getattr(augment, key), getattr(usual, key))
                    for key in type(usual).model_fields
                }
                | dropout_overrides(
                    m.case.config,
                    conv=max(network.conv_dropout, _CONV_DROPOUT),
                    dense=max(network.dense_dropout, _DENSE_DROPOUT),
                ),
            ),
            Remedy("more training faces", "more than can be memorised"),
        ),
        "two fifths of the skill does not generalise beyond the training faces",
        "Shorten & Khoshgoftaar 2019, A survey on image data augmentation; Prechelt 1998, Early "
        "stopping - but when?",
    )


def _loss_evidence(m: Measurements) -> list[Evidence]:
    """How far the validation loss has risen; nothing where it is not known."""
    losses = m.case.history.get("val_cross_entropy")
    if losses is None or not np.isfinite(losses).all() or losses.empty:
        return []
    least = int(losses.to_numpy().argmin())
    return [
        Evidence(
            "validation cross-entropy, lowest and last",
            f"{losses.iloc[least]:.3f} in epoch {m.case.history['epoch'].iloc[least]:.0f}, then "
            f"{losses.iloc[-1]:.3f}",
            "lowest in the last epoch",
            float(losses.iloc[-1] - losses.iloc[least]),
        )
    ]
