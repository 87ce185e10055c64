"""A model that answers otherwise in use than in training."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rebuilt import places_of

_SAME, _ROUNDED = 1e-3, 0.05
"""Of the outputs, by what they differ at most that are the same; computed in half precision."""

_APART = 0.25
_KNOWN = 0.5
_LEFT = 0.2
"""Of a running average, the part that may be of the start when the training ends."""

_USUAL = 0.9
"""From here on running statistics are of several batches."""


def random_in_use(program: Program) -> ProgramFinding | None:
    """Two calls in inference mode give different outputs for the same rows."""
    if any(map(_remembers_or_means_it, program.model._flatten_layers(include_self=False))):
        return None
    rows = program.judged_rows(64)
    first, second = (program.forward.predict(rows, program.train.x) for _ in range(2))
    apart = float(np.abs(first - second).max())
    if not apart > 1e-3:
        return None
    return ProgramFinding(
        cause="random_in_inference",
        verdict="Two calls in inference mode differ: something stays in training mode, such as "
        "Dropout or augmentation called with training=True.",
        evidence=(
            Evidence(
                "largest difference of two calls on the same rows", f"{apart:.2g}", "0", apart
            ),
        ),
        remedies=(
            CodeRemedy(
                "hand `training` on as it comes, and never write training=True in the model",
                "one answer a row; where answers of many calls are averaged (Monte Carlo dropout), "
                "nothing is wrong",
                code="layer(x, training=training)",
            ),
        ),
        reason="The same rows are given twice, with the same weights.",
        source="Keras documentation: the `training` argument; Gal and Ghahramani 2016, Dropout as "
        "a Bayesian approximation",
        severity="suspicious",
        confidence=MEASURED,
    )


def _remembers_or_means_it(layer: keras.Layer) -> bool:
    """Whether a layer goes on from the rows before, or is a Dropout of the program's own."""
    own = type(layer).__module__.partition(".")[0] != "keras"
    drops = isinstance(layer, keras.layers.Dropout)  # and its subclasses of Keras
    return bool(getattr(layer, "stateful", False)) or (
        own and drops and "call" in vars(type(layer))
    )


def depends_on_the_batch(program: Program) -> ProgramFinding | None:
    """In inference mode a row's outputs depend on the rows that it is given with."""
    if program.forward.fixed_batch is not None or program.trials.head_is_wrong:
        # A softmax over the rows is said by the probe for that.
        return None
    rows = program.judged_rows(64)
    together, again = (program.forward.predict(rows, program.train.x) for _ in range(2))
    if not np.array_equal(together, again):
        # Random: said by the probe for that.
        return None
    apart = float(np.abs(together - program.forward.predict(rows, program.train.x, batch=1)).max())
    exact = program.model.compute_dtype == "float32"
    if not apart > (_SAME if exact else _ROUNDED) * max(1.0, float(np.abs(together).max())):
        return None
    norm = next(
        (
            each
            for each in program.model._flatten_layers(include_self=False)
            if isinstance(each, keras.layers.BatchNormalization)
        ),
        None,
    )
    what = (
        "something is computed over the rows of a batch"
        if norm is None
        else f"{norm.name!r} takes the mean and variance of the batch, as in training"
    )
    return ProgramFinding(
        cause="batch_statistics_in_inference",
        verdict=f"In inference mode a row's output depends on the other rows of its batch: {what}. "
        "Alone, or in small batches, rows are answered otherwise.",
        evidence=(
            Evidence(
                f"largest difference of {len(rows)} rows given together and one by one",
                f"{apart:.2g}",
                "0",
                apart,
            ),
        ),
        remedies=(
            CodeRemedy(
                "hand `training` on as it comes, and never write training=True in the model",
                "one answer a row",
                code="layers.BatchNormalization()(x)  # without training=True",
            ),
        ),
        reason="The same rows are given together and one by one, with the same weights.",
        source="Keras documentation: BatchNormalization, the `training` argument",
        severity="suspicious",
        confidence=MEASURED,
        layer="" if norm is None else norm.name,
    )


def running_statistics(program: Program) -> ProgramFinding | None:
    """BatchNormalization's running statistics are not those of the rows."""
    norms = [
        layer
        for layer in program.model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    basis = program.trials.basis
    if not norms or basis is None or not basis.finite:
        return None
    if program.batch == 1 and all(len(layer.input.shape) == 2 for layer in norms[:1]):
        return _finding(
            "With one row a batch, BatchNormalization makes each row its own mean: in training "
            "all rows look alike.",
            Evidence("rows of a batch", "1", "16 or more", 1.0),
            "take larger batches",
            "batch_size=32",
        )
    gap = basis.training_accuracy - basis.accuracy
    if gap < _APART:
        return None
    shared = [layer for layer in norms if places_of(layer, program.model) > 1]
    if shared and basis.training_skill > _KNOWN:
        places = places_of(shared[0], program.model)
        return _finding(
            f"{shared[0].name!r} stands in {places} places, and its running "
            "statistics are a mixture of what passes there: right for none in use.",
            Evidence("places of one BatchNormalization", f"{places}", "1", float(places)),
            "give each place a layer of its own",
            "a, b = BatchNormalization()(a), BatchNormalization()(b)",
            gap,
        )
    slowest = max(layer.momentum for layer in norms)
    planned = program.planned_steps or 10_000
    left = slowest**planned
    if left > _LEFT:
        return _finding(
            f"BatchNormalization with momentum {slowest:g} still holds {left:.0%} of its first "
            f"statistics after all {planned} steps.",
            Evidence(
                "of the running statistics, from before the training", f"{left:.0%}", "none", left
            ),
            "lower the momentum, or train longer",
            "BatchNormalization(momentum=0.9)",
            gap,
        )
    fastest = min(layer.momentum for layer in norms)
    # Statistics that lag in a brief training are those of a longer one in time.
    if slowest**basis.steps > 0.02 or fastest >= _USUAL:
        return None
    return _finding(
        "The model names training rows rightly with the statistics of the batch, not with the "
        f"running ones (momentum {fastest:g}).",
        Evidence("momentum of BatchNormalization", f"{fastest:g}", "0.9 to 0.99", fastest),
        "let the running statistics follow slowly, over batches that are mixed",
        "BatchNormalization(momentum=0.99)",
        gap,
    )


def _finding(
    verdict: str, evidence: Evidence, what: str, code: str, gap: float | None = None
) -> ProgramFinding:
    more = (
        ()
        if gap is None
        else (
            Evidence(
                "training rows named rightly in training mode, beyond inference mode",
                f"{100 * gap:.0f} points",
                "0",
                gap,
            ),
        )
    )
    return ProgramFinding(
        cause="batchnorm_statistics",
        verdict=verdict,
        evidence=(evidence, *more),
        remedies=(CodeRemedy(what, "answers in use as in training", code=code),),
        reason="The same rows are named in training mode and in inference mode.",
        source="Ioffe and Szegedy 2015; Keras: momentum is the weight of the old average",
        confidence=MEASURED,
    )
