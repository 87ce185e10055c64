"""The program's own `fit`, for a few epochs: what brief trainings leave out.

Those have its batches, loss and optimizer, but neither its callbacks nor a training step of its
own, and they see its rows once read. Here `fit` is called as the program does, from the same
weights, with an optimizer like its own, and whatever a callback does to the weights or to the
learning rate is noted. Nothing is written meanwhile, and callbacks are given back as they were.
"""

from __future__ import annotations

import time
import types
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ferkeras.diagnose.finding import Evidence
from ferkeras.diagnose.program.attributes import as_they_were
from ferkeras.diagnose.program.comparison import CLEAR, told
from ferkeras.diagnose.program.lent import (
    copied,
    eagerly,
    own_optimizer,
    silence,
    trained_as_before,
)
from ferkeras.diagnose.program.material import Material, read_material
from ferkeras.diagnose.program.nothing_written import WouldWrite, nothing_written
from ferkeras.diagnose.program.prepared import has_own_step
from ferkeras.diagnose.program.spied_logits import probabilities_for_logits
from ferkeras.diagnose.program.spy import Act, Spy, Watch

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program
    from ferkeras.diagnose.program.trial import Trial

_LEFT_OUT = (
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.BackupAndRestore,
    keras.callbacks.TensorBoard,
    keras.callbacks.CSVLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.SwapEMAWeights,
)
"""Callbacks that only tell, or whose averages are of more steps than there is time for."""

_AT_EPOCHS = ("on_epoch_begin", "on_epoch_end")
_JUDGED = 1024
_LITTLE = 0.6
"""Of the skill without it, the most that is left where something is to blame."""

_ENOUGH_STEPS = 0.8
"""Of another rehearsal's steps, how many one must have done to be held against it."""


@dataclass(frozen=True)
class OwnFit:
    """What the program gives to `fit`, beside what `Fit` has.

    Attributes:
        train: (x, y), (x, y, sample_weight) or what comes in batches.
        callbacks: in their order.
    """

    train: Any
    callbacks: tuple[keras.callbacks.Callback, ...] = ()


@dataclass(frozen=True)
class Rehearsal:
    """What the program's own `fit` came to.

    Attributes:
        steps: that were done.
        epochs: that were ended.
        accuracy: on training rows, in inference mode.
        skill: accuracy above always answering the majority, 1 for the truth.
        held_skill: likewise on validation rows; None without them.
        logs: names of what `fit` published for its callbacks.
        moved: the largest change of a trainable variable.
        acts: of the callbacks, in time.
        seconds: wall clock.
    """

    steps: int
    epochs: int
    accuracy: float
    skill: float
    held_skill: float | None
    logs: frozenset[str]
    moved: float
    acts: tuple[Act, ...]
    seconds: float

    def is_behind_trial(self, trial: Trial | None) -> bool:
        """Whether a brief training, without callbacks and with the usual step, knows far more."""
        return trial is not None and self._knows_far_less_than(trial.skill)

    def is_behind(self, other: Rehearsal | None) -> bool:
        """Whether another one knows far more, and not because it had time for more steps."""
        if other is None or not self._knows_far_less_than(other.skill):
            return False
        ended = any(act.what == "stop" for act in self.acts)
        return ended or self.steps >= _ENOUGH_STEPS * other.steps

    def _knows_far_less_than(self, skill: float) -> bool:
        gain = skill - self.skill
        if any(act.what == "weights" and act.hook in _AT_EPOCHS for act in self.acts):
            # Hardly anybody wants that, so less is enough.
            return gain > CLEAR / 2 and 1 - self.skill > 2 * (1 - skill)
        return gain > CLEAR and self.skill < _LITTLE * skill


