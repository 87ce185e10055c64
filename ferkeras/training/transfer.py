"""Transfer learning: a network begins with what another one has learnt."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from ferkeras.callbacks import VariableDropout
from ferkeras.cli.errors import InputError
from ferkeras.config.keys import as_yaml
from ferkeras.config.networks.common import AnyNetwork
from ferkeras.data.task import Classes

_MOST = 0.5
"""Fraction of its layers that a network takes over at least."""


@dataclass(frozen=True)
class Transferred:
    """What a network has taken over.

    Attributes:
        parameters: numbers that were taken over.
        of: numbers that it has.
        layers: fraction of the layers with weights, but for the last, that were taken over; of
            its own or of the other network's, whichever is more.
        left: layers that begin at random, since nothing fits them.
        classes: names of the classes whose outputs were taken over.
    """

    parameters: int
    of: int
    layers: float
    left: tuple[str, ...]
    classes: tuple[str, ...]

    def __str__(self) -> str:
        known = f"; knows {', '.join(self.classes)}" if self.classes else ""
        new = f"; new: {', '.join(self.left[:4])}" if self.left else ""
        return f"{self.parameters:,} of {self.of:,} weights{known}{new}"


def take_over(
    model: keras.Model, classes: Classes, source: keras.Model, source_classes: Classes
) -> Transferred:
    """Give a network the weights of another one, as far as they fit.

    Layers of the same name and shape are taken as they are. A first convolution of grey faces
    serves colour with a third of its kernel for each channel, one of colour serves grey with the
    sum over its channels. Of the last layer the outputs of classes that both know are taken, by
    their names; the others begin at random. Dropout rates stay as configured.

    Args:
        model: begins; changed in place.
        classes: those that it tells apart.
        source: has learnt.
        source_classes: those that it tells apart.

    Raises:
        InputError: nothing but the last layer fits.

    Source:
        Yosinski et al. 2014, "How transferable are features in deep neural networks?".
    """
    theirs = {layer.name: layer for layer in source.layers}
    taken, fitting, left = 0, 0, []
    for layer in model.layers:
        if not _learns(layer):
            continue
        own = layer.get_weights()
        found = theirs[layer.name].get_weights() if layer.name in theirs else []
        if layer is model.layers[-1] and len(found) == len(own):
            continue
        fitted = [_fitted(have, want) for have, want in zip(found, own, strict=False)]
        if len(found) != len(own) or any(each is None for each in fitted):
            left.append(layer.name)
            continue
        layer.set_weights(fitted)
        taken, fitting = taken + sum(each.size for each in own), fitting + 1
    if not fitting:
        raise InputError(
            "network.start_from: no weights fit this network; give it the architecture of the run "
            "that it starts from: the keys of network in that run's config.yaml"
        )
    shared, outputs = _take_outputs(model, classes, source, source_classes)
    others = sum(map(_learns, source.layers[:-1]))
    fraction = fitting / max(1, min(fitting + len(left), others))
    return Transferred(taken + outputs, model.count_params(), fraction, tuple(left), shared)


def demand_most(taken: Transferred, network: AnyNetwork, source: AnyNetwork, name: str) -> None:
    """Refuse a network that begins at random for the most part, although it has a start.

    Args:
        taken: what it has taken over.
        network: as configured.
        source: that of the run that it starts from.
        name: of that run.

    Raises:
        InputError: fewer than half of its layers were taken over, and of the other's.
    """
    if taken.layers >= _MOST:
        return
    other = network.differs_in(source)
    keys = " ".join(f"'network.{key}={as_yaml(value)}'" for key, value in other.items())
    raise InputError(
        f"network.start_from: only {taken.parameters:,} of {taken.of:,} weights fit, and the rest "
        "would begin at random; "
        + (
            f"give this network the layers of {name}: {keys}"
            if keys
            else f"give the faces the size that {name} was trained with: data.size, data.color"
        )
    )


def _learns(layer: keras.Layer) -> bool:
    """Whether a layer has weights that are learnt: the rate of a dropout is a weight too."""
    return bool(layer.weights) and not isinstance(layer, VariableDropout)


def _fitted(have: np.ndarray, want: np.ndarray) -> np.ndarray | None:
    """Weights brought to another shape; None where they cannot be."""
    if have.shape == want.shape:
        return have
    same_but_channels = (
        have.ndim == want.ndim == 4
        and have.shape[:2] == want.shape[:2]
        and have.shape[3] == want.shape[3]
    )
    if same_but_channels and have.shape[2] == 1 and want.shape[2] == 3:
        return np.repeat(have / 3, 3, axis=2)
    if same_but_channels and have.shape[2] == 3 and want.shape[2] == 1:
        return have.sum(axis=2, keepdims=True)
    return None


def _take_outputs(
    model: keras.Model, classes: Classes, source: keras.Model, source_classes: Classes
) -> tuple[tuple[str, ...], int]:
    """Outputs of the classes that both know; their names and how many numbers that were."""
    kernel, bias = model.layers[-1].get_weights()
    old_kernel, old_bias = source.layers[-1].get_weights()
    if old_kernel.shape[0] != kernel.shape[0]:
        return (), 0
    shared = tuple(name for name in classes if name in source_classes.names)
    for name in shared:
        new, old = classes.index(name), source_classes.index(name)
        kernel[:, new], bias[new] = old_kernel[:, old], old_bias[old]
    model.layers[-1].set_weights([kernel, bias])
    return shared, len(shared) * (len(kernel) + 1)
