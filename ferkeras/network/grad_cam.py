"""Grad-CAM: which places of a face speak for a class."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

_MAPS = (layers.Conv2D, layers.BatchNormalization, layers.ReLU, layers.Activation, layers.Add)


def grad_cam(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Show which parts of each face speak for a class.

    The feature maps of the last convolution, weighted by the mean gradient of the class's logit
    with respect to them; what speaks against the class is left out.

    Args:
        model: functional; uint8 faces to logits.
        images: uint8, shape (N, height, width, C).
        classes: int, shape (N,): which logit to explain for each.

    Returns:
        float32, shape (N, height, width), 0 to 1 (1: the strongest part of that face; all 0
        where nothing speaks for the class).

    Raises:
        ValueError: the model has no convolution.

    Source:
        Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks".
    """
    middle = _last_feature_maps(model).output
    to_maps = keras.Model(model.inputs[0], middle)
    to_logits = keras.Model(middle, model.outputs[0])
    maps = to_maps(images, training=False)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(maps)
        logits = to_logits(maps, training=False)
        chosen = tf.gather(logits, tf.constant(classes, tf.int32), batch_dims=1)
    gradients = tape.gradient(chosen, maps)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(tf.cast(weights * maps, tf.float32), axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3], method="bilinear")[..., 0]
    return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True)).numpy()


def _last_feature_maps(model: keras.Model) -> layers.Layer:
    for layer in reversed(model.layers):
        if isinstance(layer, _MAPS) and len(layer.output.shape) == 4:
            return layer
    raise ValueError(f"Grad-CAM needs a convolution. Received: {model.name!r} without one")
