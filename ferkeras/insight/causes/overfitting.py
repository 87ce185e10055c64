"""Training faces that were learnt by heart."""

from __future__ import annotations

from ferkeras.config import Augment, Config
from ferkeras.insight.causes.finding import Evidence, Finding, Remedy
from ferkeras.insight.causes.measurements import Measurements

_DROPOUT = {"conv_dropout": 0.2, "dense_dropout": 0.4}
_LEARNT = 0.5
_KEPT = 0.6


def overfitting(m: Measurements) -> Finding | None:
    """Most of what is known of training faces does not hold for validation faces."""
    train, validation = m.on_train, m.on_validation
    gap = train.accuracy - validation.accuracy
    if (
        train.skill < _LEARNT
        or validation.skill >= _KEPT * train.skill
        or gap < m.case.config.monitor.overfit_gap
    ):
        return None
    usual = Augment()
    return Finding(
        "overfitting",
        f"The network has learnt its {len(m.case.splits.train):,} training faces by heart: "
        f"{train.accuracy:.0%} right on them, {validation.accuracy:.0%} on validation faces.",
        (
            Evidence(
                "skill on validation faces, as a share of that on training faces",
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
        ),
        (
            Remedy(
                "change the training faces a little each time, and add dropout",
                "a smaller gap, and often a better validation accuracy",
                {f"augment.{key}": getattr(usual, key) for key in type(usual).model_fields}
                | _dropout(m.case.config),
            ),
            Remedy("more training faces", "more to learn than can be learnt by heart"),
        ),
        "two fifths of what is known holds for nothing but the faces it was learnt on",
        "Shorten & Khoshgoftaar 2019, A survey on image data augmentation",
    )


def _dropout(config: Config) -> dict[str, float]:
    """Dropout as at the end of the recommended ramp, or of the configured one if that is less."""
    ends = {name: getattr(config.schedule, f"{name}_end") for name in _DROPOUT}
    ramp = config.schedule.dropout_from_epoch is not None
    return {
        f"network.{name}": min(rate, ends[name]) if ramp else rate
        for name, rate in _DROPOUT.items()
    }
