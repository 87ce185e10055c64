"""Activations inside the network that are missing, or that let no gradient through."""

from __future__ import annotations

import keras

from ferkeras.diagnose.program.comparison import told
from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_HEALTHY = {"relu", "gelu", "elu", "selu", "silu", "swish", "leaky_relu", "relu6", "mish", "tanh"}


def hidden_activation(program: Program) -> ProgramFinding | None:
    """Layers without a bend between them, or many that saturate, and rectifiers that learn."""
    basis = program.trials.basis
    if basis is None:
        return None
    names = [
        getattr(layer.activation, "__name__", "")
        for layer in program.model._flatten_layers(include_self=False)
        if isinstance(layer, (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D))
        and layer not in program.head.layers
        and layer is not program.head.last_weighted
    ]
    bent = any(
        isinstance(
            layer,
            (
                keras.layers.Activation,
                keras.layers.ReLU,
                keras.layers.LeakyReLU,
                keras.layers.ELU,
                keras.layers.PReLU,
                keras.layers.RNN,
            ),
        )
        and layer not in program.head.layers
        for layer in program.model._flatten_layers(include_self=False)
    )
    linear = bool(names) and not bent and all(name == "linear" for name in names)
    flat = [name for name in names if name in ("sigmoid", "softmax", "hard_sigmoid", "exponential")]
    if not linear and (not flat or program.trials.learns(basis)):
        return None
    comparison = program.trials.compared(Change(activation="relu"))
    if comparison is None or not (comparison.helps or (linear and comparison.frees)):
        return None
    what = (
        f"None of the {len(names)} hidden layers has an activation: together they are one linear "
        "layer."
        if linear
        else f"{len(flat)} hidden layers end in {flat[0]}, whose gradient shrinks with every layer."
    )
    return ProgramFinding(
        cause="hidden_activation",
        verdict=f"{what} With ReLU the same steps learn"
        + (" far more." if program.trials.learns(basis) else "."),
        evidence=(
            Evidence(
                "activations of the hidden layers",
                ", ".join(dict.fromkeys(names)),
                "relu",
                len(flat),
            ),
            Evidence(
                "training rows named rightly, above the majority, as they are and with ReLU",
                told(comparison.skill_without),
                told(comparison.skill_with),
                comparison.skill_without,
            ),
        ),
        remedies=(
            CodeRemedy(
                "use ReLU in the hidden layers",
                "gradients that reach the first layer",
                code='activation="relu"',
                change=Change(activation="relu"),
                tried=comparison.words,
            ),
        ),
        reason="Named where ReLU in their place, with everything else as it is, makes a training "
        "learn that does not, or halves the errors of one linear layer.",
        source="Glorot, Bordes and Bengio 2011",
        confidence=comparison.confidence,
    )
