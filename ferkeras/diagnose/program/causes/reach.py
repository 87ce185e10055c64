"""Layers that the training does not move: frozen, cut off, or without a gradient."""

from __future__ import annotations

import gc
import math

import keras
import numpy as np
import tensorflow as tf

from ferkeras.diagnose.program.causes.cut_off import is_cut_off
from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change, is_kernel

_SOURCE = "Keras documentation: transfer learning and fine-tuning"


def frozen_layers(program: Program) -> ProgramFinding | None:
    """Nothing can be trained, or what is frozen was never trained."""
    model = program.model
    if not model.trainable_variables:
        return _frozen(
            "No weight of the model is trainable: nothing can be learnt.",
            Evidence("trainable weights", "0", "at least those of the last layer", 0.0),
            PROVEN,
        )
    frozen = [v for v in model.non_trainable_variables if is_kernel(v.path)]
    random = [v for v in frozen if _is_drawn(v.numpy())]
    if not random or len(random) < 0.5 * len(frozen):
        return None
    comparison = program.trials.compared(Change(everything=True))
    if comparison is None or not (comparison.helps or comparison.halves_errors):
        return None
    return _frozen(
        f"{len(random)} frozen kernels, {random[0].path} first, are as they were drawn at random: "
        "they were never trained, and now cannot be.",
        Evidence(
            "frozen kernels that are spread like a fresh draw",
            f"{len(random)}",
            "none",
            len(random),
        ),
        comparison.confidence,
        comparison.words,
    )


def _frozen(verdict: str, evidence: Evidence, confidence: float, tried: str = "") -> ProgramFinding:
    return ProgramFinding(
        cause="frozen_layers",
        verdict=verdict,
        evidence=(evidence,),
        remedies=(
            CodeRemedy(
                "thaw the layers, then compile again; or load trained weights into them",
                "weights that move",
                code="layer.trainable = True",
                change=Change(everything=True),
                tried=tried,
            ),
        ),
        reason="`trainable` is read from the model; a fresh draw is uniform or normal with the "
        "spread that its shape gives it.",
        source=_SOURCE,
        confidence=confidence,
    )


def _is_drawn(kernel: np.ndarray) -> bool:
    """Whether a kernel is spread as the Glorot, He or LeCun rules draw it."""
    if kernel.ndim < 2 or kernel.size < 64:
        return False
    field = math.prod(kernel.shape[:-2])
    fan_in, fan_out = field * kernel.shape[-2], field * kernel.shape[-1]
    std = float(kernel.std())
    near = any(
        abs(std / math.sqrt(scale / fan) - 1) < 3 / math.sqrt(kernel.size) + 0.01
        for scale, fan in ((2, fan_in + fan_out), (2, fan_in), (1, fan_in))
    )
    # Trained kernels have tails; a uniform or truncated normal draw has none.
    return near and float(abs(kernel).max()) < 2.4 * std


def gradient_does_not_reach(program: Program) -> ProgramFinding | None:
    """Trainable weights that the loss does not depend on, or that no step moves."""
    gradients = program.first_gradients
    if not gradients or is_cut_off(program):
        return None
    cut = [v.path for v, g in gradients if g is None]
    if cut:
        return _unreached(
            f"The loss does not depend on {len(cut)} of {len(gradients)} trainable weights, "
            f"{cut[0]} first: no gradient reaches them.",
            Evidence("trainable weights without a gradient", f"{len(cut)}", "none", len(cut)),
            "broken" if len(cut) > len(gradients) / 2 else "suspicious",
            _layer_of(program, cut[-1]),
        )
    basis = program.trials.basis
    zero = {v.path for v, g in gradients if g is not None and is_kernel(v.path) and not np.any(g)}
    if not zero or basis is None or basis.steps < 10 or not basis.finite:
        return None
    still = [path for path in zero if basis.moved.get(path) == 0]
    if not still or program.trials.learns(basis):
        return None
    # Units that are dead by an unlucky draw live in another one.
    for seed in range(3):
        drawn = program.trials.tried(Change(fresh=True, seed=seed))
        if drawn is None:
            return None
        still = [path for path in still if drawn.moved.get(path) == 0]
    if not still:
        return None
    return _unreached(
        f"{len(still)} kernels, {still[0]} first, get a gradient of exactly zero from every row, "
        f"and {basis.steps} steps do not move them, nor with weights drawn anew.",
        Evidence("kernels that no step moves", f"{len(still)}", "none", len(still)),
        "broken",
        _layer_of(program, still[-1]),
    )


