"""Run folders under saved_models/: made, named, recorded.

A run folder tells how it came about: `config.yaml` (resolved), `environment.json`, `history.csv`,
`best.keras`, `last.keras`, pictures, `tensorboard/`, `export/1/` and, last of all, `metrics.json`:
a folder that has it is complete.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import ferkeras
from ferkeras.config import Config
from ferkeras.config_file import dump_config
from ferkeras.errors import InputError

_PACKAGES = ("keras", "tensorflow", "tensorflow-addons", "numpy", "scikit-learn", "pandas")


@dataclass(frozen=True)
class Run:
    """One folder that a training fills; every name in it stands here."""

    folder: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.folder / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, machine, command and data fingerprint."""
        return self.folder / "environment.json"

    @property
    def history(self) -> Path:
        """One line an epoch."""
        return self.folder / "history.csv"

    @property
    def best(self) -> Path:
        """The model of the epoch with the best validation accuracy."""
        return self.folder / "best.keras"

    @property
    def last(self) -> Path:
        """The model of the last epoch."""
        return self.folder / "last.keras"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.folder / "tensorboard"

    @property
    def export(self) -> Path:
        """The SavedModel, in the folder layout of TensorFlow Serving."""
        return self.folder / "export" / "1"

    @property
    def predictions(self) -> Path:
        """Probabilities and true labels of the validation faces."""
        return self.folder / "predictions.npz"

    @property
    def metrics(self) -> Path:
        """Results; written last, so that its presence means that the run is complete."""
        return self.folder / "metrics.json"

    def picture(self, name: str) -> Path:
        """Where the picture `name` goes."""
        return self.folder / f"{name}.png"


def create_run(config: Config) -> Run:
    """Make the next free folder `<output.folder>/<name>-NNN`; an existing one is never reused.

    Raises:
        InputError: the folder cannot be made.
    """
    parent = Path(config.output.folder)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        pattern = re.compile(re.escape(config.name) + r"-(\d+)")
        matches = (pattern.fullmatch(path.name) for path in parent.iterdir())
        number = max((int(match[1]) for match in matches if match), default=0)
        while True:
            number += 1
            run = Run(parent / f"{config.name}-{number:03d}")
            try:
                run.folder.mkdir()
            except FileExistsError:  # another process was faster
                continue
            return run
    except OSError as error:
        raise InputError(
            f"output.folder = {parent}: no run folder can be made in it ({error.strerror}); "
            "name one that can be written"
        ) from None


def record_start(run: Run, config: Config, data: dict[str, Any]) -> None:
    """Write the resolved configuration and the environment of a run that begins."""
    write_text(run.config, dump_config(config))
    write_json(
        run.environment,
        {
            "ferkeras": ferkeras.__version__,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
            "platform": platform.platform(),
            "processor_cores": os.cpu_count(),
            "command": sys.argv,
            "data": data,
        },
    )


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """Write compressed arrays whole or not at all."""
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` when the block ends well, and vanishes when it does not.

    A temporary file beside it, flushed to the disk, then renamed.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
