"""Answers that are the mean of those to several looks at a face."""

from __future__ import annotations

import numpy as np

from ferkeras.data.looks import Looks, looks_at
from ferkeras.inference.load import Network
from ferkeras.network.enclosed import About


class SeveralLooks:
    """A network that looks at each face several times, and takes as many times as long.

    Args:
        network: answers each look.
        count: how many, see `ferkeras.data.looks`.
    """

    def __init__(self, network: Network, count: Looks) -> None:
        self._network = network
        self._count = count

    @property
    def about(self) -> About:
        """As the network has it."""
        return self._network.about

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, K), of uint8 faces (N, 48, 48, 1)."""
        answers = [self._network(look) for look in looks_at(faces, self._count)]
        return np.mean(answers, axis=0)
