"""States of a training on disk: the newest kept, each written whole and checked when it is read."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.config.networks.common import MOST_WEIGHTS
from ferkeras.files.arrays import DamagedArrays, read_arrays
from ferkeras.files.inner import AnyPath, InnerPath, inside
from ferkeras.files.writing import atomic_file, remove_temporary_files
from ferkeras.runs.records import CheckpointRecord, parse_record

_KEPT = 2
_LARGEST = 24 * MOST_WEIGHTS
"""Bytes: a weight, two slots of its optimizer and its average, four bytes each, and room."""
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{32})(-kept)?\.npz")
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
        after: checkpoints with a number up to this one are those of former settings.
        keep: says of a checkpoint whether it is to be kept besides the newest two, until there is
            another of that kind; its name then ends in `-kept`.
    """

    def __init__(
        self, folder: AnyPath, after: int = 0, keep: Callable[[Checkpoint], bool] | None = None
    ) -> None:
        self.folder = inside(folder)
        self._after = after
        self._keep = keep

    def save(self, checkpoint: Checkpoint) -> InnerPath:
        """Write a checkpoint, then remove all but the newest two, and what else is to be kept.

        Raises:
            OSError: it cannot be written; those before it are as they were.
        """
        content = _packed(checkpoint)
        digest = hashlib.sha256(content).hexdigest()[:32]
        self.folder.mkdir(exist_ok=True)
        number = max(self._after, self.last_number) + 1
        mark = "-kept" if self._keep is not None and self._keep(checkpoint) else ""
        path = self.folder / f"{number:06d}-{digest}{mark}.npz"
        with atomic_file(path) as file:
            file.write(content)
        files = self._files()
        kept = files[:_KEPT] + [each for each in files if each.kept][:1]
        for old in files:
            if old not in kept:
                old.path.unlink(missing_ok=True)
        return path

    @property
    def last_number(self) -> int:
        """The number of the newest checkpoint; 0 where there is none."""
        return max((each.number for each in self._files()), default=0)

    def newest_kept(self, *, former: bool = False) -> Checkpoint | None:
        """The newest of those that `keep` chose; None if there is none, or it is damaged.

        Args:
            former: whether it may be one of former settings.

        Raises:
            InputError: it is whole, and no checkpoint.
        """
        kept = [each for each in self._files() if each.kept]
        if not kept or not (former or kept[0].number > self._after):
            return None
        return _whole(kept[0])

    def newest(self, alarm: Callable[[str], None]) -> Checkpoint | None:
        """Read the newest checkpoint that is whole; None if there are none at all.

        Args:
            alarm: called with a message for each damaged one, which is removed.

        Raises:
            InputError: there are checkpoints, and each of them is damaged.
        """
        remove_temporary_files(self.folder)
        files = [each for each in self._files() if each.number > self._after]
        damaged: list[InnerPath] = []
        for file in files:
            try:
                checkpoint = _whole(file)
            except OSError as error:
                alarm(f"{file.path}: this checkpoint cannot be read ({error.strerror})")
                continue
            if checkpoint is not None:
                # Or they would count among the two that are kept.
                for other in damaged:
                    other.unlink(missing_ok=True)
                return checkpoint
            alarm(f"{file.path}: this checkpoint is damaged (its digest differs)")
            damaged.append(file.path)
        if files:
            raise InputError(
                f"{self.folder}: none of its {len(files)} checkpoints is whole; remove this folder "
                "to begin the run from its first step"
            )
        return None

    def clear(self) -> None:
        """Remove all checkpoints, and their folder if nothing else is in it."""
        remove_temporary_files(self.folder)
        for file in self._files():
            file.path.unlink(missing_ok=True)
        if self.folder.exists() and not self.folder.iterdir():
            self.folder.rmdir()

    def keep_newest(self) -> None:
        """Remove all checkpoints but the newest: from it a run that is complete can go on."""
        remove_temporary_files(self.folder)
        for file in self._files()[1:]:
            file.path.unlink(missing_ok=True)

    def _files(self) -> list[_File]:
        """All of them, the newest first."""
        return sorted(self._matching(), reverse=True)

    def _matching(self) -> Iterator[_File]:
        for path in self.folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                yield _File(int(match[1]), match[2], path, match[3] is not None)


class _File(NamedTuple):
    """A checkpoint by its name."""

    number: int
    digest: str
    path: InnerPath
    kept: bool


def _whole(file: _File) -> Checkpoint | None:
    """What a file holds; None if its digest is another."""
    content = file.path.read_bytes(_LARGEST)
    if hashlib.sha256(content).hexdigest()[:32] != file.digest:
        return None
    return _unpacked(content, file.path)


def _packed(checkpoint: Checkpoint) -> bytes:
    state = {"epoch": checkpoint.epoch, "step": checkpoint.step, "state": checkpoint.state}
    arrays = {f"{number:05d}": array for number, array in enumerate(checkpoint.arrays)}
    arrays[_STATE] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _unpacked(content: bytes, path: InnerPath) -> Checkpoint:
    try:
        # `save` compresses nothing, so that nothing can unpack to more than there is.
        found = read_arrays(io.BytesIO(content), None, largest=len(content), packed=False)
        state = found.pop(_STATE).tobytes()
    except (DamagedArrays, KeyError) as error:
        raise InputError(
            f"{shown(path)}: not a checkpoint that ferkeras wrote ({error}); remove it to go on "
            "from the one before"
        ) from None
    record = parse_record(state, CheckpointRecord, shown(path))
    arrays = [found[name] for name in sorted(found)]
    return Checkpoint(record["epoch"], record["step"], record["state"], arrays)
