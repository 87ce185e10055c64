"""Which reader a path is for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import listed, quoted, shown
from ferkeras.data.classes import ClassesWanted
from ferkeras.data.digests import digest_of_file
from ferkeras.data.emotions import known_emotion
from ferkeras.data.pictures import SUFFIXES
from ferkeras.data.presets import rafdb
from ferkeras.data.readers.arrays import labels_beside, read_npy
from ferkeras.data.readers.class_folders import (
    read_class_folders,
    says_classes,
    says_emotions,
    says_names,
)
from ferkeras.data.readers.columns import Columns, columns_of, fields_below
from ferkeras.data.readers.files import (
    Files,
    FolderFiles,
    Found,
    ZipFiles,
    digest_of,
    holds_pictures,
    list_folder,
)
from ferkeras.data.readers.folder_levels import MOSTLY
from ferkeras.data.readers.npz import read_npz
from ferkeras.data.readers.parquet import SUFFIX, ParquetTable, read_parquet
from ferkeras.data.readers.picture_list import RAFDB_LIST, read_picture_list
from ferkeras.data.readers.pixel_table import read_pixel_table
from ferkeras.data.readers.rows import rows_of
from ferkeras.data.readers.source import NoPeople, Progress, Source

_ROWS_LOOKED_AT = 20
_TABLES_LOOKED_AT = 20
_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.zip")


@dataclass(frozen=True)
class Opened:
    """A source whose layout is recognised, its pixels not read yet.

    Attributes:
        digest: 64 hexadecimal digits that change when the content does.
        source: reads it, all but the pixels of picture files.
        has_files: whether it is of picture files, so that `source` is quick.
        beside: a file that is read beside the one that was named, if there is one.
    """

    digest: Callable[[], str]
    source: Callable[[Progress | None], Source]
    has_files: bool
    beside: Path | None = None


def open_folder(
    root: Path,
    *,
    follow_symlinks: bool,
    group_column: str | None,
    votes: bool = False,
    classes: ClassesWanted = None,
) -> Opened:
    """Recognise a folder: Parquet tables, RAF-DB's, class folders, named pictures, or a list.

    Where folders and pictures name no emotions, a list goes before them: one that names emotions,
    or AffectNet's, or any where one folder holds all pictures, or people of a column are asked for.
    Lists that folders go before are named in a note.

    Raises:
        InputError: none of them; the message says what it was taken for.
    """
    files = list_folder(root, follow_symlinks=follow_symlinks)
    tables = [found for found in files.others if found.name.lower().endswith(_TABLES)]
    parquet = [root / found.name for found in files.others if found.file.lower().endswith(SUFFIX)]
    if parquet and not files.pictures:
        return _parquet(root, parquet, lambda: digest_of(files), group_column, votes)
    if not files.pictures:
        table = next((each.name for each in tables if "/" not in each.name), None)
        hint = f"; was {shown(root / table)} meant?" if table else ";"
        raise InputError(
            f"{shown(root)}: no pictures below this folder{hint} expected "
            f"{', '.join(SUFFIXES)} files in folders named after their classes (angry, happy, "
            "...), in such folders in train and test, or listed in a table"
        )
    for found in tables:
        if RAFDB_LIST.fullmatch(found.file):
            aligned = [each for each in files.pictures if rafdb.ALIGNED in each.file]
            chosen = FolderFiles(root, aligned or files.pictures, files.others)
            return _listed(root / found.name, chosen, group_column, votes)
    if says_classes(files) and says_emotions(files):
        # Beside each picture there may be a text file.
        few = sorted(tables, key=lambda each: len(each.folders))[:_TABLES_LOOKED_AT]
        return _class_folders(files, group_column, classes, _unread(_lists(root, few)))
    lists = _lists(root, tables)
    asked = group_column is not None and bool(lists)
    if says_names(files) and not asked and not any(map(_is_of_emotions, lists)):
        return _class_folders(files, group_column, classes, _unread(lists))
    if len(lists) > 1:
        raise InputError(
            f"{shown(root)}: several lists of its pictures ({listed([p.name for p in lists], 5)})"
            "; name the one that is meant: data.path=LIST"
        )
    if lists:
        return _listed(lists[0], files, group_column, votes)
    return _class_folders(files, group_column, classes)


def open_file(
    path: Path,
    *,
    follow_symlinks: bool,
    group_column: str | None,
    votes: bool = False,
    classes: ClassesWanted = None,
) -> Opened:
    """Recognise a file: NumPy's, Parquet, a zipped folder of pictures, a table of pixels, a list.

    Raises:
        InputError: none of them.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return Opened(
            lambda: digest_of_file(path),
            lambda _: read_npz(path, group_column, votes=votes),
            False,
        )
    if suffix == ".npy":
        _refuse_group_column(path, group_column)
        beside = labels_beside(path)
        return Opened(
            lambda: _together(digest_of_file(path), digest_of_file(beside)),
            lambda _: read_npy(path, beside, votes=votes),
            False,
            beside,
        )
    if suffix == SUFFIX:
        # Its name may tell its split.
        return _parquet(
            path, [path], lambda: _together(digest_of_file(path), path.name), group_column, votes
        )
    if holds_pictures(path):
        packed = ZipFiles(path)
        if not says_emotions(packed) and (table := _list_in(packed)) is not None:
            raise InputError(
                f"{shown(path)}: pictures whose folders name no emotions, and with them a list "
                f"of them, {shown(table)}, which is not read in an archive: unpack it, and give "
                "the folder, or the list in it"
            )
        return _class_folders(packed, group_column, classes, _unread_in(packed))
    columns = read_columns(path, group_column, votes=votes)
    if columns.pixels is None:
        files = list_folder(path.parent, follow_symlinks=follow_symlinks, strict=False)
        return _listed(path, files, group_column, votes)
    return Opened(
        lambda: digest_of_file(path),
        lambda progress: read_pixel_table(path, columns, progress),
        False,
    )


