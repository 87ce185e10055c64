"""The console output of a running training: a bar within an epoch, a line after it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from rich.text import Text

from ferkeras.cli.bar import Bar
from ferkeras.cli.console import Console
from ferkeras.cli.figures import duration, percent
from ferkeras.training.best import worth


class EpochBar(keras.callbacks.Callback):
    """Show how far the epoch is, and tell the console which epoch is running.

    Stand it first in the list of callbacks, so that it knows of an epoch before the others, and
    call `fit` with `verbose=0`. It reads no logs: it counts in `on_train_batch_begin`, which Keras
    calls without any, and leaves the `*_batch_end` methods alone, so that a backend that can
    hand logs to another thread still does (TensorFlow's, in Keras 3.15, fetches them in every
    step of every `fit`, with callbacks or without).

    Args:
        console: where to show it.
        batch_size: faces a step, for the faces per second.
    """

    def __init__(self, console: Console, batch_size: int) -> None:
        super().__init__()
        self._console = console
        self._batch_size = batch_size
        self._bar: Bar | None = None
        self._steps: int | None = None
        self._batches = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Say that others open their files and trace their graphs."""
        self._remove()
        self._bar = Bar(self._console, "preparing the training", None)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin an empty bar."""
        epochs = self.params["epochs"]
        self._remove()
        self._console.epoch = epoch + 1
        self._console.phase(_title(epoch, epochs))
        # Keras does not know the length of a generator; after one epoch this callback does.
        self._steps = self.params.get("steps") or self._batches or None
        self._bar = Bar(
            self._console, _title(epoch, epochs), self._steps, 0.0, "faces", self._batch_size
        )
        if not self._batches:
            self._bar.state("compiling the training step")

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar: `batch` steps are done."""
        self._batches = batch + 1
        if self._bar is not None:
            self._bar.reach(batch)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Say that the epoch is being validated."""
        self._say("validation")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say that the epoch is over: other callbacks measure, draw and save."""
        self._say("measuring and saving")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away, and let the console know that no epoch is running."""
        self._remove()
        self._console.epoch = None

    def _say(self, what: str) -> None:
        self._console.phase(what)
        if self._bar is not None:
            self._bar.state(what)

    def _remove(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class EpochLine(keras.callbacks.Callback):
    """Print one line of meaning after each epoch.

    It reads `accuracy`, `val_accuracy`, `val_balanced_accuracy`, `loss`, `gradient_norm`,
    `gradient_clipped` (fraction), `gradient_skipped` (count), and says when `learning_rate`,
    `conv_dropout`, `dense_dropout` or `label_smoothing` have changed. What is missing from the
    logs is left out. A narrow terminal gets shorter words, then fewer of them, from the right;
    skipped steps are always shown.

    Args:
        console: where to print.

    Attributes:
        best: the best validation accuracy so far.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.best = -math.inf
        self._began = 0.0
        self._seconds: list[float] = []
        self._settings: dict[str, str] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began = self._console.clock()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the line."""
        logs = logs or {}
        self._seconds.append(self._console.clock() - self._began)
        accuracy = worth(logs)
        is_best = accuracy > self.best
        self.best = accuracy if is_best else self.best
        epochs = self.params["epochs"]
        remaining = sum(self._seconds) / len(self._seconds) * (epochs - epoch - 1)
        settings = _settings(logs)
        changed = {
            name: value
            for name, value in settings.items()
            if self._settings.get(name, value) != value
        }
        self._settings = settings
        head = [_title(epoch, epochs), f"{duration(self._seconds[-1]):>4}"]
        self._console.print(line(head, logs, is_best, changed, remaining, self._console.width))

    def get_state(self) -> dict[str, Any]:
        """What the next line is compared with, for JSON."""
        return {"best": self.best, "settings": self._settings}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self.best = state["best"]
        self._settings = dict(state["settings"])


def line(
    head: list[str],
    logs: dict[str, Any],
    is_best: bool,
    changed: dict[str, str],
    remaining: float,
    width: int,
) -> Text:
    """Write what an epoch came to, in at most `width` columns where that can be had.

    Args:
        head: what the line begins with.
        logs: the epoch's numbers.
        is_best: whether the validation accuracy is the best so far.
        changed: settings that are not what they were the epoch before, by name.
        remaining: seconds until the training ends; 0 at its end.
        width: columns to stay within.
    """
    for short in (False, True):
        parts = _parts(head, logs, is_best, changed, remaining, short)
        if _length(parts) <= width:
            break
    while _length(parts) > width:
        spare = [
            at for at, (text, style) in enumerate(parts) if style != _WRONG and at >= len(head)
        ]
        if not spare:
            break
        del parts[spare[-1]]
    text = Text("  ").join(Text(text, style=style) for text, style in parts)
    text.rstrip()
    return text


_WRONG = "bold red"


def _parts(
    head: list[str],
    logs: dict[str, Any],
    is_best: bool,
    changed: dict[str, str],
    remaining: float,
    short: bool,
) -> list[tuple[str, str]]:
    parts = [(text, "") for text in head]
    if "accuracy" in logs:
        parts.append((f"train {percent(logs['accuracy']):>5}", ""))
    if "val_accuracy" in logs:
        name, mark = ("val", " best") if short else ("validation", " (best)")
        mark = mark if is_best else " " * len(mark)
        accuracy = percent(logs["val_accuracy"])
        parts.append((f"{name} {accuracy:>5}{mark}", "green" if is_best else ""))
    if "val_balanced_accuracy" in logs:
        parts.append((f"balanced {percent(logs['val_balanced_accuracy']):>5}", ""))
    if "loss" in logs:
        loss = float(logs["loss"])
        parts.append((f"loss {loss:.2f}", "" if math.isfinite(loss) else _WRONG))
    if skipped := int(logs.get("gradient_skipped", 0)):
        many = "step" if skipped == 1 else "steps"
        reason = "" if short else ": gradient not finite"
        parts.append((f"{skipped:,} {many} skipped{reason}", _WRONG))
    if "gradient_norm" in logs:
        clipped = logs.get("gradient_clipped", 0.0)
        note = f" ({100 * clipped:.0f}% clipped)" if clipped > 0 else ""
        parts.append((f"gradient {_norm(logs['gradient_norm'])}{note}", ""))
    parts += [(f"{name} {value}", "cyan") for name, value in changed.items()]
    if remaining > 0:
        parts.append((f"{duration(remaining)} left", "dim"))
    return parts


def _norm(norm: float) -> str:
    return f"{norm:.0f}" if norm >= 10 else f"{norm:.1f}" if norm >= 1 else f"{norm:.2g}"


def _length(parts: list[tuple[str, str]]) -> int:
    return len("  ".join(text for text, _ in parts).rstrip())


def _settings(logs: dict[str, Any]) -> dict[str, str]:
    settings = {
        name: f"{logs[key]:.3g}"
        for name, key in (("learning rate", "learning_rate"), ("smoothing", "label_smoothing"))
        if key in logs
    }
    dropout = [f"{logs[key]:.3g}" for key in ("conv_dropout", "dense_dropout") if key in logs]
    return settings | ({"dropout": "/".join(dropout)} if dropout else {})


def _title(epoch: int, epochs: int) -> str:
    return f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"
