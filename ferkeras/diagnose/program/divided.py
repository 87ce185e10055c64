"""Pictures of fractions that a `Rescaling` made for grey values divides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ferkeras.diagnose.program.head import given_before

_DIVIDES = 64.0
"""A layer that divides by more is made for grey values up to 255."""

_SCALED = 10.0
"""What fractions are below once they were scaled or standardised."""

_PICTURES = 4
"""Axes of pictures in a batch, at least."""

_GREY = 255.0


@dataclass(frozen=True)
class Divided:
    """Fractions, and what divides them.

    Attributes:
        layer: the `Rescaling`.
        low: the least number that it is called with.
        high: the greatest.
    """

    layer: keras.layers.Rescaling
    low: float
    high: float

    @property
    def divisor(self) -> float:
        """What the layer divides by, of several numbers the least."""
        return 1 / float(np.abs(np.asarray(self.layer.scale, np.float64)).max())

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Let the layer make of fractions what it makes of grey values."""
        layer = self.layer
        before = {"scale": layer.scale, "offset": layer.offset}
        scale, offset = (np.asarray(each, np.float64) for each in before.values())
        # Numbers below zero were centred too.
        centred = self.low < 0 or not offset.any()
        after = {"scale": 1.0 if centred else scale * _GREY, "offset": 0.0 if centred else offset}
        try:
            _set(layer, after)
            yield
        finally:
            _set(layer, before)


def divided_pictures(model: keras.Model, parts: Sequence[Any]) -> Divided | None:
    """The first layer that does, of those before the first one with weights.

    Args:
        model: that it is in.
        parts: rows in batches, as the model is called with them.
    """
    calls = [given_before(model, part) for part in parts]
    for same in zip(*calls, strict=True):
        layer, values = same[0][0], np.concatenate([given for _, given in same])
        if isinstance(layer, keras.layers.Rescaling) and _divides(layer) and _are_scaled(values):
            return Divided(layer, float(np.nanmin(values)), float(np.nanmax(values)))
    return None


def _divides(layer: keras.layers.Rescaling) -> bool:
    return 0 < float(np.abs(np.asarray(layer.scale, np.float64)).max()) < 1 / _DIVIDES


def _are_scaled(values: np.ndarray) -> bool:
    """Whether these are fractions of the size of 1: masks are whole numbers, and may be 0 and 1."""
    if values.ndim < _PICTURES or values.dtype.kind != "f":
        return False
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return largest <= _SCALED and not np.allclose(values, np.round(values), atol=1e-3)


def _set(layer: keras.Layer, values: dict[str, Any]) -> None:
    for name, value in values.items():
        # Keras would keep a list as one of its own.
        object.__setattr__(layer, name, value)