def read_columns(path: Path, group_column: str | None = None, *, votes: bool = False) -> Columns:
    """The columns of a table of faces, having read its first row only.

    Raises:
        InputError: the file cannot be read or is no table of faces.
    """
    with closing(rows_of(path)) as rows:  # type: ignore[type-var]
        for number, row in rows:
            return columns_of(f"{shown(path)}, line {number}", row, group_column, votes=votes)
    raise InputError(
        f"{shown(path)}: empty file; expected a table with the columns emotion, pixels and, where "
        "the split is official, Usage"
    )


def _parquet(
    root: Path, paths: list[Path], digest: Callable[[], str], group_column: str | None, votes: bool
) -> Opened:
    tables = [ParquetTable(path, group_column, votes=votes) for path in paths]
    return Opened(
        digest,
        lambda progress: read_parquet(tables, root, progress),
        all(table.encoded for table in tables),
    )


def _listed(table: Path, files: Files, group_column: str | None, votes: bool) -> Opened:
    columns = read_columns(table, group_column, votes=votes)
    return Opened(
        lambda: _together(digest_of_file(table), digest_of(files)),
        lambda _: read_picture_list(table, columns, files),
        True,
    )


def _class_folders(
    files: Files, group_column: str | None, classes: ClassesWanted, unread: str = ""
) -> Opened:
    _refuse_group_column(files.root, group_column)
    return Opened(
        lambda: digest_of(files),
        lambda _: replace(read_class_folders(files, classes), unread=unread),
        True,
    )


def _unread(lists: Sequence[Path]) -> str:
    """What is said of lists in a folder that is read by its folders; empty for none."""
    if not lists:
        return ""
    way = f"data.path={shown(lists[0])} reads it" if len(lists) == 1 else "data.path=LIST reads one"
    return f"{_not_read([path.name for path in lists])}; {way} instead"


def _unread_in(packed: ZipFiles) -> str:
    """The same of lists in an archive."""
    few = islice(_tables_in(packed), _TABLES_LOOKED_AT)
    lists = [name for name, rows in few if _has_pictures(name, rows[:1])]
    if not lists:
        return ""
    return f"{_not_read(lists)}; unpack the archive, and data.path=LIST reads one instead"


def _not_read(lists: Sequence[str]) -> str:
    return (
        f"{listed([*map(shown, lists)], 3)} {'is' if len(lists) == 1 else 'are'} not read: what is "
        "shown is told by the names of folders or pictures here"
    )


def _refuse_group_column(path: Path, group_column: str | None) -> None:
    if group_column is not None:
        raise NoPeople(
            f"{shown(path)}: data.group_column = {quoted(group_column)}, but there are no columns "
            "here; people need a folder each, or a list of the pictures (image,emotion,person)"
        )


def _together(*digests: str) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _lists(root: Path, tables: Sequence[Found]) -> list[Path]:
    return [root / each.name for each in tables if _is_picture_list(root / each.name)]


def _is_picture_list(path: Path) -> bool:
    try:
        return read_columns(path).image is not None
    except InputError:
        return False


def _is_of_emotions(path: Path) -> bool:
    with closing(rows_of(path)) as rows:  # type: ignore[type-var]
        return _lists_emotions(shown(path), (row for _, row in rows))


def _list_in(packed: ZipFiles) -> str | None:
    """The first list in an archive that a folder's would go before: see `open_folder`."""
    for name, rows in _tables_in(packed):
        if (
            RAFDB_LIST.fullmatch(PurePosixPath(name).name)
            or _lists_emotions(name, rows)
            or (not says_names(packed) and _has_pictures(name, rows[:1]))
        ):
            return name
    return None


def _tables_in(packed: ZipFiles) -> Iterator[tuple[str, list[bytes]]]:
    """The tables of an archive that are not packed once more, with their rows; none if damaged."""
    for each in packed.others:
        if not each.name.lower().endswith(_TABLES[:3]):
            continue
        try:
            content = packed.content(each).removeprefix(b"\xef\xbb\xbf")
        except (InputError, OSError):
            content = b""
        yield each.name, [row for row in content.splitlines() if row.strip()]


def _has_pictures(at: str, rows: list[bytes]) -> bool:
    try:
        return bool(rows) and columns_of(at, rows[0], None).image is not None
    except InputError:
        return False


def _lists_emotions(at: str, rows: Iterable[bytes]) -> bool:
    """Whether rows are those of a list of pictures, the first of which mostly name emotions."""
    first, *rest = [*islice(rows, _ROWS_LOOKED_AT)] or [b""]
    try:
        columns = columns_of(at, first, None)
        if columns.image is None or columns.affectnet:
            return columns.affectnet
        if columns.label is None:
            named = {name for _, name in columns.one_hot}
        else:
            labelled = rest if columns.header else [first, *rest]
            fields = [fields_below(columns, row)[columns.label] for row in labelled]
            named = {each.decode("utf-8", "replace").strip() for each in fields}
    except InputError:
        return False
    emotions = sum(known_emotion(name) is not None for name in named)
    return bool(named) and emotions >= MOSTLY * len(named)
