"""What the program's own `fit` does to a model that learns without it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import keras
import numpy as np

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.comparison import CLEAR, told
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rehearsal import Act, Rehearsal

_LITTLE = 0.6
"""Of the skill without it, the most that is left where something is to blame."""

_ENOUGH_STEPS = 0.8
"""Of another rehearsal's steps, how many one must have done to be held against it."""

_OTHERWISE = 2.0
"""Ratio of two passes' standard deviations beyond which they are not the same rows."""

_AT_EPOCHS = ("on_epoch_begin", "on_epoch_end")

_BACK = 0.1
"""Of the way from the first weights, the most that is left where they were set back."""

_RISING = ("acc", "auc", "f1", "precision", "recall")
"""How names of figures begin of which more is better."""


def training_step_changes_nothing(program: Program) -> ProgramFinding | None:
    """The model's own training step leaves every weight as it is."""
    rehearsals, basis = program.rehearsals, program.trials.basis
    if not rehearsals.has_own_step or basis is None or not program.model.trainable_variables:
        return None
    own = rehearsals.without_callbacks
    if own is None or own.steps < 2 or own.moved > 0 or not any(basis.moved.values()):
        return None
    return ProgramFinding(
        cause="training_step_changes_nothing",
        verdict=f"{_step_of(program)} changes no weight: after {own.steps:,} steps of `fit` all "
        "of them are as they were.",
        evidence=(
            Evidence("largest change of a weight", f"{own.moved:g}", "above 0", own.moved),
            _against(own, basis.skill, basis.steps, "with the usual step"),
        ),
        remedies=(
            CodeRemedy(
                "apply the gradients to the weights in each step",
                "weights that follow the gradients",
                code="self.optimizer.apply(gradients, self.trainable_variables)",
            ),
        ),
        reason="`fit` was called as the program does, and the weights held against the first ones.",
        source="Keras documentation: customising what happens in fit",
        confidence=PROVEN,
        line=_line(type(program.model).train_step),
    )


def watches_the_wrong_way(program: Program) -> ProgramFinding | None:
    """A callback takes a lower accuracy for a better one, or a higher loss."""
    for callback in program.rehearsals.given:
        monitor, mode = str(getattr(callback, "monitor", "")), getattr(callback, "mode", None)
        rising, falling = _rises(monitor), "loss" in monitor or "error" in monitor
        if (mode == "min" and rising) or (mode == "max" and falling and not rising):
            name, right = shown(type(callback).__name__), "max" if rising else "min"
            return ProgramFinding(
                cause="callback_watches_the_wrong_way",
                verdict=f"The callback {name} takes a {'lower' if rising else 'higher'} "
                f"{shown(monitor)} for a better one: while the model gets better it sees it get "
                "worse.",
                evidence=(Evidence("mode", f"'{mode}'", f"'{right}' or 'auto'", 0.0),),
                remedies=(
                    CodeRemedy(
                        f"say that {'more' if rising else 'less'} is better",
                        "a callback that acts when the model gets worse",
                        code=f'{name}(monitor="{shown(monitor)}", mode="{right}")',
                    ),
                ),
                reason="Read from the callbacks that `fit` is given.",
                source=f"Keras documentation: {name}, mode",
                severity="suspicious",
                confidence=PROVEN,
            )
    return None


def watches_what_is_not_there(program: Program) -> ProgramFinding | None:
    """A callback waits for a figure that `fit` does not publish, so it never acts."""
    rehearsals = program.rehearsals
    watching = [each for each in rehearsals.given if getattr(each, "monitor", None)]
    own = rehearsals.whole if watching else None
    if own is None or not own.epochs:
        return None
    for callback in watching:
        monitor = str(getattr(callback, "monitor", ""))
        if monitor in own.logs:
            continue
        name = shown(type(callback).__name__)
        there = ", ".join(sorted(own.logs))
        near = get_close_matches(monitor, own.logs, 1)
        return ProgramFinding(
            cause="callback_watches_nothing",
            verdict=f"The callback {name} watches {shown(monitor)!r}, which `fit` does not "
            "publish: it never acts.",
            evidence=(Evidence("figures of an epoch", there, shown(monitor), 0.0),),
            remedies=(
                CodeRemedy(
                    "watch a figure that is there" + (", or give validation_data" * (not near)),
                    "a callback that acts",
                    code=f'{name}(monitor="{near[0] if near else "loss"}")',
                ),
            ),
            reason="`fit` was called as the program does, for an epoch or more.",
            source=f"Keras documentation: {name}, monitor",
            severity="suspicious",
            confidence=PROVEN,
        )
    return None


