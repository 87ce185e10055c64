"""Inputs that were scaled before, and that a `Rescaling` of the model divides once more."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.comparison import Comparison, told
from ferkeras.diagnose.program.divided import Divided
from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_ALIKE = 0.2
"""How far outputs differ from row to row, of how far they would, where rows are nearly the same."""

_UNTRIED = 0.7
"""Confidence where no brief training tells, or none learns with or without the division."""


def divided_again(program: Program) -> ProgramFinding | None:
    """Pictures of fractions that a `Rescaling` made for grey values divides by 255, where nothing
    after it makes up for that.

    Networks of `keras.applications` often have one (EfficientNet, MobileNetV3).
    """
    divided = program.inputs.divided
    if divided is None or program.trials.scale_inputs:
        return None  # where inputs are to be scaled, it is named already
    left = _left(program)
    if not left < _ALIKE:
        return None
    comparison = program.trials.compared(Change(divided=False))
    learns = comparison is not None and program.trials.learns(comparison.without[0])
    gains = comparison is not None and (comparison.helps or comparison.halves_errors)
    if learns and not gains:
        return None
    program.trials.undivided = True
    return ProgramFinding(
        cause="scaled_twice",
        verdict=_verdict(divided, learns, gains),
        evidence=_evidence(divided, left, comparison),
        remedies=(
            CodeRemedy(
                "give the model grey values from 0 to 255, which it scales itself",
                "pictures that differ in what the first weights see",
                code='x = x.astype("float32")  # without / 255, and without preprocess_input of '
                "another network",
                change=Change(divided=False),
                tried="" if comparison is None else comparison.words,
            ),
        ),
        reason="Named where fractions reach a Rescaling that is made for grey values, outputs "
        f"differ by less than {_ALIKE:.0%} of what they would without it, and no brief training "
        "learns as well with it.",
        source="Keras documentation: applications, EfficientNet: inputs are pixels of 0 to 255",
        severity="broken" if gains and not learns else "suspicious",
        confidence=comparison.confidence if comparison is not None and gains else _UNTRIED,
        layer=divided.layer.name,
    )


def _verdict(divided: Divided, learns: bool, gains: bool) -> str:
    verdict = (
        f"{divided.layer.name!r} divides by {divided.divisor:.4g} what is between "
        f"{divided.low:.2g} and {divided.high:.2g} already: inputs are scaled twice, and every "
        "picture is nearly the same to the layers after it"
    )
    if learns:
        return f"{verdict}. It learns all the same, and more without it."
    return f"{verdict}; without it the same steps learn." if gains else f"{verdict}."


def _evidence(divided: Divided, left: float, comparison: Comparison | None) -> tuple[Evidence, ...]:
    largest = max(abs(divided.low), abs(divided.high))
    evidence = (
        Evidence(
            f"largest number that {divided.layer.name!r} is called with",
            f"{largest:.3g}",
            "255",
            largest,
        ),
        Evidence(
            "how far outputs differ from row to row, of how far they would undivided",
            f"{left:.1%}",
            "about 100%",
            left,
        ),
    )
    if comparison is None:
        return evidence
    return (
        *evidence,
        Evidence(
            "training rows named rightly, above the majority, as they are and undivided",
            told(comparison.skill_without),
            told(comparison.skill_with),
            comparison.skill_without,
        ),
    )


def _left(program: Program) -> float:
    """How far outputs differ from row to row, of how far they would were nothing divided again.

    Layers that normalise later may make up for it; NaN where outputs never differ.
    """
    as_it_is, undivided = (_spread(program, divided) for divided in (True, False))
    return as_it_is / undivided if undivided > 0 else np.nan


def _spread(program: Program, divided: bool) -> float:
    """Standard deviation of the outputs over rows at the first weights, as in training, with
    nothing random and without the last activation where it can be taken away."""
    change = Change(
        repaired=program.head.can_be_bared, dropout=False, augmentation=False, divided=divided
    )
    rows = program.judged_rows(256)
    with program.trials.restarted(), program.forward.changed(change):
        outputs = program.forward.predict(rows, program.train.x, training=True, batch=program.batch)
    return float(outputs.std(axis=0, dtype=np.float64).mean())
