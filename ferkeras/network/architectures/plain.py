"""The plain network: blocks of two convolutions and a pooling."""

from __future__ import annotations

import keras
from keras import layers

from ferkeras.callbacks import VariableDropout
from ferkeras.config.networks.plain import Plain
from ferkeras.network.batchnorm import FusedBatchNormalization


def plain_features(x: keras.KerasTensor, settings: Plain) -> keras.KerasTensor:
    """Features (N, F) of standardised faces (N, H, W, C).

    Each block is convolution, BatchNormalization, ReLU, twice; pooling by two; dropout.

    Args:
        x: the faces.
        settings: filters of each block, dropout after each, BatchNormalization.

    Raises:
        InputError: the blocks halve the faces to nothing.
    """
    settings = settings.for_faces(*x.shape[1:3])
    first_stride = settings.first_stride or 1
    for block, filters in enumerate(settings.filters or (), start=1):
        for part in "ab":
            name = f"block{block}{part}"
            x = layers.Conv2D(
                filters,
                3,
                strides=first_stride if name == "block1a" else 1,
                padding="same",
                use_bias=False,  # BatchNormalization has one
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = FusedBatchNormalization(
                momentum=settings.batchnorm_momentum,
                epsilon=settings.batchnorm_epsilon,
                name=f"{name}_bn",
            )(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
        x = VariableDropout(settings.conv_dropout, group="conv", name=f"block{block}_dropout")(x)
    return layers.Flatten(name="flatten")(x)
