"""Whether the activations of a training step have room in this machine's memory."""

from __future__ import annotations

import math
import os

import keras
import numpy as np


def activation_bytes(model: keras.Model, batch_size: int) -> int:
    """Bytes that the outputs of all layers take for one batch; a step needs more.

    All are kept from the forward pass for the backward pass, so this is a lower bound.

    Args:
        model: functional, of fixed size but for the batch.
        batch_size: rows of a batch.
    """
    outputs = {
        id(tensor): math.prod(each or 1 for each in tensor.shape[1:]) * _size(tensor.dtype)
        for layer in model.layers
        for node in layer._inbound_nodes
        for tensor in node.outputs
    }
    return batch_size * sum(outputs.values())


def physical_memory() -> int | None:
    """Bytes of this machine's memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _size(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
