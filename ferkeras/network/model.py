"""The functional model: a trunk of convolutions, dense layers, one logit a class."""

from __future__ import annotations

import keras
from keras import layers

from ferkeras.callbacks import VariableDropout
from ferkeras.config.networks import Network
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.networks.plain import Plain
from ferkeras.data.task import Task
from ferkeras.network.architectures.backbone import backbone_features
from ferkeras.network.architectures.plain import plain_features
from ferkeras.network.architectures.residual import residual_features
from ferkeras.network.step import DistilledModel


def build_network(settings: Network, task: Task, *, mean: float, std: float) -> DistilledModel:
    """Build the network; it owns its preprocessing, so what is trained is what is exported.

    Input: uint8 (N, H, W, C), raw pixels. Output: float32 logits (N, K), in the classes' order.
    Each dense layer is followed by BatchNormalization, ReLU and dropout.

    Args:
        settings: its kind, sizes, dense units, dropout rates and BatchNormalization.
        task: size and colour of the faces, and the classes.
        mean: of the training faces' pixels / 255. A backbone has those that it was trained with.
        std: standard deviation of the same, above 0.

    Raises:
        InputError: faces are too small for it, or it has more weights than any machine holds.
    """
    settings.demand_memory(*task.image.shape[:2])
    faces = keras.Input(task.image.shape, dtype="uint8", name="faces")
    x = layers.Rescaling(1 / 255, name="rescale")(faces)
    if isinstance(settings, Backbone):
        x = backbone_features(x, settings)
    else:
        x = layers.Normalization(mean=mean, variance=std**2, name="standardise")(x)
        if isinstance(settings, Plain):
            x = plain_features(x, settings)
        else:
            x = residual_features(x, settings)
    for number, units in enumerate(settings.dense_units, start=1):
        name = f"dense{number}"
        x = layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name=name)(x)
        x = layers.BatchNormalization(
            momentum=settings.batchnorm_momentum,
            epsilon=settings.batchnorm_epsilon,
            name=f"{name}_bn",
        )(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        x = VariableDropout(settings.dense_dropout, group="dense", name=f"{name}_dropout")(x)
    logits = layers.Dense(len(task.classes), dtype="float32", name="logits")(x)
    return DistilledModel(faces, logits, name="ferkeras")


def dropout_layers(model: keras.Model) -> tuple[list[VariableDropout], list[VariableDropout]]:
    """The dropout layers after convolutions, and those after dense layers."""
    dropouts = [layer for layer in model.layers if isinstance(layer, VariableDropout)]
    conv, dense = ([each for each in dropouts if each.group == g] for g in ("conv", "dense"))
    return conv, dense
