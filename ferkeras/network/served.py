"""The network for inference: raw faces in, probabilities out, layers of Keras alone."""

from __future__ import annotations

import keras

from ferkeras.callbacks import VariableDropout
from ferkeras.network.batchnorm import FusedBatchNormalization


def served_network(model: keras.Model, *, temperature: float = 1.0) -> keras.Model:
    """Copy a trained network into a plain functional one that outputs probabilities.

    The copy computes in float32 whatever the precision of the training was, has no layer and no
    step of ferkeras in it, and so loads wherever Keras 3 does.

    Args:
        model: functional; uint8 faces (N, H, W, C) to logits (N, K).
        temperature: what the logits are divided by before the softmax, above 0; 1 leaves the
            probabilities as they were trained.

    Returns:
        A model of uint8 faces (N, H, W, C) to float32 probabilities (N, K).
    """
    policy = keras.config.dtype_policy()
    # Where two layers differ in precision, Keras looks at the policy of the process too.
    keras.config.set_dtype_policy("float32")
    try:
        plain = keras.models.clone_model(model, clone_function=_plain_layer)
        for layer in model.layers:
            if layer.weights and not isinstance(layer, VariableDropout):
                plain.get_layer(layer.name).set_weights(layer.get_weights())
        scores = plain.output
        if temperature != 1.0:
            scores = keras.layers.Rescaling(1 / temperature, name="temperature")(scores)
        probabilities = keras.layers.Softmax(name="probabilities")(scores)
    finally:
        keras.config.set_dtype_policy(policy)
    return keras.Model(plain.inputs[0], probabilities, name=model.name)


def _plain_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, VariableDropout):
        return keras.layers.Dropout(layer.get_config()["rate"], name=layer.name)
    fused = isinstance(layer, FusedBatchNormalization)
    kind = keras.layers.BatchNormalization if fused else type(layer)
    return kind.from_config({**layer.get_config(), "dtype": "float32"})
