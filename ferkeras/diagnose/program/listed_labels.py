"""Labels that a program gives as a list for the files of a folder: are they in the files' order?"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding

READERS = (
    "image_dataset_from_directory",
    "text_dataset_from_directory",
    "audio_dataset_from_directory",
)
"""Functions of `keras.utils` that take labels as a list."""

_LIKELY = 0.8
"""Confidence where nothing can be read from rows whose files have another order than usual."""


def other_order(directory: Any) -> tuple[str, str] | None:
    """Two files that stand the other way round by number than by name; None where there are none.

    Args:
        directory: the folder that is read, with those in it.
    """
    try:
        names = [
            str(Path(folder, file).relative_to(directory))
            for folder, _, files in os.walk(directory)
            for file in files
        ]
    except (OSError, TypeError):  # The program's own call says what is wrong with it.
        return None
    by_name, by_number = sorted(names), sorted(names, key=_by_number)
    differ = (pair for pair in zip(by_name, by_number, strict=True) if pair[0] != pair[1])
    return next(differ, None)


def _by_number(name: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


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
        "has the label of another; nothing is learnt from them.",
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
        confidence=_LIKELY,
    )
