"""Pictures whose pixels stand where they do not belong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import READ, readable

_PICTURE = 16
"""Pixels of a side from which on an array is looked at as pictures."""

_ORDINAL = {2: "second", 3: "third", 4: "fourth"}

_FARTHER, _SMOOTH = 0.1, 0.5
"""More correlation than with the next row, and correlation along rows, of pictures cut wrongly.

The row a period on is the next one of the picture, so it is as smooth.
"""

_FADES = 1.5
"""How many times less alike a picture is two rows on than one; a pattern that recurs is not."""

_UNLIKE = 0.1
"""Correlation of neighbours up to which they have nothing in common."""


def pixels_mixed_up(program: Program) -> ProgramFinding | None:
    """Neighbouring pixels have nothing in common, and neither steps nor trees read the classes."""
    basis = program.trials.basis
    if basis is None or program.trials.learns(basis) or len(program.train.arrays) != 1:
        return None
    alike = neighbours_alike(program.train.arrays[0])
    if alike is None or alike > _UNLIKE or (readable(program) or 0.0) >= READ:
        return None
    return ProgramFinding(
        cause="pixels_mixed_up",
        verdict="The inputs have the shape of pictures and are none: neighbouring pixels have "
        "nothing in common, and nobody reads the classes from them. A reshape or a wrong axis has "
        "mixed pixels or rows.",
        evidence=(
            Evidence(
                "correlation of neighbouring pixels, the mean picture taken away",
                f"{alike:.2f}",
                "above 0.3 in pictures",
                alike,
            ),
            Evidence(
                "rows named rightly, above the majority, by decision trees",
                f"{readable(program) or 0.0:.2f}",
                f"above {READ:g}",
                readable(program) or 0.0,
            ),
        ),
        remedies=(
            CodeRemedy(
                "keep the axis of the rows first, and look at a few pictures",
                "pictures that show something",
                code="x = x.reshape(len(x), height, width, channels)  # and plt.imshow(x[0])",
            ),
        ),
        reason="Pixels of a picture resemble their neighbours; numbers in a wrong order do not.",
        source="Ruderman 1994, The statistics of natural images",
        confidence=MEASURED,
    )


def rows_of_another_width(program: Program) -> ProgramFinding | None:
    """A row of pixels resembles not the next one but one behind it: cut at a wrong width.

    As `numpy.resize` does, which repeats or cuts numbers and knows nothing of pictures, and a
    `reshape` that takes columns, or colours, for a part of the width.
    """
    if len(program.train.arrays) != 1:
        return None
    found = _period(program.train.arrays[0])
    if found is None:
        return None
    axis, period, next_one, behind = found
    one, many = ("row", "rows") if axis == 1 else ("column", "columns")
    return ProgramFinding(
        cause="pixels_mixed_up",
        verdict=f"In the pictures each {one} of pixels resembles the {_ORDINAL[period]} behind it, "
        f"and the next one less: they were reshaped, or resized by numpy, with a wrong width, so "
        f"that {many} that belong elsewhere lie between.",
        evidence=(
            Evidence(
                f"correlation of pixels with those {period} {many} on, and with the next",
                f"{behind:.2f}; {next_one:.2f}",
                "lower than with the next, in pictures",
                behind - next_one,
            ),
        ),
        remedies=(
            CodeRemedy(
                "resize pictures by a function that knows pictures, and look at a few",
                "pictures that show something",
                code="x = tf.image.resize(x, (height, width))  # and plt.imshow(x[0])",
            ),
        ),
        reason="In pictures the next row is always more alike than one farther away.",
        source="Ruderman 1994, The statistics of natural images",
        confidence=MEASURED,
    )


def _period(values: np.ndarray) -> tuple[int, int, float, float] | None:
    """Axis, period, correlation with the next and with the one a period on; None in pictures."""
    alike = _likeness(values, _PICTURE)
    if alike is None:
        return None
    for axis, other in ((1, 2), (2, 1)):
        next_one = alike(axis, 1)
        behind, period = max((alike(axis, lag), lag) for lag in _ORDINAL)
        smooth = min(behind, alike(other, 1)) > _SMOOTH
        fades = 1 - alike(axis, 2 * period) > _FADES * (1 - behind)
        if behind > next_one + _FARTHER and smooth and fades:
            return axis, period, next_one, behind
    return None


def neighbours_alike(values: np.ndarray) -> float | None:
    """Correlation of pixels with their neighbours beside and below; None of anything else."""
    alike = _likeness(values, 6)
    return None if alike is None else (alike(1, 1) + alike(2, 1)) / 2


def _likeness(values: np.ndarray, smallest: int) -> Callable[[int, int], float] | None:
    """Correlation of pixels along an axis at a lag, the mean picture taken away.

    None of anything but pictures, shape (N, H, W, C), of at least so many pixels a side.
    """
    if values.ndim != 4 or min(values.shape[1:3]) < smallest or values.dtype.kind not in "biuf":
        return None
    pictures = values[:512].astype(np.float64)
    pictures -= pictures.mean(axis=0)
    spread = float(np.mean(np.square(pictures)))
    if not spread > 0:
        return None

    def alike(axis: int, lag: int) -> float:
        moved = np.moveaxis(pictures, axis, 0)
        return float(np.mean(moved[lag:] * moved[:-lag])) / spread

    return alike
