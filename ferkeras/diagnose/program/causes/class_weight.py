"""Class weights that keep classes out of the loss."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_NOTHING = 0.01
"""Of its even share: a class that weighs less is not learnt before all others are."""

_SMALL = 0.02
"""Mean weight that makes an ordinary rate a tiny one."""

_BY_SIZE = (keras.optimizers.SGD,)
"""Optimizers whose steps are as long as gradients are; others divide by what gradients were."""

_REVERSED = 1.5
"""Ratio of a frequent class's weight to the rarest one's that is seldom wanted."""

_UNUSUAL = 0.8
"""Confidence where somebody may have wanted it so."""


def classes_without_weight(program: Program) -> ProgramFinding | None:
    """Classes whose rows, all together, weigh next to nothing in the loss."""
    labels, weight = program.labels, program.objective.row_weights()
    if (
        weight is None
        or weight.ndim != 1
        or not labels.exclusive
        or labels.counted.ndim != 1
        or labels.form == "text"
    ):
        return None
    # All rows: those without weight do not count among the labels.
    values = labels.values.argmax(-1) if labels.columns else labels.values.reshape(-1)
    classes, index = np.unique(values, return_inverse=True)
    share = np.bincount(index, weight, len(classes))
    if share.sum() <= 0:
        left_out = np.arange(len(share))
    else:
        left_out = np.flatnonzero(share / share.sum() * len(share) < _NOTHING)
    if not len(left_out):
        return None
    names = ", ".join(str(classes[at]) for at in left_out[:5])
    names += ", ..." if len(left_out) > 5 else ""
    given = "class_weight" if program.fit.class_weight else "sample_weight"
    one = len(left_out) == 1
    return ProgramFinding(
        cause="classes_without_weight",
        verdict=f"{given} leaves {len(left_out)} of {len(share)} classes out of the loss "
        f"({names}): {'it is' if one else 'they are'} never learnt.",
        evidence=(
            Evidence(
                "classes that weigh less than a hundredth of their even share",
                f"{len(left_out)}",
                "none",
                float(len(left_out)),
            ),
        ),
        remedies=(
            CodeRemedy(
                "give every class a weight, rare ones more, within a factor of about ten",
                "every class counts",
                code="class_weight={0: 1.0, 1: 1.5, ...}"
                if given == "class_weight"
                else "sample_weight = weight_of_class[y]  # a KeyError is better than a zero",
            ),
        ),
        reason="Weights and rows are counted.",
        source="Cui et al. 2019, Class-balanced loss based on effective number of samples",
        confidence=PROVEN,
    )


def class_weights_exchanged(program: Program) -> ProgramFinding | None:
    """A class of many rows weighs more a row than the rarest one."""
    labels, given = program.labels, program.fit.class_weight
    if not given or labels.form not in ("index", "one_hot") or labels.counted.ndim != 1:
        return None
    count = np.bincount(labels.index)
    weight = np.array([float(given.get(int(value), 1.0)) for value in labels.classes])
    rarest, heaviest = int(count.argmin()), int(weight.argmax())
    if count[heaviest] < 2 * count[rarest] or weight[heaviest] < _REVERSED * weight[rarest]:
        return None
    inverse = 1 / count
    # The usual rule's numbers, in another order.
    same = np.allclose(np.sort(weight) / weight.mean(), np.sort(inverse) / inverse.mean(), rtol=0.1)
    return ProgramFinding(
        cause="class_weights_exchanged",
        verdict=f"class_weight makes a row of class {labels.classes[heaviest]}, with "
        f"{count[heaviest]:,} rows, count {weight[heaviest] / max(weight[rarest], 1e-9):.3g} times "
        f"as much as one of the rarest ({labels.classes[rarest]})"
        + (": the weights are those of other classes." if same else "."),
        evidence=(
            Evidence(
                f"weight and rows of class {labels.classes[rarest]}",
                f"{weight[rarest]:.3g}, {count[rarest]:,}",
                f"above {weight[heaviest]:.3g}, which class {labels.classes[heaviest]} with "
                f"{count[heaviest]:,} rows has",
                float(weight[rarest]),
            ),
        ),
        remedies=(
            CodeRemedy(
                "key the weights by the class that they are of",
                "rare classes that count",
                code="class_weight = {k: len(y) / (len(counts) * n) for k, n in counts.items()}",
            ),
        ),
        reason="Weights and rows are counted.",
        source="Cui et al. 2019, Class-balanced loss based on effective number of samples",
        severity="broken" if same else "suspicious",
        confidence=PROVEN if same else _UNUSUAL,
    )


def rows_weigh_next_to_nothing(program: Program) -> ProgramFinding | None:
    """Weights of rows that make every step of a plain gradient descent a fraction of itself."""
    weight = program.objective.row_weights()
    if weight is None or not (weight > 0).any() or not isinstance(program.optimizer, _BY_SIZE):
        return None
    mean = float(weight.mean())
    if mean > _SMALL:
        return None
    return ProgramFinding(
        cause="rows_weigh_next_to_nothing",
        verdict=f"Rows weigh {mean:.2g} on average, so loss, gradients and every step of "
        f"{type(program.optimizer).__name__} are {1 / mean:,.0f} times as small as without "
        "weights.",
        evidence=(Evidence("mean weight of the rows", f"{mean:.2g}", "about 1", mean),),
        remedies=(
            CodeRemedy(
                "let the weights have a mean of 1",
                "steps of the length that the rate asks for",
                code="sample_weight = sample_weight / sample_weight.mean()",
            ),
        ),
        reason="Keras divides the weighted loss by the rows of the batch, not by their weights.",
        source="Keras documentation: losses, reduction sum_over_batch_size",
        confidence=MEASURED,
    )


def class_ignored(program: Program) -> ProgramFinding | None:
    """The loss ignores a class that rows have."""
    ignored = getattr(program.model.loss, "ignore_class", None)
    labels = program.labels
    if ignored is None or labels.form != "index" or labels.counted.ndim > 1:
        return None
    share = float(np.mean(labels.flat == ignored))
    if not share:
        return None
    return ProgramFinding(
        cause="classes_without_weight",
        verdict=f"ignore_class={ignored} in the loss leaves {share:.0%} of the rows out: class "
        f"{ignored} is never learnt.",
        evidence=(Evidence(f"rows of class {ignored}", f"{share:.0%}", "none", share),),
        remedies=(
            CodeRemedy(
                "leave ignore_class out, or give it a number that is no class",
                "every class counts",
                code="SparseCategoricalCrossentropy(ignore_class=-1)",
            ),
        ),
        reason="Labels are counted.",
        source="Keras documentation: SparseCategoricalCrossentropy, ignore_class",
        confidence=PROVEN,
    )
