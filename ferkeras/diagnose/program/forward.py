"""Forward passes of the model that is examined, as it stands and as a trial changes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.altered import (
    hidden_activation,
    nothing_augmented,
    nothing_constrained,
    nothing_dropped,
)
from ferkeras.diagnose.program.trial import Change

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program

_PREDICTED_BYTES = 32 << 20
LONGEST = 120
"""Characters of an error that are told."""


class Forward:
    """Calls of a program's model, with rows in batches that it takes.

    Args:
        program: whose it is.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._changed: tuple[Any, ...] = (False, None, True, True, True)
        self._calls: dict[Any, Any] = {}

    def predict(
        self, rows: np.ndarray, x: Any, *, training: bool = False, batch: int | None = None
    ) -> np.ndarray:
        """Outputs for some rows of `x`, float32."""
        parts = [
            np.asarray(self.call(self.tensors(x, part), training)[0], dtype=np.float32)
            for part in self.portions(rows, batch)
        ]
        found = np.concatenate(parts)[: len(rows)]
        # One number a row, without an axis of its own.
        return found[:, None] if found.ndim == 1 else found

    def must_predict(self) -> None:
        """Refuse a model that cannot be called with a few rows, without which nothing is measured.

        Raises:
            InputError: what the model raises, or gives that is no array.
        """
        try:
            self.predict(np.arange(min(2, len(self._program.train))), self._program.train.x)
        except InputError:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            raise InputError(
                "the model cannot be examined: called with a few rows of the data apart from the "
                f"others it raises {type(error).__name__}: {shown(lines[-1].strip()[:LONGEST])}"
            ) from None

    def portions(self, rows: np.ndarray, batch: int | None = None) -> list[np.ndarray]:
        """Rows in batches; of a model that insists on a size, the last is filled up."""
        if self.fixed_batch is not None:
            batch = self.fixed_batch
            rows = np.resize(rows, -(-len(rows) // batch) * batch)
        elif batch is None:
            size = sum(each[:1].nbytes for each in self._program.train.arrays)
            batch = int(min(256, max(1, _PREDICTED_BYTES // max(1, size))))
        return [rows[at : at + batch] for at in range(0, len(rows), batch)]

    @property
    def few_rows(self) -> Any:
        """Inputs of as many training rows as one call takes."""
        program = self._program
        return program.train.take(self.portions(program.judged_rows(256))[0])

    @staticmethod
    def tensors(x: Any, rows: np.ndarray) -> Any:
        """Some rows of `x`, in the same structure."""
        return keras.tree.map_structure(lambda each: tf.convert_to_tensor(each[rows]), x)

    def call(self, x: Any, training: bool) -> Any:
        """Output and mask of the model as it stands; built once for each way of standing."""
        leaves = keras.tree.flatten(x)
        key = (self._changed, training, *(each.dtype for each in leaves))
        if key not in self._calls:
            model = self._program.model
            self._calls[key] = tf.function(
                lambda *given: _with_mask(
                    model(keras.tree.pack_sequence_as(x, given), training=training)
                ),
                input_signature=[
                    tf.TensorSpec((self.fixed_batch, *each.shape[1:]), each.dtype)
                    for each in leaves
                ],
            )
        return self._calls[key](*leaves)

    @contextmanager
    def changed(self, change: Change) -> Iterator[None]:
        """Take activations away or put others in their place, as a trial asks for."""
        with ExitStack() as stack:
            if change.repaired:
                stack.enter_context(self._program.head.bare(self._program.model))
            if change.activation is not None:
                stack.enter_context(
                    hidden_activation(self._program.model, self._program, change.activation)
                )
            if not change.dropout:
                stack.enter_context(nothing_dropped(self._program.model))
            if change.augmentation is not True:
                stack.enter_context(
                    nothing_augmented(self._program.model, change.augmentation or "")
                )
            if not change.constraints:
                stack.enter_context(nothing_constrained(self._program.model))
            if not change.divided and self._program.inputs.divided is not None:
                stack.enter_context(self._program.inputs.divided.undone())
            before = self._changed
            self._changed = (
                change.repaired,
                change.activation,
                change.dropout,
                change.augmentation,
                change.divided,
            )
            try:
                yield
            finally:
                self._changed = before

    @cached_property
    def fixed_batch(self) -> int | None:
        """Rows that the model insists on; None where any number will do."""
        shapes = [
            getattr(each, "shape", None)
            for each in (getattr(self._program.model, "inputs", None) or [])
        ]
        return next((shape[0] for shape in shapes if shape and shape[0]), None)

    @cached_property
    def row_seconds(self) -> float:
        """What one row costs the model, from the second of two calls."""
        rows = np.resize(np.arange(min(4, len(self._program.train))), self.fixed_batch or 4)
        few = self.tensors(self._program.train.x, rows)
        self.call(few, False)
        begun = time.monotonic()
        self.call(few, False)
        return max(1e-6, time.monotonic() - begun) / len(rows)


def _with_mask(output: Any) -> tuple[Any, Any]:
    return output, getattr(output, "_keras_mask", None)
