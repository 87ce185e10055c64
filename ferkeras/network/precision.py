"""The precision in which networks that are built from here on compute."""

from __future__ import annotations

import keras
import tensorflow as tf

from ferkeras.cli.quiet import caught_stderr
from ferkeras.config.processor import computes_bfloat16


def set_precision(policy: str) -> None:
    """Set Keras's dtype policy of the process, float32 or mixed_bfloat16.

    oneDNN leaves bfloat16 to TensorFlow's own, slow code where the processor lacks AVX-512, and
    says so once, on stderr, when it first meets it: here, where nobody hears it.
    """
    if policy == "mixed_bfloat16" and not computes_bfloat16():
        with caught_stderr():
            _convolve(tf.zeros((1, 1, 1, 1), tf.bfloat16))
    keras.config.set_dtype_policy(policy)


@tf.function
def _convolve(picture: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(picture, picture, 1, "SAME")
