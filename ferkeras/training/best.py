"""Keep the best network of a run in a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import atomic_path


def save_network(model: keras.Model, path: InnerPath) -> None:
    """Write a `.keras` file whole or not at all."""
    with atomic_path(path) as temporary:
        model.save(temporary)


class BestModelCheckpoint(keras.callbacks.Callback):
    """Save the network after each epoch that is better than all before.

    Unlike `keras.callbacks.ModelCheckpoint` it never leaves half a file, and it can continue where
    an earlier process was.

    Args:
        path: a `.keras` file.
        monitor: key in the logs; larger is better. NaN is never better, nor is an epoch whose
            `val_loss` is not finite: predictions that are not numbers can be right by chance.

    Raises:
        ValueError: an epoch's logs lack the key.
    """

    def __init__(self, path: InnerPath, monitor: str = "val_accuracy") -> None:
        super().__init__()
        self._path = path
        self._monitor = monitor
        self._best = -math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save, if it is the best."""
        logs = logs or {}
        if self._monitor not in logs:
            raise ValueError(
                f"BestNetwork reads {self._monitor!r}. Received: logs with {', '.join(logs)}"
            )
        value = float(logs[self._monitor])
        if value > self._best and math.isfinite(logs.get("val_loss", 0.0)):
            save_network(self.model, self._path)
            self._best = value

    def get_state(self) -> dict[str, Any]:
        """The best value so far, for JSON."""
        return {"best": self._best}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self._best = state["best"]
