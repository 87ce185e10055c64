"""Regularisation and clipping that leave nothing to learn with."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.altered import augmenting, constrained, dropping
from ferkeras.diagnose.program.comparison import CLEAR, Comparison, told
from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.optimizers import settings_of
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import CLIPPING, Change

_HALF = 0.5
"""More is dropped in few networks; less is suspected only where nothing is learnt."""

_MOST_OF_IT = 0.8
"""Skill above which what regularises has left enough to learn."""

_FAR_LARGER = 10.0
"""Times the inputs' largest value, from which on a range is meant for others."""

_NEARLY_ALL = 0.9
"""Of so much it is enough that the same steps teach clearly more without it."""


def too_much_dropout(program: Program) -> ProgramFinding | None:
    """Layers that drop so much that the same steps learn only without them."""
    layers = dropping(program.model)
    basis = program.trials.basis
    if not layers or basis is None:
        return None
    layer, attribute, most = max(layers, key=lambda each: each[2])
    if most <= _HALF and program.trials.learns(basis):
        return None
    change = Change(dropout=False)
    comparison = program.trials.compared(change)
    if comparison is None:
        return None
    gain = comparison.skill_with - comparison.skill_without
    if not comparison.helps and not (most > _NEARLY_ALL and gain > CLEAR):
        return None
    return _finding(
        "too_much_dropout",
        f"'{layer.name}' drops {most:.0%}: what is left teaches too little; without dropout the "
        f"same steps {'learn' if comparison.helps else 'learn far more'}.",
        Evidence(f"largest {attribute} of a layer that drops", f"{most:g}", "0.1 to 0.5", most),
        CodeRemedy(
            "begin with light dropout, and add to it once the model learns",
            "units that are there often enough to learn",
            code="Dropout(0.2)",
            change=change,
            tried=comparison.words,
        ),
        comparison,
        "Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting",
        layer.name,
    )


def too_much_augmentation(program: Program) -> ProgramFinding | None:
    """Inputs are changed at random so much that the same steps learn only from whole ones."""
    layers, change = augmenting(program.model), Change(augmentation=False)
    comparison = _what_helps(program, change) if layers else None
    if comparison is None:
        return None
    names = ", ".join(type(layer).__name__ for layer in layers)
    guilty = _guilty(program, layers)
    if guilty is not None:
        layers, comparison = [guilty[0]], guilty[1]
    alone = type(layers[0]).__name__ if len(layers) == 1 else ""
    return _finding(
        "too_much_augmentation",
        f"{alone or 'What is done to inputs at random'} takes away what tells the classes apart"
        + ("" if alone else f" ({names})")
        + "; without it the same steps learn.",
        Evidence(
            "layers that change inputs at random",
            names,
            f"without {alone}, or a lighter one" if alone else "lighter ones",
            len(layers),
        ),
        _range_of_inputs(program, layers[0], comparison)
        if alone and _made_for_others(program, layers[0])
        else CodeRemedy(
            f"leave {alone} out, or let it do less"
            if alone
            else "begin with light augmentation, and add to it once the model learns",
            "inputs that still show their class",
            code=f"# without {alone}" if alone else f"{type(layers[0]).__name__}(...)  # less",
            change=comparison.treated[0].change,
            tried=comparison.words,
        ),
        comparison,
        "Cubuk et al. 2020, RandAugment: how much depends on the model and on the data",
        layers[0].name,
    )


def _made_for_others(program: Program, layer: keras.Layer) -> bool:
    """Whether a layer that adds to grey values is told a far larger range than the inputs have."""
    low, high = getattr(layer, "value_range", (0.0, 0.0))
    largest = max(float(np.nanmax(np.abs(each))) for each in program.train.arrays)
    return bool(high - low > _FAR_LARGER * max(largest, 1e-9))


def _range_of_inputs(program: Program, layer: keras.Layer, comparison: Comparison) -> CodeRemedy:
    """The layer is told of the range that the inputs have."""
    given = tuple(f"{each:g}" for each in layer.value_range)
    lowest = min(float(np.nanmin(each)) for each in program.train.arrays)
    largest = max(float(np.nanmax(each)) for each in program.train.arrays)
    low = 0 if lowest >= 0 else -1
    return CodeRemedy(
        f"tell it what the inputs range over: it takes them for {' to '.join(given)}, and they "
        f"are {lowest:.3g} to {largest:.3g}",
        "inputs that still show their class",
        code=f"{type(layer).__name__}(..., value_range=({low}, 1))",
        change=comparison.treated[0].change,
        tried=comparison.words,
    )


def _guilty(program: Program, layers: list[keras.Layer]) -> tuple[keras.Layer, Comparison] | None:
    """The one of several layers without which the same steps learn; None where it takes more."""
    if len(layers) < 2:
        return None
    for layer in layers:
        comparison = program.trials.compared(Change(augmentation=layer.name))
        if comparison is not None and comparison.helps:
            return layer, comparison
    return None


