"""A trained network as one LiteRT file (TensorFlow Lite): float32, float16 or 8-bit integers."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ferkeras.export.quiet import quiet_converter
from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import atomic_path
from ferkeras.runs.embedded import About, enclose


def write_litert(
    saved_model: AnyPath,
    path: AnyPath,
    about: About,
    *,
    half: bool = False,
    representative: np.ndarray | None = None,
) -> None:
    """Convert a SavedModel's `serving_default` to a LiteRT file with the same inputs and outputs.

    Names and provenance are enclosed in the file, see `ferkeras.runs.embedded`.

    Args:
        saved_model: folder that `write_saved_model` wrote.
        path: the file; replaced whole.
        about: names of the K classes, and how the network came about.
        half: store weights in float16; they become float32 when the file is loaded.
        representative: uint8 faces (N, H, W, C), from which the ranges of all activations are
            measured; weights and activations of all layers but the last are 8-bit integers then.
            None: float32.
    """
    with quiet_converter():
        if representative is None:
            converter = _converter(saved_model)
            if half:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            content = converter.convert()
        else:
            content = _convert_to_integers(saved_model, representative)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
        enclose(temporary, about)


def _converter(saved_model: AnyPath) -> tf.lite.TFLiteConverter:
    return tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=["serving_default"]
    )


def _convert_to_integers(saved_model: AnyPath, faces: np.ndarray) -> bytes:
    def converter() -> tf.lite.TFLiteConverter:
        result = _converter(saved_model)
        result.optimizations = [tf.lite.Optimize.DEFAULT]
        result.representative_dataset = lambda: ({"faces": face[None]} for face in faces)
        return result

    # A step of 1/256 of the logits' range decides between two emotions that are nearly equal, and
    # there are many such faces. The first and last operations cost next to nothing in float32.
    # (Measured on PublicTest with a network of 48 % accuracy: 97.5 % of the labels stay the same
    # with all in integers, 99 % so; size and time are the same.)
    everything = tf.lite.Interpreter(model_content=converter().convert())
    logits = [d["name"] for d in everything.get_tensor_details() if "logits" in d["name"]]
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=["MUL", "SUB", "SOFTMAX", "ARG_MAX"], denylisted_nodes=logits
    )
    return tf.lite.experimental.QuantizationDebugger(
        converter=converter(), debug_dataset=lambda: iter(()), debug_options=options
    ).get_nondebug_quantized_model()
