"""Axes of the inputs that stand where others are meant."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_ROWS = 1024
_VALUES = 8 << 20
"""Values that correlations are of; of large rows fewer are looked at."""

_FEWEST = 100
_SHORTEST = 8
"""Values in a row of one channel."""

_SURE = 5.0
"""Standard errors of a mean correlation."""

_HALF = 0.5
_ALIKE = 0.7


def reshaped_not_transposed(program: Program) -> ProgramFinding | None:
    """Values lie in memory channel after channel, and the shape says otherwise.

    Neighbours in memory are alike but for those where one channel ends and the next begins, which
    no right order of the axes explains.
    """
    if len(program.train.arrays) != 1 or program.train.arrays[0].ndim not in (3, 4):
        return None
    values = program.train.arrays[0]
    channels = values.shape[-1]
    size = values[0].size
    most = max(_FEWEST, min(_ROWS, _VALUES // size))
    length = size // channels
    if channels < 2 or length < _SHORTEST or values.dtype.kind not in "biuf":
        return None
    rows = values[:most].reshape(-1, size).astype(np.float64)
    if len(rows) < _FEWEST:
        return None
    alike = _neighbours(rows)
    places = np.arange(1, rows.shape[1])
    if values.ndim == 3:
        ends = places % length == 0
    else:
        # Rows of a picture end there too, which as declared they do only with all their channels.
        length = values.shape[2]
        ends = (places % length == 0) & (places % (length * channels) != 0)
    groups = (
        alike[(places % length != 0) & (places % channels != 0)],
        alike[(places % length != 0) & (places % channels == 0)],
        alike[ends],
    )
    if any(np.isfinite(each).sum() == 0 for each in groups):
        return None
    within, between, across = (float(np.nanmean(each)) for each in groups)
    error = 1 / np.sqrt(len(rows) * min(len(groups[0]), 100))
    if within < _SURE * error or between < _ALIKE * within:
        return None
    noise = _SURE / np.sqrt(len(rows) * len(groups[2]))
    if across > _HALF * within or within - across < noise:
        return None
    shape, stored = values.shape[1:], (channels, *values.shape[1:-1])
    axes = (0, *range(2, values.ndim), 1)
    return ProgramFinding(
        cause="reshaped_not_transposed",
        verdict=f"Rows of the shape {shape} lie in memory as {stored}: they were reshaped where "
        "they should have been transposed, so each step mixes what belongs to others.",
        evidence=(
            Evidence(
                f"correlation of values with the next one in memory, and with that behind each "
                f"{length} of them",
                f"{within:.2f}, {across:.2f}",
                f"{within:.2f}, {within:.2f}",
                across,
            ),
        ),
        remedies=(
            CodeRemedy(
                "exchange the axes, which reshape does not",
                "steps that hold what was measured together",
                code=f"x.reshape(-1, {', '.join(map(str, stored))}).transpose{axes}",
            ),
        ),
        reason="Neighbours in memory are alike all along a channel, and not where it ends.",
        source="NumPy documentation: reshape keeps the order of the values, transpose the axes",
        severity="suspicious" if _learns(program) else "broken",
        confidence=MEASURED,
    )


def _learns(program: Program) -> bool:
    basis = program.trials.basis
    return basis is not None and program.trials.learns(basis)


def _neighbours(rows: np.ndarray) -> np.ndarray:
    """Correlation of each value with the next one in memory, over the rows; NaN of constants."""
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    # What varies by no more than rounding is constant.
    scaled = (rows - mean) / np.where(std > 1e-6 * np.maximum(1.0, np.abs(mean)), std, np.nan)
    return (scaled[:, 1:] * scaled[:, :-1]).mean(axis=0)
