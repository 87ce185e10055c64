"""A network of Keras Applications as the trunk of another one."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

from ferkeras.callbacks import VariableDropout
from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.config.networks.backbone import Backbone
from ferkeras.files.inner import inside
from ferkeras.files.weights import DamagedWeights, layers_of, open_weights, values_of

_POOL = "average"
"""Name of the layer that the trunk ends in."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_PIXELS = {
    "MobileNetV3Small": ((0.5,) * 3, (0.5,) * 3),
    "MobileNetV3Large": ((0.5,) * 3, (0.5,) * 3),
    "EfficientNetV2B0": _IMAGENET,
}
"""Mean and standard deviation of pixels / 255 that each was trained with."""

_LARGEST = 1 << 30
"""Bytes of a file of weights; those of these networks have at most 24 million."""


def backbone_features(x: keras.KerasTensor, settings: Backbone) -> keras.KerasTensor:
    """Features (N, F) of faces (N, H, W, C), pixels / 255: the mean of the last maps.

    Grey is repeated to three channels, the faces are resized where that is asked for or they are
    small, and standardised as the network was trained with. Its weights begin at random; see
    `load_imagenet` and `load_file`.

    Args:
        x: the faces.
        settings: which network, size inside, dropout on the features, BatchNormalization.

    Source:
        Howard et al. 2019, "Searching for MobileNetV3"; Tan & Le 2021, "EfficientNetV2: smaller
        models and faster training".
    """
    size = settings.size_inside(*x.shape[1:3])
    if x.shape[3] == 1:
        x = layers.Concatenate(name="grey_in_three")([x, x, x])
    if size != tuple(x.shape[1:3]):
        # Not the layer `Resizing`: called without `training`, it takes all layers for in training.
        x = keras.ops.image.resize(x, size)
    mean, std = _PIXELS[settings.backbone]
    variance = [each**2 for each in std]
    x = layers.Normalization(mean=list(mean), variance=variance, name="standardise")(x)
    trunk = _application(settings.backbone, weights=None, input_tensor=x)
    for layer in trunk.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = settings.batchnorm_momentum
    x = layers.GlobalAveragePooling2D(name=_POOL)(trunk.output)
    return VariableDropout(settings.conv_dropout, group="conv", name=f"{_POOL}_dropout")(x)


def load_imagenet(model: keras.Model, settings: Backbone) -> int:
    """Give the backbone of a network the weights that Keras offers for ImageNet.

    Args:
        model: made with `backbone_features`; changed in place.
        settings: which network.

    Returns:
        How many numbers were taken over.

    Raises:
        InputError: the weights are neither on this machine nor can they be downloaded.
    """
    try:
        source = _application(settings.backbone, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises a bare Exception where it cannot download
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"network.weights=imagenet: the weights of {settings.backbone} are not on this machine "
            f"and cannot be downloaded ({shown(reason)}); go online once, or put the file that is "
            "named into ~/.keras/models, or name another file of weights, or set "
            "network.weights=none"
        ) from None
    taken = 0
    for layer in source.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
            taken += layer.count_params()
    return taken


def load_file(model: keras.Model, settings: Backbone, path: Path) -> int:
    """Give the backbone of a network the weights in a file, which gives numbers only.

    The layers of the same names are taken, wherever they are in the file and whatever network it
    is of. Where it was written without names (by Keras 2, or an earlier Keras 3), it is taken for
    the weights of the backbone alone.

    Args:
        model: made with `backbone_features`; changed in place.
        settings: which network.
        path: a `.keras` or `.h5` file; see `ferkeras.network.weights_file.find_weights`.

    Returns:
        How many numbers were taken over.

    Raises:
        InputError: the file is damaged, or its weights are not those of this backbone.
    """
    what = f"network.weights: {shown(path)}"
    expected = (
        f"expected those of keras.applications.{settings.backbone}(include_top=False), written by "
        "save_weights(), or a .keras file with a network that has its layers"
    )
    own = [
        layer
        for layer in backbone_layers(model)
        if layer.weights and not isinstance(layer, layers.Normalization)
    ]
    try:
        # A file that somebody names may be named through a link.
        with open_weights(inside(path.resolve()), _LARGEST) as file:
            theirs = layers_of(file)
            named = any(layer.name in theirs for layer in own)
            values = _by_name(own, theirs) if named else {}
        if not named:
            values = _in_order(settings, path)
    except _OtherLayer as error:
        raise InputError(
            f"{what}: not of network.backbone={settings.backbone}: its layer {error}; {expected}"
        ) from None
    except Exception as error:  # Keras and h5py raise what they please on other files
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{what}: damaged, or other weights ({type(error).__name__}: {shown(reason)}); "
            f"{expected}"
        ) from None
    for layer in own:
        layer.set_weights(values[layer.name])
    return sum(layer.count_params() for layer in own)


class _OtherLayer(ValueError):
    """A layer has other weights in a file; the message begins with its name."""


def _by_name(
    own: list[layers.Layer], theirs: dict[str, list[h5py.Dataset]]
) -> dict[str, list[np.ndarray]]:
    for layer in own:
        want = [tuple(weight.shape) for weight in layer.weights]
        have = [each.shape for each in theirs.get(layer.name, [])]
        if want != have:
            found = f"has {have}" if have else "is not there"
            raise _OtherLayer(f"{layer.name} {found}, expected {want}")
    return {layer.name: [values_of(each) for each in theirs[layer.name]] for layer in own}


def _in_order(settings: Backbone, path: Path) -> dict[str, list[np.ndarray]]:
    """The weights of each layer of a file that has no names and nothing but the backbone."""
    source = _application(settings.backbone, weights=None, input_shape=(224, 224, 3))
    with warnings.catch_warnings():
        # Keras only warns of layers for which it found no weights and left at random.
        warnings.simplefilter("error", UserWarning)
        source.load_weights(path)
    if not all(np.isfinite(each).all() for each in source.get_weights()):
        raise DamagedWeights("has values that are not finite numbers")
    return {layer.name: layer.get_weights() for layer in source.layers if layer.weights}


def backbone_layers(model: keras.Model) -> list[layers.Layer]:
    """The layers of a network that lie before the average of its maps."""
    names = [layer.name for layer in model.layers]
    return model.layers[: names.index(_POOL)]


def _application(name: str, **arguments: object) -> keras.Model:
    make = getattr(keras.applications, name)
    return make(include_top=False, include_preprocessing=False, **arguments)
