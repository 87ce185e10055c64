"""A loss that does not fit outputs or labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ferkeras.diagnose.program.causes.units import units_are_wrong
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_REMEMBERED = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
"""Losses for which Keras takes what was before an activation, where it has it."""


def wrong_loss(program: Program) -> ProgramFinding | None:
    """The loss measures something else than whether the right class is named."""
    why = _mismatch(program)
    if why is None:
        return None
    sentence, severity = why
    loss = _fitting(program)
    head, labels = program.head, program.labels
    evidence = [
        Evidence(
            "loss",
            program.loss.name + " (from_logits=True)" * program.loss.from_logits,
            f"{loss}, without from_logits" if program.loss.name == loss else loss,
            1.0,
        ),
        Evidence(
            "labels",
            f"{labels.form}, {len(labels.classes)} classes",
            "as the loss takes them",
            len(labels.classes),
        ),
    ]
    constant = _loss_cannot_move(program)
    if constant is not None:
        evidence.append(
            Evidence(
                "loss of these outputs", f"{constant:.3g} for every row", "differs by row", constant
            )
        )
    return ProgramFinding(
        cause="wrong_loss",
        verdict=sentence,
        evidence=tuple(evidence),
        remedies=(
            CodeRemedy(
                f"compile with {loss}",
                "a loss that falls as the right class becomes likelier",
                code=f'loss="{loss}"',
                change=Change(repaired=True) if program.objective.can_be_repaired else None,
            ),
        ),
        reason=f"{program.loss.name} is held against {head.units} output units ending in "
        f"{head.activation} and labels of the form {labels.form}.",
        source="Keras documentation: losses; Goodfellow et al., Deep Learning, 6.2",
        severity=severity,  # type: ignore[arg-type]
        confidence=PROVEN,
    )


def loss_rewards_mistakes(program: Program) -> ProgramFinding | None:
    """A loss of the program's own is not higher where all answers are wrong."""
    labels, units = program.labels, program.head.units
    if (
        program.loss.kind != "unknown"
        or not labels.exclusive
        or not labels.counted.all()
        or not _one_output_a_label(program)
        or labels.form == "text"
        or not (labels.columns or labels.classes.max() < max(2, units))
        or not program.objective.works
    ):
        return None
    rows = program.judged_rows(256)
    right, wrong = (
        program.objective.loss_of(rows, _outputs(program, rows, mistaken))
        for mistaken in (False, True)
    )
    if not np.isfinite([right, wrong]).all() or right < wrong - 1e-3 * max(1.0, abs(wrong)):
        return None
    basis = program.trials.basis
    if basis is not None and program.trials.learns(basis):
        # Outputs of another range than those that were made up tell right from wrong.
        return None
    if program.head.activation not in ("softmax", "sigmoid") and _wants_distances(program):
        return None
    lower = right > wrong + 1e-3 * max(1.0, abs(right))
    name = program.loss.name
    return ProgramFinding(
        cause="loss_rewards_mistakes",
        verdict=f"The compiled loss ({name}) is lower where every answer is wrong than where "
        "every answer is right: training unlearns."
        if lower
        else f"The compiled loss ({name}) is the same whether answers are right or wrong.",
        evidence=(
            Evidence(
                "loss of outputs that name the right class of every row",
                f"{right:.3g}",
                f"below {wrong:.3g}, that of outputs that name a wrong one",
                right,
            ),
        ),
        remedies=(
            CodeRemedy(
                "turn its sign round, as a loss is made smaller"
                if lower
                else "let it compare y_true with y_pred",
                "a loss that falls as the right class becomes likelier",
                code=f"return -...  # in {name}" if lower else f"# in {name}",
                change=Change(repaired=True) if program.objective.can_be_repaired else None,
            ),
        ),
        reason=f"{name} was called with outputs that are right, and with outputs that are wrong.",
        source="Goodfellow et al., Deep Learning, 4.3",
        confidence=PROVEN,
    )


def _one_output_a_label(program: Program) -> bool:
    """Whether outputs that are right can be made up: of rows, or of steps and pixels as
    probabilities."""
    steps = program.labels.counted.shape[1:]
    if steps and program.head.activation not in ("softmax", "sigmoid"):
        return False
    return program.outputs.shape[1:-1] == steps


def _wants_distances(program: Program) -> bool:
    """Whether the loss is least for a number of its own for each class, in whatever order.

    As of distances, which are small for what is alike; a loss with a wrong sign wants ever more.
    """
    wanted = program.objective.wanted
    return wanted is not None and wanted[0] != wanted[1] and max(map(abs, wanted)) <= 1


