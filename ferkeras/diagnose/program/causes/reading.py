"""Rows that are other ones when they are read again."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

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


def _spread(values: np.ndarray) -> tuple[float, float]:
    numbers = values.astype(np.float64)
    return float(np.nanmean(numbers)), float(np.nanstd(numbers))
