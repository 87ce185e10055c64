"""What the labels say about the task: form, classes, and whether they exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ferkeras.cli.errors import InputError

Form = Literal["index", "one_hot", "scaled_one_hot", "independent", "soft", "fractions", "text"]
"""index: one whole number a row. one_hot: a 1 among zeros. scaled_one_hot: one other number among
zeros. independent: several classes or none a row, as zeros and ones or how likely each is. soft:
probabilities that sum to 1. fractions: numbers that are not whole. text: no numbers."""

_FEW = 200
"""More different fractions than this are a quantity, not classes."""

_HALF = 0.5
"""How likely a class must be for a row to have it."""


class NoClassifier(InputError):
    """Labels that are no classes: there may be classes in what the program trains next."""


@dataclass(frozen=True)
class Labels:
    """Labels as the loss is given them.

    Attributes:
        values: shape (N, ...).
        columns: whether the last axis holds one number for each class.
        counted: which labels count in the loss, shape as `values` without the columns; masked
            steps and rows of weight zero do not.
    """

    values: np.ndarray
    columns: bool
    counted: np.ndarray

    @cached_property
    def flat(self) -> np.ndarray:
        """Those that count: shape (M, C) with columns, else (M,)."""
        if self.columns:
            return self.values[self.counted].reshape(-1, self.values.shape[-1])
        values = self.values
        if values.ndim == self.counted.ndim + 1:
            values = values[..., 0]
        return values[self.counted]

    @cached_property
    def form(self) -> Form:
        """How a class is written."""
        if self.values.dtype.kind not in "biuf":
            return "text"
        flat = self.flat.astype(np.float64)
        if not self.columns:
            return "index" if np.array_equal(flat, np.round(flat)) else "fractions"
        sums = flat.sum(axis=-1)
        different = np.unique(flat[:2000])
        if set(different) <= {0.0, 1.0}:
            return "one_hot" if np.all(sums == 1) else "independent"
        single = (flat != 0).sum(axis=-1)
        if np.all(single <= 1) and len(different) <= 2:
            return "scaled_one_hot"
        if flat.min() >= 0 and np.allclose(sums, 1, atol=1e-3):
            return "soft"
        likely = flat.min() >= 0 and flat.max() <= 1 and len(np.unique(flat[:500])) <= _FEW
        # Two that are each likelier than not exclude each other in no way.
        return "independent" if likely and np.any((flat > _HALF).sum(-1) > 1) else "fractions"

    @cached_property
    def classes(self) -> np.ndarray:
        """The different values of a label that counts; of columns, those that are ever largest."""
        if self.form == "text":
            return np.unique(self.flat.astype(str))
        if self.columns:
            return np.flatnonzero(self.flat.max(axis=0) > 0)
        return np.unique(self.flat)

    @cached_property
    def present(self) -> np.ndarray:
        """Of independent labels, which of them a row has, shape as `values`."""
        return self.values > _HALF

    @property
    def exclusive(self) -> bool:
        """Whether a row has exactly one class."""
        return self.form not in ("independent",)

    @property
    def alike(self) -> bool:
        """Whether all are of one class, so that no skill tells what is learnt of them."""
        return self.exclusive and len(self.classes) == 1

    @cached_property
    def classless(self) -> float:
        """Fraction of one-hot rows that are zeros only; 0 where any row has several classes."""
        if self.form != "independent":
            return 0.0
        sums = self.present[self.counted].sum(axis=-1)
        return float((sums == 0).mean()) if sums.max() <= 1 else 0.0

    @property
    def is_a_quantity(self) -> bool:
        """Whether the labels are measured numbers rather than classes."""
        if self.columns:
            return self.form == "fractions" and bool(len(np.unique(self.flat[:500])) > _FEW)
        return self.form == "fractions" and len(self.classes) > min(_FEW, 0.2 * len(self.flat))

    @cached_property
    def index(self) -> np.ndarray:
        """The class of each label that counts, 0 to K - 1, shape (M,), int64.

        Of independent labels, each combination is a class.
        """
        if self.columns and self.form == "independent":
            present = self.present[self.counted]
            return np.unique(present, axis=0, return_inverse=True)[1].reshape(-1)
        values = self.flat.argmax(axis=-1) if self.columns else self.flat
        if values.dtype.kind not in "biuf":
            values = values.astype(str)
        return np.unique(values, return_inverse=True)[1].reshape(-1)

    @cached_property
    def majority(self) -> float:
        """Fraction of the most frequent class."""
        return float(np.bincount(self.index).max() / len(self.index))


def shown(values: np.ndarray, most: int = 6) -> str:
    """A few label values, for people."""
    texts = [
        f"{value:.4g}" if np.issubdtype(type(value), np.number) else str(value)
        for value in values[:most]
    ]
    return ", ".join(texts) + (", ..." if len(values) > most else "")
