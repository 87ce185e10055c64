"""What the cross-entropies of `tf.nn` are given for logits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_FUNCTIONS = (
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
    "sigmoid_cross_entropy_with_logits",
)
_FEWEST = 8
"""Outputs that must all lie between 0 and 1."""


@contextmanager
def probabilities_for_logits() -> Iterator[list[str]]:
    """Note the functions that are called eagerly with what has been through softmax or sigmoid.

    Keras's own losses come to these functions as well, with what was before the activation: it
    remembers that of an output that it has made.
    """
    import tensorflow as tf

    found: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def spied(labels: Any = None, logits: Any = None, *args: Any, **kwargs: Any) -> Any:
            if hasattr(logits, "numpy") and _are_probabilities(logits, "softmax" in name):
                found.append(f"tf.nn.{name}")
            return real(labels, logits, *args, **kwargs)

        return spied

    before = {name: getattr(tf.nn, name) for name in _FUNCTIONS}
    try:
        for name, real in before.items():
            setattr(tf.nn, name, noted(name, real))
        yield found
    finally:
        for name, real in before.items():
            setattr(tf.nn, name, real)


def _are_probabilities(logits: Any, exclusive: bool) -> bool:
    values = np.asarray(logits.numpy(), np.float64)
    # A relu leaves zeros, which is another matter.
    if values.size < _FEWEST or not ((values > 0) & (values <= 1)).all():
        return False
    if not exclusive:
        # Logits may lie there too; of an activation Keras remembers what was before it.
        return hasattr(logits, "_keras_logits")
    return values.ndim > 1 and values.shape[-1] > 1 and np.allclose(values.sum(-1), 1, atol=1e-3)
