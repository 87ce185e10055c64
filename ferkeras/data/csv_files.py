"""Faces from a table: ``fer2013.csv``, ``icml_face_data.csv``, Kaggle's ``train.csv``."""

from __future__ import annotations

import csv
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, nearest, quoted, shown
from ferkeras.data.faces import USAGES, Faces
from ferkeras.data.labels import class_index
from ferkeras.data.pixels import PIXELS, explain_pixels, parse_pixels
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.text_lines import Progress, lines_of

MAX_ROWS = 1_000_000
_ROWS_A_BLOCK = 32
# 36 MiB, which the C library gives back to the system when it is freed; it keeps what is smaller.
_ROWS_A_CHUNK = 512 * _ROWS_A_BLOCK
_MAX_COLUMNS = 1000
_LONGEST_KNOWN = 40

_USAGE_CODES = {
    "training": USAGES.index("train"),
    "publictest": USAGES.index("validation"),
    "privatetest": USAGES.index("test"),
}


@dataclass(frozen=True)
class Columns:
    """Where the columns stand in a row; `usage` is None when there is none."""

    emotion: int
    pixels: int
    usage: int | None
    count: int


def read_columns(path: Path) -> Columns:
    """Return the columns of a table of faces, having read its first line only.

    Raises:
        InputError: the file cannot be read or is no table of faces.
    """
    with closing(lines_of(path)) as lines:  # type: ignore[type-var]
        for number, line in lines:
            return _columns(f"{shown(path)}, line {number}", line)
    raise InputError(
        f"{shown(path)}: empty file; expected a table with the columns emotion, pixels and, where "
        "the split is official, Usage"
    )


