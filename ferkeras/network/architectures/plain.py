"""The plain network: blocks of two convolutions and a pooling."""

from __future__ import annotations

import keras
from keras import layers

from ferkeras.callbacks import VariableDropout
from ferkeras.config.schema import Network


def plain_features(x: keras.KerasTensor, settings: Network) -> keras.KerasTensor:
    """Features (N, F) of standardised faces (N, H, W, C).

    Each block is convolution, BatchNormalization, ReLU, twice; pooling by two; dropout.

    Args:
        x: the faces.
        settings: filters of each block, dropout after each, BatchNormalization.
    """
    for block, filters in enumerate(settings.filters, start=1):
        for part in "ab":
            name = f"block{block}{part}"
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,  # BatchNormalization has one
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = layers.BatchNormalization(
                momentum=settings.batchnorm_momentum,
                epsilon=settings.batchnorm_epsilon,
                name=f"{name}_bn",
            )(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
        x = VariableDropout(settings.conv_dropout, name=f"block{block}_dropout")(x)
    return layers.Flatten(name="flatten")(x)
