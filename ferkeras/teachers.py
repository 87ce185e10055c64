"""The finished runs whose networks a training learns from besides the labels.

Imports no TensorFlow, so that a wrong path is answered at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ferkeras.config import Distill
from ferkeras.errors import InputError
from ferkeras.finished_runs import FinishedRun, open_run


def open_teachers(settings: Distill) -> list[FinishedRun]:
    """Open the configured runs.

    Raises:
        InputError: a folder is no finished run; see `ferkeras.finished_runs.open_run`.
    """
    try:
        return [open_run(path) for path in settings.teachers]
    except InputError as error:
        raise InputError(f"distill.teachers: {error}") from None


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


def describe(teachers: Sequence[FinishedRun], settings: Distill, fingerprint: str) -> str:
    """The teachers, their accuracy, and whether they knew the same faces, for people."""
    named = []
    for each in teachers:
        text = f"{each.name} ({each.metrics['validation']['accuracy']:.1%}"
        if each.fingerprint != fingerprint:
            text += " of other faces, which may include validation faces of this training"
        named.append(text + ")")
    return f"{', '.join(named)}; {settings.weight:g} of the loss is of their answers"
