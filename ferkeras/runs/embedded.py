"""Metadata inside a model file: the names of its classes, and its provenance.

A ZIP archive is appended to the file, as TensorFlow Lite's "associated files" are: programs that
do not know of it read the model as ever, `unzip` lists it. Imports no TensorFlow.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted, shown
from ferkeras.data.synthetic import SOURCE
from ferkeras.data.task import Classes
from ferkeras.data.test_time_augmentation import TestTimeAugmentation
from ferkeras.files.arrays import ARCHIVE_ERRORS
from ferkeras.files.inner import AnyPath
from ferkeras.runs.records import ProvenanceRecord, parse_record

_LABELS = "labels.txt"
_ABOUT = "about.json"
_OF_MEANS = "tta_temperatures"
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

    @property
    def temperature(self) -> float:
        """What the network's logits are divided by."""
        return float(self.provenance.get("temperature", 1.0))

    def temperature_of_mean(self, tta: TestTimeAugmentation) -> float | None:
        """That of the mean prediction of several views, which `temperature` is then none of.

        None where none was fitted.
        """
        found = self.provenance.get(_OF_MEANS, {}).get(tta)
        return None if found is None else float(found)

    def with_temperatures(self, temperatures: Mapping[TestTimeAugmentation, float]) -> Self:
        """The same with these temperatures and no others.

        Args:
            temperatures: see `ferkeras.metrics.calibration.temperatures_of`.
        """
        facts = {key: self.provenance[key] for key in self.provenance if key != _OF_MEANS}
        facts["temperature"] = temperatures.get("none", 1.0)
        if averaged := {tta: found for tta, found in temperatures.items() if tta != "none"}:
            facts[_OF_MEANS] = averaged
        return replace(self, provenance=facts)

    def also(self, **facts: Any) -> Self:
        """The same with more, or newer, facts in its provenance."""
        return replace(self, provenance={**self.provenance, **facts})

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


def enclosed_in(content: bytes, path: AnyPath) -> About:
    """Return what a model file tells of itself.

    Args:
        content: the file's.
        path: what the message calls it.

    Raises:
        InputError: it has no names or provenance in it, or they are damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            labels = _text(archive, _LABELS)
            about = _text(archive, _ABOUT).encode()
    except (OSError, *ARCHIVE_ERRORS) as error:
        raise InputError(
            f"{shown(path)}: not a model that ferkeras exported: it has no {_LABELS} and {_ABOUT} "
            f"inside ({quoted(' '.join(str(error).split()), 100)[1:-1]})"
        ) from None
    try:
        classes = Classes(tuple(labels.splitlines()))
    except ValueError as error:
        raise InputError(
            f"{shown(path)}: {_LABELS} inside is damaged: {error}; export it again"
        ) from None
    provenance = parse_record(about, ProvenanceRecord, f"{shown(path)}: {_ABOUT} inside")
    return About(classes.names, dict(provenance))


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as file:
        return file.read(_LARGEST).decode()