def rows_change_as_they_are_read(program: Program) -> ProgramFinding | None:
    """A second pass over the data gives numbers of another size than the first."""
    first, again = program.train, program.rehearsals.read_again
    if again is None or program.inputs.first is None:
        return None
    rows = min(len(first), len(again))
    for old, new in zip(first.arrays, again.arrays, strict=False):
        if old.dtype.kind not in "biuf" or old.shape[1:] != new.shape[1:]:
            continue
        (mean, std), (mean_again, std_again) = (_spread(each[:rows]) for each in (old, new))
        ratio = std_again / max(std, 1e-12)
        if 1 / _OTHERWISE < ratio < _OTHERWISE and abs(mean_again - mean) < max(std, 1e-12):
            continue
        return ProgramFinding(
            cause="rows_change_as_they_are_read",
            verdict="The rows are other numbers when they are read a second time: something "
            "changes them in place, so each epoch trains on something else.",
            evidence=(
                Evidence(
                    f"mean and standard deviation of the first {rows:,} rows, read again",
                    f"{mean_again:.3g}, {std_again:.3g}",
                    f"{mean:.3g}, {std:.3g}, as at first",
                    ratio,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "let what is read be a copy",
                    "the same rows in each epoch",
                    code="x = x / 255  # not x /= 255",
                ),
            ),
            reason=f"Passes over the same rows differ by chance, not by {_OTHERWISE:g} times.",
            source="NumPy documentation: views and in-place operations",
            confidence=PROVEN,
        )
    return None


def _spread(values: Any) -> tuple[float, float]:
    numbers = values.astype(np.float64)
    return float(np.nanmean(numbers)), float(np.nanstd(numbers))


def _rises(monitor: str) -> bool:
    """Whether more of a figure is better, as far as its name tells."""
    parts = monitor.lower().split("_")
    return any(part.startswith(_RISING) for part in parts) and "loss" not in parts


def callback_in_the_way(program: Program) -> ProgramFinding | None:
    """A callback keeps a model from learning that learns without it."""
    rehearsals = program.rehearsals
    own = rehearsals.whole
    if own is None or not rehearsals.callbacks or not _might_learn_more(program, own):
        return None
    if not _learns_more(rehearsals.without_callbacks, own):
        return None
    acts = [act for act in own.acts if act.hook != "on_train_end"]
    for place in dict.fromkeys(act.callback for act in acts):
        mine = [act for act in acts if act.callback == place]
        alone = None if _warms_up(mine) else rehearsals.without(place)
        if alone is None or not _learns_more(alone, own):
            continue
        if all(act.what == "stop" for act in mine) and not _holds(own, alone):
            continue
        return _callback_finding(rehearsals.callbacks[place], mine, own, alone)
    return None


def _warms_up(acts: list[Act]) -> bool:
    """Whether all that it does is a rate that rises to the one that was compiled."""
    rates = [act.after for act in acts if act.what == "rate"]
    return (
        len(rates) == len(acts)
        and rates[-1] >= rates[0]
        and rates[-1] <= 1.01 * max(act.before for act in acts)
    )


def _holds(own: Rehearsal, alone: Rehearsal) -> bool:
    """Whether going on is better on rows that are not trained on; a callback may have ended it
    because it was not."""
    if own.held_skill is None or alone.held_skill is None:
        return True
    return alone.held_skill - own.held_skill > CLEAR


def own_training_step(program: Program) -> ProgramFinding | None:
    """The model's own training step does not learn, and Keras's does."""
    rehearsals = program.rehearsals
    own = rehearsals.without_callbacks if rehearsals.has_own_step else None
    if own is None or own.moved == 0 or not _might_learn_more(program, own):
        return None
    usual = rehearsals.with_usual_step
    if usual is None or not _learns_more(usual, own):
        return None
    return ProgramFinding(
        cause="own_training_step",
        verdict=f"{_step_of(program)} does not learn what Keras's own step learns from the same "
        "rows.",
        evidence=(_against(own, usual.skill, usual.steps, "with keras.Model.train_step"),),
        remedies=(
            CodeRemedy(
                "hold the step against Keras's: the loss, training=True, the variables that it "
                "takes gradients for and applies them to",
                "a step that learns",
                code="# try the class without its train_step",
            ),
        ),
        reason="`fit` was called as the program does, with its step and with Keras's.",
        source="Keras documentation: customising what happens in fit",
        confidence=0.9,
        line=_line(type(program.model).train_step),
    )


def _might_learn_more(program: Program, own: Rehearsal) -> bool:
    """Whether a brief training, without callbacks and with the usual step, comes to far more."""
    basis = program.trials.basis
    return basis is not None and _far_behind(own, basis.skill)