class Rehearsals:
    """Rehearsals of a program, each made when first asked for, and never twice.

    Args:
        program: whose model is trained.
        own: what it gives to `fit`; None: nothing is rehearsed.
    """

    def __init__(self, program: Program, own: OwnFit | None) -> None:
        self._program = program
        self._own = own
        self._failed = ""

    @property
    def data(self) -> Any:
        """What the program trains on."""
        return None if self._own is None else self._own.train

    @property
    def given(self) -> tuple[keras.callbacks.Callback, ...]:
        """Callbacks of the program."""
        return () if self._own is None else self._own.callbacks

    @cached_property
    def callbacks(self) -> tuple[keras.callbacks.Callback, ...]:
        """Those that may act on its training."""
        return tuple(each for each in self.given if not isinstance(each, _LEFT_OUT))

    @cached_property
    def read_again(self) -> Material | None:
        """Rows of a later epoch, of data that comes in batches; None where there is none."""
        if self._own is None or not self._program.train.streamed or _is_spent(self._own.train):
            return None
        data = copied(self._own.train)
        with nothing_written():
            if data is not self._own.train:
                data.on_epoch_end()
            return read_material(data, rows=_JUDGED)

    def changed_by(self, method: str) -> list[str]:
        """Attributes of the data set that one of its methods would change, tried on a copy."""
        data = self.data
        changed = copied(data)
        if changed is data:
            return []
        try:
            with nothing_written(), silence():
                getattr(changed, method)()
        except Exception:
            # It wants arguments, or to write: what it would change is not known.
            return []
        return _differing(vars(data), vars(changed))

    @property
    def has_own_step(self) -> bool:
        """Whether the model has a training step that is not Keras's."""
        return has_own_step(self._program.model)

    @property
    def tells_more(self) -> bool:
        """Whether `fit` does anything that brief trainings leave out."""
        return self._own is not None and bool(self.given or self.has_own_step)

    @cached_property
    def whole(self) -> Rehearsal | None:
        """`fit` as it is called; None without time, or where it cannot be rehearsed."""
        return self._rehearse(range(len(self.callbacks))) if self.tells_more else None

    @cached_property
    def without_callbacks(self) -> Rehearsal | None:
        """The same without any callback."""
        return self._rehearse(()) if self.callbacks else self.whole

    @cached_property
    def with_usual_step(self) -> Rehearsal | None:
        """The same without any callback, with Keras's training step."""
        usual = self.has_own_step and self._program.has_loss
        return self._rehearse((), usual_step=True) if usual else None

    @property
    def told(self) -> str:
        """What became of it, for people; empty where there was nothing to rehearse."""
        if self._own is None:
            hint = "its own train_step was not tried; give callbacks=, as in fit"
            return hint if self.has_own_step else ""
        if self._failed:
            return f"not rehearsed: {self._failed}"
        whole = vars(self).get("whole")
        return "" if whole is None else f"rehearsed for {whole.steps:,} steps"

    @cached_property
    def squashed_twice(self) -> str:
        """What its own step calls of `tf.nn` with outputs that are probabilities; empty: nothing.

        The step is made once, eagerly, on a batch of the training rows; only where `fit` may be
        rehearsed.
        """
        program = self._program
        if self._own is None or not self.has_own_step or keras.backend.backend() != "tensorflow":
            return ""
        train, rows = program.train, np.arange(min(len(program.train), program.batch))
        parts: tuple[Any, ...] = (train.take(rows), train.y[rows])
        parts += () if train.weight is None else (train.weight[rows],)
        batch = keras.tree.map_structure(keras.ops.convert_to_tensor, parts)
        with (
            program.trials.restarted(),
            own_optimizer(program.model),
            eagerly(),
            probabilities_for_logits() as found,
        ):
            try:
                with nothing_written(), silence():
                    program.model.train_step(batch)
            except Exception:
                # A step that cannot be made outside `fit` tells nothing here; `fit` may.
                return ""
        return found[0] if found else ""

    def without(self, place: int) -> Rehearsal | None:
        """The same without one callback."""
        if len(self.callbacks) == 1:
            return self.without_callbacks
        return self._rehearse([k for k in range(len(self.callbacks)) if k != place])

    def _rehearse(self, places: Sequence[int], *, usual_step: bool = False) -> Rehearsal | None:
        program, own = self._program, self._own
        seconds = min(program.trials.seconds / 4, program.trials.seconds_left)
        # A stream that is its own iterator was begun, and cannot be begun again.
        if own is None or self._failed or seconds < 0.5 or _is_spent(own.train):
            return None
        model, begun = program.model, time.monotonic()
        acts: list[Act] = []
        watch = Watch(program.trials.steps, seconds)
        spies = [Spy(self.callbacks[k], k, acts, watch) for k in places]
        variables = list(model.trainable_variables)
        first = [v.numpy() for v in variables]
        with (
            program.trials.restarted(),
            own_optimizer(model),
            trained_as_before(model),
            as_they_were(self.callbacks),
            # One that is traced would keep what it is lent here.
            eagerly() if hasattr(model.train_step, "get_concrete_function") else nullcontext(),
        ):
            if usual_step:
                step = types.MethodType(keras.Model.train_step, model)
                object.__setattr__(model, "train_step", step)
            try:
                with nothing_written(), silence():
                    model.fit(**_arguments(program, own), callbacks=[*spies, watch], verbose=0)
            except Exception as error:
                # Whatever the program's own code raises here it raises without us as well, or it
                # wants to write; its training cannot be seen, which is told.
                kind = "" if isinstance(error, WouldWrite) else f"{type(error).__name__}: "
                self._failed = kind + str(error).strip().partition("\n")[0]
                return None
            finally:
                if usual_step:
                    object.__delattr__(model, "train_step")
            rows = program.judged_rows(_JUDGED)
            predictions = program.forward.predict(rows, program.train.x)
            accuracy, skill = program.answers.judge(rows, predictions, False)
            held_skill = program.held_skill()
            moved = max(
                float(np.abs(v.numpy() - old).max(initial=0.0))
                for v, old in zip(variables, first, strict=True)
            )
        return Rehearsal(
            watch.steps,
            watch.epochs,
            accuracy,
            skill,
            held_skill,
            frozenset(watch.logs),
            moved,
            tuple(acts),
            time.monotonic() - begun,
        )


