"""Faces from Parquet tables: encoded pictures, as Hugging Face's data sets hold them, or pixels.

A folder of such tables is read as one, each with the split that its name begins with, or that a
folder is named after which it is in.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.extras import need_extra
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.data.pictures import MAX_PICTURE_BYTES
from ferkeras.data.readers.arrays import as_faces
from ferkeras.data.readers.class_folders import split_of
from ferkeras.data.readers.columns import Columns, columns_named
from ferkeras.data.readers.pixel_table import (
    MAX_ROWS,
    Labels,
    Usages,
    marked_class,
    pixels_of_text,
    preset_of,
)
from ferkeras.data.readers.source import (
    ArrayPictures,
    EncodedPictures,
    Pictures,
    Progress,
    Source,
    who_is,
)
from ferkeras.data.readers.votes import Votes, row_of_votes

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

SUFFIX = ".parquet"

_NESTED = {"image.bytes": "image", "image_bytes": "image", "img.bytes": "img", "img_bytes": "img"}
"""Columns of encoded pictures, and what they are of."""

_Read = TypeVar("_Read")

_ROWS_A_BATCH = 512
_HELD = 2
"""Groups of rows that are held at a time: pictures are asked for nearly in order."""


class ParquetTable:
    """One table, opened; its columns are recognised, its rows not read.

    Args:
        path: the file.
        group_column: what `data.group_column` says.
        votes: whether the columns of the classes hold votes.

    Raises:
        InputError: pyarrow is missing, the file is damaged or too large, or no table of faces.
    """

    def __init__(self, path: Path, group_column: str | None, *, votes: bool = False) -> None:
        need_extra("parquet", f"{shown(path)}: a Parquet table")
        import pyarrow.parquet

        self.path = path
        with _refusals(path):
            self.file = pyarrow.parquet.ParquetFile(path)
            schema = self.file.schema_arrow
        self.rows: int = self.file.metadata.num_rows
        if self.rows > MAX_ROWS:
            raise InputError(f"{shown(path)}: more than {MAX_ROWS:,} rows; split the file")
        if not self.rows:
            raise InputError(f"{shown(path)}: no rows in it; expected at least one")
        self.names = [_NESTED.get(name.lower(), name) for name in schema.names]
        at = f"{shown(path)}, its columns"
        self.columns = columns_named(at, self.names, group_column, votes=votes)
        self.encoded = False
        if self.columns.image is not None:
            self.encoded = self._is_encoded(schema.field(self.columns.image))
        self.class_names = _class_names(schema, self.columns)

    def _is_encoded(self, field: pyarrow.Field) -> bool:
        """Whether a column of images holds files; else it holds their pixels."""
        from pyarrow import types

        kind = field.type
        if types.is_struct(kind) and "bytes" in [kind.field(k).name for k in range(len(kind))]:
            return True
        if types.is_binary(kind) or types.is_large_binary(kind):
            return True
        if types.is_nested(kind) and not types.is_struct(kind):
            return False
        raise InputError(
            f"{shown(self.path)}: the column {field.name} holds {kind}; expected the bytes of "
            "pictures (binary, or a struct with a field bytes) or lists of pixels; a list of "
            "picture files is read as .csv"
        )

    def column(self, place: int) -> list[Any]:
        """All values of a column, as Python has them."""
        name = self.file.schema_arrow.names[place]
        with _refusals(self.path):
            return self.file.read([name]).column(name).to_pylist()


def read_parquet(
    tables: Sequence[ParquetTable], root: Path, progress: Progress | None = None
) -> Source:
    """Read tables as one: labels and splits at once, pictures when they are asked for.

    The labels are names, or class indices, whose names Hugging Face's metadata say where there are
    any. A table that says no split in a column has the one that its name begins with, or that a
    folder between it and `root` is named after.

    Args:
        tables: at least one.
        root: the file, or the folder that they are in.
        progress: called now and then with (rows, rows in all) where they hold pixels.

    Raises:
        InputError: a value is none that can be read; the message names the row.
    """
    labels, usages = Labels(), Usages()
    usage: list[int] = []
    groups: list[str] = []
    for table in tables:
        columns = table.columns
        of_rows = _labels(table)
        for row, label in enumerate(of_rows, 1):
            labels.take(label, lambda: f"{shown(table.path)}, row {row:,}")  # noqa: B023
        if columns.usage is not None:
            usage += _usages(table, usages)
        else:
            usage += [_split(table.path, root)] * table.rows
        if columns.group is not None:
            groups += [who_is(each) for each in table.column(columns.group)]
    if groups and len(groups) < len(usage):
        raise InputError(f"{shown(root)}: only some of its tables say who is seen")
    if 0 in usage and any(usage):
        raise InputError(
            f"{shown(root)}: some of its tables say a split and some do not; begin the names of "
            "all with train, validation or test, or of none, or put all into such folders"
        )
    if all(table.encoded for table in tables):
        rows = _EncodedRows(tables, root)
        pictures: Pictures = EncodedPictures(root, rows.names, rows.content)
        title, preset = "Parquet table of pictures", None
    else:
        images = _pixels(tables, progress)
        title = "Parquet table of pixels"
        preset = preset_of(tables[0].columns, images.shape[1], labels.places)
        pictures = ArrayPictures(images)
    return Source(
        title,
        labels.of_rows,
        labels.places,
        np.array(usage, np.int8),
        groups or None,
        preset,
        pictures,
        _votes(tables, root),
    )


def _split(path: Path, root: Path) -> int:
    """The split that the names of a table and of its folders below `root` say; 0 for none."""
    begin = re.split("[-.]", path.name)[0]
    names = [*path.relative_to(root).parts[:-1], begin]
    # What Hugging Face calls the part of a split that it has converted.
    found = {usage: name for name in names if (usage := split_of(name.removeprefix("partial-")))}
    if len(found) > 1:
        raise InputError(
            f"{shown(path)}: of which split, {' or '.join(found.values())}? Move or rename it"
        )
    return next(iter(found), 0)


class _EncodedRows:
    """The encoded pictures of tables, by number; the groups of rows used last are held."""

    def __init__(self, tables: Sequence[ParquetTable], root: Path) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, pyarrow.ChunkedArray] = {}
        self._groups: list[tuple[ParquetTable, int]] = []
        self._starts: list[int] = []
        self.names: list[str] = []
        for table in tables:
            before = "" if table.path == root else f"{table.path.relative_to(root).as_posix()}/"
            first = len(self.names)
            self.names += [f"{before}row {row}" for row in range(1, table.rows + 1)]
            for group in range(table.file.num_row_groups):
                self._groups.append((table, group))
                self._starts.append(first)
                first += table.file.metadata.row_group(group).num_rows

    def content(self, which: int) -> bytes:
        """The bytes of a picture.

        Raises:
            InputError: there are none, or too many, or the table is damaged.
        """
        place = int(np.searchsorted(self._starts, which, side="right")) - 1
        with self._lock:
            if place not in self._held:
                while len(self._held) >= _HELD:
                    self._held.pop(next(iter(self._held)))
                self._held[place] = self._read(*self._groups[place])
            content = self._held[place][which - self._starts[place]].as_py()
        if not isinstance(content, bytes) or not content:
            raise InputError("no picture in this row; expected the bytes of one")
        if len(content) > MAX_PICTURE_BYTES:
            raise InputError(f"larger than {MAX_PICTURE_BYTES // 2**20} MiB, which is no face")
        return content

    @staticmethod
    def _read(table: ParquetTable, group: int) -> pyarrow.ChunkedArray:
        from pyarrow import compute, types

        name = table.file.schema_arrow.names[table.columns.image or 0]
        is_struct = types.is_struct(table.file.schema_arrow.field(name).type)
        with _refusals(table.path):
            read = table.file.read_row_group(group, [f"{name}.bytes" if is_struct else name])
            column = read.column(0)
            return compute.struct_field(column, "bytes") if is_struct else column


def _labels(table: ParquetTable) -> list[str]:
    columns = table.columns
    if columns.one_hot:
        names = [name for _, name in columns.one_hot]
        return list(
            _of_rows(
                table,
                columns.one_hot,
                lambda fields: marked_class(zip(names, fields.values(), strict=True)),
            )
        )
    if columns.label is None:
        return [""] * table.rows
    return [
        _label(table, row, value) for row, value in enumerate(table.column(columns.label or 0), 1)
    ]


def _votes(tables: Sequence[ParquetTable], root: Path) -> Votes | None:
    """The votes of all rows; None where no columns hold any."""
    names = {tuple(name for _, name in table.columns.votes) for table in tables}
    if len(names) > 1:
        raise InputError(f"{shown(root)}: its tables differ in the columns of the votes")
    (of_all,) = names
    if not of_all:
        return None
    counts = [
        votes
        for table in tables
        for votes in _of_rows(
            table,
            table.columns.votes,
            lambda fields: row_of_votes(fields, table.columns.votes),  # noqa: B023
        )
    ]
    return Votes(of_all, np.array(counts, np.float32), f"{shown(root)}, its columns")


def _of_rows(
    table: ParquetTable,
    columns: Sequence[tuple[int, str]],
    read: Callable[[dict[int, bytes]], _Read],
) -> Iterator[_Read]:
    """What is read of some columns, given by their places as text, row by row."""
    places = [place for place, _ in columns]
    values = [map(_as_text, table.column(place)) for place in places]
    for row, each in enumerate(zip(*values, strict=True), 1):
        try:
            yield read(dict(zip(places, each, strict=True)))
        except InputError as error:
            raise InputError(f"{shown(table.path)}, row {row:,}: {error}") from None


def _as_text(value: object) -> bytes:
    """A value as a text table has it."""
    if value is None or value != value:
        return b""
    return str(int(value) if isinstance(value, bool) else value).encode()


def _label(table: ParquetTable, row: int, value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if table.class_names is None:
            return str(value)
        if 0 <= value < len(table.class_names):
            return table.class_names[value].strip()
        raise InputError(
            f"{shown(table.path)}, row {row:,}: the label {value}, expected 0 to "
            f"{len(table.class_names) - 1} for the {len(table.class_names)} names that its "
            "metadata give; leave out rows without a label"
        )
    if isinstance(value, str):
        return value.strip()
    raise InputError(
        f"{shown(table.path)}, row {row:,}: no label ({value!r:.40}); expected a name or a whole "
        "number"
    )


def _usages(table: ParquetTable, usages: Usages) -> list[int]:
    found = []
    for row, value in enumerate(table.column(table.columns.usage or 0), 1):
        try:
            found.append(usages.of(str(value).encode()))
        except InputError as error:
            raise InputError(f"{shown(table.path)}, row {row:,}: {error}") from error
    return found


def _class_names(schema: pyarrow.Schema, columns: Columns) -> list[str] | None:
    """Names of the class indices, where Hugging Face's metadata give them."""
    if columns.label is None:
        return None
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        names = about["info"]["features"][schema.names[columns.label]]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def _pixels(tables: Sequence[ParquetTable], progress: Progress | None) -> np.ndarray:
    """All pixels of tables that hold nothing else, as faces."""
    total, parts = sum(table.rows for table in tables), []
    done = 0
    for table in tables:
        columns, names = table.columns, table.file.schema_arrow.names
        if table.encoded:
            raise InputError(f"{shown(table.path)}: holds pictures, and tables beside it pixels")
        first, last = columns.pixels or (columns.image or 0, (columns.image or 0) + 1)
        with _refusals(table.path):
            for batch in table.file.iter_batches(_ROWS_A_BATCH, columns=names[first:last]):
                at = f"{shown(table.path)}, after row {done:,}"
                parts.append(_as_bytes(at, _values(at, batch)))
                done += batch.num_rows
                if progress:
                    progress(done, total)
    if len({part.shape[1:] for part in parts}) > 1 or len({part.dtype for part in parts}) > 1:
        raise InputError(f"{shown(tables[0].path)}: faces of different sizes; expected one size")
    return as_faces(tables[0].path, np.concatenate(parts))


