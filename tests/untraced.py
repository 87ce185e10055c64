"""Training steps that are not traced, for what is said or computed after a few of them."""

import warnings
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def untraced():
    """Tracing takes most of the time of a few steps of a tiny model; not of many, or of saving."""
    with warnings.catch_warnings():
        # That functions of tf.data are traced all the same.
        warnings.simplefilter("ignore", UserWarning)
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
