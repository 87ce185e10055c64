"""Labels that a program gives as a list for the files of a folder: are they in the files' order?"""

from __future__ import annotations

import os
import re
from typing import Any

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding

READERS = {
    "image_dataset_from_directory": (".bmp", ".gif", ".jpeg", ".jpg", ".png"),
    "text_dataset_from_directory": (".txt",),
    "audio_dataset_from_directory": (".wav",),
}
"""Functions of `keras.utils` that take labels as a list, and the files that they read."""

_LIKELY = 0.7
"""Confidence where nothing can be read from rows whose files have another order than usual."""


def other_order(directory: Any, kinds: tuple[str, ...]) -> tuple[str, str] | None:
    """Two files of a folder whose names are alike but for a number, and that stand the other way
    round by number than by name; None where there are none.

    Args:
        directory: the folder that is read, with those in it.
        kinds: how the names of the files end that are read.
    """
    if not isinstance(directory, str | bytes | os.PathLike):
        return None
    for _, _, files in os.walk(os.fsdecode(directory)):
        last: dict[str, tuple[int, str]] = {}
        for name in sorted(files):
            number = re.fullmatch(r"\D*(\d+)\D*", name)
            if number is None or not name.lower().endswith(kinds):
                continue
            alike = name.replace(number[1], "#", 1)
            before, earlier = last.get(alike, (-1, ""))
            if int(number[1]) < before:
                return earlier, name
            last[alike] = int(number[1]), name
    return None


def labels_in_another_order(function: str, files: tuple[str, str]) -> ProgramFinding:
    """Of a program that learns nothing: its list of labels may be by number, its files by name.

    Args:
        function: that took the list.
        files: see `other_order`.
    """
    first, second = (shown(name) for name in files)
    return ProgramFinding(
        cause="labels_in_another_order",
        verdict=f"The labels were given to {function} as a list, which is taken in the order of "
        f"the files' names: {first} before {second}. If the list goes by number, nearly every row "
        "has the label of another, and nothing can be learnt from it.",
        evidence=(Evidence("of these two files the first by name; by number", first, second, 0.0),),
        remedies=(
            CodeRemedy(
                "put the list in the order of the sorted paths, and give every call a list of its "
                "own, since it is shuffled in place",
                "rows with their own labels",
                code="labels = [label_of[path] for path in sorted(paths)]",
            ),
        ),
        reason="Nothing is learnt, neither by trees, and the files have one order by name and "
        "another by number.",
        source=f"Keras documentation: {function}, labels",
        severity="suspicious",
        confidence=_LIKELY,
    )
