"""The norms of an epoch's gradients as a Keras metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="ferkeras")
class GradientNorms(keras.metrics.Metric):
    """Keep the norms of an epoch's gradients, before clipping, without leaving the graph.

    Steps whose loss or gradient was not finite are counted and kept out of all other figures.
    A figure of which nothing was measured is NaN.

    Args:
        paths: path of each variable that may have a gradient, for instance
            ``"dense/kernel"``; all different, see `unique_paths`.
        name: name of the metric.
        dtype: dtype of all figures.

    Attributes:
        skipped_in_a_row: integer scalar variable: the steps skipped since one was applied.

    Example:

    ```python
    norms = GradientNorms(["dense/kernel", "dense/bias"])
    norms.update_state([3.0, 4.0], global_norm=5.0, finite=True, clipped=True)
    norms.mean_norms()  # {"dense/kernel": 3.0, "dense/bias": 4.0}
    ```
    """

    keys = (
        "gradient_norm",
        "gradient_norm_max",
        "gradient_norm_min",
        "gradient_clipped",
        "gradient_skipped",
    )
    """What `result` holds: mean, largest and smallest global norm of the steps that were
    applied, the fraction of these that clipping shortened (NaN where that is not known), and the
    number of skipped steps."""

    def __init__(
        self, paths: Sequence[str], name: str = "gradient_norms", dtype: str | None = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.paths = tuple(paths)
        self._before: dict[str, float] = {}
        self._figures = dict.fromkeys(self.keys, np.nan)
        self.sums = self.add_variable((len(self.paths),), "zeros", name="sums")
        self.total = self.add_variable((), "zeros", name="total")
        self.largest = self.add_variable((), "zeros", name="largest")
        self.smallest = self.add_variable((), _infinity, name="smallest")
        self.applied = self.add_variable((), "zeros", name="applied")
        self.clipped = self.add_variable((), "zeros", name="clipped")
        self.skipped = self.add_variable((), "zeros", name="skipped")
        self.skipped_in_a_row = self.add_variable((), "zeros", dtype="int", name="skipped_in_a_row")

    def update_state(self, norms: Any, global_norm: Any, finite: Any, clipped: Any = False) -> None:
        """Take in one step.

        Args:
            norms: float tensor of shape (len(paths),), the norm of each variable's gradient;
                NaN for a variable that had none.
            global_norm: float scalar, the norm of all gradients together.
            finite: bool scalar, whether loss and gradients were finite.
            clipped: bool scalar, whether the step was shortened by clipping; NaN if that is not
                known.
        """
        norms = ops.cast(norms, self.dtype)
        global_norm = ops.cast(global_norm, self.dtype)
        one = ops.cast(finite, self.dtype)
        self.sums.assign_add(ops.where(finite, norms, 0.0))
        self.total.assign_add(ops.where(finite, global_norm, 0.0))
        # Spelled out, because a maximum with NaN is NaN.
        larger = ops.logical_and(finite, global_norm > self.largest)
        self.largest.assign(ops.where(larger, global_norm, self.largest))
        smaller = ops.logical_and(finite, global_norm < self.smallest)
        self.smallest.assign(ops.where(smaller, global_norm, self.smallest))
        self.applied.assign_add(one)
        self.clipped.assign_add(one * ops.cast(clipped, self.dtype))
        self.skipped.assign_add(1.0 - one)
        self.skipped_in_a_row.assign(ops.where(finite, 0, self.skipped_in_a_row + 1))

    def result(self) -> dict[str, Any]:
        """A scalar tensor for each of `keys`."""
        applied = ops.convert_to_tensor(self.applied)
        measured = applied > 0
        values = (
            self.total / applied,
            ops.where(measured, self.largest, np.nan),
            ops.where(measured, self.smallest, np.nan),
            self.clipped / applied,
            # Never the variable itself: validation resets it before `fit` reads it.
            ops.convert_to_tensor(self.skipped) + 0.0,
        )
        return dict(zip(self.keys, values, strict=True))

    def figures(self) -> dict[str, float]:
        """`result` as numbers; after a reset, and until the next step, those before it.

        A validation at the end of an epoch resets all metrics.
        """
        if not float(ops.convert_to_numpy(self.applied)) + float(
            ops.convert_to_numpy(self.skipped)
        ):
            return dict(self._figures)
        return {key: float(ops.convert_to_numpy(value)) for key, value in self.result().items()}

    def mean_norms(self) -> dict[str, float]:
        """Mean norm of each variable's gradient over the applied steps, by path.

        After a reset, and until the next step, they are those before it: a validation at the end
        of an epoch resets all metrics. Variables without a gradient are left out, all of them if
        no step was applied.
        """
        applied, skipped = self._steps()
        if not applied:
            return {} if skipped else dict(self._before)
        means = ops.convert_to_numpy(self.sums) / applied
        named = zip(self.paths, means, strict=True)
        return {path: float(mean) for path, mean in named if not np.isnan(mean)}

    def reset_state(self) -> None:
        """Forget the epoch, but for what `figures` and `mean_norms` say of it.

        A row of skipped steps may go on in the next.
        """
        self._before, self._figures = self.mean_norms(), self.figures()
        in_a_row = ops.convert_to_numpy(self.skipped_in_a_row)
        super().reset_state()
        self.smallest.assign(np.inf)
        self.skipped_in_a_row.assign(in_a_row)

    def _steps(self) -> tuple[float, float]:
        """How many were applied, and skipped, since the last reset."""
        applied, skipped = map(ops.convert_to_numpy, (self.applied, self.skipped))
        return float(applied), float(skipped)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "paths": list(self.paths)}


def unique_paths(variables: Sequence[keras.Variable]) -> list[str]:
    """Path of each variable; Keras gives one path to layers of one name in several submodels.

    Of those, the second has ``"head_2/kernel"`` for ``"head/kernel"``, and so on.
    """
    paths: dict[str, None] = {}
    for variable in variables:
        layer, _, name = variable.path.rpartition("/")
        path, number = variable.path, 1
        while path in paths:
            number += 1
            path = f"{layer}_{number}/{name}" if layer else f"{name}_{number}"
        paths[path] = None
    return list(paths)


def _infinity(shape: Sequence[int], dtype: str | None = None) -> Any:
    return ops.full(shape, np.inf, dtype=dtype)
