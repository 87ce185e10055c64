"""What the probes measure, each measured when first asked for and never twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.cli.errors import InputError
from ferkeras.config.keys import flat
from ferkeras.data.digests import digests_of_images
from ferkeras.data.faces import Faces
from ferkeras.data.neighbours import neighbour_correlation
from ferkeras.data.task import Classes
from ferkeras.diagnose.case import Advance, Case, isolated_rng, sample
from ferkeras.diagnose.pixels import detail
from ferkeras.diagnose.reference import crossed, skill_of_folds, transferred
from ferkeras.diagnose.skill import above_chance, counts, kappa
from ferkeras.diagnose.trial import BATCH_STEPS, Trial, go_on, learn_one_batch, try_out
from ferkeras.diagnose.two_samples import told_apart
from ferkeras.lr_find.range_test import LrRange, lr_range_test
from ferkeras.metrics.inference import logits_of
from ferkeras.network.model import dropout_layers
from ferkeras.runs.network import load_trained
from ferkeras.training.movement import movement_of_kernels, trained_variables
from ferkeras.training.state import restored_after

_FIRST_STEPS = 5
_BATCH = 250

TRIAL_STEPS = 150
"""Steps of a trial, or as many as the training took where these are fewer."""


@dataclass(frozen=True)
class ClassPredictions:
    """Predictions on faces, with the truth.

    Attributes:
        labels: the truth, class indices, shape (N,).
        predicted: class indices, shape (N,).
        classes: what the indices mean.
    """

    labels: np.ndarray
    predicted: np.ndarray
    classes: Classes

    @cached_property
    def matrix(self) -> np.ndarray:
        """Counts [truth, prediction], int64, shape (K, K)."""
        return counts(self.labels, self.predicted, len(self.classes))

    @property
    def accuracy(self) -> float:
        """Fraction of right predictions."""
        return float((self.labels == self.predicted).mean())

    @cached_property
    def skill(self) -> float:
        """Cohen's kappa, see `ferkeras.diagnose.skill.kappa`."""
        return kappa(self.matrix)

    @cached_property
    def above_chance(self) -> float:
        """The skill in standard deviations of chance."""
        return above_chance(self.labels, self.predicted, len(self.classes))


@dataclass(frozen=True)
class FirstSteps:
    """The first steps of the training, taken again from its start.

    Attributes:
        movement: relative change of each kernel in one step, by its path.
        clipped: fraction of the steps that clipping shortened.
        shortened: how many times shorter it made them in the mean, at least 1.
        gradient_norm: mean norm before clipping.
    """

    movement: dict[str, float]
    clipped: float
    shortened: float
    gradient_norm: float

    @property
    def typical(self) -> float:
        """Relative change of the middle kernel in one step; NaN where no step was applied."""
        return float(np.median(list(self.movement.values())))


