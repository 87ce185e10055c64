"""What the JSON files of a run hold, checked whenever one is read.

A file that a training, an evaluation or an export has written always passes. What does not was
damaged, edited or made by somebody else, and is refused with the field that is wrong. Unknown keys
are let through: a later version may write more.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Hashable
from typing import Annotated, Any, Literal, NotRequired, TypeVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, quoted, shown
from ferkeras.files.inner import InnerPath

LARGEST_RECORD = 4 << 20
"""Bytes of the largest record that is read."""

_AS_WRITTEN = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Positive = Annotated[int, Field(ge=1, lt=1 << 63)]
Temperature = Annotated[float, Field(ge=0.05, le=20, allow_inf_nan=False)]
Correlation = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class ClassFigures(TypedDict):
    """Figures of one class."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    precision: Fraction
    recall: Fraction
    f1: Fraction
    support: Count


class Figures(TypedDict):
    """What `Predictions.metrics` returns; kappa is None where all faces are of one class."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    faces: Positive
    accuracy: Fraction
    balanced_accuracy: Fraction
    macro_f1: Fraction
    cohen_kappa: Correlation | None
    matthews: Correlation
    top2_accuracy: Fraction
    log_loss: NotNegative
    brier: NotNegative
    ece: Fraction
    emotions: dict[str, ClassFigures]


class AlarmRecord(TypedDict):
    """An alarm of the training."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    epoch: Positive | None
    text: str


class DiagnosisRecord(TypedDict):
    """What a diagnosis during the training found."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    epoch: Positive
    cause: str | None
    verdict: str


class MetricsRecord(TypedDict):
    """`metrics.json`."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    best_epoch: Positive
    epochs: Positive
    stopped: NotRequired[str | None]
    parameters: Positive
    validation: Figures
    alarms: list[AlarmRecord]
    diagnosis: NotRequired[DiagnosisRecord | None]
    export_difference: NotRequired[NotNegative]


class TaskRecord(TypedDict):
    """What a run learns; see `ferkeras.data.task.Task`."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    classes: list[str]
    height: Positive
    width: Positive
    channels: Positive


class DataRecord(TypedDict):
    """What a run was trained on."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    source: str
    fingerprint: str
    votes: NotRequired[str]
    official_split: bool
    division: NotRequired[str]
    recognised: NotRequired[str]
    by_person: NotRequired[bool]
    leaked: NotRequired[Count]
    faces: dict[str, Count]
    mean: Fraction
    std: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    warp: NotRequired[str]
    task: NotRequired[TaskRecord]


class TeacherRecord(TypedDict):
    """A network that a run was distilled from."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    run: str
    sha256: str


class ChangeRecord(TypedDict):
    """What was another when a run was resumed: a setting, a version, the machine."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    when: str
    epoch: Count
    key: str
    was: Any
    now: Any


class EvidenceRecord(TypedDict):
    """A measurement that speaks for a cause, beside what a healthy training has."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    what: str
    measured: str
    expected: str


class TriedRecord(TypedDict):
    """A remedy that was tried, and the accuracy on validation faces with it and without."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    cause: str
    remedy: str
    arguments: str
    steps: Positive
    accuracy: Fraction
    accuracy_without: Fraction
    works: bool


class SettingRecord(TypedDict):
    """A key of the configuration before and after."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    key: str
    was: Any
    now: Any


class HealingRecord(TypedDict):
    """What was done about an alarm, with `monitor.collapse_action=heal`.

    `epoch` is that of the alarm; `changes` are empty where nothing helped, or nothing that fits the
    good state, and the training went on as it was; else it went on after `restored` epochs, 0 from
    the start, and `lost` epochs were done in vain. Checkpoints with a number up to `checkpoint` are
    of the time before.
    """

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    when: str
    epoch: Positive
    alarm: str
    cause: str | None
    verdict: str
    evidence: list[EvidenceRecord]
    tried: list[TriedRecord]
    changes: list[SettingRecord]
    restored: NotRequired[Count]
    lost: NotRequired[Count]
    checkpoint: NotRequired[Count]
    alarms: NotRequired[list[AlarmRecord]]


class EnvironmentRecord(TypedDict):
    """`environment.json`."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    ferkeras: str
    python: str
    packages: dict[str, str | None]
    platform: str
    processor_cores: Positive | None
    command: list[str]
    data: DataRecord
    teachers: NotRequired[list[TeacherRecord]]
    start_from: NotRequired[TeacherRecord | None]
    settings: NotRequired[dict[str, Any]]
    changes: NotRequired[list[ChangeRecord]]
    healings: NotRequired[list[HealingRecord]]


