"""A metric that does not measure what its name says."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.src.trainers.compile_utils import CompileMetrics

from ferkeras.diagnose.program.compiled_metrics import is_accuracy, named_metrics
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_APART = 0.1
"""An accuracy this far from the counted one measures something else."""


def wrong_metric(program: Program) -> ProgramFinding | None:
    """A compiled accuracy is not the fraction of rows whose class was named."""
    labels = program.labels
    if (
        not labels.exclusive
        or labels.form not in ("index", "one_hot")
        or labels.counted.ndim > 1
        or not labels.counted.all()
        or program.loss.kind == "unknown"
        or not _can_be_right(program)
    ):
        return None
    for name, metric, value, counted, shaped in _metric_values(program):
        if min(abs(value - counted)) <= _APART:
            continue
        broadcasts = min(abs(shaped - counted)) <= _APART
        place = int(np.argmin(abs(value - counted)))
        return ProgramFinding(
            cause="wrong_metric",
            verdict=f"The metric {name} ({metric}) measures something else: of outputs that were "
            f"made up, of which {counted[place]:.1%} name the right class, it says "
            f"{value[place]:.1%}. What is learnt is better or worse than it tells.",
            evidence=(
                Evidence(
                    f"{name} of outputs that were made up, some right and some wrong",
                    f"{value[place]:.1%}",
                    f"{counted[place]:.1%}",
                    float(value[place]),
                ),
            ),
            remedies=(
                CodeRemedy(
                    "give labels the shape of the outputs; (n,) against (n, 1) becomes (n, n)",
                    "each output is held against its own label",
                    code="y_true = keras.ops.reshape(y_true, keras.ops.shape(y_pred))",
                )
                if broadcasts
                else CodeRemedy(
                    f"use {_fitting(program)}",
                    "a metric that counts right answers",
                    code=f'metrics=["{_fitting(program)}"]',
                ),
            ),
            reason="The metric is given outputs of which it is known how many are right, of two "
            "kinds; it is called wrong where it is far from both counts.",
            source="Keras documentation: accuracy metrics",
            severity="suspicious",
            confidence=MEASURED,
        )
    return None


def metric_contradicts_loss(program: Program) -> ProgramFinding | None:
    """Outputs that a loss of the program's own wants are all wrong to its accuracy."""
    labels, rows = program.labels, np.arange(min(512, len(program.train)))
    if (
        program.loss.kind != "unknown"
        or list(labels.classes) != [0, 1]
        or labels.counted.ndim > 1
        or not labels.counted.all()
    ):
        return None
    truth = labels.index[rows]
    wanted = program.objective.wanted
    if wanted is None or wanted[0] == wanted[1]:
        return None
    output = np.array(wanted, np.float32)
    for name, metric in _named(program):
        said, turned = (
            _metric_value(metric, program.train.y[rows], output[each][:, None])
            for each in (truth, 1 - truth)
        )
        if said > _APART or turned < 1 - _APART:
            continue
        return ProgramFinding(
            cause="metric_contradicts_loss",
            verdict=f"The loss ({program.loss.name}) wants outputs of {wanted[0]:g} for label 0 "
            f"and {wanted[1]:g} for label 1, of which the metric {name} says {said:.0%}, and "
            f"{turned:.0%} were they exchanged: one of the two has the labels the wrong way round.",
            evidence=(
                Evidence(
                    f"{name} of the outputs for which the loss is lowest",
                    f"{said:.0%}",
                    "100%",
                    said,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "look which label means what, and exchange y_true and 1 - y_true in the one "
                    "that has it wrong",
                    "an accuracy that rises as the loss falls",
                    code=f"# in {program.loss.name}: 1 - y_true in the place of y_true",
                ),
            ),
            reason="The loss of rows of each label is taken for a range of outputs, and the metric "
            "of the best ones.",
            source="Hadsell et al. 2006, Dimensionality reduction by learning an invariant mapping",
            confidence=MEASURED,
        )
    return None


def _can_be_right(program: Program) -> bool:
    """Whether outputs can name the classes of the labels, so that some can be made up."""
    classes, units = program.labels.classes, program.head.units
    if units == 1:
        return len(classes) == 2
    return bool(program.objective.works and classes.min() >= 0 and classes.max() < units)


def _fitting(program: Program) -> str:
    labels = program.labels
    if program.head.units == 1:
        return "binary_accuracy"
    return "categorical_accuracy" if labels.columns else "sparse_categorical_accuracy"


def _metric_values(
    program: Program,
) -> list[tuple[str, str, np.ndarray, np.ndarray, np.ndarray]]:
    """Each compiled accuracy on made-up outputs: name, class, what it says, what is right.

    And what it says of labels in the shape of the outputs.
    """
    found = []
    for name, metric in _named(program):
        values, counted, shaped = [], [], []
        for seed, (right, high) in enumerate(((0.8, 0.9), (0.3, 0.6))):
            rows = np.arange(min(512, len(program.train)))
            output = _made_up(program, rows, right, high, seed)
            counted.append(program.answers.judge(rows, output, repaired=False)[0])
            y = program.train.y[rows]
            values.append(_metric_value(metric, y, output))
            alone = y.ndim == 1 and output.shape[1:] == (1,)
            shaped.append(_metric_value(metric, y[:, None], output) if alone else values[-1])
        own = not isinstance(metric, (str, keras.metrics.Metric))
        kind = metric if isinstance(metric, str) else "a function" if own else type(metric).__name__
        found.append((name, kind, np.array(values), np.array(counted), np.array(shaped)))
    return found


def _named(program: Program) -> list[tuple[str, Any]]:
    """Compiled accuracies, with their names."""
    return [each for each in named_metrics(program.model) if is_accuracy(each[0])]


def _made_up(
    program: Program, rows: np.ndarray, right: float, high: float, seed: int
) -> np.ndarray:
    """Outputs as the loss expects them, of which a given fraction is right."""
    rng = np.random.default_rng(seed)
    labels, units = program.labels, program.head.units
    truth = labels.index[rows]
    classes = labels.classes
    answer = np.where(
        rng.random(len(rows)) < right,
        truth,
        (truth + rng.integers(1, max(2, len(classes)), len(rows))) % len(classes),
    )
    if units == 1:
        chance = np.where(answer == 1, high, 1 - high)[:, None]
        logits = program.answers.threshold(repaired=False) == 0
        output = np.log(chance / (1 - chance)) if logits else chance
        # Far enough from any threshold to be about the metric alone.
        return (output * (3 if logits else 1)).astype(np.float32)
    output = np.full((len(rows), units), (1 - high) / (units - 1))
    output[np.arange(len(rows)), classes[answer].astype(int)] = high
    return (np.log(output) if program.loss.from_logits else output).astype(np.float32)


def _metric_value(metric: Any, y: np.ndarray, output: np.ndarray) -> float:
    """What a metric says, on a new one of its kind."""
    if isinstance(metric, keras.metrics.Metric):
        metric = type(metric).from_config(metric.get_config())
    judge = CompileMetrics([metric], None)
    judge.update_state(y, output)
    return float(next(iter(judge.result().values())))
