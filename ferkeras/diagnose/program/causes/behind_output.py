"""What is done at random to the outputs themselves."""

from __future__ import annotations

import keras

from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_RANDOM = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)
_OF_CLASSES = ("sparse", "categorical", "binary")
"""Losses that read a number for each class."""


def dropout_behind_output(program: Program) -> ProgramFinding | None:
    """The last layer of the model drops or disturbs its outputs in training."""
    layer = program.head.last_called
    if not isinstance(layer, _RANDOM) or program.loss.kind not in _OF_CLASSES:
        return None
    how_much = float(getattr(layer, "rate", 0.0) or getattr(layer, "stddev", 0.0))
    if not how_much:
        return None
    kind = type(layer).__name__
    what = "outputs" if program.head.activation == "linear" else "probabilities"
    return ProgramFinding(
        cause="dropout_behind_output",
        verdict=f"{kind} ({layer.name!r}) stands behind the output: in training it is the {what} "
        "of classes that are dropped, also of the right one, whatever the model says.",
        evidence=(Evidence(f"{kind} behind the last weights", f"{how_much:g}", "0", how_much),),
        remedies=(
            CodeRemedy(
                "put it in front of the last layer with weights",
                "a loss that sees what the model answers",
                code=f"layers.{kind}({how_much:g}), layers.Dense(..., activation=...)",
            ),
        ),
        reason="The order in which layers are called is noted.",
        source="Srivastava et al. 2014, Dropout: hidden and input units are dropped",
        severity=program.trials.severity,
        confidence=PROVEN,
        layer=layer.name,
    )