def gradients_clipped_away(program: Program) -> ProgramFinding | None:
    """Gradients are shortened so much that the same steps learn only with whole ones."""
    config = settings_of(program.optimizer)
    limits = {key: config[key] for key in CLIPPING if config.get(key) is not None}
    change = Change(clipping=False)
    comparison = _what_helps(program, change) if limits else None
    if comparison is None:
        return None
    key, limit = min(limits.items(), key=lambda each: each[1])
    return _finding(
        "gradients_clipped_away",
        f"{key}={limit:g} shortens the steps until they lead nowhere; with whole gradients the "
        "same steps learn.",
        Evidence(f"{key} of the optimizer", f"{limit:g}", "1 or more", float(limit)),
        CodeRemedy(
            "clip only what is far above the usual norm",
            "steps of the length that the rate asks for",
            code=f"{key}=1.0",
            change=change,
            tried=comparison.words,
        ),
        comparison,
        "Pascanu et al. 2013, On the difficulty of training recurrent neural networks",
    )


def weights_held(program: Program) -> ProgramFinding | None:
    """Constraints hold weights so that the same steps learn only without them."""
    held, change = constrained(program.model), Change(constraints=False)
    comparison = _what_helps(program, change) if held else None
    if comparison is None:
        return None
    variable, constraint = held[0]
    name = type(constraint).__name__
    return _finding(
        "weights_held",
        f"{name} holds {len(held)} weights, {variable.path} first, where nothing is learnt; "
        "without it the same steps learn.",
        Evidence("weights that are held", f"{len(held)}", "none", float(len(held))),
        CodeRemedy(
            "leave the constraint out, or let it hold less",
            "weights that get where they are needed",
            code="Dense(...)  # without kernel_constraint",
            change=change,
            tried=comparison.words,
        ),
        comparison,
        "Keras documentation: layer weight constraints",
    )


def penalty_too_strong(program: Program) -> ProgramFinding | None:
    """Weights cost so much that the same steps learn only where they cost nothing."""
    decay = float(settings_of(program.optimizer).get("weight_decay") or 0.0)
    by_layers, change = program.objective.penalties > 0, Change(penalties=False)
    comparison = _what_helps(program, change) if by_layers or decay else None
    if comparison is None and by_layers:
        comparison = _what_frees(program, change)
    if comparison is None:
        return None
    first = next((layer for layer in program.model._flatten_layers(False) if layer.losses), None)
    return _finding(
        "weight_penalty_too_strong",
        "What layers add to the loss (regularizers, add_loss) leaves little to learn with; without "
        "it the same steps make half the errors."
        if comparison.frees and not comparison.helps
        else "Weights are pulled to zero faster than they can learn, by "
        + ("the layers' regularizers" if by_layers else "the optimizer's weight decay")
        + "; without it the same steps learn.",
        Evidence(
            "of the loss before the first step, for weights and activities",
            f"{program.objective.penalties:.3g}",
            "a small part of the loss",
            program.objective.penalties,
        )
        if by_layers
        else Evidence("weight_decay of the optimizer", f"{decay:g}", "1e-5 to 0.05", decay),
        CodeRemedy(
            "let it cost less: a smaller factor, and the mean over rows, not their sum"
            if by_layers
            else "let weights cost less",
            "weights that what is learnt can move",
            code=_milder(first) if by_layers else "weight_decay=1e-4",
            change=change,
            tried=comparison.words,
        ),
        comparison,
        "Krogh & Hertz 1991, A simple weight decay can improve generalization",
        first.name if by_layers and first is not None else "",
    )


def _milder(layer: keras.Layer | None) -> str:
    """A regularizer of the layer's own kind that costs little."""
    name, known = "kernel_regularizer", getattr(layer, "activity_regularizer", None)
    if known is not None and getattr(layer, name, None) is None:
        return f"activity_regularizer=keras.regularizers.{type(known).__name__}(1e-5)"
    return f"{name}=keras.regularizers.L2(1e-4)"


def _what_helps(program: Program, change: Change) -> Comparison | None:
    """A change that makes the same steps learn; None where it does not, or they learn as it is."""
    basis = program.trials.basis
    if basis is None or program.trials.learns(basis):
        return None
    comparison = program.trials.compared(change)
    return comparison if comparison is not None and comparison.helps else None


def _what_frees(program: Program, change: Change) -> Comparison | None:
    """A change that halves the errors of a program that learns a part, on both splits."""
    basis = program.trials.basis
    if basis is None or not program.trials.learns(basis) or basis.skill > _MOST_OF_IT:
        return None
    comparison = program.trials.compared(change)
    return comparison if comparison is not None and comparison.frees else None


def _finding(
    cause: str,
    verdict: str,
    evidence: Evidence,
    remedy: CodeRemedy,
    comparison: Comparison,
    source: str,
    layer: str = "",
) -> ProgramFinding:
    return ProgramFinding(
        cause=cause,
        verdict=verdict,
        evidence=(
            evidence,
            Evidence(
                "training rows named rightly, above the majority, with it and without",
                told(comparison.skill_without),
                told(comparison.skill_with),
                comparison.skill_without,
            ),
        ),
        remedies=(remedy,),
        reason="Named where the same steps from the same start learn without it, with every seed."
        if comparison.helps
        else "Named where the same steps from the same start make half the errors without it, on "
        "training rows and clearly on validation rows too, with every seed."
        if comparison.frees
        else f"Named where more than {_NEARLY_ALL:.0%} is dropped and the same steps from the same "
        "start teach clearly more without it.",
        source=source,
        confidence=comparison.confidence,
        layer=layer,
    )
