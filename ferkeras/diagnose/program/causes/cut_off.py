"""Inputs that never reach the output: not used, or normalised away."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rebuilt import used_inputs


def input_unused(program: Program) -> ProgramFinding | None:
    """One of several inputs is not used: the outputs are the same whatever it holds."""
    names = _unused(program)
    if not names:
        return None
    listed = ", ".join(repr(name) for name in names)
    return ProgramFinding(
        cause="input_unused",
        verdict=f"The input{'s' * (len(names) > 1)} {listed} "
        f"{'do' if len(names) > 1 else 'does'} not reach the output: whatever "
        f"{'they hold' if len(names) > 1 else 'it holds'}, the answer is the same.",
        evidence=(
            Evidence(
                "inputs that the output does not depend on",
                f"{len(names)} of {len(program.train.arrays)}",
                "none",
                float(len(names)),
            ),
        ),
        remedies=(
            CodeRemedy(
                f"use {listed} in the model, where perhaps another input is used twice",
                "an output that depends on every input",
            ),
        ),
        reason="Each input is followed through the model's layers; where there is no such graph, "
        "the output has no gradient for it.",
        source="Keras documentation: functional models with several inputs",
        # What is declared is meant to be used; data may hold more than a `call` reads.
        severity=program.trials.severity if _has_graph(program) else "suspicious",
        confidence=PROVEN,
    )


def normalised_away(program: Program) -> ProgramFinding | None:
    """A layer normalises over a single number, which becomes the same for every row."""
    layer = next((each for each in _layers(program) if _is_over_one_number(each)), None)
    if layer is None:
        return None
    return ProgramFinding(
        cause="normalised_away",
        verdict=f"{layer.name!r} normalises over an axis of length 1: each number less itself is "
        "0, so that nothing of what it is given comes out.",
        evidence=(Evidence("numbers that are normalised together", "1", "many", 1.0),),
        remedies=(
            CodeRemedy(
                "normalise over the axis that varies, or over the batch",
                "numbers that still differ from row to row",
                code="layers.LayerNormalization(axis=1)  # or layers.BatchNormalization()",
            ),
        ),
        reason="The axes that the layer normalises over, and how long they are.",
        source="Ba et al. 2016, Layer normalization",
        severity=program.trials.severity,
        confidence=PROVEN,
        layer=layer.name,
    )


def is_cut_off(program: Program) -> bool:
    """Whether one of these explains gradients that do not reach."""
    return bool(_unused(program)) or any(map(_is_over_one_number, _layers(program)))


def _layers(program: Program) -> list[keras.Layer]:
    return list(program.model._flatten_layers(include_self=False))


def _is_over_one_number(layer: keras.Layer) -> bool:
    if not layer.built:
        return False
    if isinstance(layer, keras.layers.LayerNormalization):
        weights = [each for each in (layer.gamma, layer.beta) if each is not None]
        return bool(weights) and int(np.prod(weights[0].shape)) == 1
    if isinstance(layer, keras.layers.RMSNormalization):
        return int(np.prod(layer.scale.shape)) == 1
    return False


def _unused(program: Program) -> tuple[str, ...]:
    """Names of inputs that do not matter, of several."""
    if len(program.train.arrays) < 2:
        return ()
    if not _has_graph(program):
        return _without_gradient(program)
    used = used_inputs(program.model)
    return tuple(each.name for each in program.model.inputs if id(each) not in used)


def _has_graph(program: Program) -> bool:
    return hasattr(program.model, "_nodes_by_depth")


def _without_gradient(program: Program) -> tuple[str, ...]:
    """Inputs that the output has no gradient for; of whole numbers nothing can be said."""
    x = program.forward.tensors(program.train.x, program.forward.portions(np.arange(1))[0])
    named = [
        (".".join(map(str, path)), each)
        for path, each in keras.tree.flatten_with_path(x)
        if each.dtype.is_floating
    ]
    with tf.GradientTape() as tape:
        tape.watch([each for _, each in named])
        output = program.model(x, training=False)
    gradients = tape.gradient(output, [each for _, each in named])
    still = [name for (name, _), gradient in zip(named, gradients, strict=True) if gradient is None]
    return tuple(name for name in still if not _changes_answers(program, name))


def _changes_answers(program: Program, name: str) -> bool:
    """Whether outputs differ where rows get each other's values of an input.

    Numbers that are looked up have no gradient, and reach the output.
    """
    rows, x = program.judged_rows(64), program.train.x
    exchanged = [
        np.roll(values, 1, axis=0) if ".".join(map(str, path)) == name else values
        for path, values in keras.tree.flatten_with_path(x)
    ]
    others = keras.tree.pack_sequence_as(x, exchanged)
    return not np.array_equal(
        program.forward.predict(rows, x), program.forward.predict(rows, others)
    )