def variables_not_tracked(program: Program) -> ProgramFinding | None:
    """Variables of TensorFlow in a layer, of which Keras knows nothing."""
    found = [
        (layer, name)
        for layer in program.model._flatten_layers(include_self=True, recursive=True)
        for name, value in vars(layer).items()
        if isinstance(value, tf.Variable)
        and value.trainable
        and value.dtype.is_floating
        and not any(value is known.value for known in layer.variables)
        and _is_used(program, value)
    ]
    if not found:
        return _called_from_outside(program)
    layer, name = found[0]
    return ProgramFinding(
        cause="variables_not_tracked",
        verdict=f"{len(found)} tf.Variable{'s' * (len(found) > 1)}, such as {layer.name}.{name}, "
        "are no weights to Keras 3: no step trains them, and no file saves them.",
        evidence=(Evidence("variables outside the weights", f"{len(found)}", "none", len(found)),),
        remedies=(
            CodeRemedy(
                "let the layer make its weights",
                "weights that are trained and saved",
                code=f"self.{name} = self.add_weight(shape=..., initializer=...)",
            ),
        ),
        reason="Attributes of every layer are held against its weights.",
        source="Keras documentation: migrating to Keras 3, tf.Variable",
        confidence=PROVEN,
        layer=layer.name,
    )


def _is_used(program: Program, variable: tf.Variable) -> bool:
    """Whether the outputs depend on it, so that a step could train it."""
    with tf.GradientTape() as tape:
        output = program.model(program.forward.few_rows, training=False)
    return tape.gradient(output, variable) is not None


def _called_from_outside(program: Program) -> ProgramFinding | None:
    """Layers that another one calls, such as a Lambda, and that do not belong to the model.

    Those that were trained before may be meant to stay as they are.
    """
    known = {id(weight.value) for weight in program.model.variables}
    rows = np.resize(np.arange(min(4, len(program.train))), program.forward.fixed_batch or 4)
    with tf.GradientTape() as tape:
        program.model(program.forward.tensors(program.train.x, rows), training=False)
    seen = {id(each) for each in tape.watched_variables()} - known
    if not seen:
        return None
    # Only Keras's own variables tell whether they are frozen, as random features are on purpose.
    foreign = [
        each
        for each in gc.get_objects()
        if isinstance(each, keras.Variable) and id(each.value) in seen and each.trainable
    ]
    kernels = [each for each in foreign if is_kernel(each.path)]
    if not kernels or not all(_is_drawn(each.numpy()) for each in kernels):
        return None
    lambdas = [
        layer.name
        for layer in program.model._flatten_layers(include_self=False, recursive=True)
        if isinstance(layer, keras.layers.Lambda)
    ]
    where = f" {lambdas[0]!r}" if len(lambdas) == 1 else ""
    return ProgramFinding(
        cause="variables_not_tracked",
        verdict=f"The outputs depend on {len(foreign)} weights that are not the model's, such as "
        f"{kernels[0].path}: something inside{where} calls the layers that have them, and Keras "
        "does not see it. No step trains them, and they are as they were drawn at random.",
        evidence=(
            Evidence(
                "kernels outside the model, as drawn", f"{len(kernels)}", "none", len(kernels)
            ),
        ),
        remedies=(
            CodeRemedy(
                "call the layers themselves, not through a Lambda or a function in a list; or make "
                "a layer of it that has them as attributes",
                "weights that are trained and saved",
                code="x = encoder(inputs)  # in place of Lambda(lambda x: encoder(x))(inputs)",
            ),
        ),
        reason="What a call of the model reads is held against its weights; a fresh draw is "
        "uniform or normal with the spread that its shape gives it.",
        source="Keras documentation: Lambda layer, variables",
        confidence=MEASURED,
        layer=lambdas[0] if where else "",
    )


def _layer_of(program: Program, path: str) -> str:
    """Name of the layer that has a weight; empty where it is the model's own."""
    for layer in program.model._flatten_layers(include_self=False, recursive=True):
        if any(weight.path == path for weight in layer._trainable_variables):
            return str(layer.name)
    return ""


def _unreached(verdict: str, evidence: Evidence, severity: str, layer: str) -> ProgramFinding:
    return ProgramFinding(
        cause="gradient_does_not_reach",
        verdict=verdict,
        evidence=(evidence,),
        remedies=(
            CodeRemedy(
                "leave out what stops the gradient: stop_gradient, argmax, rounding, casts to "
                "whole numbers, NumPy inside `call`, units that are zero for every row",
                "every layer learns",
            ),
        ),
        reason="The gradient of the compiled loss is taken at the first weights.",
        source="TensorFlow documentation: getting a gradient of None",
        severity=severity,  # type: ignore[arg-type]
        confidence=MEASURED,
        layer=layer,
    )
