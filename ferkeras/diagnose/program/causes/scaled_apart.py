"""A scaling that was fitted to each split by itself."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_EXACT = 1e-4
"""From 0 and 1, as far as single precision brings mean and standard deviation of a column."""

_EXACT_OF_ALL = 2e-5
"""The same of all numbers together, whose mean is near 0 by chance where they are very many."""

_FEWEST_ROWS = 20
_COLUMNS = 3
_VALUES = 20
"""Different numbers of a column that is measured, and scaled."""

_NEAR = 0.3
_THE_SAME = 0.5
"""Part of the rows from which on both splits are the same one, and are scaled alike."""


def validation_scaled_by_itself(program: Program) -> ProgramFinding | None:
    """Validation inputs are standardised exactly: by their own mean, not by that of training."""
    held = program.validation
    if held is None or len(held) != held.total or len(held) < _FEWEST_ROWS:
        return None
    if program.fit.validation_split:
        # What `fit` divides was scaled in one.
        return None
    if np.isin(held.digests, program.train.digests).mean() > _THE_SAME:
        return None
    for at, (train, other) in enumerate(zip(program.train.arrays, held.arrays, strict=False)):
        if other.dtype.kind != "f" or other.ndim < 2 or train.shape[1:] != other.shape[1:]:
            continue
        what = _standardised(other)
        if what is None or not _nearly(train):
            continue
        mean, std = float(other.mean(dtype=np.float64)), float(other.std(dtype=np.float64))
        return ProgramFinding(
            cause="validation_scaled_by_itself",
            verdict=f"Validation inputs have a mean of 0 and a standard deviation of 1{what}, "
            "exactly: they were scaled by themselves, not as training rows were.",
            evidence=(
                Evidence(
                    "mean and standard deviation of the validation inputs"
                    + (f" (input {at + 1})" if len(held.arrays) > 1 else ""),
                    f"{mean:.1g}, {std:.5f}",
                    "near 0 and 1, as other rows of the same source have them",
                    std,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "fit the scaling to training rows, and apply it to both splits",
                    "figures of validation that mean what they say",
                    code="scaler.fit_transform(x_train), scaler.transform(x_val)",
                ),
            ),
            reason="Rows that are scaled by another split's numbers come near 0 and 1, and not to "
            "them.",
            source="scikit-learn documentation: common pitfalls, inconsistent preprocessing",
            severity="suspicious",
            confidence=MEASURED,
        )
    return None


def _standardised(values: np.ndarray) -> str | None:
    """Of what a split has exactly mean 0 and standard deviation 1, in words; None of nothing."""
    numbers = values.reshape(-1, values.shape[-1]).astype(np.float64)
    if not np.isfinite(numbers).all() or _exact(*_both(values.reshape(len(values), -1).T)):
        # Each row by itself, as pictures are standardised one by one.
        return None
    measured = [at for at, each in enumerate(numbers.T) if len(np.unique(each[:1000])) >= _VALUES]
    if len(measured) >= _COLUMNS and _exact(*_both(numbers[:, measured])):
        return " in every column"
    of_all = _exact(numbers.mean(), numbers.std(), _EXACT_OF_ALL)
    return "" if of_all else None


def _both(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return columns.mean(axis=0, dtype=np.float64), columns.std(axis=0, dtype=np.float64)


def _exact(mean: np.ndarray, std: np.ndarray, within: float = _EXACT) -> bool:
    return bool((np.abs(mean) < within).all() and (np.abs(std - 1) < within).all())


def _nearly(values: np.ndarray) -> bool:
    """Whether a split is about of mean 0 and standard deviation 1."""
    mean, std = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    return abs(mean) < _NEAR and abs(std - 1) < _NEAR
