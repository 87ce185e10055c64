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


def _spread(values: np.ndarray) -> tuple[float, float]:
    numbers = values.astype(np.float64)
    return float(np.nanmean(numbers)), float(np.nanstd(numbers))
