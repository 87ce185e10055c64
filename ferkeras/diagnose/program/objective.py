"""What a program minimises: its compiled loss as it is, or one that fits outputs and labels."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program


_RANGE = (-2.0, -1.0, 0.0, 0.1, 0.25, 0.75, 0.9, 1.0, 2.0)
"""Outputs that a loss is asked about."""


class Objective:
    """The loss of a program, what rows weigh in it, and what layers add to it.

    Args:
        program: whose it is.
    """

    def __init__(self, program: Program) -> None:
        self._program = program

    @cached_property
    def penalties(self) -> float:
        """What layers take for weights and activities at the first weights, added to the loss."""
        program = self._program
        # A call of its own: what a traced one has left there are no numbers.
        program.model(program.forward.few_rows, training=False)
        return float(sum(float(np.asarray(each)) for each in program.model.losses))

    def row_weights(self, class_weight: bool = True) -> np.ndarray | None:
        """What each row weighs in the loss.

        Args:
            class_weight: whether classes weigh what `fit` was told.
        """
        program = self._program
        weight = program.train.weight
        weight = None if weight is None else weight.astype(np.float32)
        if (
            class_weight
            and program.fit.class_weight is not None
            and program.labels.counted.ndim == 1
        ):
            values = (
                program.train.y.argmax(-1)
                if program.labels.columns
                else program.train.y.reshape(-1)
            )
            given = np.array(
                [float(program.fit.class_weight.get(int(v), 1.0)) for v in values], np.float32
            )
            weight = given if weight is None else weight * given
        return weight

    @cached_property
    def works(self) -> bool:
        """Whether Keras takes outputs and labels of these shapes and values."""
        program = self._program
        values = program.labels.flat
        if (
            program.loss.kind == "sparse"
            and program.labels.form in ("index", "fractions")
            and (values.min() < 0 or values.max() >= program.head.units)
        ):
            return False
        rows = np.resize(
            np.arange(len(program.train)),
            program.forward.fixed_batch or min(8, len(program.train)),
        )
        y, loss = self.target(repaired=False)
        x = program.forward.tensors(program.train.x, rows)
        try:
            loss(x, tf.convert_to_tensor(y[rows]), program.forward.call(x, False)[0], None)
        except (ValueError, TypeError, tf.errors.OpError):
            return False
        return True

    def loss_of(self, rows: np.ndarray, output: np.ndarray) -> float:
        """The compiled loss of some rows, were these the model's outputs for them."""
        y, loss = self.target(repaired=False)
        x = self._program.forward.tensors(self._program.train.x, rows)
        return float(loss(x, tf.convert_to_tensor(y[rows]), tf.constant(output), None))

    @cached_property
    def wanted(self) -> tuple[float, float] | None:
        """The output of one unit for which the loss is least, for rows of the first and second
        class, of a few from -2 to 2; None where there is more than one unit, or no two classes."""
        program = self._program
        labels = program.labels
        if program.head.units != 1 or len(labels.classes) != 2 or not self.works:
            return None
        rows = np.arange(min(256, len(program.train)))
        best = []
        for each in (0, 1):
            of_class = rows[labels.index[rows] == each][: program.forward.fixed_batch]
            if not len(of_class):
                return None
            losses = [
                self.loss_of(of_class, np.full((len(of_class), 1), value, np.float32))
                for value in _RANGE
            ]
            if not np.isfinite(losses).all():
                return None
            best.append(_RANGE[int(np.argmin(losses))])
        return best[0], best[1]

    @property
    def can_be_repaired(self) -> bool:
        """Whether outputs and loss can be made to fit in a copy."""
        program = self._program
        return (
            program.head.can_be_bared
            and bool(program.labels.counted.all())
            and (program.head.units >= len(program.labels.classes) or self._two_on_one_unit)
        )

    @property
    def _two_on_one_unit(self) -> bool:
        return self._program.head.units == 1 and len(self._program.labels.classes) == 2

    def target(self, repaired: bool, penalties: bool = True) -> tuple[np.ndarray, Any]:
        """Labels and loss of a trial; the loss takes inputs, labels, output and weights.

        Args:
            repaired: whether labels and loss fit each other.
            penalties: whether the loss holds what layers take for their weights.
        """
        program = self._program
        model = program.model

        def costs() -> Any:
            return tf.add_n(
                [tf.constant(0.0), *(tf.cast(each, tf.float32) for each in model.losses)]
            )

        if not repaired:
            y = program.train.y

            def given(x: Any, rows_y: Any, output: Any, weights: Any) -> Any:
                # As Keras does, for overrides without `training` too.
                loss = model._compute_loss(
                    x=x, y=rows_y, y_pred=output, sample_weight=weights, training=True
                )
                return loss if penalties else tf.cast(loss, tf.float32) - costs()

            return y, given
        units, independent = program.head.units, not program.labels.exclusive
        y = self._repaired_labels()

        def fitting(x: Any, rows_y: Any, output: Any, weights: Any) -> Any:
            logits = tf.cast(output, tf.float32)
            if units == 1 or independent:
                target = tf.reshape(tf.cast(rows_y, tf.float32), tf.shape(logits))
                each = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
                each = tf.reduce_mean(each, axis=-1)
            else:
                target = tf.reshape(tf.cast(rows_y, tf.int32), tf.shape(logits)[:-1])
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
            each = tf.reshape(each, (tf.shape(each)[0], -1))
            if weights is not None:
                # One number a row, or one for each of its steps.
                each *= tf.reshape(tf.cast(weights, tf.float32), (tf.shape(each)[0], -1))
            loss = tf.reduce_mean(each)
            return loss + costs() if penalties else loss

        return y, fitting

    def _repaired_labels(self) -> np.ndarray:
        labels = self._program.labels
        if not labels.exclusive:
            return labels.values
        index = np.zeros(labels.counted.shape, np.int64)
        index[labels.counted] = labels.index
        return index
