"""A model that for a trial has other activations or weights, or does nothing at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program

_AUGMENTING = ("AugMix", "CutMix", "MixUp", "RandAugment", "GaussianNoise")


@contextmanager
def hidden_activation(model: keras.Model, program: Program, name: str) -> Iterator[None]:
    """Put another activation in the place of those inside the network."""
    last = set(map(id, program.head.layers))
    changed = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if callable(getattr(layer, "activation", None))
        and not isinstance(layer, keras.layers.RNN)
        and not hasattr(layer, "recurrent_activation")
        and id(layer) not in last
        and layer is not program.head.last_weighted
    ]
    before = [layer.activation for layer in changed]
    try:
        for layer in changed:
            layer.activation = keras.activations.get(name)
        yield
    finally:
        for layer, activation in zip(changed, before, strict=True):
            layer.activation = activation


@contextmanager
def nothing_dropped(model: keras.Model) -> Iterator[None]:
    """Let no layer drop anything in training."""
    changed = dropping(model)
    try:
        for layer, attribute, _ in changed:
            setattr(layer, attribute, 0.0)
        yield
    finally:
        for layer, attribute, rate in changed:
            setattr(layer, attribute, rate)


def dropping(model: keras.Model) -> list[tuple[keras.Layer, str, float]]:
    """Layers that drop something, the attribute that says how much, and how much."""
    found = []
    for layer in model._flatten_layers(include_self=False):
        own = vars(layer)  # A recurrent layer only passes on what its cell has.
        names = ("rate",) if "Dropout" in type(layer).__name__ else ("dropout", "recurrent_dropout")
        for name in names:
            rate = own.get(name)
            if isinstance(rate, (int, float)) and rate > 0:
                found.append((layer, name, float(rate)))
    return found


@contextmanager
def nothing_augmented(model: keras.Model, name: str = "") -> Iterator[None]:
    """Let layers that change inputs at random, or the one of this name, leave them as they are."""
    changed = [layer for layer in augmenting(model) if name in ("", layer.name)]
    try:
        for layer in changed:

            def call(*args: Any, _call: Any = layer.call, **kwargs: Any) -> Any:
                return _call(*args, **{**kwargs, "training": False})

            object.__setattr__(layer, "call", call)
        yield
    finally:
        for layer in changed:
            object.__delattr__(layer, "call")


def augmenting(model: keras.Model) -> list[keras.Layer]:
    """Layers of Keras that change inputs at random in training."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if type(layer).__module__.startswith("keras.")
        and (type(layer).__name__.startswith("Random") or type(layer).__name__ in _AUGMENTING)
    ]


@contextmanager
def nothing_constrained(model: keras.Model) -> Iterator[None]:
    """Let weights go wherever steps take them."""
    changed = constrained(model)
    try:
        for variable, _ in changed:
            variable.constraint = None
        yield
    finally:
        for variable, constraint in changed:
            variable.constraint = constraint


def constrained(model: keras.Model) -> list[tuple[Any, Any]]:
    """Trainable variables that are held within something, and what holds them."""
    return [
        (variable, variable.constraint)
        for variable in model.trainable_variables
        if getattr(variable, "constraint", None) is not None
    ]


def draw_weights(model: keras.Model, seed: int) -> None:
    """Draw kernels by the Glorot rule; biases become zero and scales one."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(_drawn(variable, rng))


def _drawn(variable: Any, rng: np.random.Generator) -> np.ndarray:
    shape = tuple(variable.shape)
    if len(shape) < 2:
        return np.full(shape, 1.0 if variable.path.endswith("gamma") else 0.0, np.float32)
    if variable.path.endswith("embeddings"):
        return rng.uniform(-0.05, 0.05, shape).astype(np.float32)
    field_size = math.prod(shape[:-2])
    limit = math.sqrt(6 / (field_size * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
