"""Changes that are often forgotten for one of two splits, and how they are undone."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.trees import read_across

GAIN = 0.3
"""Skill that the way back must win."""

EXPECTED = 0.5
"""Skill of trees within a split above which the other is expected to be read as well."""


def way_back(
    train: Material, truth: np.ndarray, held: Material, said: np.ndarray, across: float
) -> tuple[str, str] | None:
    """The change of validation inputs with which they are read, and how it is written."""
    for name, way, written in _WAYS:
        turned = _turned(held.arrays, way)
        if turned is None:
            continue
        x = keras.tree.pack_sequence_as(held.x, turned)
        if read_across(train, truth, replace(held, x=x), said) > max(EXPECTED, across + GAIN):
            return name, written
    return None


def _turned(arrays: list[np.ndarray], way: str) -> list[np.ndarray] | None:
    """Inputs changed in a way that is often forgotten for one split; None where it has no sense."""
    if way == "order":
        return arrays[::-1] if len({each.shape for each in arrays}) == 1 < len(arrays) else None
    if any(each.ndim != 4 or each.dtype.kind not in "biuf" for each in arrays):
        return None
    if way == "channels":
        colour = all(each.shape[-1] == 3 for each in arrays)
        return [each[..., ::-1] for each in arrays] if colour else None
    if way == "inverted":
        numbers = [each.astype(np.float32) for each in arrays]
        return [each.max() + each.min() - each for each in numbers]
    if way == "upside down":
        return [each[:, ::-1] for each in arrays]
    if way == "mirrored":
        return [each[:, :, ::-1] for each in arrays]
    square = all(each.shape[1] == each.shape[2] for each in arrays)
    turns = {"left": 1, "right": 3}.get(way)
    if turns is not None:
        return [np.rot90(each, turns, axes=(1, 2)) for each in arrays] if square else None
    return [each.swapaxes(1, 2) for each in arrays] if square else None


_WAYS = (
    ("the inputs in the other order", "order", "validation_data=([first, second], y_val)"),
    ("their channels in the other order", "channels", "x_val = x_val[..., ::-1]  # BGR to RGB"),
    ("dark and bright exchanged", "inverted", "x_val = 255 - x_val"),
    ("rows and columns exchanged", "transposed", "x_val = x_val.swapaxes(1, 2)"),
    ("left and right exchanged", "mirrored", "x_val = x_val[:, :, ::-1]"),
    ("a quarter turn to the left", "left", "x_val = np.rot90(x_val, 1, axes=(1, 2))"),
    ("a quarter turn to the right", "right", "x_val = np.rot90(x_val, 3, axes=(1, 2))"),
    ("the top below", "upside down", "x_val = x_val[:, ::-1]"),
)
"""What makes one split unlike the other, and how it is undone."""