def _outputs(program: Program, rows: np.ndarray, mistaken: bool) -> np.ndarray:
    """Outputs that are fairly sure of the right class of each label, or of another."""
    labels, units = program.labels, program.head.units
    values = labels.values[rows]
    index = labels.index.reshape(labels.counted.shape)[rows]
    probabilities = program.head.activation in ("softmax", "sigmoid")
    if units == 1:
        second = (index > 0) != mistaken
        low, high = (0.1, 0.9) if probabilities else (-2.0, 2.0)
        return np.where(second, high, low).astype(np.float32)[..., None]
    column = values.argmax(-1) if labels.columns else values.reshape(index.shape).astype(int)
    column = (column + mistaken) % units
    low, high = (0.1 / (units - 1), 0.9) if probabilities else (0.0, 3.0)
    output = np.full((*index.shape, units), low, np.float32)
    np.put_along_axis(output, column[..., None], high, axis=-1)
    return output


def _mismatch(program: Program) -> tuple[str, str] | None:
    loss, labels, head = program.loss, program.labels, program.head
    kind, units, name = loss.kind, head.units, loss.name
    if kind == "unknown":
        return None
    if kind == "regression":
        return (
            f"{name} measures a distance between numbers, but the labels are "
            f"{len(labels.classes)} classes.",
            "suspicious",
        )
    if units == 1 and kind in ("categorical", "sparse", "categorical_hinge", "divergence"):
        return f"{name} compares several outputs, but the model has one.", "broken"
    if units == 1 and units_are_wrong(program):
        return (
            f"{name} on one unit tells two classes apart, but the labels have "
            f"{len(labels.classes)}.",
            "broken",
        )
    wanted = loss.label_columns
    if wanted is True and not labels.columns:
        return f"{name} takes one-hot labels, but they are whole numbers.", "broken"
    if wanted is False and labels.columns:
        return f"{name} takes whole numbers as labels, but they have a column a class.", "broken"
    if kind == "binary" and units > 1 and labels.exclusive and not loss.one_against_the_rest:
        return (
            f"{name} judges each of the {units} outputs by itself, but a row belongs to exactly "
            "one class.",
            "suspicious",
        )
    if kind in ("categorical", "divergence") and not labels.exclusive and not labels.classless:
        return (
            f"{name} expects exactly one class a row, but rows have several labels or none.",
            "broken",
        )
    if loss.from_logits and head.activation in ("softmax", "sigmoid"):
        if _taken_back(program):
            return (
                f"from_logits=True in {name} says that the outputs of {head.layer!r} have not been "
                f"through {head.activation}, but they have. Keras warns, and takes the numbers "
                "before it, so this alone loses nothing here; it does where Keras no longer has "
                "them, as behind another layer or in half precision.",
                "suspicious",
            )
        return (
            f"from_logits=True in {name} applies {head.activation} to the outputs of "
            f"{head.layer!r}, which have been through {head.activation}.",
            "suspicious",
        )
    return None


def _taken_back(program: Program) -> bool:
    """Whether Keras takes the numbers before the last activation, as it does where it has them.

    It remembers them of the output of an activation, until something else makes a new tensor of
    it: another layer, or a loss of another dtype.
    """
    if keras.backend.backend() != "tensorflow" or program.loss.name not in _REMEMBERED:
        return False
    import tensorflow as tf

    found = []
    rows = np.resize(np.arange(len(program.train)), program.forward.fixed_batch or 1)

    def look(x: Any) -> None:
        outputs = keras.tree.flatten(program.model(x, training=True))[0]
        remembered = hasattr(outputs, "_keras_logits") or outputs.op.type in ("Softmax", "Sigmoid")
        found.append(remembered and outputs.dtype == keras.config.floatx())

    # It is traced, and not run.
    tf.function(look).get_concrete_function(program.forward.tensors(program.train.x, rows))
    return found[0]


def _fitting(program: Program) -> str:
    labels = program.labels
    if not labels.exclusive or (program.head.units == 1 and len(labels.classes) <= 2):
        return "binary_crossentropy"
    return "categorical_crossentropy" if labels.columns else "sparse_categorical_crossentropy"


def _loss_cannot_move(program: Program) -> float | None:
    """The loss of every row where it is the same for quite different outputs; else None."""
    if program.head.units != 1 or program.loss.kind != "categorical":
        return None
    losses = _losses_of(program, np.array([0.2, 0.5, 0.9], np.float32))
    return float(losses[0]) if losses is not None and np.ptp(losses) < 1e-6 else None


def _losses_of(program: Program, outputs: np.ndarray) -> np.ndarray | None:
    """The compiled loss of single outputs with the first label; None where it has none."""
    if not isinstance(program.model.loss, (str, keras.losses.Loss)):
        return None
    loss = keras.losses.get(program.model.loss)
    label = np.zeros((1, 1), np.float32)
    return np.array(
        [float(np.mean(loss(label, np.full((1, 1), each, np.float32)))) for each in outputs]
    )
