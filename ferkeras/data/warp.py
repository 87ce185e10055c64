"""Projective warp of a batch of faces: tensorflow-addons where it is installed, Keras elsewhere.

tensorflow-addons 0.23.0 is archived and its package does not import beside Keras 3, but its
`image.transform_ops` module does, once the package's own `__init__` is kept from running. It has
wheels up to Python 3.11 only. Both routes end in the same TensorFlow kernel and give the same
pixels (a test holds them together), so a run does not depend on which one was taken.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf


def _load_addons_transform() -> ModuleType | None:
    """Import `tensorflow_addons.image.transform_ops` alone; None where it is not installed.

    A bare package module stands in for `tensorflow_addons` and one for the Keras 2 module that
    its type hints want; neither is left behind in `sys.modules`.
    """
    spec = importlib.util.find_spec("tensorflow_addons")
    if spec is None or spec.submodule_search_locations is None:
        return None
    package = ModuleType("tensorflow_addons")
    package.__path__ = list(spec.submodule_search_locations)
    hints: Any = ModuleType("keras.src.engine.keras_tensor")
    hints.KerasTensor = keras.KerasTensor
    stand_ins = {
        "tensorflow_addons": package,
        "keras.src.engine": ModuleType("keras.src.engine"),
        "keras.src.engine.keras_tensor": hints,
    }
    os.environ.setdefault("TF_ADDONS_PY_OPS", "1")  # its compiled kernels are for TensorFlow 2.15
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("tensorflow_addons.image.transform_ops")
    except ImportError:
        return None
    finally:
        for name in [n for n in sys.modules if n in stand_ins or n.startswith("tensorflow_addons")]:
            del sys.modules[name]


_addons = _load_addons_transform()

BACKEND = "keras" if _addons is None else "tensorflow-addons"
"""Which of the two warps the faces in this process."""


def warp(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Warp faces bilinearly; pixels from outside repeat the edge.

    Args:
        images: uint8 or float32, shape (B, H, W, C).
        transforms: float32, shape (B, 8): rows (a0, a1, a2, b0, b1, b2, c0, c1) that map an
            output point (x, y) to the input point ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)
            with k = c0 x + c1 y + 1.

    Returns:
        The warped faces, dtype and shape as given.
    """
    if _addons is not None:
        return _addons.transform(images, transforms, "bilinear", "nearest")
    return keras_warp(images, transforms)


def keras_warp(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """`warp` by Keras alone."""
    return keras.ops.image.affine_transform(
        images, transforms, "bilinear", "nearest", data_format="channels_last"
    )
