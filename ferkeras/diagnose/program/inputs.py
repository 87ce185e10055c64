"""What reaches the first layer with weights, and the inputs standardised."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ferkeras.diagnose.program.divided import Divided, divided_pictures
from ferkeras.diagnose.program.head import (
    embedding_of,
    first_input,
    normalised,
    passed_before,
    tokens_of,
    unadapted,
)

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program
    from ferkeras.diagnose.program.trial import Change

SMALLEST = 0.03
"""Size below which inputs are lost on first weights."""

_MOST = 1024


class Inputs:
    """The inputs of a program.

    Args:
        program: whose they are.
    """

    def __init__(self, program: Program) -> None:
        self._program = program

    @cached_property
    def first(self) -> np.ndarray | None:
        """What reaches the first layer with weights, of some rows; None for tokens."""
        program = self._program
        return first_input(program.model, program.forward.few_rows)

    @cached_property
    def unadapted(self) -> keras.layers.Normalization | None:
        """The layer that is to scale them, and does not."""
        return unadapted(self._program.model, self._one_row)

    @property
    def _one_row(self) -> Any:
        """The first row; of a model that insists on a number of rows, as often as that."""
        return self._program.train.take(self._program.forward.portions(np.arange(1))[0])

    @cached_property
    def normalised(self) -> tuple[keras.layers.Normalization, np.ndarray] | None:
        """The adapted layer that scales them first, and what it makes of some rows."""
        program = self._program
        return normalised(program.model, program.forward.few_rows)

    @cached_property
    def embedding(self) -> keras.layers.Embedding | None:
        """The first layer with weights, where that is an Embedding."""
        return embedding_of(self._program.model, self._one_row)

    @cached_property
    def rows(self) -> np.ndarray:
        """Some rows, evenly over all: what comes before the first weights costs next to nothing."""
        count = len(self._program.train)
        return np.unique(np.linspace(0, count - 1, min(count, _MOST)).astype(int))

    @cached_property
    def passed(self) -> list[tuple[keras.Layer, np.ndarray]]:
        """Layers without weights before the first one with weights, and what they made of rows."""
        program = self._program
        parts = [
            passed_before(program.model, program.train.take(part))
            for part in program.forward.portions(self.rows)
        ]
        return [
            (
                layers[0][0],
                np.concatenate([values for _, values in layers])[: len(self.rows)],
            )
            for layers in zip(*parts, strict=True)
        ]

    @cached_property
    def divided(self) -> Divided | None:
        """Pictures that were scaled, and that a layer divides as if they were not."""
        program = self._program
        parts = [program.train.take(part) for part in program.forward.portions(self.rows)]
        return divided_pictures(program.model, parts)

    @cached_property
    def looked_up(self) -> np.ndarray | None:
        """What reaches the first layer with weights, of some rows, where that is an Embedding."""
        program = self._program
        parts = [
            tokens_of(program.model, program.train.take(part))
            for part in program.forward.portions(self.rows)
        ]
        found = [each for each in parts if each is not None]
        return np.concatenate(found) if len(found) == len(parts) else None

    @cached_property
    def size(self) -> float | None:
        """Root of the mean square of what reaches the first layer with weights."""
        values = self.first
        if values is None:
            return None
        return float(np.sqrt(np.nanmean(np.square(values, dtype=np.float64))))

    @property
    def unscaled(self) -> bool:
        """Whether what reaches the first layer is far from the size that weights are made for."""
        values, size = self.first, self.size
        if values is None or size is None:
            return False
        if not SMALLEST < size < 10:
            return True
        if values.ndim != 2:
            return self.hardly_varies
        stds = values.astype(np.float64).std(axis=0)
        stds = stds[stds > 0]
        return len(stds) > 1 and float(stds.max() / np.median(stds)) > 100

    @property
    def hardly_varies(self) -> bool:
        """Whether inputs that are no tables are all of nearly one value that is not zero."""
        values, size = self.first, self.size
        if values is None or size is None or values.ndim == 2:
            return False
        return size >= SMALLEST and 0 < float(np.nanstd(values, dtype=np.float64)) < SMALLEST

    @cached_property
    def scaled(self) -> Any:
        """The inputs standardised: each column of a table, otherwise each channel.

        Where the model scales its inputs itself, what reaches its first layer with weights is.
        """
        program = self._program
        scaled = keras.tree.map_structure(
            # Whole numbers would be rounded: such inputs are trained on as fractions.
            lambda each: standardised(each).astype(each.dtype if each.dtype.kind == "f" else "f4"),
            program.train.x,
        )
        rows = program.forward.portions(program.judged_rows(256))[0]
        reaches = first_input(
            program.model, keras.tree.map_structure(lambda each: each[rows], scaled)
        )
        spread = 0.0 if reaches is None else float(np.nanstd(reaches.astype(np.float64)))
        if 0 < spread < 0.1 or spread > 10:
            scaled = keras.tree.map_structure(
                lambda each: (each / spread).astype(each.dtype) if each.dtype.kind == "f" else each,
                scaled,
            )
        return scaled

    @cached_property
    def padded_in_front(self) -> Any:
        """Rows of whole numbers, the zeros behind them in front; None where they are no such."""
        x = self._program.train.x
        arrays = keras.tree.flatten(x)
        if len(arrays) != 1 or arrays[0].ndim != 2 or arrays[0].dtype.kind not in "iuf":
            return None
        values = arrays[0]
        if not np.array_equal(values, np.trunc(values)):
            return None
        steps = values.shape[1]
        behind = np.round(zeros_behind(values) * steps).astype(int)
        places = (np.arange(steps) - behind[:, None]) % steps
        return keras.tree.pack_sequence_as(x, [np.take_along_axis(values, places, axis=1)])

    def as_changed(self, change: Change) -> Any:
        """The inputs as a trial asks for them."""
        if change.padding_first:
            return self.padded_in_front
        return self.scaled if change.scaled else self._program.train.x


def zeros_behind(values: np.ndarray) -> np.ndarray:
    """Of each row, the fraction that is zeros at its end; nothing of a row of zeros.

    Args:
        values: shape (N, steps).
    """
    used = values != 0
    behind = used[:, ::-1].argmax(axis=1) / values.shape[1]
    return np.where(used.any(axis=1), behind, 0.0)


def standardised(values: np.ndarray) -> np.ndarray:
    """Values of mean 0 and standard deviation 1: by column of a table, otherwise by channel."""
    if values.dtype.kind not in "biuf":
        return values
    numbers = values.astype(np.float64)
    axes = (0,) if values.ndim <= 2 else tuple(range(values.ndim - 1))
    mean = np.nanmean(numbers, axis=axes, keepdims=True)
    std = np.nanstd(numbers, axis=axes, keepdims=True)
    # A column that hardly varies beside its size is rounding, not information.
    still = std <= 1e-9 * np.maximum(1.0, np.abs(mean))
    return np.where(still, 0.0, (numbers - mean) / np.where(still, 1.0, std)).astype(np.float32)
