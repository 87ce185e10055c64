"""Metadata inside a model file: the names of its classes, and its provenance.

A ZIP archive is appended to the file, as TensorFlow Lite's "associated files" are: programs that
do not know of it read the model as ever, `unzip` lists it. Imports no TensorFlow.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.data.synthetic import SOURCE

_LABELS = "labels.txt"
_ABOUT = "about.json"
_LARGEST = 1 << 20


@dataclass(frozen=True)
class About:
    """What an exported network tells of itself.

    Attributes:
        emotions: names of the classes, in class order.
        provenance: how the network came about; can be written as JSON.
    """

    emotions: tuple[str, ...]
    provenance: dict[str, Any]

    @property
    def of_synthetic_faces(self) -> bool:
        """Whether it was trained on the faces that ferkeras draws itself."""
        return str(self.provenance.get("data", "")).startswith(f"{SOURCE}:")

    def provenance_text(self) -> str:
        """The provenance as JSON text."""
        return json.dumps(self.provenance, indent=2, ensure_ascii=False, default=str) + "\n"


def enclose(path: Path, about: About) -> None:
    """Append class names (one a line, in class order) and provenance (JSON) to a model file."""
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in (
            (_LABELS, "".join(f"{name}\n" for name in about.emotions)),
            (_ABOUT, about.provenance_text()),
        ):
            # A fixed date: equal models are equal files.
            archive.writestr(zipfile.ZipInfo(name), text)


def read_enclosed(path: Path) -> About:
    """Return what a model file tells of itself.

    Raises:
        InputError: the file cannot be read, or has no names or provenance in it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = tuple(_text(archive, _LABELS).splitlines())
            provenance = json.loads(_text(archive, _ABOUT))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a model that ferkeras exported: it has no {_LABELS} and {_ABOUT} inside "
            f"({' '.join(str(error).split())[:100]})"
        ) from None
    if not names or not isinstance(provenance, dict):
        raise InputError(f"{path}: {_LABELS} or {_ABOUT} inside is damaged; export it again")
    return About(names, provenance)


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as file:
        return file.read(_LARGEST).decode()
