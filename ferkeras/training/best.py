"""Keep the best or the last network of a run in a file that any Keras 3 opens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import keras

from ferkeras.callbacks import average_is_trained
from ferkeras.files.inner import InnerPath
from ferkeras.network.served import copy_weights, served_network
from ferkeras.runs.embedded import About
from ferkeras.runs.keras_file import write_served


def worth(logs: Mapping[str, Any], monitor: str = "val_accuracy") -> float:
    """What an epoch is chosen by: larger is better.

    Args:
        logs: of the epoch.
        monitor: key in the logs.

    Returns:
        NaN where there is none, and for an epoch whose `val_loss` is not finite: predictions that
        are not numbers can be right by chance.
    """
    finite = math.isfinite(logs.get("val_loss", 0.0))
    return float(logs.get(monitor, math.nan)) if finite else math.nan


class BestModelCheckpoint(keras.callbacks.Callback):
    """Save the network after each epoch, or each that is better than all before.

    Unlike `keras.callbacks.ModelCheckpoint` it never leaves half a file, and it can continue where
    an earlier process was. What it writes is the network as it is served, without the state of
    the training, which checkpoints hold: see `ferkeras.runs.keras_file.save_network`.

    Args:
        path: a `.keras` file.
        about: enclosed in the file; epoch and value of `monitor` are added to its provenance.
        monitor: key in the logs; larger is better, see `worth`. NaN is never better.
        keep: the network of the best epoch, or of the last one whose `val_loss` is finite.

    Attributes:
        kept: whether the network of the epoch that has just ended was saved.

    Raises:
        ValueError: an epoch's logs lack the key.
    """

    def __init__(
        self,
        path: InnerPath,
        about: About,
        monitor: str = "val_accuracy",
        keep: Literal["best", "last"] = "best",
    ) -> None:
        super().__init__()
        self._path = path
        self._about = about
        self._monitor = monitor
        self._keep = keep
        self.kept = False
        self._best = -math.inf
        self._epoch: int | None = None

    def set_model(self, model: keras.Model) -> None:
        """Make the copy that is written, whose weights follow the model's."""
        super().set_model(model)
        # Once, and before a state is restored: it draws from Python's random numbers.
        self._served = served_network(model, dtype="float32")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save, if it is the best or the last is kept."""
        logs = logs or {}
        if self._monitor not in logs:
            raise ValueError(
                f"BestModelCheckpoint reads {self._monitor!r}. "
                f"Received: logs with {', '.join(logs)}"
            )
        value = worth(logs, self._monitor)
        self.kept = value > self._best or (self._keep == "last" and math.isfinite(value))
        if self.kept:
            copy_weights(self.model, self._served)
            about = self._about.also(epoch=epoch + 1, validation_accuracy=value, **self._averaged())
            write_served(self._served, self._path, about)
            self._best, self._epoch = value, epoch + 1

    def _averaged(self) -> dict[str, bool]:
        """Whether the network has the moving average of the weights, where one is kept."""
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None or not optimizer.use_ema:
            return {}
        return {"averaged": average_is_trained(optimizer)}

    def get_state(self) -> dict[str, Any]:
        """The best value so far and its epoch, for JSON."""
        return {"best": self._best, "epoch": self._epoch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned.

        Where the file has a network since that of a course that is given up with this, the next
        epoch takes its place: the best before is gone.
        """
        epoch = state.get("epoch")
        given_up = self._epoch is not None and self._epoch != epoch
        self._best = -math.inf if given_up else state["best"]
        self._epoch = epoch
