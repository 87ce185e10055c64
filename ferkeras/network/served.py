"""The network for inference: raw faces in, probabilities out, layers of Keras alone."""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from ferkeras.callbacks import VariableDropout
from ferkeras.network.batchnorm import FusedBatchNormalization
from ferkeras.network.precision import precision_restored


def served_network(
    model: keras.Model, *, temperature: float = 1.0, dtype: str = "uint8"
) -> keras.Model:
    """Copy a trained network into a plain functional one that outputs probabilities.

    The copy computes in float32 whatever the precision of the training was, has no layer and no
    step of ferkeras in it, and so loads wherever Keras 3 does. Faces of another size than those
    of the training are an error of whatever runs it, where the network itself, which ends in an
    average over all places, would answer for any size.

    Args:
        model: functional; uint8 faces (N, H, W, C) to logits (N, K); its first layer is a
            `Rescaling`.
        temperature: what the logits are divided by before the softmax, above 0; 1 leaves the
            probabilities as they were trained.
        dtype: of the input. Keras casts what it is given to it without a word, which makes
            zeros of pixels / 255 where this is uint8. With float32 a face that has anything but
            whole numbers of 0 to 255 gets NaN for probabilities.

    Returns:
        A model of faces (N, H, W, C) to float32 probabilities (N, K).
    """
    with precision_restored():
        # Where two layers differ in precision, Keras looks at the policy of the process too.
        keras.config.set_dtype_policy("float32")
        faces = keras.Input(model.input.shape[1:], dtype=dtype, name=model.input.name)
        plain = keras.models.clone_model(
            model, input_tensors=faces, clone_function=lambda layer: _plain_layer(layer, faces)
        )
        copy_weights(model, plain)
        scores = plain.output
        if temperature != 1.0:
            scores = layers.Rescaling(1 / temperature, name="temperature")(scores)
        probabilities = layers.Softmax(name="probabilities")(scores)
        if dtype != "uint8":
            factor = _one_if_raw(plain.input)
            probabilities = layers.Multiply(name="of_raw_pixels")([probabilities, factor])
    return keras.Model(plain.input, probabilities, name=model.name)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of layers of equal names, but for what dropout needs in training.

    Args:
        source: a trained network, or a copy that `served_network` made of one.
        target: the other of the two.
    """
    kept = (VariableDropout, layers.Dropout)
    there = {layer.name for layer in target.layers}
    for layer in source.layers:
        if layer.weights and layer.name in there and not isinstance(layer, kept):
            target.get_layer(layer.name).set_weights(layer.get_weights())


def _plain_layer(layer: keras.Operation, faces: keras.KerasTensor) -> keras.Operation:
    if not isinstance(layer, layers.Layer):
        # Arithmetic of tensors, which has no weights and no precision of its own.
        return layer
    if isinstance(layer, VariableDropout):
        # With a seed of its own it takes none from the random state of a running training.
        return layers.Dropout(layer.get_config()["rate"], seed=0, name=layer.name)
    config = {**layer.get_config(), "dtype": "float32"}
    if isinstance(layer, layers.Rescaling):
        return _of_one_size(faces, config)
    fused = isinstance(layer, FusedBatchNormalization)
    kind = layers.BatchNormalization if fused else type(layer)
    return kind.from_config(config)


def _of_one_size(faces: keras.KerasTensor, rescaling: dict) -> keras.Model:
    """Rescale pixels twice, as a picture and as a row, and take the larger of equal numbers.

    A row has one length, so pictures of other sizes fail in every runtime; between two reshapes
    alone TensorFlow and LiteRT would see that they undo each other, and leave both out.
    """
    shape = faces.shape[1:]
    pixels = keras.Input(shape, dtype=faces.dtype, name="pixels")
    row = layers.Reshape((math.prod(shape),), name="as_row")(pixels)
    row = layers.Rescaling.from_config({**rescaling, "name": "rescale_row"})(row)
    pictures = [
        layers.Rescaling.from_config({**rescaling, "name": "rescale_pixels"})(pixels),
        layers.Reshape(shape, name="as_picture")(row),
    ]
    return keras.Model(pixels, layers.Maximum(name="equal")(pictures), name=rescaling["name"])


def _one_if_raw(faces: keras.KerasTensor) -> keras.KerasTensor:
    """1.0 for faces whose pixels are whole numbers of 0 to 255, else NaN; shape (N, 1)."""
    pixels = layers.Reshape((math.prod(faces.shape[1:]),), name="pixels_of_a_face")(faces)
    whole = ops.equal(pixels, ops.floor(pixels))
    in_range = ops.logical_and(ops.greater_equal(pixels, 0.0), ops.less_equal(pixels, 255.0))
    raw = ops.all(ops.logical_and(whole, in_range), axis=-1, keepdims=True)
    # The root of 1 or of -1: what divides by 0 or by itself, compilers may take for something else.
    return ops.sqrt(ops.subtract(ops.multiply(ops.cast(raw, "float32"), 2.0), 1.0))
