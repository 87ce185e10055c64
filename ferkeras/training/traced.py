"""Traced steps, which TensorFlow keeps for as long as the process lives."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_CUSTOM = "CustomGradient-"


@contextmanager
def traced_steps_forgotten() -> Iterator[None]:
    """Let go of the steps that are traced in the block, and of their models, when it ends.

    Each gradient of its own that TensorFlow traces (of an optimizer's step there is one) is listed
    under a number and never taken off the list, and holds the graph that it is of: some 40 MiB for
    each training of a process that makes many. Nothing that was traced in the block may be
    differentiated after it.
    """
    from tensorflow.python.framework import ops

    listed = ops.gradient_registry._registry
    before = set(listed)
    try:
        yield
    finally:
        for name in set(listed) - before:
            if name.startswith(_CUSTOM):
                del listed[name]
        gc.collect()
