"""What a model's output is made by: read from the operations, so it holds for any kind of model."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ferkeras.cli.errors import InputError

_THROUGH = frozenset(
    "Identity Cast Reshape Squeeze ExpandDims Transpose StopGradient Pack ConcatV2 Unpack "
    "IdentityN StridedSlice Tile Select SelectV2 GatherV2 Split TensorListStack".split()
)
"""Operations that only pass values on."""

_ACTIVATIONS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "Relu": "relu",
    "Relu6": "relu",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Selu": "selu",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Exp": "exp",
    "BiasAdd": "linear",
    "MatMul": "linear",
    "BatchMatMulV2": "linear",
    "Einsum": "linear",
    "AddV2": "linear",
    "Conv2D": "linear",
    "Mean": "linear",
    "Sum": "linear",
}


def output_activations(model: keras.Model, x: Any) -> tuple[str, ...]:
    """The activations that end the model, the last one first; "linear" or "other" ends the list.

    Args:
        model: called once, symbolically.
        x: inputs of a few rows.

    Raises:
        InputError: the model has several outputs.
    """

    def call(*leaves: Any) -> Any:
        return model(keras.tree.pack_sequence_as(x, list(leaves)), training=False)

    leaves = [tf.convert_to_tensor(each) for each in keras.tree.flatten(x)]
    graph = tf.function(call).get_concrete_function(*leaves).graph
    outputs = keras.tree.flatten(graph.structured_outputs)
    if len(outputs) != 1:
        raise InputError(
            f"the model has {len(outputs)} outputs; a classifier with one output is expected "
            "(examine keras.Model(model.input, one_output), compiled with its loss)"
        )
    found: list[str] = []
    tensor = outputs[0]
    while True:
        operation = _source(tensor)
        name = _ACTIVATIONS.get(operation.type, "other")
        found.append(name)
        if name in ("linear", "other"):
            return tuple(found)
        tensor = operation.inputs[0]


def _source(tensor: Any) -> Any:
    operation = tensor.op
    while operation.type in _THROUGH and len(operation.inputs):
        # Of a selection (masked steps) the value is what is chosen, not the condition.
        place = 1 if operation.type in ("Select", "SelectV2") else 0
        operation = operation.inputs[place].op
    return operation
