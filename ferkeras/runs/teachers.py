"""The finished runs that serve as teachers of a training (knowledge distillation).

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ferkeras.cli.errors import InputError
from ferkeras.config.sections.distill import Distill
from ferkeras.data.faces import Splits
from ferkeras.data.task import Task
from ferkeras.runs.division import had_same_splits
from ferkeras.runs.finished import FinishedRun, open_configured


def open_teachers(settings: Distill) -> list[FinishedRun]:
    """Open the configured runs.

    Raises:
        InputError: see `ferkeras.runs.finished.open_configured`.
    """
    try:
        return [open_configured("distill.teachers", path) for path in settings.teachers]
    except InputError as error:
        raise InputError(
            f"{error}; train the teachers first, or set distill.teachers=[] for the labels alone"
        ) from None


def need_same_task(teachers: Sequence[FinishedRun], task: Task) -> None:
    """Refuse teachers of other classes, or of faces of another size or colour.

    Raises:
        InputError: a teacher's classes, their order, or its faces are not those of the task.
    """
    for each in teachers:
        if tuple(each.task.classes) != tuple(task.classes):
            differs = (
                f"knows the classes {', '.join(each.task.classes)}, and the faces have "
                f"{', '.join(task.classes)}"
            )
        elif each.task.image != task.image:
            differs = f"was trained on faces of {each.task.image}, and these are {task.image}"
        else:
            continue
        raise InputError(
            f"distill.teachers: {each.name} {differs}; a teacher has the same classes and faces: "
            "choose them with data.classes, data.size and data.color, name another teacher, or set "
            "distill.teachers=[] for the labels alone"
        )


def record_of(teachers: Sequence[FinishedRun]) -> list[dict[str, str]]:
    """What tells these networks from others: name of the run and digest of the network's file.

    Raises:
        InputError: a run has lost its network.
    """
    try:
        digests = [hashlib.sha256(each.run.best.read_bytes()).hexdigest() for each in teachers]
    except OSError as error:
        raise InputError(
            f"distill.teachers: {error.filename}: cannot be read ({error.strerror}); without it "
            "the run has no network; name another"
        ) from None
    return [
        {"run": each.name, "sha256": digest} for each, digest in zip(teachers, digests, strict=True)
    ]


def describe(teachers: Sequence[FinishedRun], settings: Distill) -> str:
    """The teachers, their accuracy, and how much they count, for people."""
    named = [f"{each.name} ({each.metrics['validation']['accuracy']:.1%})" for each in teachers]
    return f"{', '.join(named)}; {settings.weight:g} of the loss is of their soft targets"


def possibly_leaked(teachers: Sequence[FinishedRun], splits: Splits) -> list[str]:
    """Names of the teachers that may have been trained on validation faces of this run."""
    return [each.name for each in teachers if not had_same_splits(each.environment, splits)]
