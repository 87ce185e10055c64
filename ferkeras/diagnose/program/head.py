"""How a model ends: units, activation, and the layers that make them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.output import output_activations

_PLAIN = ("linear", "other")


@dataclass(frozen=True)
class Head:
    """The end of a model.

    Attributes:
        activations: the last one first, see `output_activations`.
        units: length of the output's last axis.
        layers: those whose activations end the model, the last one first; fewer than there are
            activations where an operation has no layer.
        last_weighted: the last layer that was called and has weights; None where there is none.
        last_called: the layer made of no others that was called last, where its output is the
            model's; else None.
    """

    activations: tuple[str, ...]
    units: int
    layers: tuple[Any, ...]
    last_weighted: Any
    last_called: Any

    @property
    def activation(self) -> str:
        """The one that the loss sees."""
        return self.activations[0]

    @property
    def doubled(self) -> bool:
        """Whether one activation follows directly on another."""
        return len(self.activations) > 1 and self.activations[1] not in _PLAIN

    @property
    def can_be_bared(self) -> bool:
        """Whether the numbers before the last activations can be had."""
        return len(self.layers) == sum(each not in _PLAIN for each in self.activations)

    @property
    def layer(self) -> str:
        """Name of the layer to change, for people."""
        if self.layers:
            return self.layers[0].name
        return "the model's output" if self.last_weighted is None else self.last_weighted.name

    @contextmanager
    def bare(self, model: keras.Model) -> Iterator[None]:
        """Take the last activations away."""
        before = [(layer, getattr(layer, "activation", None)) for layer in self.layers]
        try:
            for layer, activation in before:
                if callable(activation):
                    layer.activation = keras.activations.linear
                else:
                    object.__setattr__(layer, "call", lambda inputs, *_, **__: inputs)
            yield
        finally:
            for layer, activation in before:
                if callable(activation):
                    layer.activation = activation
                else:
                    del layer.__dict__["call"]


def head_of(model: keras.Model, x: Any) -> Head:
    """Examine the end of a model.

    Args:
        model: called twice, once symbolically; where functions run eagerly, its layers alone say
            how it ends.
        x: inputs of a few rows.
    """
    called: list[Any] = []
    weighted: list[Any] = []
    calls: list[tuple[Any, Any, Any]] = []
    with _recorded(model, called, weighted, calls=calls):
        output = model(x, training=False)
    eager = tf.config.functions_run_eagerly()
    activations = _as_layers_say(called, calls, output) if eager else output_activations(model, x)
    wanted = [name for name in activations if name not in _PLAIN]
    layers: list[Any] = []
    for layer in reversed(called):
        if len(layers) == len(wanted):
            break
        if _name(layer) == "linear":
            continue
        layers.append(layer)
    return Head(
        activations,
        int(output.shape[-1]) if len(output.shape) > 1 else 1,
        tuple(layers),
        weighted[-1] if weighted else None,
        _last(calls, output),
    )


def _last(calls: Sequence[tuple[Any, Any, Any]], output: Any) -> Any:
    """The last layer of no others that was called, if nothing is done to what it made."""
    layer, made = next(
        ((layer, made) for layer, _, made in reversed(calls) if _is_leaf(layer)), (None, None)
    )
    if not keras.ops.is_tensor(made) or made is None or made.shape != output.shape:
        return None
    return layer if np.array_equal(made, output) else None


def _as_layers_say(
    called: Sequence[Any], calls: Sequence[tuple[Any, Any, Any]], output: Any
) -> tuple[str, ...]:
    """The activations of the layers that were called last, the last one first."""
    if _last(calls, output) is None:
        # What the model does to the output of its last layer is not seen.
        return ("other",)
    found: list[str] = []
    for layer in reversed(called):
        if (name := _name(layer)) != "linear":
            found.append(name)
        if layer.weights:
            break
    return (*found, "linear")


def _is_leaf(layer: Any) -> bool:
    return not any(True for _ in layer._flatten_layers(include_self=False))


def _has_activation(layer: Any) -> bool:
    return callable(getattr(layer, "activation", None))


def _is_weighted(layer: Any) -> bool:
    return bool(layer.weights) and not any(
        inner.weights for inner in layer._flatten_layers(include_self=False)
    )


def _name(layer: Any) -> str:
    if _has_activation(layer):
        return getattr(layer.activation, "__name__", type(layer.activation).__name__)
    return type(layer).__name__.lower()


_LAYERS = (
    keras.layers.Softmax,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.PReLU,
)


class _Reached(BaseException):
    """The rest of a model need not be computed; nothing in it may catch this."""


def first_input(model: keras.Model, x: Any) -> Any:
    """What reaches the first layer with weights; None where it looks up tokens or scales."""
    layer, values = _first(model, x)
    if isinstance(layer, keras.layers.Normalization) and not _is_adapted(layer):
        return values
    scaling = (keras.layers.Normalization, keras.layers.BatchNormalization)
    return None if isinstance(layer, (keras.layers.Embedding, *scaling)) else values


def unadapted(model: keras.Model, x: Any) -> keras.layers.Normalization | None:
    """The first layer with weights where it normalises, and was never told by what."""
    layer, _ = _first(model, x)
    normalises = isinstance(layer, keras.layers.Normalization)
    return layer if normalises and not _is_adapted(layer) else None


def normalised(model: keras.Model, x: Any) -> tuple[keras.layers.Normalization, np.ndarray] | None:
    """The first layer with weights and what it makes, where it normalises by what it was told."""
    layer, values = _first(model, x)
    if not isinstance(layer, keras.layers.Normalization) or not _is_adapted(layer):
        return None
    return layer, keras.ops.convert_to_numpy(layer(values))


def _is_adapted(layer: keras.layers.Normalization) -> bool:
    """Whether it does anything: as Keras builds it, it takes away 0 and divides by 1."""
    mean, variance = (getattr(layer, name, None) for name in ("adapt_mean", "adapt_variance"))
    if mean is None or variance is None:
        return True
    return bool(np.any(mean.numpy() != 0) or np.any(variance.numpy() != 1))


def embedding_of(model: keras.Model, x: Any) -> keras.layers.Embedding | None:
    """The first layer with weights where that is an Embedding."""
    layer, _ = _first(model, x)
    return layer if isinstance(layer, keras.layers.Embedding) else None


def tokens_of(model: keras.Model, x: Any) -> Any:
    """What reaches the first layer with weights where that is an Embedding; else None."""
    layer, values = _first(model, x)
    return values if isinstance(layer, keras.layers.Embedding) else None


def passed_before(model: keras.Model, x: Any) -> list[tuple[keras.Layer, np.ndarray]]:
    """Layers without weights before the first one with weights, in order, and their outputs."""
    calls: list[tuple[Any, Any, Any]] = []
    with _recorded(model, [], [], [], calls), suppress(_Reached):
        model(x, training=False)
    return [
        (layer, keras.ops.convert_to_numpy(value))
        for layer, _, value in calls
        if keras.ops.is_tensor(value) and not isinstance(layer, keras.layers.InputLayer)
    ]


def given_before(model: keras.Model, x: Any) -> list[tuple[keras.Layer, np.ndarray]]:
    """The same layers, and the first array that each was called with."""
    calls: list[tuple[Any, Any, Any]] = []
    with _recorded(model, [], [], [], calls), suppress(_Reached):
        model(x, training=False)
    rows = len(keras.tree.flatten(x)[0])
    arrays = [(layer, _arrays(given, rows)) for layer, given, _ in calls]
    return [(layer, values[0]) for layer, values in arrays if values]


def attention_masks(model: keras.Model, x: Any) -> list[tuple[keras.Layer, np.ndarray]]:
    """Attention layers that are called with a mask, and whether each place of each row may be
    looked at from anywhere: bool (N, places)."""
    calls: list[tuple[Any, Any, Any]] = []
    with _recorded(model, [], [], calls=calls):
        model(x, training=False)
    found = []
    for layer, (args, kwargs), _ in calls:
        if isinstance(layer, keras.layers.MultiHeadAttention):
            bound = inspect.signature(type(layer).call).bind_partial(layer, *args, **kwargs)
            if (mask := bound.arguments.get("attention_mask")) is not None:
                allowed = keras.ops.convert_to_numpy(mask).astype(bool)
                found.append((layer, allowed.any(axis=tuple(range(1, allowed.ndim - 1)))))
    return found


def calls_of_layers(
    model: keras.Model, x: Any
) -> Iterator[tuple[keras.Layer, list[np.ndarray], list[np.ndarray]]]:
    """The layers that a model is made of, in the order in which they end: the arrays that each was
    called with, and those that it made, of one row each along their first axis."""
    calls: list[tuple[Any, Any, Any]] = []
    own = set(map(id, model._flatten_layers(include_self=False, recursive=False)))
    with _recorded(model, [], [], calls=calls):
        model(x, training=False)
    rows = len(keras.tree.flatten(x)[0])
    for layer, given, made in calls:
        if id(layer) in own:
            yield layer, _arrays(given, rows), _arrays(made, rows)


def _arrays(values: Any, rows: int) -> list[np.ndarray]:
    tensors = [
        each
        for each in keras.tree.flatten(values)
        if keras.ops.is_tensor(each) and len(each.shape) and each.shape[0] == rows
    ]
    return [
        # NumPy knows no bfloat16.
        keras.ops.convert_to_numpy(
            keras.ops.cast(each, "float32")
            if keras.backend.standardize_dtype(each.dtype) == "bfloat16"
            else each
        )
        for each in tensors
    ]


def _first(model: keras.Model, x: Any) -> tuple[Any, Any]:
    """The first layer with weights, and what reaches it."""
    seen: list[tuple[Any, Any]] = []
    with _recorded(model, [], [], seen), suppress(_Reached):
        model(x, training=False)
    if not seen or not seen[0][1]:
        return None, None
    layer, (value, *_) = seen[0]
    return layer, keras.ops.convert_to_numpy(keras.tree.flatten(value)[0])


@contextmanager
def _recorded(
    model: keras.Model,
    called: list[Any],
    weighted: list[Any],
    given: list[Any] | None = None,
    calls: list[Any] | None = None,
) -> Iterator[None]:
    """Note which layers are called, in the order in which they end.

    Args:
        model: whose layers.
        called: gets those with an activation.
        weighted: gets those with weights.
        given: gets the first with weights, with what it is called with; `_Reached` is raised then.
        calls: gets every layer that ends before that, with what it is called with and its output.
    """
    layers = list(model._flatten_layers(include_self=False, recursive=True))
    for layer in layers:

        def call(*args: Any, _layer: Any = layer, _call: Any = layer.call, **kwargs: Any) -> Any:
            if given is not None and _is_weighted(_layer):
                given.append((_layer, args))
                raise _Reached
            result = _call(*args, **kwargs)
            if calls is not None:
                calls.append((_layer, (args, kwargs), result))
            if _has_activation(_layer) or isinstance(_layer, _LAYERS):
                called.append(_layer)
            if _is_weighted(_layer):
                weighted.append(_layer)
            return result

        object.__setattr__(layer, "call", call)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["call"]
