"""First weights that make all units of a layer the same, explode, or are no numbers."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.optimizers import settings_of
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_SMALLEST_HALF = 2.0**-24
"""The smallest number above zero of float16."""

_SQUARES = ("Adam", "AdamW", "Nadam", "RMSprop")
"""Optimizers that divide by averages of squared gradients, which begin at zero."""

_MANY_LOST = 0.1
_LARGE_EPSILON = 1e-5
"""Of an optimizer, what float16 holds with some digits."""

_HUGE = 50.0
"""Times the cross-entropy of always answering alike; a random start has 1 to 3."""


def initialisation(program: Program) -> ProgramFinding | None:
    """Weights of the start from which no training can go on."""
    broken = [v.path for v in program.model.weights if not np.isfinite(v.numpy()).all()]
    if broken:
        return _finding(
            f"{len(broken)} weights are not finite, {broken[0]} first.",
            Evidence("weights that are not finite", f"{len(broken)}", "none", len(broken)),
            PROVEN,
        )
    if twins := _twin_units(program):
        path, units = twins[0]
        return _finding(
            f"All {units} units of {path} begin with the same weights and get the same gradient: "
            "they stay copies of one.",
            Evidence(
                "units of one layer with the same weights and gradient",
                f"{units}",
                "all different",
                units,
            ),
            PROVEN,
        )
    return _exploding(program)


def weights_in_half_precision(program: Program) -> ProgramFinding | None:
    """Float16 weights under an optimizer that divides by what squared gradients leave."""
    variables = program.model.trainable_variables
    half = [v for v in variables if keras.backend.standardize_dtype(v.dtype) == "float16"]
    name = type(program.optimizer).__name__
    epsilon = settings_of(program.optimizer).get("epsilon")
    if not half or name not in _SQUARES or epsilon is None or epsilon >= _LARGE_EPSILON:
        return None
    basis = program.trials.basis
    runs_away = basis is not None and (not basis.finite or basis.loss() > float(basis.losses[0]))
    gradients = [g for _, g in program.first_gradients if g is not None]
    sizes = np.concatenate([np.abs(g, dtype=np.float64).ravel() for g in gradients] or [np.ones(1)])
    moving = sizes[sizes > 0]
    lost = float(np.mean(np.square(moving) < _SMALLEST_HALF)) if len(moving) else 0.0
    if not runs_away and lost < _MANY_LOST:
        return None
    return ProgramFinding(
        cause="weights_in_half_precision",
        verdict=f"{len(half)} weights are float16, {half[0].path} first, and so is what {name} "
        f"remembers of them: squares of small gradients become 0, epsilon={epsilon:g} next to it, "
        "and what is divided by them " + ("runs away." if runs_away else "may run away."),
        evidence=(
            Evidence(
                "of the first gradients, those whose squares float16 cannot hold",
                f"{lost:.0%}",
                "none, as in float32",
                lost,
            ),
            *(
                ()
                if basis is None
                else (
                    Evidence(
                        f"loss of the last of {basis.steps} steps",
                        f"{basis.loss():.3g}",
                        f"below {float(basis.losses[0]):.3g}, that of the first",
                        basis.loss(),
                    ),
                )
            ),
        ),
        remedies=(
            CodeRemedy(
                "keep weights in float32, and compute in half precision where that is wanted",
                "steps of the length that the rate asks for",
                code='keras.config.set_dtype_policy("mixed_float16")  # in place of set_floatx',
            ),
        ),
        reason="The types of the weights are read; numbers of float16 end at 6e-8.",
        source="Micikevicius et al. 2018, Mixed precision training: a float32 copy of the weights",
        severity="broken" if runs_away else "suspicious",
        confidence=PROVEN if runs_away else MEASURED,
    )


def _exploding(program: Program) -> ProgramFinding | None:
    if program.inputs.unscaled or program.loss.kind == "unknown":
        return None
    reached = _largest_activation(program)
    if reached is None or reached < _HUGE:
        return None
    change = program.trials.compared(Change(fresh=True))
    if change is None or not change.helps:
        return None
    return _finding(
        f"The first weights make outputs of {reached:,.0f} times the size of the inputs.",
        Evidence(
            "outputs of the last layer, in sizes of the inputs",
            f"{reached:,.0f}",
            "about 1",
            reached,
        ),
        MEASURED,
        change.words,
    )


def _finding(
    verdict: str, evidence: Evidence, confidence: float, tried: str = ""
) -> ProgramFinding:
    return ProgramFinding(
        cause="initialisation",
        verdict=verdict,
        evidence=(evidence,),
        remedies=(
            CodeRemedy(
                "leave the initialiser out, which draws weights by the Glorot rule",
                "units that differ, and outputs about as large as inputs",
                code='kernel_initializer="glorot_uniform"',
                change=Change(fresh=True),
                tried=tried,
            ),
        ),
        reason="Equal units get equal gradients for ever; only a random start tells them apart.",
        source="Glorot and Bengio 2010",
        confidence=confidence,
    )


def _twin_units(program: Program) -> list[tuple[str, int]]:
    """Kernels whose units are all alike, in weights and in gradient: path and units."""
    kernels = [
        (variable, gradient)
        for variable, gradient in program.first_gradients
        if len(variable.shape) >= 2 and gradient is not None
    ]
    begins = any(gradient.any() for _, gradient in kernels)
    found = []
    for variable, gradient in kernels:
        if variable.shape[-1] < 2:
            continue
        weights = variable.numpy().reshape(-1, variable.shape[-1])
        # A recurrent layer's biases have two axes, and all begin at zero.
        if np.ptp(weights, axis=-1).any() or variable.path.endswith(("embeddings", "bias")):
            continue
        columns = gradient.reshape(-1, variable.shape[-1])
        if begins and not columns.any():
            # Others begin, and this wakes up behind them, such as a branch that is added.
            continue
        scale = max(float(abs(columns).max()), 1e-12)
        if len(np.unique(np.round(columns / scale, 4), axis=1).T) <= variable.shape[-1] / 2:
            found.append((variable.path, int(variable.shape[-1])))
    return found


def _largest_activation(program: Program) -> float | None:
    """Size of the numbers before the last activation, in sizes of the inputs."""
    if not program.head.can_be_bared or program.inputs.size is None:
        return None
    with program.forward.changed(Change(repaired=True)):
        outputs = program.forward.predict(program.judged_rows(128), program.train.x)
    size = float(np.sqrt(np.mean(np.square(outputs, dtype=np.float64))))
    return size / max(program.inputs.size, 1e-6)
