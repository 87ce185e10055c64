"""The residual network: a stem, then stages of blocks that add to what they were given."""

from __future__ import annotations

import keras
from keras import layers

from ferkeras.callbacks import VariableDropout
from ferkeras.config.networks.residual import Residual
from ferkeras.network.batchnorm import FusedBatchNormalization

_STEM_KERNEL = 5


def residual_features(x: keras.KerasTensor, settings: Residual) -> keras.KerasTensor:
    """Features (N, F) of standardised faces (N, H, W, C): the mean of the last stage's maps.

    The stem is one convolution. Each stage has residual blocks and dropout after them; all but
    the first stage halve the side, in their first block, whose shortcut is an average pooling and
    a 1 x 1 convolution.

    Args:
        x: the faces.
        settings: stem, filters and blocks of each stage, squeeze and excitation, whether
            convolutions are separable, dropout after each stage, BatchNormalization.

    Source:
        He et al. 2016, "Deep residual learning for image recognition"; the shortcut is that of
        He et al. 2019, "Bag of tricks for image classification with convolutional neural
        networks", ResNet-D. That nothing stands between the two parts of a separable convolution:
        Chollet 2017, "Xception: deep learning with depthwise separable convolutions".
    """
    stride = settings.for_faces(*x.shape[1:3]).stem_stride or 1
    x = layers.Conv2D(
        settings.stem_filters,
        # Every pixel is seen, whatever the stride.
        max(_STEM_KERNEL, stride + 1),
        strides=stride,
        padding="same",
        use_bias=False,  # BatchNormalization has one
        kernel_initializer="he_normal",
        name="stem",
    )(x)
    x = layers.ReLU(name="stem_relu")(_normalised(x, settings, "stem"))
    for stage, (filters, blocks) in enumerate(
        zip(settings.filters, settings.blocks_of_stages, strict=True), start=1
    ):
        for block in range(1, blocks + 1):
            halve = stage > 1 and block == 1
            x = _block(x, filters, settings, f"block{stage}_{block}", halve=halve)
        x = VariableDropout(settings.conv_dropout, group="conv", name=f"block{stage}_dropout")(x)
    return layers.GlobalAveragePooling2D(name="average")(x)


def _block(
    x: keras.KerasTensor, filters: int, settings: Residual, name: str, *, halve: bool
) -> keras.KerasTensor:
    shortcut = x
    x = _convolved(x, filters, settings, f"{name}a", stride=2 if halve else 1)
    x = layers.ReLU(name=f"{name}a_relu")(_normalised(x, settings, f"{name}a"))
    x = _normalised(_convolved(x, filters, settings, f"{name}b"), settings, f"{name}b")
    if settings.squeeze_excite:
        x = _excited(x, settings.squeeze_excite, name)
    if halve:
        shortcut = layers.AveragePooling2D(2, padding="same", name=f"{name}_pool")(shortcut)
    if shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(
            filters, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_shortcut"
        )(shortcut)
        shortcut = _normalised(shortcut, settings, f"{name}_shortcut")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def _convolved(
    x: keras.KerasTensor, filters: int, settings: Residual, name: str, *, stride: int = 1
) -> keras.KerasTensor:
    if settings.separable:
        x = layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            # In bfloat16 the gradient of its input takes 20 times as long where it has a stride.
            dtype="float32" if stride > 1 else None,
            name=f"{name}_depthwise",
        )(x)
    return layers.Conv2D(
        filters,
        1 if settings.separable else 3,
        strides=1 if settings.separable else stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _excited(x: keras.KerasTensor, fraction: float, name: str) -> keras.KerasTensor:
    """Weigh each map by what the means of all maps say (Hu et al. 2018)."""
    filters = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    narrow = max(1, round(fraction * filters))
    weights = layers.Conv2D(narrow, 1, activation="relu", name=f"{name}_squeezed")(weights)
    weights = layers.Conv2D(filters, 1, activation="sigmoid", name=f"{name}_excite")(weights)
    return layers.Multiply(name=f"{name}_excited")([x, weights])


def _normalised(x: keras.KerasTensor, settings: Residual, name: str) -> keras.KerasTensor:
    return FusedBatchNormalization(
        momentum=settings.batchnorm_momentum,
        epsilon=settings.batchnorm_epsilon,
        name=f"{name}_bn",
    )(x)
