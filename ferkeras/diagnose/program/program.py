"""The program that is examined: its model, its data, how it calls `fit`, and what they do."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.altered import (
    hidden_activation,
    nothing_augmented,
    nothing_dropped,
)
from ferkeras.diagnose.program.answers import Answers
from ferkeras.diagnose.program.head import Head, first_input, head_of
from ferkeras.diagnose.program.labels import Labels
from ferkeras.diagnose.program.losses import LossForm, loss_form
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.trial import Change
from ferkeras.diagnose.program.trials import Trials

_PREDICTED_BYTES = 32 << 20
_FEW = 8


@dataclass(frozen=True)
class Fit:
    """How the program calls `fit`.

    Attributes:
        batch_size: None: Keras's 32, or what the data comes in.
        epochs: None where it is not known.
        steps_per_epoch: None: all rows.
        shuffle: as given to `fit`; of no effect where data comes in batches.
        validation_split: fraction of the rows, the last ones, that are held out.
        class_weight: weight of each class index.
    """

    batch_size: int | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    shuffle: bool = True
    validation_split: float = 0.0
    class_weight: Mapping[int, float] | None = None


class Program:
    """A model with its data; everything is measured when first asked for, and never twice.

    Args:
        model: compiled and built.
        train: rows to train on.
        validation: rows to validate on, if any.
        fit: how it is trained.
        seconds: that all trials together may take.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Material,
        validation: Material | None,
        fit: Fit,
        seconds: float,
    ) -> None:
        self.model = model
        self.train = train
        self.validation = validation
        self.fit = fit
        self._changed: tuple[Any, ...] = (False, None, True, True)
        self._calls: dict[Any, Any] = {}
        self.trials = Trials(self, seconds)

    # What the program says

    @cached_property
    def loss(self) -> LossForm:
        """The compiled loss."""
        return loss_form(getattr(self.model, "loss", None))

    @cached_property
    def head(self) -> Head:
        """The end of the model."""
        rows = np.resize(np.arange(len(self.train)), self.fixed_batch or min(_FEW, len(self.train)))
        return head_of(self.model, self.train.take(rows))

    @property
    def batch(self) -> int:
        """Rows of a step."""
        return self.train.batch or self.fit.batch_size or 32

    @property
    def rows(self) -> int | None:
        """Rows that an epoch trains on; None where it is not known."""
        if self.train.total is None:
            return None
        return max(1, round(self.train.total * (1 - self.fit.validation_split)))

    @property
    def planned_steps(self) -> int | None:
        """Steps of the whole training; None where it is not known."""
        if self.fit.epochs is None:
            return None
        each = self.fit.steps_per_epoch
        if each is None:
            if self.rows is None:
                return None
            each = math.ceil(self.rows / self.batch)
        return each * self.fit.epochs

    @cached_property
    def labels(self) -> Labels:
        """Labels of the training rows."""
        return self._labels(self.train, self.counted)

    @cached_property
    def answers(self) -> Answers:
        """Reads outputs for training rows."""
        return Answers(self.labels, self.head, self.loss)

    @cached_property
    def validation_labels(self) -> Labels | None:
        """Labels of the validation rows."""
        if self.validation is None:
            return None
        shape = self._counted_shape(self.validation.y)
        return self._labels(self.validation, np.ones(shape, bool))

    def _labels(self, material: Material, counted: np.ndarray) -> Labels:
        return Labels(material.y, self._columns(material.y), counted)

    def _columns(self, y: np.ndarray) -> bool:
        """Whether the last axis of the labels is one number a class.

        It is where they have the output's axes and the last is longer than one.
        """
        rank = len(self.outputs.shape)
        return y.ndim == rank and y.ndim > 1 and y.shape[-1] > 1

    def _counted_shape(self, y: np.ndarray) -> tuple[int, ...]:
        return y.shape[:-1] if y.ndim == len(self.outputs.shape) and y.ndim > 1 else y.shape

    @cached_property
    def mask(self) -> np.ndarray | None:
        """Which steps of the rows count in the loss, as the model's layers say; None: all."""
        masks = []
        for rows in self._portions(np.arange(len(self.train))):
            mask = self._call(self._tensors(self.train.x, rows), False)[1]
            if mask is None:
                return None
            masks.append(np.asarray(mask))
        return np.concatenate(masks)[: len(self.train)]

    @cached_property
    def counted(self) -> np.ndarray:
        """Which training labels count in the loss."""
        shape = self._counted_shape(self.train.y)
        result = np.ones(shape, bool)
        if self.mask is not None and self.mask.shape == shape:
            result &= self.mask
        weight = self.train.weight
        if weight is not None and weight.ndim == 1 and (weight > 0).any():
            result &= (weight > 0).reshape(-1, *(1,) * (len(shape) - 1))
        return result

    # What the model does

    @cached_property
    def outputs(self) -> np.ndarray:
        """Outputs of training rows at the first weights, in inference mode."""
        return self.predict(self.judged_rows(256), self.train.x)

    def judged_rows(self, most: int) -> np.ndarray:
        """Training rows that accuracies are measured on: so many, or what is soon done."""
        count = len(self.train)
        most = min(most, max(8, int(self.trials.seconds / 40 / self.row_seconds)))
        if count <= most:
            return np.arange(count)
        return np.sort(np.random.default_rng(1).choice(count, most, replace=False))

    @cached_property
    def row_seconds(self) -> float:
        """What one row costs the model, from the second of two calls."""
        rows = np.resize(np.arange(min(4, len(self.train))), self.fixed_batch or 4)
        few = self._tensors(self.train.x, rows)
        self._call(few, False)
        begun = time.monotonic()
        self._call(few, False)
        return max(1e-6, time.monotonic() - begun) / len(rows)

    def predict(
        self, rows: np.ndarray, x: Any, *, training: bool = False, batch: int | None = None
    ) -> np.ndarray:
        """Outputs for some rows of `x`, float32."""
        parts = [
            np.asarray(self._call(self._tensors(x, part), training)[0], dtype=np.float32)
            for part in self._portions(rows, batch)
        ]
        return np.concatenate(parts)[: len(rows)]

    def _portions(self, rows: np.ndarray, batch: int | None = None) -> list[np.ndarray]:
        """Rows in batches; of a model that insists on a size, the last is filled up."""
        if self.fixed_batch is not None:
            batch = self.fixed_batch
            rows = np.resize(rows, -(-len(rows) // batch) * batch)
        elif batch is None:
            size = sum(each[:1].nbytes for each in self.train.arrays)
            batch = int(min(256, max(1, _PREDICTED_BYTES // max(1, size))))
        return [rows[at : at + batch] for at in range(0, len(rows), batch)]

    @staticmethod
    def _tensors(x: Any, rows: np.ndarray) -> Any:
        return keras.tree.map_structure(lambda each: tf.convert_to_tensor(each[rows]), x)

    def _call(self, x: Any, training: bool) -> Any:
        """The model as it stands; built once for each way of standing."""
        leaves = keras.tree.flatten(x)
        key = (self._changed, training, *(each.dtype for each in leaves))
        if key not in self._calls:
            model = self.model
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
                stack.enter_context(self.head.bare(self.model))
            if change.activation is not None:
                stack.enter_context(hidden_activation(self.model, self, change.activation))
            if not change.dropout:
                stack.enter_context(nothing_dropped(self.model))
            if not change.augmentation:
                stack.enter_context(nothing_augmented(self.model))
            before = self._changed
            self._changed = (
                change.repaired,
                change.activation,
                change.dropout,
                change.augmentation,
            )
            try:
                yield
            finally:
                self._changed = before

    @cached_property
    def fixed_batch(self) -> int | None:
        """Rows that the model insists on; None where any number will do."""
        shapes = [
            getattr(each, "shape", None) for each in (getattr(self.model, "inputs", None) or [])
        ]
        return next((shape[0] for shape in shapes if shape and shape[0]), None)

    @cached_property
    def all_index(self) -> np.ndarray | None:
        """The class of every label that was seen, in the program's order.

        None where a row has several.
        """
        labels = Labels(
            self.train.all_labels,
            self._columns(self.train.all_labels),
            np.ones(self._counted_shape(self.train.all_labels), bool),
        )
        if not labels.exclusive or len(labels.index) != len(labels.values):
            return None
        return labels.index

    @cached_property
    def first_gradients(self) -> list[tuple[Any, np.ndarray | None]]:
        """Gradient of the compiled loss for each trainable variable at the first weights.

        In inference mode, so that dropout tells no two units apart; None where the loss does not
        depend on the variable. Nothing where Keras refuses the loss for these outputs and labels.
        """
        rows = np.resize(
            np.arange(min(len(self.train), max(32, min(self.batch, 128)))),
            self.fixed_batch or min(len(self.train), max(32, min(self.batch, 128))),
        )
        repaired = self.trials.repaired
        if not repaired and not self.loss_works:
            return []
        y, loss = self.target(repaired)
        variables = self.model.trainable_variables
        x = self._tensors(self.train.x, rows)

        @tf.function
        def of(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(x, y, self.model(x, training=False), None)
            return tape.gradient(value, variables)

        with self.changed(Change(repaired=repaired)):
            gradients = of(x, tf.convert_to_tensor(y[rows]))
        return [
            (v, None if g is None else tf.convert_to_tensor(g).numpy())
            for v, g in zip(variables, gradients, strict=True)
        ]

    @cached_property
    def first_input(self) -> np.ndarray | None:
        """What reaches the first layer with weights, of some rows; None for tokens."""
        return first_input(self.model, self.train.take(self._portions(self.judged_rows(256))[0]))

    @cached_property
    def input_size(self) -> float | None:
        """Root of the mean square of what reaches the first layer with weights."""
        values = self.first_input
        if values is None:
            return None
        return float(np.sqrt(np.nanmean(np.square(values, dtype=np.float64))))

    @property
    def inputs_are_unscaled(self) -> bool:
        """Whether what reaches the first layer is far from the size that weights are made for."""
        values, size = self.first_input, self.input_size
        if values is None or size is None:
            return False
        if not 0.03 < size < 10:
            return True
        if values.ndim != 2:
            return False
        stds = values.astype(np.float64).std(axis=0)
        stds = stds[stds > 0]
        return len(stds) > 1 and float(stds.max() / np.median(stds)) > 100

    # How it trains

    @property
    def rate(self) -> float:
        """The learning rate that the optimizer has."""
        return float(np.asarray(self.optimizer.learning_rate))

    @property
    def usual_rate(self) -> float:
        """What the optimizer's class has by default."""
        return float(np.asarray(type(self.optimizer)().learning_rate))

    @property
    def optimizer(self) -> Any:
        """The optimizer, out of what scales the loss for it."""
        optimizer: Any = self.model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)

    @cached_property
    def scaled_inputs(self) -> Any:
        """The inputs standardised: each column of a table, otherwise each channel.

        Where the model scales its inputs itself, what reaches its first layer with weights is.
        """
        scaled = keras.tree.map_structure(
            # Whole numbers would be rounded: such inputs are trained on as fractions.
            lambda each: standardised(each).astype(each.dtype if each.dtype.kind == "f" else "f4"),
            self.train.x,
        )
        rows = self._portions(self.judged_rows(256))[0]
        reaches = first_input(self.model, keras.tree.map_structure(lambda each: each[rows], scaled))
        spread = 0.0 if reaches is None else float(np.nanstd(reaches.astype(np.float64)))
        if 0 < spread < 0.1 or spread > 10:
            scaled = keras.tree.map_structure(
                lambda each: (each / spread).astype(each.dtype) if each.dtype.kind == "f" else each,
                scaled,
            )
        return scaled

    @cached_property
    def penalties(self) -> float:
        """What layers take for weights and activities at the first weights, added to the loss."""
        # A call of its own: what a traced one has left there are no numbers.
        self.model(self.train.take(self._portions(self.judged_rows(256))[0]), training=False)
        return float(sum(float(np.asarray(each)) for each in self.model.losses))

    def row_weights(self, class_weight: bool = True) -> np.ndarray | None:
        """What each row weighs in the loss.

        Args:
            class_weight: whether classes weigh what `fit` was told.
        """
        weight = self.train.weight
        weight = None if weight is None else weight.astype(np.float32)
        if class_weight and self.fit.class_weight is not None and self.labels.counted.ndim == 1:
            values = self.train.y.argmax(-1) if self.labels.columns else self.train.y.reshape(-1)
            given = np.array(
                [float(self.fit.class_weight.get(int(v), 1.0)) for v in values], np.float32
            )
            weight = given if weight is None else weight * given
        return weight

    @cached_property
    def loss_works(self) -> bool:
        """Whether Keras takes outputs and labels of these shapes and values."""
        values = self.labels.values
        if (
            self.loss.kind == "sparse"
            and self.labels.form in ("index", "fractions")
            and (values.min() < 0 or values.max() >= self.head.units)
        ):
            return False
        rows = np.resize(np.arange(len(self.train)), self.fixed_batch or min(8, len(self.train)))
        y, loss = self.target(repaired=False)
        x = self._tensors(self.train.x, rows)
        try:
            loss(x, tf.convert_to_tensor(y[rows]), self._call(x, False)[0], None)
        except (ValueError, TypeError, tf.errors.OpError):
            return False
        return True

    @property
    def can_be_repaired(self) -> bool:
        """Whether outputs and loss can be made to fit in a copy."""
        return (
            self.head.can_be_bared
            and bool(self.labels.counted.all())
            and (self.head.units >= len(self.labels.classes) or self._two_on_one_unit)
        )

    @property
    def _two_on_one_unit(self) -> bool:
        return self.head.units == 1 and len(self.labels.classes) == 2

    def target(self, repaired: bool, penalties: bool = True) -> tuple[np.ndarray, Any]:
        """Labels and loss of a trial; the loss takes inputs, labels, output and weights.

        Args:
            repaired: whether labels and loss fit each other.
            penalties: whether the loss holds what layers take for their weights.
        """
        model = self.model

        def costs() -> Any:
            return tf.add_n(
                [tf.constant(0.0), *(tf.cast(each, tf.float32) for each in model.losses)]
            )

        if not repaired:
            y = self.train.y

            def given(x: Any, rows_y: Any, output: Any, weights: Any) -> Any:
                loss = model.compute_loss(
                    x=x, y=rows_y, y_pred=output, sample_weight=weights, training=True
                )
                return loss if penalties else tf.cast(loss, tf.float32) - costs()

            return y, given
        units, independent = self.head.units, not self.labels.exclusive
        y = self._repaired_labels()

        def fitting(x: Any, rows_y: Any, output: Any, weights: Any) -> Any:
            logits = tf.cast(output, tf.float32)
            if units == 1 or independent:
                target = tf.reshape(tf.cast(rows_y, tf.float32), tf.shape(logits))
                each = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
            else:
                target = tf.reshape(tf.cast(rows_y, tf.int32), tf.shape(logits)[:-1])
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
            each = tf.reshape(each, (tf.shape(each)[0], -1))
            each = tf.reduce_mean(each, axis=-1)
            if weights is not None:
                each *= tf.cast(weights, tf.float32)
            loss = tf.reduce_mean(each)
            return loss + costs() if penalties else loss

        return y, fitting

    def _repaired_labels(self) -> np.ndarray:
        labels = self.labels
        if not labels.exclusive:
            return labels.values
        index = np.zeros(labels.counted.shape, np.int64)
        index[labels.counted] = labels.index
        return index


def standardised(values: np.ndarray) -> np.ndarray:
    """Values of mean 0 and standard deviation 1: by column of a table, otherwise by channel."""
    if values.dtype.kind not in "biuf":
        return values
    numbers = values.astype(np.float64)
    axes = (0,) if values.ndim == 2 else tuple(range(values.ndim - 1))
    mean = np.nanmean(numbers, axis=axes, keepdims=True)
    std = np.nanstd(numbers, axis=axes, keepdims=True)
    # A column that hardly varies beside its size is rounding, not information.
    still = std <= 1e-9 * np.maximum(1.0, np.abs(mean))
    return np.where(still, 0.0, (numbers - mean) / np.where(still, 1.0, std)).astype(np.float32)


def _with_mask(output: Any) -> tuple[Any, Any]:
    return output, getattr(output, "_keras_mask", None)