def against(own: Rehearsal, skill: float, steps: int, how: str) -> Evidence:
    """What `fit` comes to as it is, and otherwise."""
    return Evidence(
        f"training rows named rightly, above the majority, by `fit` as it is and {how}",
        f"{told(own.skill)} after {own.steps:,} steps",
        f"{told(skill)} after {steps:,}",
        own.skill,
    )


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Attributes, public ones of an object, that hold other arrays or numbers than before."""
    return [
        name
        for name, value in after.items()
        if not name.startswith("_")
        and isinstance(value, np.ndarray | int | float | list)
        and not _equal(before.get(name), value)
    ]


def _equal(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(np.array_equal(one, other))
    except (TypeError, ValueError):
        # What cannot be compared says nothing.
        return True


def _is_spent(train: Any) -> bool:
    return hasattr(train, "__next__")


def _arguments(program: Program, own: OwnFit) -> dict[str, Any]:
    fit, held = program.fit, program.validation
    given = copied(own.train)
    if isinstance(given, tuple):
        data = dict(zip(("x", "y", "sample_weight"), given, strict=False))
        data |= {"batch_size": fit.batch_size, "validation_split": fit.validation_split}
    else:
        data = {"x": given}
    if held is not None and not fit.validation_split:
        # A few rows: callbacks watch their figures.
        rows = np.arange(min(len(held), _JUDGED))
        data["validation_data"] = (held.take(rows), held.y[rows])
    return data | {
        "epochs": fit.epochs or 1_000,
        "steps_per_epoch": fit.steps_per_epoch,
        "shuffle": fit.shuffle,
        "class_weight": None if fit.class_weight is None else dict(fit.class_weight),
    }
