"""The precision in which networks that are built from here on compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from ferkeras.cli.quiet import caught_stderr
from ferkeras.config.processor import computes_bfloat16


def fast_precision(policy: str) -> str:
    """The precision itself, or float32 where this machine has nothing that computes it.

    Args:
        policy: float32 or mixed_bfloat16.
    """
    here = computes_bfloat16() or tf.config.list_physical_devices("GPU")
    return policy if policy == "float32" or here else "float32"


def set_precision(policy: str) -> None:
    """Set Keras's dtype policy of the process.

    oneDNN leaves bfloat16 to TensorFlow's own, slow code where the processor lacks AVX-512, and
    says so once, on stderr, when it first meets it: here, where nobody hears it.

    Args:
        policy: float32 or mixed_bfloat16.
    """
    if policy != fast_precision(policy):
        with caught_stderr():
            _convolve(tf.zeros((1, 1, 1, 1), tf.bfloat16))
    keras.config.set_dtype_policy(policy)


@contextmanager
def precision_restored() -> Iterator[None]:
    """Give the process the dtype policy back that it had, however the block ends."""
    before = keras.config.dtype_policy()
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@tf.function
def _convolve(picture: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(picture, picture, 1, "SAME")
