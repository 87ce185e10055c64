"""Brief trainings of the model itself, with and without a change, from the same start.

The steps are those of the program: its batches, loss, weights and optimizer. Each trial begins at
the weights that the model has when it is called, and leaves them changed; `untouched` around it
gives them back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.altered import draw_weights
from ferkeras.diagnose.program.lent import its_strategy
from ferkeras.diagnose.program.optimizers import settings_of

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program

CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")
"""Arguments of an optimizer that shorten gradients."""

_CHUNK = 32
"""Steps that are done in one call, at most; more calls cost more than small steps."""

_CHUNK_SECONDS = 0.3
_JUDGED = 1024
"""Rows that an accuracy is measured on."""


@dataclass(frozen=True)
class Change:
    """How a trial differs from the program; without arguments, not at all.

    Attributes:
        repaired: labels as class indices, and the cross-entropy that fits them, on the numbers
            before the last activation.
        scaled: inputs standardised.
        padding_first: zeros behind the words of a sequence stand in front of them.
        rate: factor of the learning rate.
        shuffled: rows in random order; False: in the program's.
        batch: rows of a batch; None: the program's.
        everything: all weights are trained, frozen ones too.
        fresh: weights drawn anew by the Glorot rule, biases zero.
        activation: in the place of hidden activations; None: the program's.
        steps_factor: times the steps of the program, where batches are smaller.
        adam: trained by Adam, whatever the program's optimizer is.
        dropout: whether anything is dropped.
        penalties: whether weights cost what their layers and the optimizer take for them.
        class_weight: whether classes weigh what `fit` was told.
        clipping: whether the optimizer shortens gradients.
        augmentation: whether layers change inputs at random; a name: all but that one.
        constraints: whether weights are held within what their layers say.
        divided: whether a layer divides pictures that were scaled before.
        seed: of the order, and of fresh weights.
    """

    repaired: bool = False
    scaled: bool = False
    padding_first: bool = False
    rate: float = 1.0
    shuffled: bool = True
    batch: int | None = None
    everything: bool = False
    fresh: bool = False
    activation: str | None = None
    steps_factor: float = 1.0
    adam: bool = False
    dropout: bool = True
    penalties: bool = True
    class_weight: bool = True
    clipping: bool = True
    augmentation: bool | str = True
    constraints: bool = True
    divided: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Trial:
    """What a brief training came to.

    Attributes:
        change: how it differed.
        steps: that were done.
        losses: of each step.
        accuracy: on rows of the training split, in inference mode.
        skill: accuracy above always answering the majority, 1 for the truth.
        training_accuracy: on the same rows in training mode: BatchNormalization by the batch.
        training_skill: likewise.
        held_skill: skill on validation rows, as they are; None without them.
        ranking: area under the ROC curve of these rows; None but of two classes or independent
            labels, and where chance ranks as well.
        predictions: on these rows, in inference mode.
        rows: which rows.
        moved: change of each trainable variable, of its size, by path.
        seconds: wall clock.
    """

    change: Change
    steps: int
    losses: np.ndarray
    accuracy: float
    skill: float
    training_accuracy: float
    training_skill: float
    held_skill: float | None
    ranking: float | None
    predictions: np.ndarray
    rows: np.ndarray
    moved: dict[str, float]
    seconds: float = field(compare=False)

    @property
    def movement(self) -> float:
        """Change of the middle kernel, of its size."""
        kernels = [value for path, value in self.moved.items() if is_kernel(path)]
        return float(np.median(kernels or list(self.moved.values()) or [0.0]))

    @property
    def finite(self) -> bool:
        """Whether every loss was a number."""
        return bool(np.isfinite(self.losses).all())

    def loss(self, last: float = 0.1) -> float:
        """Mean loss of the last steps."""
        return float(np.mean(self.losses[-max(1, math.ceil(last * len(self.losses))) :]))


def train(program: Program, change: Change, steps: int, seconds: float) -> Trial:
    """Train for so many steps or seconds, whichever ends first.

    Args:
        program: what is trained; its model's variables are changed.
        change: what is done otherwise.
        steps: at most.
        seconds: at most, the building of the step not counted.
    """
    begun = time.monotonic()
    model, material = program.model, program.train
    with program.forward.changed(change):
        if change.fresh:
            draw_weights(model, change.seed)
        x = program.inputs.as_changed(change)
        y = program.objective.target(change.repaired)[0]
        stepper = program.trials.stepper(change)
        variables = stepper.variables
        start = [v.numpy() for v in variables]
        stepper.begin(change.rate)
        batch = min(change.batch or program.batch, len(material))
        rows_in_order = order(
            len(material), batch, np.random.default_rng(change.seed), change.shuffled
        )
        given = [keras.tree.map_structure(tf.convert_to_tensor, each) for each in (x, y)]
        losses: list[float] = []
        clock, size = None, 1
        while len(losses) < steps and not (clock and time.monotonic() - clock > seconds):
            size = min(size, steps - len(losses))
            places = np.stack([next(rows_in_order) for _ in range(size)])
            before = time.monotonic()
            losses += stepper.run(*given, tf.constant(places)).numpy().tolist()
            if clock is None:
                # The first call builds the step, which is no time of steps.
                clock = time.monotonic()
            elif time.monotonic() - before < _CHUNK_SECONDS:
                size = min(2 * size, _CHUNK)
            if not math.isfinite(losses[-1]) and len(losses) > 20:
                break
        rows = program.judged_rows(_JUDGED)
        predictions = program.forward.predict(rows, x)
        accuracy, skill = program.answers.judge(rows, predictions, change.repaired)
        in_training = program.forward.predict(rows, x, training=True, batch=batch)
        return Trial(
            change,
            len(losses),
            np.array(losses),
            accuracy,
            skill,
            *program.answers.judge(rows, in_training, change.repaired),
            program.held_skill(change.repaired),
            program.answers.ranking(rows, predictions),
            predictions,
            rows,
            {
                v.path: _length(v.numpy() - old) / max(1e-12, _length(old))
                for v, old in zip(variables, start, strict=True)
            },
            time.monotonic() - begun,
        )


def _length(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).sum()))


def is_kernel(path: str) -> bool:
    """Whether a variable is what its layer multiplies its inputs with."""
    return path.rsplit("/", 1)[-1] == "kernel"


class Stepper:
    """Steps of one kind, built once: trials of other seeds and rates use it again.

    Args:
        program: whose model is trained, with activations as the change wants them.
        change: repaired, everything, activation and divided count.
    """

    def __init__(self, program: Program, change: Change) -> None:
        model = program.model
        self.variables = [
            v
            for v in (model.variables if change.everything else model.trainable_variables)
            if not change.everything or _can_be_trained(v)
        ]
        with its_strategy(model):
            self._optimizer = (
                keras.optimizers.Adam()
                if change.adam
                else optimizer_like(
                    model.optimizer,
                    program.rate * change.rate if change.rate != 1 else None,
                    decay=change.penalties,
                    clipping=change.clipping,
                )
            )
            self._optimizer.build(self.variables)
        self._first = [v.numpy() for v in self._optimizer.variables]
        self._rate = program.rate
        loss = program.objective.target(change.repaired, change.penalties)[1]
        weights = program.objective.row_weights(change.class_weight)

        def step(x: Any, y: Any, row_weights: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(x, y, model(x, training=True), row_weights)
            gradients = tape.gradient(value, self.variables)
            if any(gradient is not None for gradient in gradients):
                self._optimizer.apply(
                    [
                        tf.zeros_like(v) if g is None else g
                        for g, v in zip(gradients, self.variables, strict=True)
                    ],
                    self.variables,
                )
            return tf.cast(value, tf.float32)

        batch = min(change.batch or program.batch, len(program.train))

        def steps(x: Any, y: Any, places: Any) -> Any:
            count = tf.shape(places)[0]
            losses = tf.TensorArray(tf.float32, count)
            for at in tf.range(count):
                rows = tf.ensure_shape(places[at], (batch,))
                part = keras.tree.map_structure(lambda each, r=rows: tf.gather(each, r), x)
                row_weights = None if weights is None else tf.gather(tf.constant(weights), rows)
                losses = losses.write(at, step(part, tf.gather(y, rows), row_weights))
            return losses.stack()

        def specified(values: Any, first: int | None) -> Any:
            return tf.TensorSpec((first, *values.shape[1:]), values.dtype)

        self.run = tf.function(
            steps,
            input_signature=[
                keras.tree.map_structure(
                    lambda each: specified(each, None), program.inputs.as_changed(change)
                ),
                specified(program.objective.target(change.repaired)[0], None),
                tf.TensorSpec((None, batch), tf.int64),
            ],
        )

    def begin(self, factor: float) -> None:
        """Put the optimizer back to its beginning, with so many times the program's rate."""
        for variable, value in zip(self._optimizer.variables, self._first, strict=True):
            variable.assign(value)
        if not _is_scheduled(settings_of(self._optimizer)):
            self._optimizer.learning_rate = self._rate * factor


