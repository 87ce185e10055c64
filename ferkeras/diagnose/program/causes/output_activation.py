"""An output activation that cannot express the classes, or that the loss does not expect."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.causes.units import units_are_wrong
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_SOURCE = "Keras documentation: activations and losses; Bishop, PRML, 4.3: canonical links"
_RECTIFIERS = ("relu", "leaky_relu", "elu", "selu", "softplus")


def softmax_on_one_unit(program: Program) -> ProgramFinding | None:
    """A softmax over one number is 1, whatever comes in."""
    head = program.head
    if head.activation != "softmax" or head.units != 1:
        return None
    return _finding(
        program,
        "softmax_on_one_unit",
        f"Softmax over the single unit of {head.layer!r} is 1 for every input: every row "
        "gets the same answer.",
        "softmax on one unit",
        "sigmoid on one unit, or softmax on one unit a class",
        "use sigmoid for one unit",
        'activation="sigmoid"',
    )


def softmax_over_another_axis(program: Program) -> ProgramFinding | None:
    """A softmax whose outputs do not add up to 1 for a row."""
    head = program.head
    sums = program.outputs.astype(np.float64).sum(-1)
    if head.activation != "softmax" or head.units == 1 or not np.isfinite(sums).all():
        return None
    off = float(np.abs(sums - 1).max())
    if off < 0.02:
        return None
    return _finding(
        program,
        "softmax_over_another_axis",
        f"The softmax in {head.layer!r} does not run over the classes: the outputs of a row add up "
        f"to {sums.min():.2g} to {sums.max():.2g}.",
        f"rows that add up to {sums.min():.2g} to {sums.max():.2g}",
        "1",
        "let softmax run over the last axis",
        "Softmax(axis=-1)",
        value=off,
    )


def sigmoid_for_exclusive_classes(program: Program) -> ProgramFinding | None:
    """Each class has a sigmoid of its own although a row has exactly one class."""
    head, labels = program.head, program.labels
    if (
        head.activation != "sigmoid"
        or head.units == 1
        or not labels.exclusive
        or units_are_wrong(program)
        or program.loss.one_against_the_rest
    ):
        return None
    return _finding(
        program,
        "sigmoid_for_exclusive_classes",
        f"{head.layer!r} ends in {head.units} sigmoids, each a probability by itself, but every "
        "row belongs to exactly one class.",
        "independent sigmoids",
        "softmax, since classes exclude each other",
        "use softmax, so that the classes compete",
        'activation="softmax"',
        severity="suspicious",
    )


def softmax_for_independent_labels(program: Program) -> ProgramFinding | None:
    """The outputs compete although a row may have several labels or none."""
    head, labels = program.head, program.labels
    if head.activation != "softmax" or head.units == 1 or labels.exclusive or labels.classless:
        return None
    several = float((labels.present[labels.counted].sum(-1) != 1).mean())
    return _finding(
        program,
        "softmax_for_independent_labels",
        f"Softmax in {head.layer!r} makes the outputs sum to 1, but {several:.0%} of the rows have "
        "several labels or none.",
        f"{several:.0%} of the rows without exactly one label",
        "exactly one, or sigmoids",
        "use sigmoids and binary_crossentropy",
        'activation="sigmoid"',
        value=several,
    )


def relu_output(program: Program) -> ProgramFinding | None:
    """The output is cut off at zero before the loss sees it."""
    head = program.head
    place = next((a for a in head.activations if a in _RECTIFIERS), None)
    if place is None or (head.activation not in (place, "softmax", "sigmoid")):
        return None
    if head.activation == place != "relu" and program.loss.kind == "unknown":
        return None  # A loss of the program's own may want evidence, which is never below zero.
    outputs = program.outputs
    zero = float((outputs == 0).mean())
    costs = {
        "relu": "an output below zero, which says no, cannot be had, and a unit at zero gets no "
        "gradient",
        "softplus": "an output below zero, which says no, cannot be had",
    }.get(place, "an output below zero, which says no, is pressed together")
    before = "" if head.activation == place else f" before its {head.activation}"
    return _finding(
        program,
        "relu_output",
        f"{head.layer!r} ends in {place}{before}: {costs}.",
        f"{place} on the output{before}",
        "softmax, sigmoid, or none with from_logits=True",
        f"use {_fitting(program)} as the last activation",
        f'activation="{_fitting(program)}"',
        more=(Evidence("outputs that are exactly zero", f"{zero:.0%}", "none", zero),),
    )


def no_output_activation(program: Program) -> ProgramFinding | None:
    """Raw numbers reach a loss that expects probabilities."""
    head, loss, outputs = program.head, program.loss, program.outputs
    raw = head.activation in ("linear", "tanh", "log_softmax", "exp", "other")
    if (
        not raw
        or not (loss.wants_probabilities or loss.kind == "regression")
        or (head.units == 1 and (units_are_wrong(program) or program.labels.form == "fractions"))
        or (head.activation == "tanh" and loss.kind == "regression")
        or (head.activation != "linear" and _are_probabilities(outputs))
        # Such as the mean of several heads, each of which ends in an activation.
        or (head.units > 1 and outputs.min() >= 0 and outputs.max() <= 1)
    ):
        return None
    outside = float(((outputs < 0) | (outputs > 1)).mean())
    fitting = _fitting(program)
    return _finding(
        program,
        "no_output_activation",
        f"{head.layer!r} gives raw numbers, but {loss.name} expects probabilities.",
        f"{head.activation} output, {outputs.min():.3g} to {outputs.max():.3g}",
        "probabilities, 0 to 1",
        f"use {fitting} as the last activation, or say from_logits=True in the loss",
        f'activation="{fitting}"',
        more=(Evidence("outputs outside 0 to 1", f"{outside:.0%}", "none", outside),),
    )


def activation_doubled(program: Program) -> ProgramFinding | None:
    """One output activation is applied to the result of another."""
    head = program.head
    if not head.doubled or any(each in _RECTIFIERS for each in head.activations):
        return None
    inner, outer = head.activations[1], head.activations[0]
    spread = float(np.ptp(program.outputs, axis=-1).max()) if head.units > 1 else 0.0
    return _finding(
        program,
        "activation_doubled",
        f"{outer} in {head.layer!r} is applied to the result of {inner}: the outputs stay close to "
        "each other, and gradients shrink.",
        f"{outer} after {inner}",
        "one activation",
        f"leave one of the two out, so that {_fitting(program)} stands alone",
        f"activation=None in the layer before {head.layer!r}",
        more=(Evidence("largest spread of a row's outputs", f"{spread:.2f}", "near 1", spread),),
    )


def _are_probabilities(outputs: np.ndarray) -> bool:
    if outputs.min() < -1e-4 or outputs.max() > 1 + 1e-4:
        return False
    return outputs.shape[-1] == 1 or bool(np.allclose(outputs.sum(-1), 1, atol=1e-2))


def _fitting(program: Program) -> str:
    if program.head.units == 1 or not program.labels.exclusive:
        return "sigmoid"
    return "softmax"


def _finding(
    program: Program,
    cause: str,
    verdict: str,
    measured: str,
    expected: str,
    what: str,
    code: str,
    *,
    severity: str = "broken",
    value: float = 1.0,
    more: tuple[Evidence, ...] = (),
) -> ProgramFinding:
    return ProgramFinding(
        cause=cause,
        verdict=verdict,
        evidence=(Evidence("end of the model", measured, expected, value), *more),
        remedies=(
            CodeRemedy(
                what,
                "outputs that the loss and the classes fit",
                code=code,
                change=Change(repaired=True) if program.objective.can_be_repaired else None,
            ),
        ),
        reason="It follows from the operations that make the output, read from the model's graph.",
        source=_SOURCE,
        severity=severity,  # type: ignore[arg-type]
        confidence=PROVEN,
    )
