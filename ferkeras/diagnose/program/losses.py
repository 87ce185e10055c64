"""What a compiled loss expects of outputs and labels."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal

import keras

Kind = Literal[
    "categorical", "sparse", "binary", "regression", "hinge", "categorical_hinge", "divergence",
    "unknown",
]  # fmt: skip
"""categorical: one column a class, exclusive. sparse: the same, labels as whole numbers. binary:
each output by itself. regression: distance between numbers. hinge: signs. divergence: between
distributions. unknown: the program's own."""

_KINDS: dict[str, Kind] = {
    "categorical_crossentropy": "categorical",
    "categorical_focal_crossentropy": "categorical",
    "sparse_categorical_crossentropy": "sparse",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mean_absolute_error": "regression",
    "mean_absolute_percentage_error": "regression",
    "mean_squared_logarithmic_error": "regression",
    "huber": "regression",
    "log_cosh": "regression",
    "poisson": "regression",
    "hinge": "hinge",
    "squared_hinge": "hinge",
    "categorical_hinge": "categorical_hinge",
    "kl_divergence": "divergence",
}


@dataclass(frozen=True)
class LossForm:
    """A loss, as far as it can be read from the program.

    Attributes:
        name: as people call it, `sparse_categorical_crossentropy`.
        kind: what it expects.
        from_logits: whether it takes numbers before softmax or sigmoid.
    """

    name: str
    kind: Kind
    from_logits: bool

    @property
    def wants_probabilities(self) -> bool:
        """Whether outputs must be probabilities."""
        return self.kind in ("categorical", "sparse", "binary", "divergence") and (
            not self.from_logits
        )

    @property
    def one_against_the_rest(self) -> bool:
        """Whether it is one that judges each class by itself on purpose, as focal losses do."""
        return self.name.startswith("binary_focal")

    @property
    def label_columns(self) -> bool | None:
        """Whether labels are one number a class; None: whatever the outputs have."""
        return {"categorical": True, "categorical_hinge": True, "sparse": False}.get(self.kind)


def single_loss(loss: Any) -> Any:
    """The loss of the only output, out of the list or dict that it may be given in."""
    while isinstance(loss, (list, tuple)) and len(loss) == 1:
        loss = loss[0]
    return next(iter(loss.values())) if isinstance(loss, dict) and len(loss) == 1 else loss


def loss_form(loss: Any) -> LossForm:
    """Read a loss as `compile` was given it: a name, a function, or a `keras.losses.Loss`."""
    loss = single_loss(loss)
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return LossForm(str(loss), "unknown", False)
    if loss is None:
        return LossForm("none", "unknown", False)
    if isinstance(loss, keras.losses.Loss):
        function = getattr(loss, "fn", None)
        # A subclass of the program's own may compute anything.
        known = type(loss).__module__.startswith("keras.")
        name = getattr(function, "__name__", type(loss).__name__) if known else type(loss).__name__
        arguments = getattr(loss, "_fn_kwargs", {})
        logits = getattr(loss, "from_logits", arguments.get("from_logits", False))
        return LossForm(name, _KINDS.get(name, "unknown") if known else "unknown", bool(logits))
    name = getattr(loss, "__name__", type(loss).__name__)
    known = inspect.isfunction(loss) and loss.__module__.startswith("keras.")
    return LossForm(name, _KINDS.get(name, "unknown") if known else "unknown", False)
