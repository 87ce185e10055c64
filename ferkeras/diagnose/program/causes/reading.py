"""Rows that are other ones, or have other labels, when they are read again."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import (
    MEASURED,
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import FEWEST, read_by_trees, readable

_READ = 0.5
_LEFT = 0.3
"""Of the skill on rows of the first epoch, the most that is left where labels went astray."""

_HOLDS = 0.8
"""Of the skill on training rows, what holds for validation rows where nothing is wrong."""

_BATCHES = 8
"""So many with the same rows are no chance."""

_OTHERWISE = 2.0
"""Ratio of two passes' standard deviations beyond which they are not the same rows."""


def rows_change_as_they_are_read(program: Program) -> ProgramFinding | None:
    """A second pass over the data gives numbers of another size than the first."""
    first, again = program.train, program.rehearsals.read_again
    if again is None or program.inputs.first is None:
        return None
    rows = min(len(first), len(again))
    for old, new in zip(first.arrays, again.arrays, strict=False):
        if old.dtype.kind not in "biuf" or old.shape[1:] != new.shape[1:]:
            continue
        (mean, std), (mean_again, std_again) = (_spread(each[:rows]) for each in (old, new))
        ratio = std_again / max(std, 1e-12)
        if 1 / _OTHERWISE < ratio < _OTHERWISE and abs(mean_again - mean) < max(std, 1e-12):
            continue
        return ProgramFinding(
            cause="rows_change_as_they_are_read",
            verdict="The rows are other numbers when they are read a second time: something "
            "changes them in place, so each epoch trains on something else.",
            evidence=(
                Evidence(
                    f"mean and standard deviation of the first {rows:,} rows, read again",
                    f"{mean_again:.3g}, {std_again:.3g}",
                    f"{mean:.3g}, {std:.3g}, as at first",
                    ratio,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "let what is read be a copy",
                    "the same rows in each epoch",
                    code="x = x / 255  # not x /= 255",
                ),
            ),
            reason=f"Passes over the same rows differ by chance, not by {_OTHERWISE:g} times.",
            source="NumPy documentation: views and in-place operations",
            confidence=PROVEN,
        )
    return None


def labels_part_from_rows(program: Program) -> ProgramFinding | None:
    """Trees read the classes from the rows of the first epoch, and not from those of the next."""
    again = program.rehearsals.read_again
    if again is None or program.inputs.first is None or len(again) < FEWEST:
        return None
    read = readable(program)
    if read is None or read < _READ:
        return None
    labels = program.labels_of(again)
    if list(labels.classes) != list(program.labels.classes) or labels.form != program.labels.form:
        return None
    left = read_by_trees(again, labels.index)
    if left > _LEFT * read:
        return None
    return ProgramFinding(
        cause="labels_part_from_rows",
        verdict="Rows and labels belong together in the first epoch, and no longer in the next: "
        "one of them is put into another order without the other.",
        evidence=(
            Evidence(
                "rows named rightly, above the majority, by trees: first epoch; second",
                f"{read:.2f}; {left:.2f}",
                "about the same",
                left,
            ),
        ),
        remedies=(
            CodeRemedy(
                "put rows and labels into the same order, in on_epoch_end",
                "labels that are read from the rows",
                code="order = rng.permutation(len(x)); x, y = x[order], y[order]",
            ),
        ),
        reason="Trees are grown on half of the rows of each epoch and held against the other half.",
        source="Keras documentation: PyDataset, on_epoch_end",
        confidence=MEASURED,
        line=line_of(getattr(type(program.rehearsals.data), "on_epoch_end", None)),
    )


def one_batch_over_and_over(program: Program) -> ProgramFinding | None:
    """Every batch of a stream holds the rows of the first one, and an epoch has several."""
    train = program.train
    if not train.streamed or len(train.sizes) < _BATCHES or program.fit.steps_per_epoch == 1:
        return None
    rows = train.sizes[0]
    first = np.unique(train.digests[:rows])
    # Rows of few different values repeat by themselves.
    if len(first) < rows / 2 or len(np.setdiff1d(train.digests, first)):
        return None
    basis = program.trials.basis
    if basis is not None and (basis.held_skill or 0.0) > _HOLDS * max(0.5, basis.skill):
        # They may be all that there are: steps on the whole of a small set.
        return None
    return ProgramFinding(
        cause="one_batch_over_and_over",
        verdict=f"Each of the {len(train.sizes):,} batches that were read holds the same "
        f"{len(first):,} rows: nothing else is ever trained on.",
        evidence=(
            Evidence(
                f"different rows in {len(train):,} that were read",
                f"{len(first):,}",
                "nearly all, within an epoch",
                float(len(first)),
            ),
        ),
        remedies=(
            CodeRemedy(
                "choose the rows of a batch inside the loop, anew for each batch",
                "batches of all rows",
                code="while True: rows = rng.integers(len(x), size=batch); yield x[rows], y[rows]",
            ),
        ),
        reason="Rows of all batches are compared, number by number.",
        source="Keras documentation: PyDataset",
        confidence=PROVEN,
        line=line_of(getattr(type(program.rehearsals.data), "__getitem__", None)),
    )


def _spread(values: np.ndarray) -> tuple[float, float]:
    numbers = values.astype(np.float64)
    return float(np.nanmean(numbers)), float(np.nanstd(numbers))
