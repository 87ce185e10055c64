"""The trackers that a configuration names, imported when they are needed; no TensorFlow."""

from __future__ import annotations

from ferkeras.cli.console import Console
from ferkeras.cli.extras import need_extra
from ferkeras.config.sections.monitor import Monitor
from ferkeras.trackers.tracker import Tracker, unreachable


def need_trackers(monitor: Monitor) -> None:
    """Refuse trackers that are not installed; imports nothing.

    Raises:
        InputError: a package is missing.
    """
    for name in monitor.trackers:
        need_extra(name, f"monitor.trackers={name}")


def open_trackers(monitor: Monitor, console: Console) -> list[Tracker]:
    """Import the trackers that a configuration names, and see that they answer.

    Args:
        monitor: names them.
        console: shows what is opened.

    Raises:
        InputError: one is not installed, or does not answer.
    """
    need_trackers(monitor)
    trackers: list[Tracker] = []
    for name in monitor.trackers:
        with console.working(f"opening {name}"):
            if name == "mlflow":
                from ferkeras.trackers.mlflow_tracker import MLflowTracker as Named
            else:
                from ferkeras.trackers.wandb_tracker import (  # type: ignore[assignment]
                    WandbTracker as Named,
                )
            try:
                trackers.append(Named())
            except Exception as error:  # a server's, a file's, a library's: of any kind
                raise unreachable(name, Named.advice, error) from error
    return trackers
