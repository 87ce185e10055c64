"""Weight decay that shrinks weights faster than they are learned."""

from __future__ import annotations

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence

_USUAL = 1e-2


def weight_decay_too_strong(m: Measurements) -> Finding | None:
    """Decay that makes the weights forget the first batch before the epoch is over."""
    train = m.case.config.train
    rate = train.first_learning_rate
    decay = rate * train.weight_decay
    epoch = m.case.setup.pipeline.steps_per_epoch
    if not decay or 1 / decay >= epoch or not is_not_learning(m):
        return None
    return Finding(
        "weight_decay_too_strong",
        f"Weight decay {train.weight_decay:g} at learning rate {rate:g} makes the weights "
        f"forget within {1 / decay:.0f} steps, less than an epoch.",
        (
            Evidence(
                "steps after which decay has shrunk a weight to a third",
                f"{1 / decay:.0f}",
                f"more than an epoch's {epoch}",
                1 / decay,
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "weaken the decay",
                "weights last for many epochs",
                {"train.weight_decay": min(_USUAL, train.weight_decay / 10)},
            ),
            Remedy("none at all", "the same", {"train.weight_decay": 0.0}),
        ),
        "what is learned from one face must outlast the other faces",
        "Loshchilov & Hutter 2019, Decoupled weight decay; Wang & Aitchison 2024, timescales",
    )