def _learns_more(other: Rehearsal | None, own: Rehearsal) -> bool:
    """Whether another rehearsal comes to far more, and not because it had time for more steps."""
    if other is None or not _far_behind(own, other.skill):
        return False
    ended = any(act.what == "stop" for act in own.acts)
    return ended or own.steps >= _ENOUGH_STEPS * other.steps


def _far_behind(own: Rehearsal, skill: float) -> bool:
    gain, errs = skill - own.skill, 1 - own.skill
    if any(act.what == "weights" and act.hook in _AT_EPOCHS for act in own.acts):
        # Hardly anybody wants that, so less is enough.
        return gain > CLEAR / 2 and errs > 2 * (1 - skill)
    return gain > CLEAR and own.skill < _LITTLE * skill


def _callback_finding(
    callback: keras.callbacks.Callback, acts: list[Act], own: Rehearsal, without: Rehearsal
) -> ProgramFinding:
    name = type(callback).__name__
    what, evidence, remedy, code = _deed(callback, acts)
    return ProgramFinding(
        cause="callback_in_the_way",
        verdict=f"The callback {shown(name)} {what}. Without it the same `fit` learns.",
        evidence=(evidence, _against(own, without.skill, without.steps, "without it")),
        remedies=(CodeRemedy(remedy, "a training that goes on as it begins", code=code),),
        reason="`fit` was called as the program does, with the callback and without it; what it "
        "does to weights and learning rate was noted.",
        source="Keras documentation: callbacks",
        confidence=PROVEN,
        line=_line(type(callback)),
    )


def _deed(callback: keras.callbacks.Callback, acts: list[Act]) -> tuple[str, Evidence, str, str]:
    """What it does, in words; the evidence; what to do, and how that is written."""
    kinds: dict[str, Callable[[list[Act]], tuple[str, Evidence, str, str]]] = {
        "weights": _weights,
        "rate": _rate,
        "stop": _stop,
    }
    back = [act for act in acts if act.what == "weights" and act.after < act.before]
    for kind, said in kinds.items():
        chosen = back if kind == "weights" and back else [a for a in acts if a.what == kind]
        if chosen:
            return said(chosen)
    raise AssertionError(f"{callback!r} did nothing")


def _weights(acts: list[Act]) -> tuple[str, Evidence, str, str]:
    last = acts[-1]
    left = last.after / last.before if last.before else 1.0
    if left < _BACK:
        what = f"sets the weights back to the first ones, in {last.hook}, {_times(acts)}"
    else:
        what = f"sets the weights to other ones, in {last.hook}, {_times(acts)}"
    evidence = Evidence(
        "distance from the first weights after it, of that before it", f"{left:.0%}", "100%", left
    )
    return what, evidence, "leave the weights to the optimizer", "callbacks=[...]  # without it"


def _times(acts: list[Act]) -> str:
    return "once" if len(acts) == 1 else f"{len(acts)} times"


def _rate(acts: list[Act]) -> tuple[str, Evidence, str, str]:
    first, last = acts[0], acts[-1]
    verb = "lowers" if last.after < first.before else "raises"
    epoch = max(1, last.epoch)
    what = f"{verb} the learning rate from {first.before:.3g} to {last.after:.3g} by epoch {epoch}"
    evidence = Evidence(
        f"learning rate by epoch {epoch}", f"{last.after:.3g}", f"{first.before:.3g}", last.after
    )
    if verb == "lowers":
        return what, evidence, "lower the rate later, and less", "patience=10, factor=0.5"
    return what, evidence, "leave the rate where it is", "callbacks=[...]  # without it"


def _stop(acts: list[Act]) -> tuple[str, Evidence, str, str]:
    epoch = max(1, acts[0].epoch)
    what = f"ends the training in epoch {epoch}"
    evidence = Evidence("epochs until it ends", f"{epoch}", "as many as it learns in", epoch)
    return what, evidence, "let it wait longer", "patience=10"


def _against(own: Rehearsal, skill: float, steps: int, how: str) -> Evidence:
    return Evidence(
        f"training rows named rightly, above the majority, by `fit` as it is and {how}",
        f"{told(own.skill)} after {own.steps:,} steps",
        f"{told(skill)} after {steps:,}",
        own.skill,
    )


def _step_of(program: Program) -> str:
    return f"The training step of {shown(type(program.model).__name__)}"


def _line(what: Any) -> str:
    """File and line of a function, or of the first one of a class; empty for a library's."""
    functions = [each for each in vars(what).values() if inspect.isfunction(each)]
    code = [each.__code__ for each in (functions if inspect.isclass(what) else [what])]
    first = min(code, key=lambda each: each.co_firstlineno, default=None)
    if first is None or "site-packages" in first.co_filename:
        return ""
    return f"{first.co_filename}:{first.co_firstlineno}"