class Measurements:
    """All that is measured about a case; nothing here judges.

    Args:
        case: what is examined.
        advance: called with the steps of trials as they are done.
    """

    def __init__(self, case: Case, advance: Advance | None = None) -> None:
        self.case = case
        self._advance = advance
        self.trial_steps = min(TRIAL_STEPS, case.steps)
        self._trials: dict[str, Trial] = {}
        self._batches: dict[str, float] = {}
        self._balanced: dict[str, ClassPredictions] = {}
        seed = case.config.seed
        self.train: Faces = sample(case.splits.train, seed)
        self.validation: Faces = sample(case.splits.validation, seed)

    @property
    def classes(self) -> Classes:
        """What is told apart."""
        return self.case.splits.task.classes

    # What the faces alone say

    @cached_property
    def reference(self) -> ClassPredictions:
        """A simple classifier, fitted to training faces, on validation faces."""
        predicted = transferred(self.train, self.validation)
        return ClassPredictions(self.validation.labels, predicted, self.classes)

    @cached_property
    def reference_within_train(self) -> ClassPredictions:
        """The simple classifier on training faces, fitted to others of them."""
        predicted = crossed(self.train, self.case.config.seed)
        return ClassPredictions(self.train.labels, predicted, self.classes)

    @cached_property
    def reference_within_validation(self) -> ClassPredictions:
        """The simple classifier on validation faces, fitted to others of them."""
        predicted = crossed(self.validation, self.case.config.seed)
        return ClassPredictions(self.validation.labels, predicted, self.classes)

    @cached_property
    def skill_within_as_many(self) -> float:
        """Skill within as many training faces as there are validation faces, as crossed."""
        faces = sample(self.train, self.case.config.seed, len(self.validation))
        predicted = crossed(faces, self.case.config.seed)
        return ClassPredictions(faces.labels, predicted, self.classes).skill

    @cached_property
    def skill_of_folds(self) -> float:
        """Skill on validation faces of what `reference_within_train` was predicted by."""
        return skill_of_folds(self.train, self.validation, self.case.config.seed)

    def balanced_reference_within(self, split: str) -> ClassPredictions:
        """As `reference_within_train` or `_validation`, where every class counts the same."""
        if split not in self._balanced:
            faces = self.train if split == "training" else self.validation
            predicted = crossed(faces, self.case.config.seed, balanced=True)
            self._balanced[split] = ClassPredictions(faces.labels, predicted, self.classes)
        return self._balanced[split]

    @cached_property
    def train_digests(self) -> list[bytes]:
        """A digest of each training image, the same for the same pixels."""
        return digests_of_images(self.case.splits.train.images)

    @cached_property
    def neighbours(self) -> dict[str, float]:
        """Median correlation of neighbouring pixels in the images of each split."""
        return {
            name: _median(neighbour_correlation(np.asarray(faces.images)))
            for name, faces in (("training", self.train), ("validation", self.validation))
        }

    @cached_property
    def detail(self) -> dict[str, float]:
        """Median fraction of variance in what is finer than an eighth of a side, by split."""
        return {
            name: _median(detail(np.asarray(faces.images)))
            for name, faces in (("training", self.train), ("validation", self.validation))
        }

    @cached_property
    def splits_told_apart(self) -> float:
        """Area under the curve of a classifier that tells which split an image is of."""
        return told_apart(self.train, self.validation)

    # What the network makes of them

    @cached_property
    def on_validation(self) -> ClassPredictions:
        """The network in use, on validation faces."""
        return self._in_use(self.validation)

    @cached_property
    def on_train(self) -> ClassPredictions:
        """The network in use, on training faces without augmentation."""
        return self._in_use(self.train)

    @cached_property
    def with_batch_statistics(self) -> ClassPredictions:
        """The same with BatchNormalization on the statistics of each batch, and no dropout."""
        model = self.case.setup.model
        predicted = []
        with self._without_dropout():
            for images in self._shuffled_batches(np.asarray(self.train.images)):
                predicted.append(np.argmax(model(images, training=True), axis=-1))
        order = self._order(len(self.train))
        return ClassPredictions(self.train.labels[order], np.concatenate(predicted), self.classes)

    @cached_property
    def silent_units(self) -> dict[str, float]:
        """Fraction of each ReLU layer's units that are zero for every one of some training faces.

        With the statistics of these faces and without dropout: wrong running statistics can
        silence units that are alive.
        """
        model = self.case.setup.model
        relus = [layer for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
        if not relus:
            return {}
        inside = keras.Model(model.input, [layer.output for layer in relus])
        with self._without_dropout():
            outputs = inside(self.train.images[:_BATCH], training=True)
        units = [tf.reduce_max(tf.reshape(x, (-1, x.shape[-1])), axis=0) for x in outputs]
        return {
            layer.name: float((largest.numpy() <= 0).mean())
            for layer, largest in zip(relus, units, strict=True)
        }

    @cached_property
    def network_input(self) -> tuple[float, float]:
        """Mean and standard deviation of what reaches the first convolution."""
        model = self.case.setup.model
        first = next(
            layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)
        )
        inside = keras.Model(model.input, first.output)
        # Sums of so many pixels are far off in half precision.
        values = inside(self.validation.images[:_BATCH], training=False).numpy().astype(np.float32)
        return float(values.mean()), float(values.std())

    @cached_property
    def teachers(self) -> dict[str, ClassPredictions]:
        """Each teacher of a distilled training, by its path as configured, on training faces.

        Without those that are no longer there.
        """
        found = {}
        for path in self.case.config.distill.teachers:
            try:
                teacher = load_trained(path)
            except InputError:
                continue
            predicted = logits_of(teacher.model, self.train).argmax(axis=1)
            found[path] = ClassPredictions(self.train.labels, predicted, self.classes)
        return found

    # How it moves

    @cached_property
    def first_steps(self) -> FirstSteps:
        """What the configured optimizer does in the first steps from the start."""
        case, model = self.case, self.case.setup.model
        with restored_after(model), isolated_rng(case.config):
            for variable in model.optimizer.variables:
                if variable is not model.optimizer.learning_rate:
                    variable.assign(keras.ops.zeros_like(variable))
            model.optimizer.learning_rate.assign(case.config.train.first_learning_rate)
            for variable, value in zip(trained_variables(model), case.start, strict=True):
                variable.assign(value)
            logs = model.fit(
                case.setup.pipeline.dataset(1, _FIRST_STEPS),
                steps_per_epoch=_FIRST_STEPS,
                epochs=1,
                class_weight=case.setup.balance.weights,
                shuffle=False,
                verbose=0,
            ).history
            moved = movement_of_kernels(model, case.start)
        movement = {path: way / _FIRST_STEPS for path, way in moved.items()}
        norm, clip = float(logs["gradient_norm"][0]), case.config.train.global_clip_norm
        shortened = max(1.0, norm / clip) if clip else 1.0
        return FirstSteps(movement, float(logs["gradient_clipped"][0]), shortened, norm)

    @cached_property
    def range_test(self) -> LrRange:
        """A learning-rate range test from the start of the training."""
        case = self.case
        with isolated_rng(case.config), case.begun(case.config) as setup:
            return lr_range_test(setup, progress=self._advance or (lambda steps: None))

    # What ramps came to

    @cached_property
    def ramped(self) -> dict[str, float]:
        """Dropout and label smoothing at the end, by dotted key, where a ramp has raised them."""
        history, config = self.case.history, flat(self.case.config)
        keys = {
            "conv_dropout": "network.conv_dropout",
            "dense_dropout": "network.dense_dropout",
            "label_smoothing": "train.label_smoothing",
        }
        ends = {
            key: float(history[column].iloc[-1])
            for column, key in keys.items()
            if column in history and len(history) and key in config
        }
        return {key: end for key, end in ends.items() if end > config[key] + 1e-6}

    # What other settings would do

    def trial(self, values: Mapping[str, Any], steps: int | None = None) -> Trial:
        """A short training from the same start with other values at some dotted keys."""
        steps = steps or self.trial_steps
        key = repr((steps, sorted(values.items())))
        if key not in self._trials:
            self._trials[key] = try_out(self.case, values, steps)
            if self._advance:
                self._advance(steps)
        return self._trials[key]

    @cached_property
    def went_on(self) -> Trial:
        """As many more steps from where the training ended, at the rate that it began with."""
        steps = self.trial_steps
        trial = go_on(self.case, self.case.config.train.first_learning_rate, steps)
        if self._advance:
            self._advance(steps)
        return trial

    def one_batch(self, values: Mapping[str, Any]) -> float:
        """Accuracy on a single batch after steps on nothing else, with other values at some keys.

        Source:
            Karpathy 2019, "A recipe for training neural networks": overfit one batch.
        """
        key = repr(sorted(values.items()))
        if key not in self._batches:
            self._batches[key] = learn_one_batch(self.case, values)
            if self._advance:
                self._advance(BATCH_STEPS)
        return self._batches[key]

    @contextmanager
    def _without_dropout(self) -> Iterator[None]:
        """Let the network run as in training, but drop nothing; it is left as it was."""
        model = self.case.setup.model
        with restored_after(model):
            for layers in dropout_layers(model):
                for layer in layers:
                    layer.rate.assign(0.0)
            yield

    def _in_use(self, faces: Faces) -> ClassPredictions:
        logits = logits_of(self.case.setup.model, faces)
        return ClassPredictions(faces.labels, logits.argmax(axis=1), self.classes)

    def _order(self, count: int) -> np.ndarray:
        return np.random.default_rng(0).permutation(count)

    def _shuffled_batches(self, images: np.ndarray) -> list[np.ndarray]:
        order = self._order(len(images))
        return np.array_split(images[order], max(1, len(images) // _BATCH))


def _median(values: np.ndarray) -> float:
    """Of what is not NaN; 1 where all is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 1.0
