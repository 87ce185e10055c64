"""A training step of the model's own that does not train it."""

from __future__ import annotations

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.finding import (
    MEASURED,
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rehearsal import against


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
            against(own, basis.skill, basis.steps, "with the usual step"),
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
        line=line_of(type(program.model).train_step),
    )


def own_training_step(program: Program) -> ProgramFinding | None:
    """The model's own training step does not learn, and Keras's does."""
    rehearsals = program.rehearsals
    own = rehearsals.without_callbacks if rehearsals.has_own_step else None
    if own is None or own.moved == 0 or not own.is_behind_trial(program.trials.basis):
        return None
    usual = rehearsals.with_usual_step
    if usual is None or not own.is_behind(usual):
        return None
    broadcast = program.train.y.ndim == 1 and program.outputs.shape[1:] == (1,)
    return ProgramFinding(
        cause="own_training_step",
        verdict=f"{_step_of(program)} does not learn what Keras's own step learns from the same "
        "rows.",
        evidence=(
            against(own, usual.skill, usual.steps, "with keras.Model.train_step"),
            Evidence(
                "shapes of labels and outputs of a row",
                f"{program.train.y.shape[1:]}, {program.outputs.shape[1:]}",
                "(1,), (1,)" if broadcast else "as the loss takes them",
                float(broadcast),
            ),
        ),
        remedies=(
            CodeRemedy(
                "give labels the shape of the outputs; (n,) against (n, 1) becomes (n, n)",
                "each output is held against its own label",
                code="y = keras.ops.reshape(y, (-1, 1))",
            )
            if broadcast
            else CodeRemedy(
                "hold the step against Keras's, in its loss, training=True, and the variables "
                "whose gradients it takes and applies",
                "a step that learns",
                code="# try the class without its train_step",
            ),
        ),
        reason="`fit` was called as the program does, with its step and with Keras's.",
        source="Keras documentation: customising what happens in fit",
        confidence=MEASURED,
        line=line_of(type(program.model).train_step),
    )


def _step_of(program: Program) -> str:
    return f"The training step of {shown(type(program.model).__name__)}"
