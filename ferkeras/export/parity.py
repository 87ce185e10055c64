"""How far the predictions of an exported network are from those of the one that was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ferkeras.cli.errors import RunError


@dataclass(frozen=True)
class Parity:
    """Predictions of two networks on the same faces, compared.

    Attributes:
        faces: how many there were.
        largest_difference: of one probability.
        label_agreement: fraction of the faces that get the same label from both, 0 to 1.
    """

    faces: int
    largest_difference: float
    label_agreement: float

    @classmethod
    def of(cls, expected: np.ndarray, predicted: np.ndarray) -> Self:
        """Compare probabilities (N, K), N above 0; a NaN makes the difference NaN."""
        return cls(
            len(expected),
            float(np.abs(predicted - expected).max()),
            float((predicted.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        )

    def demand(self, what: str, *, difference: float, agreement: float) -> None:
        """Raise unless the networks are as close as this.

        Args:
            what: was exported, for the message.
            difference: largest allowed of a probability.
            agreement: smallest allowed fraction of equal labels.

        Raises:
            RunError: they are not.
        """
        if self.largest_difference <= difference and self.label_agreement >= agreement:
            return
        raise RunError(
            f"{what} predicts otherwise than the trained network on {self.faces:,} faces: same "
            f"label on {self.label_agreement:.1%} (expected {agreement:.1%} or more), "
            f"probabilities differ by up to {self.largest_difference:.2g} (expected at most "
            f"{difference:g}); this export is not kept"
        )
