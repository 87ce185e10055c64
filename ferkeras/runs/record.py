"""Run folders under saved_models/: made, named, recorded.

A run folder tells how it came about: `config.yaml` (resolved), `environment.json`, `history.csv`,
`best.keras`, `last.keras`, pictures, `tensorboard/`, `export/1/` and, last of all, `metrics.json`:
a folder that has it is complete. Until then there are `checkpoints/`, from which it can be resumed.
"""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import ferkeras
from ferkeras.cli.errors import InputError
from ferkeras.config.file import dump_config
from ferkeras.config.schema import Config

LITERT_FILE = "model.tflite"
"""What the network is called as a LiteRT file, in the folder of the exports."""

HALF_LITERT_FILE = "model-float16.tflite"
"""The same with its weights in 16 bits each, which is what a published run has."""

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}(\.\w+)?")
"""Names that `tempfile.mkstemp` makes for `atomic_path`."""

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
    def checkpoints(self) -> Path:
        """States of the training from which it can be resumed."""
        return self.folder / "checkpoints"

    @property
    def export(self) -> Path:
        """The SavedModel, in the folder layout of TensorFlow Serving."""
        return self.exports / "1"

    @property
    def exports(self) -> Path:
        """Everything exported: numbered SavedModels, files, and the model card README.md."""
        return self.folder / "export"

    @property
    def litert(self) -> Path:
        """The network as a LiteRT file, which predicts without TensorFlow."""
        return self.exports / LITERT_FILE

    @property
    def half_litert(self) -> Path:
        """The LiteRT file with weights of 16 bits."""
        return self.exports / HALF_LITERT_FILE

    @property
    def predictions(self) -> Path:
        """Probabilities and true labels of the validation faces."""
        return self.folder / "predictions.npz"

    @property
    def metrics(self) -> Path:
        """Results; written last, so that its presence means that the run is complete."""
        return self.folder / "metrics.json"

    @property
    def calibration(self) -> Path:
        """The temperature, if `python -m ferkeras.evaluate --calibrate` has fitted one."""
        return self.folder / "calibration.json"

    @property
    def report(self) -> Path:
        """Everything about the run on one page."""
        return self.folder / "report.html"

    @property
    def diagnosis(self) -> Path:
        """The folder of why the run did not learn, or that it did."""
        return self.folder / "diagnosis"

    def evaluation(self, split: str) -> Path:
        """The folder of what `python -m ferkeras.evaluate` found on a split."""
        return self.folder / "evaluation" / split

    def picture(self, name: str) -> Path:
        """Where the picture `name` goes."""
        return self.folder / f"{name}.png"


def create_run(config: Config) -> Run:
    """Make the next free folder `<output.folder>/<name>-NNN`; an existing one is never reused.

    It appears under that name together with its `config.yaml`, so that a run can be resumed
    whenever it was cut off.

    Raises:
        InputError: the folder cannot be made.
    """
    parent = Path(config.output.folder)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=parent, prefix=f".{config.name}."))
        try:
            made.chmod(0o755)
            write_text(Run(made).config, dump_config(config))
            return Run(_move_to_free_number(made, parent / config.name))
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(
            f"output.folder = {parent}: no run folder can be made in it ({error.strerror}); "
            "name one that can be written"
        ) from None


def _move_to_free_number(made: Path, name: Path) -> Path:
    pattern = re.compile(re.escape(name.name) + r"-(\d+)")
    matches = (pattern.fullmatch(path.name) for path in name.parent.iterdir())
    number = max((int(match[1]) for match in matches if match), default=0)
    while True:
        number += 1
        folder = name.with_name(f"{name.name}-{number:03d}")
        try:
            return made.rename(folder)
        except OSError as error:
            # Another process was faster; its folder is not empty, so it cannot be replaced.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise


def record_start(
    run: Run,
    data: dict[str, Any],
    teachers: Sequence[Mapping[str, str]] = (),
    start: Mapping[str, str] | None = None,
) -> None:
    """Write down what a run that begins is made from and with."""
    write_json(
        run.environment,
        {
            "ferkeras": ferkeras.__version__,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
            # Neither the machine's name and kernel nor where Python lies: runs are given away.
            "platform": f"{platform.system()} {platform.machine()}",
            "processor_cores": os.cpu_count(),
            "command": [Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]],
            "data": data,
            "teachers": list(teachers),
            "start_from": start,
        },
    )


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) whole or not at all."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """Write compressed arrays whole or not at all."""
    with atomic_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` when the block ends well, and vanishes when it does not."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A file to be written that replaces `path` when the block ends well, or else vanishes.

    A temporary file beside it with the same suffix, flushed to the disk, then renamed.
    """
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporary_files(folder: Path) -> None:
    """Remove what a killed process left of `atomic_path` in a folder that nobody writes to.

    What cannot be removed stays: whoever writes to the folder next will say why.
    """
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            with suppress(OSError):
                path.unlink()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
