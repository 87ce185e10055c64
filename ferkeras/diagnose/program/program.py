"""The program that is examined: its model, its data, how it calls `fit`, and what they do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.answers import Answers
from ferkeras.diagnose.program.asked_schedule import rates_over
from ferkeras.diagnose.program.forward import LONGEST, Forward
from ferkeras.diagnose.program.head import Head, head_of
from ferkeras.diagnose.program.inputs import Inputs
from ferkeras.diagnose.program.labels import Labels
from ferkeras.diagnose.program.losses import LossForm, loss_form
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.objective import Objective
from ferkeras.diagnose.program.prepared import has_own_step
from ferkeras.diagnose.program.rehearsal import OwnFit, Rehearsals
from ferkeras.diagnose.program.trial import Change
from ferkeras.diagnose.program.trials import Trials

_FEW = 8

_UNKNOWN_STEPS = 1000
"""Steps that a schedule is asked about where nobody knows how many there will be."""

_HELD = 512
"""Validation rows that a skill is measured on."""


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
        own: what is given to its own `fit`; None: that is not rehearsed.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Material,
        validation: Material | None,
        fit: Fit,
        seconds: float,
        own: OwnFit | None = None,
    ) -> None:
        self.model = model
        self.train = train
        self.validation = validation
        self.fit = fit
        self.forward = Forward(self)
        self.not_measured: list[str] = []
        self.inputs = Inputs(self)
        self.objective = Objective(self)
        self.trials = Trials(self, seconds)
        self.rehearsals = Rehearsals(self, own)

    def cannot_measure(self, what: str, error: Exception) -> None:
        """Note, once, what fails for this model, whose other measurements are taken."""
        text = str(error).strip().partition("\n")[0][:LONGEST]
        note = f"{what} ({type(error).__name__}: {text})"
        if note not in self.not_measured:
            self.not_measured.append(note)

    # What the program says

    @cached_property
    def loss(self) -> LossForm:
        """The compiled loss."""
        return loss_form(getattr(self.model, "loss", None))

    @property
    def has_loss(self) -> bool:
        """Whether one was compiled, or Keras's step makes do with what layers add to it.

        A training step of the model's own may have another.
        """
        return getattr(self.model, "loss", None) is not None or not has_own_step(self.model)

    @cached_property
    def head(self) -> Head:
        """The end of the model."""
        rows = np.resize(
            np.arange(len(self.train)), self.forward.fixed_batch or min(_FEW, len(self.train))
        )
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
        return Answers(self.labels, self.head, self.loss, weighted=self.weighs_classes)

    @cached_property
    def validation_labels(self) -> Labels | None:
        """Labels of the validation rows."""
        if self.validation is None:
            return None
        return self.labels_of(self.validation)

    def labels_of(self, material: Material) -> Labels:
        """Labels of other rows, each of which counts; of sequences those steps that weigh."""
        if material.weight is None or material.weight.ndim == 1:
            return self._labels(material, np.ones(self._counted_shape(material.y), bool))
        return self._labels(material, self._weighed(material))

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
        for rows in self.forward.portions(np.arange(len(self.train))):
            mask = self.forward.call(self.forward.tensors(self.train.x, rows), False)[1]
            if mask is None:
                return None
            masks.append(np.asarray(mask))
        return np.concatenate(masks)[: len(self.train)]

    @cached_property
    def counted(self) -> np.ndarray:
        """Which training labels count in the loss."""
        result = self._weighed(self.train)
        if self.mask is not None and self.mask.shape == result.shape:
            result &= self.mask
        return result

    def _weighed(self, material: Material) -> np.ndarray:
        """Which labels of a split weigh anything; all where none does."""
        shape = self._counted_shape(material.y)
        result, weight = np.ones(shape, bool), material.weight
        ignored = getattr(self.model.loss, "ignore_class", None)
        # A number that is that of no unit, such as 255 for pixels of no class.
        if ignored is not None and len(shape) > 1 and not 0 <= ignored < self.head.units:
            result &= material.y.reshape(shape) != ignored
        if weight is None or not (weight > 0).any():
            return result
        if weight.shape == shape:
            result &= weight > 0
        elif weight.ndim == 1:
            result &= (weight > 0).reshape(-1, *(1,) * (len(shape) - 1))
        return result

    # What the model does

    @cached_property
    def outputs(self) -> np.ndarray:
        """Outputs of training rows at the first weights, in inference mode."""
        return self.forward.predict(self.judged_rows(256), self.train.x)

    def judged_rows(self, most: int) -> np.ndarray:
        """Training rows that accuracies are measured on: so many, or what is soon done."""
        count = len(self.train)
        most = min(most, max(8, int(self.trials.seconds / 40 / self.forward.row_seconds)))
        if count <= most:
            return np.arange(count)
        return np.sort(np.random.default_rng(1).choice(count, most, replace=False))

    @cached_property
    def _held_answers(self) -> Answers | None:
        held, labels = self.validation, self.validation_labels
        if held is None or labels is None or not labels.counted.all() or labels.form == "text":
            return None
        return Answers(labels, self.head, self.loss, weighted=self.weighs_classes)

    def held_skill(self, repaired: bool = False) -> float | None:
        """Skill on validation rows with the weights of now; None where there are none."""
        held, answers = self.validation, self._held_answers
        labels = self.validation_labels
        if held is None or labels is None or answers is None or len(held) < 2:
            return None
        if repaired and not np.array_equal(labels.classes, self.labels.classes):
            # A unit for each class of training: their numbers are not those of validation.
            return None
        rows = np.arange(min(len(held), _HELD))
        return answers.judge(rows, self.forward.predict(rows, held.x), repaired)[1]

    @property
    def weighs_classes(self) -> bool:
        """Whether rows of some classes weigh more, so that accuracy is not what is aimed at."""
        return bool(self.fit.class_weight) or self.train.weight is not None

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
            self.forward.fixed_batch or min(len(self.train), max(32, min(self.batch, 128))),
        )
        repaired = self.trials.repaired
        if not repaired and not self.objective.works:
            return []
        y, loss = self.objective.target(repaired)
        variables = self.model.trainable_variables
        x = self.forward.tensors(self.train.x, rows)

        @tf.function
        def of(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(x, y, self.model(x, training=False), None)
            return tape.gradient(value, variables)

        with self.forward.changed(Change(repaired=repaired)):
            labels = tf.convert_to_tensor(y[rows])
            # Called as itself it would count as one that is traced over and over; one that asks
            # NumPy is not traced at all.
            eager = tf.config.functions_run_eagerly()
            gradients = (of if eager else of.get_concrete_function(x, labels))(x, labels)
        return [
            (v, None if g is None else tf.convert_to_tensor(g).numpy())
            for v, g in zip(variables, gradients, strict=True)
        ]

    # How it trains

    @property
    def rate(self) -> float:
        """The learning rate that the optimizer has; of a schedule the highest of the training."""
        return self._highest_rate or float(np.asarray(self.optimizer.learning_rate))

    @cached_property
    def _highest_rate(self) -> float | None:
        """Of a schedule, which may begin at 0; None where there is none."""
        schedule = getattr(self.optimizer, "_learning_rate", None)
        if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            return None
        return float(rates_over(schedule, self.planned_steps or _UNKNOWN_STEPS)[1].max())

    @property
    def usual_rate(self) -> float:
        """What the optimizer's class has by default."""
        return float(np.asarray(type(self.optimizer)().learning_rate))

    @property
    def optimizer(self) -> Any:
        """The optimizer, out of what scales the loss for it."""
        optimizer: Any = self.model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)
