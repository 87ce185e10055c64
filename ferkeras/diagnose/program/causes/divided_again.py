"""Inputs that were scaled before, and that a `Rescaling` of the model divides once more."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_DIVIDES = 64.0
"""A layer that divides by more is made for grey values up to 255."""

_SCALED = 10.0
"""What fractions are below once they were scaled or standardised."""


def divided_again(program: Program) -> ProgramFinding | None:
    """Fractions of the size of 1 that a `Rescaling` made for grey values divides by 255.

    Networks of `keras.applications` often have one (EfficientNet, ConvNeXt).
    """
    if program.trials.scale_inputs:
        return None  # it is named already
    for layer, made in program.inputs.passed:
        if not isinstance(layer, keras.layers.Rescaling):
            continue
        scale, offset = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
        if not 0 < np.abs(scale).max() < 1 / _DIVIDES:
            continue
        given = (made.astype(np.float64) - offset) / scale
        largest = float(np.nanmax(np.abs(given), initial=0.0))
        # Masks are whole numbers, and may be 0 and 1 with good reason.
        whole = bool(np.allclose(given, np.round(given), atol=1e-3))
        if largest > _SCALED or whole:
            continue
        return _named(program, layer, float(np.nanmin(given)), float(np.nanmax(given)))
    return None


def _named(
    program: Program, layer: keras.layers.Rescaling, low: float, high: float
) -> ProgramFinding:
    basis = program.trials.basis
    learns = basis is not None and program.trials.learns(basis)
    divisor = 1 / float(np.abs(np.asarray(layer.scale)).max())
    if not learns:
        program.trials.scale_inputs = True
    return ProgramFinding(
        cause="scaled_twice",
        verdict=f"{layer.name!r} divides by {divisor:.4g} what is between {low:.2g} and {high:.2g} "
        "already: inputs are scaled twice, and every picture is nearly the same to the layers "
        f"after it{'. It learns all the same' if learns else ''}.",
        evidence=(
            Evidence(
                f"largest number that {layer.name!r} is called with",
                f"{max(abs(low), abs(high)):.3g}",
                "255",
                max(abs(low), abs(high)),
            ),
        ),
        remedies=(
            CodeRemedy(
                "give the model grey values from 0 to 255, which it scales itself",
                "pictures that differ in what the first weights see",
                code='x = x.astype("float32")  # without / 255, and without preprocess_input of '
                "another network",
                change=Change(scaled=True),
            ),
        ),
        reason=f"What reaches a Rescaling that divides by more than {_DIVIDES:g} is read: "
        f"fractions below {_SCALED:g} are no grey values.",
        source="Keras documentation: applications, EfficientNet: inputs are pixels of 0 to 255",
        severity="suspicious" if learns else "broken",
        confidence=MEASURED,
        layer=layer.name,
    )
