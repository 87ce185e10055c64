"""States of a training on disk: two kept, each written whole and checked when it is read."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.runs.record import atomic_file, remove_temporary_files

_KEPT = 2
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{32})\.npz")
_STATE = "state"


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        epoch: the epoch of the next step, counted from 1.
        step: steps of that epoch that are done.
        state: everything that is not an array, for JSON.
        arrays: the values of all variables, in the order of the training that made them.
    """

    epoch: int
    step: int
    state: dict[str, Any]
    arrays: list[np.ndarray]

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"epoch {self.epoch}, {self.step} step{'' if self.step == 1 else 's'} done"


class CheckpointFolder:
    """The newest states of one training.

    A file is called `<number>-<digest>.npz`: the higher the number the newer, and the digest is
    that of its bytes (the first half of SHA-256). Number, digest and content appear together, in
    one rename. `numpy.load` opens it; nothing in it is pickled.

    Args:
        folder: made by the first `save`; nobody else writes to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, then remove all but the newest two.

        Raises:
            OSError: it cannot be written; those before it are as they were.
        """
        content = _packed(checkpoint)
        digest = hashlib.sha256(content).hexdigest()[:32]
        self.folder.mkdir(exist_ok=True)
        before = self._files()
        number = before[0][0] + 1 if before else 1
        path = self.folder / f"{number:06d}-{digest}.npz"
        with atomic_file(path) as file:
            file.write(content)
        for _, _, old in before[_KEPT - 1 :]:
            old.unlink(missing_ok=True)
        return path

    def newest(self, alarm: Callable[[str], None]) -> Checkpoint | None:
        """Read the newest checkpoint that is whole; None if there are none at all.

        Args:
            alarm: called with a message for each damaged one, which is removed.

        Raises:
            InputError: there are checkpoints, and each of them is damaged.
        """
        remove_temporary_files(self.folder)
        files = self._files()
        damaged: list[Path] = []
        for _, digest, path in files:
            try:
                content = path.read_bytes()
            except OSError as error:
                alarm(f"{path}: this checkpoint cannot be read ({error.strerror})")
                continue
            if hashlib.sha256(content).hexdigest()[:32] == digest:
                # Or they would count among the two that are kept.
                for other in damaged:
                    other.unlink(missing_ok=True)
                return _unpacked(content)
            alarm(f"{path}: this checkpoint is damaged (its digest differs)")
            damaged.append(path)
        if files:
            raise InputError(
                f"{self.folder}: none of its {len(files)} checkpoints is whole; remove this folder "
                "to begin the run from its first step"
            )
        return None

    def clear(self) -> None:
        """Remove all checkpoints and their folder."""
        remove_temporary_files(self.folder)
        for _, _, path in self._files():
            path.unlink(missing_ok=True)
        if self.folder.exists():
            self.folder.rmdir()

    def _files(self) -> list[tuple[int, str, Path]]:
        """Number, digest and path of each, the newest first."""
        return sorted(self._matching(), reverse=True)

    def _matching(self) -> Iterator[tuple[int, str, Path]]:
        for path in self.folder.glob("*.npz"):
            if match := _NAME.fullmatch(path.name):
                yield int(match[1]), match[2], path


def _packed(checkpoint: Checkpoint) -> bytes:
    state = {"epoch": checkpoint.epoch, "step": checkpoint.step, "state": checkpoint.state}
    arrays = {f"{number:05d}": array for number, array in enumerate(checkpoint.arrays)}
    arrays[_STATE] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _unpacked(content: bytes) -> Checkpoint:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        state = json.loads(file[_STATE].tobytes())
        arrays = [file[name] for name in sorted(set(file.files) - {_STATE})]
    return Checkpoint(state["epoch"], state["step"], state["state"], arrays)
