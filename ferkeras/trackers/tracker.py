"""What every experiment tracker is told of a training, and what it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown

Ending = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Training:
    """What there is to say of a training when it begins.

    Attributes:
        name: of the run's folder, such as `demo-001`.
        parameters: the resolved configuration, by dotted key.
        facts: where the folder is, what the faces are, versions.
    """

    name: str
    parameters: Mapping[str, str]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Results:
    """What there is to say of a training when it ends.

    Attributes:
        epoch: the best one, from 1.
        figures: of that epoch's network on the validation faces.
        files: the run's own files, each with the folder that a tracker puts it into ("": none).
        pictures: those of the files that are pictures.
        network: the file of the best network, which plain Keras opens; None where the training is
            one of many.
    """

    epoch: int
    figures: Mapping[str, float]
    files: Sequence[tuple[Path, str]]
    pictures: Sequence[Path]
    network: Path | None


class Tracker(ABC):
    """One experiment tracker; each method may raise whatever its library raises.

    Attributes:
        name: as `monitor.trackers` has it.
        advice: what to do where it cannot be reached.
    """

    name: str
    advice: str

    @abstractmethod
    def begin(self, training: Training, known: str | None) -> str:
        """Begin a run, or go on with one.

        Args:
            training: what it is told of it.
            known: what this returned when the run began; None begins one.

        Returns:
            What the tracker knows the run by.
        """

    @abstractmethod
    def place(self) -> str:
        """Where the run can be looked at, without passwords."""

    @abstractmethod
    def last_epoch(self) -> int:
        """The last epoch that the tracker has, 0 for none."""

    @abstractmethod
    def tell(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add what was measured in an epoch (from 1)."""

    @abstractmethod
    def conclude(self, results: Results) -> None:
        """Add what came of it; may be repeated."""

    @abstractmethod
    def close(self, ending: Ending) -> None:
        """Say how it ended; what `begin` has opened is closed."""


def reason(error: BaseException) -> str:
    """What a library says, in a line: the error that its others came from is the shortest."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    lines = str(error).strip().splitlines()
    return type(error).__name__ + (f": {shown(lines[0][:300])}" if lines else "")


def unreachable(name: str, advice: str, error: Exception) -> InputError:
    """The error for a tracker that does not answer, or does not know a run any more."""
    return InputError(
        f"monitor.trackers={name}: {reason(error)}; {advice}, or leave it out: monitor.trackers=[]"
    )