class TrackedRecord(TypedDict):
    """What an experiment tracker knows a training by, since so many healings."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    healings: Count


TrackersRecord = dict[str, TrackedRecord]
"""`trackers.json`, by the name of the tracker."""


class TemperatureRecord(TypedDict):
    """A temperature that was fitted."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    temperature: Temperature


class CalibrationRecord(TemperatureRecord):
    """`calibration.json`."""

    test_time_augmentation: dict[Literal["flip", "multiscale"], TemperatureRecord]


class ExportRecord(TypedDict):
    """One export in `exports.json`."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    format: Literal["saved_model", "litert", "litert-float16", "litert-int8", "onnx", "keras"]
    size: Count
    temperature: Temperature
    compared_on: str
    faces: Positive
    largest_difference: Fraction
    label_agreement: Fraction
    epoch: NotRequired[Positive]
    run: NotRequired[str]
    fingerprint: NotRequired[str | None]
    seed: NotRequired[Count]


class ProvenanceRecord(TypedDict):
    """What an exported file says of how it came about."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    run: NotRequired[str]
    ferkeras: NotRequired[str | None]
    data: NotRequired[str]
    fingerprint: NotRequired[str | None]
    epoch: NotRequired[Positive | None]
    seed: NotRequired[Count]
    validation_accuracy: NotRequired[Fraction | None]
    averaged: NotRequired[bool]
    temperature: NotRequired[Temperature]
    tta_temperatures: NotRequired[dict[Literal["flip", "multiscale"], Temperature]]
    unfinished: NotRequired[str]


ExportsRecord = dict[Annotated[str, Field(pattern=r"^\w[\w.-]{0,99}$")], ExportRecord]
"""`exports.json`, by the name of the file or folder."""


class BootstrapRecord(TypedDict):
    """How intervals were made."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    resamples: Positive
    confidence: Fraction


class ResultRecord(TypedDict):
    """Figures of one variant of the predictions, on some of the faces."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    variant: str
    faces: str
    metrics: Figures
    intervals: dict[str, Annotated[list[Number], Field(min_length=2, max_length=2)]]
    confusion_matrix: NotRequired[list[list[Count]]]


class EvaluationRecord(TypedDict):
    """`evaluation-<split>.json`."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    run: str
    unfinished: NotRequired[str]
    epoch: Positive
    split: str
    source: str
    fingerprint: str
    same_data_as_training: bool
    remark: str
    temperature: Temperature
    faces_also_in_training: Count | None
    faces_left_out: NotRequired[dict[str, Count]]
    bootstrap: BootstrapRecord
    results: Annotated[list[ResultRecord], Field(min_length=1)]


class CheckpointRecord(TypedDict):
    """What a checkpoint holds besides arrays."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    epoch: Positive
    step: Count
    state: dict[str, Any]


Record = TypeVar("Record")


def read_record(path: InnerPath, kind: type[Record]) -> Record:
    """Return what a JSON file of a run holds, as it stands.

    Args:
        path: the file.
        kind: one of the records here.

    Raises:
        InputError: it cannot be read, or is damaged; the message names file and field.
    """
    try:
        content = path.read_bytes(LARGEST_RECORD)
    except FileNotFoundError:
        raise InputError(
            f"{shown(path)}: no such file; the run is not complete without it"
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None
    return parse_record(content, kind, shown(path))


def parse_record(content: bytes, kind: type[Record], name: str) -> Record:
    """As `read_record`, of a JSON text that was read elsewhere.

    Args:
        content: the text.
        kind: one of the records here.
        name: what the message calls it.
    """
    try:
        value = json.loads(content)
        # Half of a pair of code units is no text: no page or table could be written with it.
        json.dumps(value, ensure_ascii=False).encode()
        _adapter(cast(Hashable, kind)).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        reason = (
            "is missing"
            if first["type"] == "missing"
            else f"{first['msg'][:1].lower()}{first['msg'][1:]}, "
            f"found {quoted(repr(first['input']))}"
        )
        raise _damaged(name, f"{quoted(field, 80)[1:-1]}: {reason}") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(name, f"not JSON ({quoted(str(error), 80)[1:-1]})") from None
    return value


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _damaged(name: str, reason: str) -> InputError:
    return InputError(
        f"{name}: damaged: {reason}; take the file from a copy of the run, or train again"
    )
