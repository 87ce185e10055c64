"""The program's own `fit`, for a few epochs: what brief trainings leave out.

Those have its batches, loss and optimizer, but neither its callbacks nor a training step of its
own, and they see its rows once read. Here `fit` is called as the program does, from the same
weights, with an optimizer like its own, and whatever a callback does to the weights or to the
learning rate is noted. Nothing is written meanwhile, and callbacks are given back as they were.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ferkeras.diagnose.program.answers import Answers
from ferkeras.diagnose.program.material import Material, read_material
from ferkeras.diagnose.program.nothing_written import nothing_written

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program

_LEFT_OUT = (
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.BackupAndRestore,
    keras.callbacks.TensorBoard,
    keras.callbacks.CSVLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.SwapEMAWeights,
)
"""Callbacks that only tell, or whose averages are of more steps than there is time for."""

_HOOKS = tuple(
    f"on_{what}_{when}"
    for what in ("train", "epoch", "train_batch", "test", "test_batch")
    for when in ("begin", "end")
)
_JUDGED = 1024
_SMALL = 300_000
"""Weights that are looked at after every batch; of larger models after every epoch."""


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
class Act:
    """Something that a callback did.

    Attributes:
        callback: its place among those that were called.
        hook: in which it did so.
        epoch: from 1; 0 before the first.
        what: rate: it set the learning rate; weights: it changed weights; stop: it ended `fit`.
        before: the rate; of weights their distance from the first ones.
        after: likewise.
    """

    callback: int
    hook: str
    epoch: int
    what: str
    before: float
    after: float


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
    def given(self) -> tuple[keras.callbacks.Callback, ...]:
        """Callbacks of the program."""
        return () if self._own is None else self._own.callbacks

    @cached_property
    def callbacks(self) -> tuple[keras.callbacks.Callback, ...]:
        """Those that may act on its training."""
        return tuple(each for each in self.given if not isinstance(each, _LEFT_OUT))

    @cached_property
    def read_again(self) -> Material | None:
        """Rows of a second pass over data that comes in batches; None where there is none."""
        if self._own is None or not self._program.train.streamed or _is_spent(self._own.train):
            return None
        with nothing_written():
            return read_material(self._own.train, rows=_JUDGED)

    @property
    def has_own_step(self) -> bool:
        """Whether the model has a training step that is not Keras's."""
        step = getattr(type(self._program.model), "train_step", None)
        return step is not None and not str(step.__module__).startswith("keras.")

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
        return self._rehearse((), usual_step=True) if self.has_own_step else None

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
        watch = _Watch(program.trials.steps, seconds)
        spies = [_Spy(self.callbacks[k], k, acts, watch) for k in places]
        first = [v.numpy() for v in model.trainable_variables]
        with program.trials.restarted(), _own_optimizer(model), _as_they_were(self.callbacks):
            if usual_step:
                step = types.MethodType(keras.Model.train_step, model)
                object.__setattr__(model, "train_step", step)
            try:
                with nothing_written(), contextlib.redirect_stdout(io.StringIO()):
                    model.fit(**_arguments(program, own), callbacks=[*spies, watch], verbose=0)
            except Exception as error:
                # Whatever the program's own code raises here it raises without us as well, or it
                # wants to write; its training cannot be seen, which is told.
                self._failed = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
                return None
            finally:
                if usual_step:
                    object.__delattr__(model, "train_step")
            rows = program.judged_rows(_JUDGED)
            predictions = program.predict(rows, program.train.x)
            accuracy, skill = program.answers.judge(rows, predictions, False)
            held_skill = _held_skill(program)
            moved = max(
                float(np.abs(v.numpy() - old).max(initial=0.0))
                for v, old in zip(model.trainable_variables, first, strict=True)
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


def _is_spent(train: Any) -> bool:
    return hasattr(train, "__next__")


def _arguments(program: Program, own: OwnFit) -> dict[str, Any]:
    fit, held = program.fit, program.validation
    given = own.train
    if isinstance(given, tuple):
        data = dict(zip(("x", "y", "sample_weight"), given, strict=False))
        data |= {"batch_size": fit.batch_size, "validation_split": fit.validation_split}
    else:
        data = {"x": given}
    if held is not None:
        # A few rows: callbacks watch their figures.
        rows = np.arange(min(len(held), _JUDGED))
        data["validation_data"] = (held.take(rows), held.y[rows])
    return data | {
        "epochs": fit.epochs or 1_000,
        "steps_per_epoch": fit.steps_per_epoch,
        "shuffle": fit.shuffle,
        "class_weight": None if fit.class_weight is None else dict(fit.class_weight),
    }


def _held_skill(program: Program) -> float | None:
    held, labels = program.validation, program.validation_labels
    if held is None or labels is None:
        return None
    rows = np.arange(min(len(held), _JUDGED))
    answers = Answers(labels, program.head, program.loss)
    return answers.judge(rows, program.predict(rows, held.x), False)[1]


@contextmanager
def _own_optimizer(model: keras.Model) -> Iterator[None]:
    """Train with an optimizer like the model's, whose own stays as it is."""
    names = ("optimizer", "train_function", "test_function", "history", "stop_training")
    before = {name: getattr(model, name, None) for name in names}
    optimizer: Any = before["optimizer"]
    model.optimizer = type(optimizer).from_config(optimizer.get_config())
    model.train_function = model.test_function = None
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)