def order(rows: int, batch: int, rng: np.random.Generator, shuffled: bool) -> Iterator[np.ndarray]:
    """Rows of one batch after another, epoch by epoch, without end.

    The remainder of an epoch is left out where there is a whole batch.
    """
    while True:
        places = rng.permutation(rows) if shuffled else np.arange(rows)
        for at in range(0, max(1, rows - batch + 1), batch):
            yield places[at : at + batch]


def optimizer_like(
    optimizer: keras.optimizers.Optimizer,
    rate: float | None,
    *,
    decay: bool = True,
    clipping: bool = True,
) -> Any:
    """A new optimizer with the settings of another.

    Args:
        optimizer: that it is to be like.
        rate: that it is to have; None: the schedule of the other, or the rate that it has now.
        decay: whether it takes weights away, if the other does.
        clipping: whether it shortens gradients, if the other does.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    config = settings_of(inner)
    if rate is not None:
        config["learning_rate"] = rate
    elif not _is_scheduled(config):
        # A callback may have set it.
        config["learning_rate"] = float(np.asarray(inner.learning_rate))
    if not decay and config.get("weight_decay"):
        config["weight_decay"] = 0.0
    if not clipping:
        config |= dict.fromkeys(CLIPPING)
    return type(inner).from_config(config)


def _is_scheduled(config: Mapping[str, Any]) -> bool:
    return isinstance(config.get("learning_rate"), keras.optimizers.schedules.LearningRateSchedule)


def _can_be_trained(variable: Any) -> bool:
    return variable.path.rsplit("/", 1)[-1] in (
        "kernel", "bias", "gamma", "beta", "embeddings", "recurrent_kernel", "depthwise_kernel",
        "pointwise_kernel",
    )  # fmt: skip
