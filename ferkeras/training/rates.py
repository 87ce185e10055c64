"""Learning rates by depth: layers near the input move less than those near the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def rates_by_depth(model: keras.Model, first: float) -> list[float]:
    """What the learning rate of each trainable weight is multiplied by, in the model's order.

    Args:
        model: nothing of it is frozen.
        first: factor of the first layer that has weights, above 0 to 1; the last has 1, and
            factors between are a geometric row.

    Source:
        Howard & Ruder 2018, "Universal language model fine-tuning for text classification"
        (discriminative fine-tuning).
    """
    trained = [layer for layer in model.layers if layer.trainable_weights]
    last = max(1, len(trained) - 1)
    factors = {
        id(variable): first ** (1 - at / last)
        for at, layer in enumerate(trained)
        for variable in layer.trainable_weights
    }
    # A head that is there in training only is none of its layers, and has the rate of the last.
    return [factors.get(id(variable), 1.0) for variable in model.trainable_weights]


def with_rates(
    kind: type[keras.optimizers.Optimizer], factors: Sequence[float]
) -> type[keras.optimizers.Optimizer]:
    """The same optimizer with a factor for the step of each weight, weight decay included.

    Args:
        kind: Keras's class.
        factors: for each of the weights that it is built with.
    """
    # Where Keras writes it down, as it does for a copy of the model, it is the class of Keras.
    attributes = {"factors": tuple(factors), "__module__": kind.__module__}
    return type(kind.__name__, (_StepsByFactor, kind), attributes)


class _StepsByFactor:
    """Goes before a class of optimizer."""

    factors: tuple[float, ...] = ()

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(  # type: ignore[misc]
            gradient, variable, learning_rate * self._factor(variable)
        )

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        decay = self.weight_decay  # type: ignore[has-type]
        if decay is None:
            return
        try:
            for variable in variables:
                self.weight_decay = decay * self._factor(variable)
                super()._apply_weight_decay([variable])  # type: ignore[misc]
        finally:
            self.weight_decay = decay

    def _factor(self, variable: Any) -> float:
        return self.factors[self._get_variable_index(variable)]  # type: ignore[attr-defined]