@contextmanager
def _as_they_were(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Give callbacks back with the attributes that they have now."""
    before = [dict(vars(each)) for each in callbacks]
    try:
        yield
    finally:
        for each, attributes in zip(callbacks, before, strict=True):
            vars(each).clear()
            vars(each).update(attributes)


class _Watch(keras.callbacks.Callback):
    """Counts, and ends `fit` after the epoch in which so many steps are reached, or in time."""

    def __init__(self, steps: int, seconds: float) -> None:
        super().__init__()
        self._most, self._seconds = steps, seconds
        self._until: float | None = None
        self.steps = self.epochs = 0
        self.logs: set[str] = set()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        now = time.monotonic()
        if self._until is None:
            # The first call builds the step, which is no time of steps.
            self._until = now + self._seconds
        elif now > self._until:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs += 1
        self.logs |= set(logs or {})
        if self.steps >= self._most:
            self.model.stop_training = True


class _Spy(keras.callbacks.Callback):
    """A callback, called as ever; notes what it does to the weights, the rate and the end."""

    def __init__(
        self, callback: keras.callbacks.Callback, place: int, acts: list[Act], watch: _Watch
    ) -> None:
        super().__init__()
        self._callback, self._place, self._acts, self._watch = callback, place, acts, watch
        self._first: list[np.ndarray] | None = None

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        self._callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._callback.set_model(model)
        self._first = [v.numpy() for v in model.trainable_variables]
        self._every_batch = sum(each.size for each in self._first) < _SMALL

    def _hand_on(self, hook: str, *arguments: Any) -> None:
        does = getattr(self._callback, hook)
        if not self._has(hook) or ("batch" in hook and not self._every_batch):
            does(*arguments)
            return
        before = self._state()
        does(*arguments)
        after = self._state()
        for what, was, is_now in zip(("rate", "weights", "stop"), before, after, strict=True):
            differs = was[0] != is_now[0] if what == "rate" else bool(was[1] != is_now[1])
            if differs:
                act = Act(self._place, hook, self._watch.epochs, what, was[0], is_now[0])
                self._acts.append(act)

    def _has(self, hook: str) -> bool:
        """Whether the callback does anything there; Keras knows training batches by two names."""
        return any(
            name in vars(self._callback)
            or getattr(type(self._callback), name) is not getattr(keras.callbacks.Callback, name)
            for name in {hook, hook.replace("train_batch", "batch")}
        )

    def _state(self) -> tuple[tuple[float, Any], ...]:
        weights = [v.numpy() for v in self.model.trainable_variables]
        first = self._first or weights
        away = math.sqrt(
            sum(
                float(np.square(a - b, dtype=np.float64).sum())
                for a, b in zip(weights, first, strict=True)
            )
        )
        stop = bool(self.model.stop_training)
        rate = float(np.asarray(self.model.optimizer.learning_rate))
        return (rate, None), (away, [w.tobytes() for w in weights]), (float(stop), stop)


def _handed_on(hook: str) -> Any:
    def method(self: _Spy, *arguments: Any, **named: Any) -> None:
        self._hand_on(hook, *arguments, *named.values())

    method.__name__ = hook
    return method


for _hook in _HOOKS:
    setattr(_Spy, _hook, _handed_on(_hook))
