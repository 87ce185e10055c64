"""Callbacks that watch the wrong thing, or keep a model from learning that learns without them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

import keras

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.comparison import CLEAR
from ferkeras.diagnose.program.finding import (
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rehearsal import Rehearsal, against
from ferkeras.diagnose.program.spy import Act

_BACK = 0.1
"""Of the way from the first weights, the most that is left where they were set back."""

_FEW_EPOCHS = 2
"""Epochs in which a rate that has not risen may be about to."""

_RISING = ("acc", "auc", "f1", "precision", "recall")
"""How names of figures begin of which more is better."""


def watches_the_wrong_way(program: Program) -> ProgramFinding | None:
    """A callback takes a lower accuracy for a better one, or a higher loss."""
    for callback in program.rehearsals.given:
        remedy = _the_right_way(callback)
        if remedy is None:
            continue
        name, monitor = shown(type(callback).__name__), shown(str(getattr(callback, "monitor", "")))
        rising = _rises(monitor)
        return ProgramFinding(
            cause="callback_watches_the_wrong_way",
            verdict=f"The callback {name} takes a {'lower' if rising else 'higher'} {monitor} for "
            "a better one: while the model gets better it sees it get worse.",
            evidence=(
                Evidence(
                    "mode",
                    f"'{getattr(callback, 'mode', '')}'",
                    f"'{'max' if rising else 'min'}' or 'auto'",
                    0.0,
                ),
            ),
            remedies=(remedy,),
            reason="Read from the callbacks that `fit` is given.",
            source=f"Keras documentation: {name}, mode",
            severity="suspicious",
            confidence=PROVEN,
        )
    return None


def _the_right_way(callback: keras.callbacks.Callback) -> CodeRemedy | None:
    """How a callback that watches the wrong way is told; None of one that does not."""
    monitor, mode = str(getattr(callback, "monitor", "")), getattr(callback, "mode", None)
    if not getattr(callback, "save_best_only", True):
        return None
    rising, falling = _rises(monitor), "loss" in monitor or "error" in monitor
    if not ((mode == "min" and rising) or (mode == "max" and falling and not rising)):
        return None
    name, right = shown(type(callback).__name__), "max" if rising else "min"
    return CodeRemedy(
        f"say that {'more' if rising else 'less'} is better",
        "a callback that acts when the model gets worse",
        code=f'{name}(monitor="{shown(monitor)}", mode="{right}")',
    )


def watches_what_is_not_there(program: Program) -> ProgramFinding | None:
    """A callback waits for a figure that `fit` does not publish, so it never acts."""
    rehearsals = program.rehearsals
    watching = [each for each in rehearsals.given if getattr(each, "monitor", None)]
    # It saves every epoch, whatever it is said to watch.
    watching = [each for each in watching if getattr(each, "save_best_only", True)]
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


def trained_from_now_on(program: Program) -> ProgramFinding | None:
    """A callback says in the middle of `fit` which layers are trained, and nobody hears it."""
    rehearsals = program.rehearsals
    own = rehearsals.whole if rehearsals.callbacks else None
    act = next((act for act in own.acts if act.what == "trainable"), None) if own else None
    if own is None or act is None or act.hook == "on_train_end":
        return None
    ended = act.epoch + (act.hook == "on_epoch_end")
    callback = rehearsals.callbacks[act.callback]
    thawed = act.after > act.before
    verb = "trains" if thawed else "no longer trains"
    return ProgramFinding(
        cause="trainable_set_during_fit",
        verdict=f"The callback {shown(type(callback).__name__)} {verb} layers from epoch "
        f"{ended + 1} on, as it says, but the step was built before: it goes on as it began, "
        f"and {'these layers stay as they are' if thawed else 'trains them as before'}.",
        evidence=(
            Evidence(
                f"weights that are to be trained, before and after {act.hook}",
                f"{act.before:.0f}; {act.after:.0f}",
                "the same all through a `fit`",
                act.after,
            ),
        ),
        remedies=(
            CodeRemedy(
                "end `fit` there, say what is trained, compile anew, and go on with another `fit`",
                "layers that learn from then on",
                code=f"model.fit(..., epochs={ended}); base.trainable = {thawed}; "
                f"model.compile(...); model.fit(..., initial_epoch={ended})",
            ),
            CodeRemedy(
                "or build the step anew where the callback says so",
                "the same, with the optimizer as it is",
                code="self.model.make_train_function(force=True)",
            ),
        ),
        reason="`fit` was called as the program does; what callbacks do was noted.",
        source="Keras documentation: transfer learning, `trainable` is read when a model is "
        "compiled",
        severity=program.trials.severity,
        confidence=PROVEN,
        line=line_of(getattr(type(callback), act.hook)),
    )


def _rises(monitor: str) -> bool:
    """Whether more of a figure is better, as far as its name tells."""
    parts = monitor.lower().split("_")
    return any(part.startswith(_RISING) for part in parts) and "loss" not in parts


def callback_in_the_way(program: Program) -> ProgramFinding | None:
    """A callback keeps a model from learning that learns without it."""
    rehearsals = program.rehearsals
    own = rehearsals.whole
    if own is None or not rehearsals.callbacks or not own.is_behind_trial(program.trials.basis):
        return None
    if not own.is_behind(rehearsals.without_callbacks):
        return None
    acts = [act for act in own.acts if act.hook != "on_train_end"]
    for place in dict.fromkeys(act.callback for act in acts):
        mine = [act for act in acts if act.callback == place]
        alone = None if _warms_up(mine, own.epochs) else rehearsals.without(place)
        if alone is None or not own.is_behind(alone):
            continue
        if all(act.what == "stop" for act in mine) and not _holds(own, alone):
            continue
        return _callback_finding(rehearsals.callbacks[place], mine, own, alone)
    return None


def is_behind_for_no_known_reason(program: Program) -> bool:
    """Whether `fit` as it is called knows far less than a brief training of as many steps, and not
    because a rate still rises."""
    own, basis = vars(program.rehearsals).get("whole"), program.trials.basis
    if own is None or basis is None or own.steps < basis.steps or not own.is_behind_trial(basis):
        return False
    acts = [act for act in own.acts if act.hook != "on_train_end"]
    return not (acts and _warms_up(acts, own.epochs))


def _warms_up(acts: list[Act], epochs: int) -> bool:
    """Whether all that it does is a rate that rises to the one that was compiled."""
    rates = [act.after for act in acts if act.what == "rate"]
    return (
        len(rates) == len(acts)
        # Of one that is set once and has stayed for some epochs it is known that it does not rise.
        and (rates[-1] > rates[0] or (rates[-1] == rates[0] > 0 and epochs <= _FEW_EPOCHS))
        and rates[-1] <= 1.01 * max(act.before for act in acts)
    )


def _holds(own: Rehearsal, alone: Rehearsal) -> bool:
    """Whether going on is better on rows that are not trained on; a callback may have ended it
    because it was not."""
    if own.held_skill is None or alone.held_skill is None:
        return True
    return alone.held_skill - own.held_skill > CLEAR


def _callback_finding(
    callback: keras.callbacks.Callback, acts: list[Act], own: Rehearsal, without: Rehearsal
) -> ProgramFinding:
    name = type(callback).__name__
    what, evidence, remedy, code = _deed(callback, acts)
    return ProgramFinding(
        cause="callback_in_the_way",
        verdict=f"The callback {shown(name)} {what}. Without it the same `fit` learns.",
        evidence=(evidence, against(own, without.skill, without.steps, "without it")),
        remedies=(
            _the_right_way(callback)
            or CodeRemedy(remedy, "a training that goes on as it begins", code=code),
        ),
        reason="`fit` was called as the program does, with the callback and without it; what it "
        "does to weights and learning rate was noted.",
        source="Keras documentation: callbacks",
        confidence=PROVEN,
        line=line_of(getattr(type(callback), acts[-1].hook)),
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
    return what, evidence, "leave the weights to the optimizer", f"# look at {last.hook}"


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
        return (
            what,
            evidence,
            "lower the rate later, and less",
            f"# look at {last.hook}",
        )
    return what, evidence, "leave the rate where it is", "callbacks=[...]  # without it"


def _stop(acts: list[Act]) -> tuple[str, Evidence, str, str]:
    epoch = max(1, acts[0].epoch)
    what = f"ends the training in epoch {epoch}"
    evidence = Evidence("epochs until it ends", f"{epoch}", "as many as it learns in", epoch)
    return what, evidence, "let it wait longer", "patience=10"