def read_csv(path: Path, progress: Progress | None = None) -> tuple[Faces, np.ndarray]:
    """Read a table of faces, streaming.

    The first line names the columns, in any order, case and blanks around them ignored: ``emotion``
    (class index 0 to 6, or a name), ``pixels`` (2304 numbers from 0 to 255) and optionally
    ``Usage`` (Training, PublicTest or PrivateTest). Other columns are ignored.

    Args:
        path: the table, plain, gzipped or alone in a zip archive.
        progress: called now and then with (bytes consumed, bytes in all).

    Returns:
        The faces in the order of the file, and their usage: int8, shape (N,).

    Raises:
        InputError: anything is malformed; the message names the file, the line as an editor
            counts it, and the data row.
    """
    columns: Columns | None = None
    labels: list[int] = []
    usage: list[int] = []
    label_of: dict[bytes, int] = {}
    usage_of: dict[bytes, int] = {}
    chunks: deque[np.ndarray] = deque()
    pending: list[bytes] = []
    pending_lines: list[int] = []

    # The C library keeps freed memory for itself up to the largest piece it has seen freed. With
    # none seen, every block's temporaries are fetched from the system anew: twice the time.
    np.empty(2**24, np.uint8)

    def at(line_number: int, row_number: int) -> str:
        return f"{shown(path)}, line {line_number} (data row {row_number})"

    def finish_block() -> None:
        parsed = parse_pixels(pending)
        done = len(labels) - len(pending)
        if parsed is None:
            for row_number, (line_number, row) in enumerate(
                zip(pending_lines, pending, strict=True), done + 1
            ):
                if wrong := explain_pixels(row):
                    raise InputError(f"{at(line_number, row_number)}: {wrong}")
            raise AssertionError("parse_pixels and explain_pixels disagree")
        if done % _ROWS_A_CHUNK == 0:
            chunks.append(np.empty((_ROWS_A_CHUNK, PIXELS), np.uint8))
        chunks[-1][done % _ROWS_A_CHUNK :][: len(parsed)] = parsed
        pending.clear()
        pending_lines.clear()

    with closing(lines_of(path, progress)) as lines:  # type: ignore[type-var]
        for number, line in lines:
            if columns is None:
                columns = _columns(f"{shown(path)}, line {number}", line)
                continue
            try:
                if len(labels) == MAX_ROWS:
                    raise InputError(f"more than {MAX_ROWS:,} faces; split the file")
                fields = _fields(line)
                if len(fields) != columns.count:
                    raise InputError(
                        f"{len(fields)} fields, expected {columns.count} as in the first line"
                    )
                label = _class_index(fields[columns.emotion], label_of)
                if columns.usage is not None:
                    usage.append(_usage(fields[columns.usage], usage_of))
            except InputError as error:
                # An earlier row of this block may have bad pixels: the first bad row is named.
                row_number = len(labels) + 1
                if pending:
                    finish_block()
                raise InputError(f"{at(number, row_number)}: {error}") from error
            labels.append(label)
            pending.append(fields[columns.pixels])
            pending_lines.append(number)
            if len(pending) == _ROWS_A_BLOCK:
                finish_block()
    if pending:
        finish_block()
    if not labels:
        raise InputError(f"{shown(path)}: no faces: nothing follows the line of column names")

    images = np.empty((len(labels), PIXELS), np.uint8)
    filled = 0
    while chunks:
        # Taken off one by one, so that the faces are not held twice.
        chunk = chunks.popleft()[: len(labels) - filled]
        images[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    return (
        Faces(
            images.reshape(-1, *FER2013.image.shape), np.array(labels, np.int32), FER2013.classes
        ),
        np.array(usage or np.zeros(len(labels)), np.int8),
    )


def _columns(at: str, line: bytes) -> Columns:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{at}: this text is UTF-16; save it as UTF-8")
    if b"ustar" in line[:512]:
        raise InputError(f"{at}: a tar archive; unpack it and give the .csv in it")
    if b"\0" in line or line.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        raise InputError(f"{at}: not text; expected a .csv of faces, plain, gzipped or zipped")
    try:
        fields = _fields(line.removeprefix(b"\xef\xbb\xbf"))
    except InputError as error:
        raise InputError(f"{at}: {error}") from error
    if len(fields) > _MAX_COLUMNS:
        raise InputError(f"{at}: {len(fields):,} columns, expected emotion,pixels or a few more")
    names = [field.decode("utf-8", "replace").strip() for field in fields]
    found = [name.lower() for name in names]
    for wanted in ("emotion", "pixels", "usage"):
        if found.count(wanted) > 1:
            raise InputError(f"{at}: {found.count(wanted)} columns are named {wanted}, expected 1")
    listed = ", ".join(quoted(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")
    if "pixels" in found and "emotion" not in found and len(found) == 1:
        raise InputError(
            f"{at}: pixels alone, without a column named emotion: this is Kaggle's test.csv, "
            "which has no labels to learn from; give train.csv"
        )
    if {"happiness", "nf"} <= set(found):
        raise InputError(
            f"{at}: these are the votes of FER+, which hold no pixels; give the fer2013.csv "
            "they belong to"
        )
    for wanted in ("emotion", "pixels"):
        if wanted not in found:
            raise InputError(
                f"{at}: no column named {wanted} among {listed}{did_you_mean(wanted, names)} "
                "expected emotion,pixels or emotion,pixels,Usage"
            )
    # Likelier than a misspelt name is a column of something else, such as age or image.
    almost_usage = nearest("usage", names, cutoff=0.8)
    if "usage" not in found and almost_usage:
        raise InputError(
            f"{at}: no column named Usage, but one named {quoted(almost_usage)}; "
            "rename it, so that the official split is not lost"
        )
    return Columns(
        emotion=found.index("emotion"),
        pixels=found.index("pixels"),
        usage=found.index("usage") if "usage" in found else None,
        count=len(found),
    )


def _fields(line: bytes) -> list[bytes]:
    if b'"' not in line:
        return line.split(b",")
    try:
        # Latin-1 maps every byte to one character and back.
        (row,) = csv.reader([line.decode("latin-1")], strict=True, skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise InputError(f"quotes that do not match ({error})") from error
    return [field.encode("latin-1") for field in row]


def _class_index(field: bytes, known: dict[bytes, int]) -> int:
    if field not in known:
        text = field.decode("utf-8", "replace").strip()
        if len(text) == 1 and text in "0123456":
            label = int(text)
        else:
            try:
                label = class_index(text[:40])
            except KeyError as error:
                choices = ", ".join(f"{label} {name}" for label, name in enumerate(EMOTIONS))
                raise InputError(
                    f"unknown emotion {quoted(text)}{did_you_mean(text, EMOTIONS)} "
                    f"expected one of {choices}"
                ) from error
        # Blanks around a name may differ in every row: what is remembered stays small.
        if len(field) > _LONGEST_KNOWN:
            return label
        known[field] = label
    return known[field]


def _usage(field: bytes, known: dict[bytes, int]) -> int:
    if field not in known:
        text = field.decode("utf-8", "replace").strip()
        if text.lower() not in _USAGE_CODES:
            names = ("Training", "PublicTest", "PrivateTest")
            raise InputError(
                f"unknown Usage {quoted(text)}{did_you_mean(text, names)} "
                f"expected one of {', '.join(names)}"
            )
        if len(field) > _LONGEST_KNOWN:
            return _USAGE_CODES[text.lower()]
        known[field] = _USAGE_CODES[text.lower()]
    return known[field]