def _values(at: str, batch: pyarrow.RecordBatch) -> np.ndarray:
    """The pixels of some rows: (n, P), (n, H, W) or (n, H, W, C)."""
    from pyarrow import compute, types

    if batch.num_columns > 1:
        return np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], axis=1)
    column = batch.column(0)
    if column.null_count:
        raise InputError(f"{at}: a row without pixels; expected a face in each")
    if types.is_string(column.type) or types.is_large_string(column.type):
        return pixels_of_text(at, [each.encode() for each in column.to_pylist()])
    shape = [len(column)]
    while types.is_nested(column.type) and not types.is_struct(column.type):
        lengths = compute.unique(compute.list_value_length(column)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise InputError(f"{at}: faces of different sizes; expected one size")
        shape.append(lengths[0])
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False).reshape(shape)


def _as_bytes(at: str, values: np.ndarray) -> np.ndarray:
    """Whole numbers as uint8, fractions as they are."""
    if values.dtype.kind not in "iu":
        return values
    if values.size and (values.min() < 0 or values.max() > 255):
        raise InputError(
            f"{at}: pixels from {values.min()} to {values.max()}; expected whole numbers from 0 "
            "to 255"
        )
    return values.astype(np.uint8)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What pyarrow says of a file as one error."""
    from pyarrow import ArrowException

    try:
        yield
    except InputError:
        raise
    except (ArrowException, ValueError, KeyError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise cannot_read(path, error) from error
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{shown(path)}: no whole Parquet table ({reason})") from error
