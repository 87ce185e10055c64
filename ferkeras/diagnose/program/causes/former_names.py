"""Settings under the names that Keras 2 had for them, which nothing reads any more."""

from __future__ import annotations

import inspect

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.code_names import attributes_set
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding, line_of
from ferkeras.diagnose.program.program import Program

_FORMER = "lr"


def rate_that_nothing_reads(program: Program) -> ProgramFinding | None:
    """A callback, or the program, sets `optimizer.lr`, which is no setting of Keras 3."""
    optimizer, rate = program.optimizer, program.rate
    # An optimizer of the program's own may read it.
    if _FORMER in vars(optimizer) and type(optimizer).__module__.startswith("keras."):
        return _finding("The program sets", f"{vars(optimizer)[_FORMER]}", rate, "")
    for callback in program.rehearsals.given:
        # A LambdaCallback is given its hooks.
        hooks = {**dict(inspect.getmembers(type(callback), inspect.isfunction)), **vars(callback)}
        for name, hook in hooks.items():
            named = attributes_set(hook, "optimizer")
            # One that sets both asks first which there is.
            if line_of(hook) and _FORMER in named and "learning_rate" not in named:
                who = f"The callback {shown(type(callback).__name__)} sets, in {name},"
                return _finding(who, "what it sets", rate, line_of(hook))
    return None


def _finding(who: str, meant: str, rate: float, line: str) -> ProgramFinding:
    return ProgramFinding(
        cause="rate_that_nothing_reads",
        verdict=f"{who} optimizer.lr, which Keras 3 does not read: the learning rate stays "
        f"{rate:.3g}.",
        evidence=(Evidence("learning rate", f"{rate:.3g}", shown(meant), rate),),
        remedies=(
            CodeRemedy(
                "set the learning rate by its name",
                "the rate that is meant",
                code="self.model.optimizer.learning_rate = ..."
                if line
                else "model.optimizer.learning_rate = ...",
            ),
        ),
        reason="In Keras 2 `lr` was another name for `learning_rate`; in Keras 3 it is an "
        "attribute like any that a program adds. The code of the callbacks is read, not run.",
        source="Keras documentation: migrating to Keras 3; optimizers, learning_rate",
        severity="suspicious",
        confidence=PROVEN,
        line=line,
    )
