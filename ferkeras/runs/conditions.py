"""Under which conditions a run goes on: what is not as it was when the run began."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from typing import Any, NamedTuple

from ferkeras.config.keys import flat
from ferkeras.config.schema import Config
from ferkeras.runs.records import EnvironmentRecord

PACKAGES = ("keras", "tensorflow", "tensorflow-addons", "numpy", "scikit-learn", "pandas")

_OF_THIS_MACHINE = (
    "name",
    "data.path",
    "data.votes",
    "output.folder",
    "distill.teachers",
    "network.start_from",
)
"""Keys that say where things are; the faces and the teachers themselves are compared."""


class Change(NamedTuple):
    """Something that is not as it was: what, its value then, its value now."""

    key: str
    was: Any
    now: Any

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.key} = {self.now!r}, was {self.was!r}"


def versions() -> dict[str, str | None]:
    """The versions of the packages that a training depends on."""
    return {name: _version(name) for name in PACKAGES}


def settings_of(config: Config) -> dict[str, Any]:
    """Every key of a configuration with its value as JSON has it, but for paths and names."""
    return {
        key: json.loads(json.dumps(value))
        for key, value in flat(config).items()
        if key not in _OF_THIS_MACHINE
    }


def changed_conditions(environment: EnvironmentRecord, config: Config) -> list[Change]:
    """What is not as it was when a run last began or was resumed; empty: it goes on bit by bit.

    Args:
        environment: what was recorded then, with what has been changed since.
        config: the run's configuration as it is now.
    """
    before = {
        **environment.get("settings", {}),
        **environment["packages"],
        "Python": environment["python"],
        "machine": environment["platform"],
        "processor cores": environment["processor_cores"],
    }
    done = [
        (healing["when"], change["key"], change["now"])
        for healing in environment.get("healings", [])
        for change in healing["changes"]
    ]
    done += [(each["when"], each["key"], each["now"]) for each in environment.get("changes", [])]
    before |= {key: value for _, key, value in sorted(done, key=lambda each: each[0])}
    now = {
        **settings_of(config),
        **versions(),
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor cores": os.cpu_count(),
    }
    return [
        Change(key, before[key], value)
        for key, value in now.items()
        if key in before and before[key] != value
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
