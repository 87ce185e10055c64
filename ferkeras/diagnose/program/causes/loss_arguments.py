"""A loss of the program's own that is given labels where it expects outputs."""

from __future__ import annotations

import inspect
import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.finding import (
    MEASURED,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.losses import single_loss
from ferkeras.diagnose.program.prepared import has_own_step
from ferkeras.diagnose.program.program import Program

_OUTPUTS = re.compile(r"pred|logit|output|prob|hat\b")
_LABELS = re.compile(r"true|target|label|truth")
_ROWS = 64


def loss_arguments_exchanged(program: Program) -> ProgramFinding | None:
    """A loss of the program's own takes outputs first, where Keras gives it the labels."""
    function = _of_the_program(getattr(program.model, "loss", None))
    if function is None or has_own_step(program.model) or program.labels.form == "text":
        return None
    names = list(inspect.signature(function).parameters)[:2]
    if len(names) < 2 or not (_OUTPUTS.search(names[0]) and _LABELS.search(names[1])):
        return None
    values = _both_ways(program, function)
    if values is None or np.isclose(*values, rtol=1e-4):
        return None
    name = shown(program.loss.name)
    return ProgramFinding(
        cause="loss_arguments_exchanged",
        verdict=f"{name} takes {shown(names[0])} first and {shown(names[1])} second; Keras gives a "
        "loss the labels first.",
        evidence=(
            Evidence(
                f"mean of {name} at first, as Keras calls it",
                f"{values[0]:.3g}",
                f"{values[1]:.3g}, with the arguments in the order of its names",
                values[0],
            ),
        ),
        remedies=(
            CodeRemedy(
                "name the labels first",
                "the loss that is meant",
                code=f"def {shown(function.__name__)}({shown(names[1])}, {shown(names[0])}):",
            ),
        ),
        reason="The names of its arguments are read, and it is called with both orders.",
        source="Keras documentation: losses, creating custom losses",
        severity="suspicious",
        confidence=MEASURED,
        line=line_of(function),
    )


def _of_the_program(loss: Any) -> Any | None:
    """The function that is called with labels and outputs; None of Keras's losses."""
    loss = single_loss(loss)
    if isinstance(loss, keras.losses.Loss):
        # What a wrapper wraps, or the method of a subclass.
        loss = getattr(loss, "fn", loss.call)
    if not (inspect.isfunction(loss) or inspect.ismethod(loss)):
        return None
    return None if str(loss.__module__).startswith("keras.") else loss


def _both_ways(program: Program, function: Any) -> tuple[float, float] | None:
    """The mean loss with labels first, and with outputs first; None where one fails."""
    rows = np.arange(min(_ROWS, len(program.train)))
    outputs = tf.convert_to_tensor(program.forward.predict(rows, program.train.x), tf.float32)
    labels = tf.cast(program.train.y[rows], tf.float32)
    if len(labels.shape) == len(outputs.shape) - 1:
        labels = labels[..., None]
    try:
        first, second = (
            float(tf.reduce_mean(tf.cast(function(*order), tf.float32)))
            for order in ((labels, outputs), (outputs, labels))
        )
    except Exception:
        # One order fails: the other is meant, whatever the names.
        return None
    return (first, second) if np.isfinite(second) else None
