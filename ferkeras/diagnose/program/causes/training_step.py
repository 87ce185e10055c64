"""A training step of the model's own that does not train it."""

from __future__ import annotations

import inspect

import keras

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

_LITTLE = 0.25
"""Of the skill with a cross-entropy, the most where a loss of the step's own is to blame."""


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
    rehearsals, basis = program.rehearsals, program.trials.basis
    own = rehearsals.without_callbacks if rehearsals.has_own_step else None
    if own is None or basis is None or own.moved == 0 or not own.is_behind_trial(basis):
        return None
    if program.has_loss:
        usual = rehearsals.with_usual_step
        if usual is None or not own.is_behind(usual):
            return None
        learnt = against(own, usual.skill, usual.steps, "with keras.Model.train_step")
        what = "Keras's own step learns from the same rows"
    else:
        # Its loss may be meant for something else: named where next to nothing is learnt.
        if own.skill > _LITTLE * basis.skill or own.steps < basis.steps / 2:
            return None
        learnt = against(own, basis.skill, basis.steps, "with a cross-entropy that fits")
        what = "a cross-entropy that fits outputs and labels learns from the same rows"
    if _forgets_scale(program):
        return _loss_not_scaled(program, learnt)
    broadcast = program.train.y.ndim == 1 and program.outputs.shape[1:] == (1,)
    return ProgramFinding(
        cause="own_training_step",
        verdict=f"{_step_of(program)} does not learn what {what}."
        + (
            " Its labels have the shape (n,) and its outputs (n, 1): their difference is (n, n)."
            if broadcast
            else ""
        ),
        evidence=(
            learnt,
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
        reason="`fit` was called as the program does, and the same steps were made without its "
        "step.",
        source="Keras documentation: customising what happens in fit",
        confidence=MEASURED,
        line=line_of(type(program.model).train_step),
    )


def step_squashes_twice(program: Program) -> ProgramFinding | None:
    """The model's own training step gives probabilities to a cross-entropy that takes logits."""
    if program.has_loss and program.loss.from_logits:
        return None  # Said of the loss that is compiled.
    function = program.rehearsals.squashed_twice
    if not function:
        return None
    activation = "sigmoid" if "sigmoid" in function else "softmax"
    return ProgramFinding(
        cause="wrong_loss",
        verdict=f"{_step_of(program)} gives outputs that have been through {activation} to "
        f"{function}, which applies {activation} once more: all answers come out nearly alike, "
        "and their gradients small.",
        evidence=(
            Evidence(
                "what reaches the loss for logits",
                f"numbers between 0 and 1{', which add up to 1' * (activation == 'softmax')}",
                "numbers below 0 and above 1, too",
                1.0,
            ),
        ),
        remedies=(
            CodeRemedy(
                f"give it outputs without {activation}, or take a loss of probabilities",
                "answers as sure as they can be",
                code="Dense(units)  # no activation"
                if activation == "softmax"
                else "keras.losses.binary_crossentropy(y, outputs)",
            ),
        ),
        reason="Its step was made once, and what it calls looked at.",
        source=f"TensorFlow documentation: {function}",
        severity="suspicious",
        confidence=PROVEN,
        line=line_of(type(program.model).train_step),
    )


def _forgets_scale(program: Program) -> bool:
    """Whether the optimizer divides gradients by a scale that the step never multiplies with."""
    if not isinstance(program.model.optimizer, keras.optimizers.LossScaleOptimizer):
        return False
    names = inspect.unwrap(type(program.model).train_step).__code__.co_names
    return "scale_loss" not in names and "train_step" not in names


def _loss_not_scaled(program: Program, learnt: Evidence) -> ProgramFinding:
    scale = float(program.model.optimizer.initial_scale)
    return ProgramFinding(
        cause="loss_not_scaled",
        verdict=f"In half precision the optimizer divides gradients by its scale, {scale:,.0f}, "
        f"but {_step_of(program, first=False)} does not multiply the loss with it: the weights "
        "hardly move.",
        evidence=(
            learnt,
            Evidence(
                "scale that gradients are divided by", f"{scale:,.0f}", "as the loss's", scale
            ),
        ),
        remedies=(
            CodeRemedy(
                "scale the loss before its gradients are taken",
                "gradients of the size that they are applied with",
                code="loss = self.optimizer.scale_loss(loss)",
            ),
        ),
        reason="`fit` was called as the program does, with its step and with Keras's; its step "
        "does not name scale_loss.",
        source="Keras documentation: mixed precision, LossScaleOptimizer",
        confidence=PROVEN,
        line=line_of(type(program.model).train_step),
    )


def _step_of(program: Program, *, first: bool = True) -> str:
    return f"{'The' if first else 'the'} training step of {shown(type(program.model).__name__)}"
