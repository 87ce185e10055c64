"""Faces from a list of picture files: ``image,emotion``, RAF-DB's list, AffectNet's table."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import listed, quoted, shown
from ferkeras.data.emotions import composed
from ferkeras.data.presets import affectnet, rafdb
from ferkeras.data.presets.preset import Preset
from ferkeras.data.readers.class_folders import split_of
from ferkeras.data.readers.columns import Columns, fields_below, usage_of
from ferkeras.data.readers.files import Files, Found
from ferkeras.data.readers.pixel_table import MAX_ROWS, Labels, Usages
from ferkeras.data.readers.rows import rows_of
from ferkeras.data.readers.source import EncodedPictures, Source

RAFDB_LIST = re.compile(r"list_part?ition_label\.txt|list_patition_label\.txt", re.IGNORECASE)
"""RAF-DB's list, with and without its slip of the pen."""


def read_picture_list(table: Path, columns: Columns, files: Files) -> Source:
    """Read a table whose rows name picture files.

    A picture is looked for by its path below `files`; or, where the list or the folders around
    the pictures have moved, by the end of its path; or, where a row names no folder, or no two
    pictures have one name, by its name. A row of one split is never given a picture of another.

    Args:
        table: the list, plain, gzipped or alone in a zip archive.
        columns: what its columns are, and that it has one for pictures.
        files: where the pictures are.

    Raises:
        InputError: anything is malformed, a picture is not there, or two paths come to one
            picture; the message names the line.
    """
    by_path = {composed(found.name): found for found in files.pictures}
    by_path |= {found.name: found for found in files.pictures}
    by_name: dict[str, list[Found]] = {}
    for found in files.pictures:
        by_name.setdefault(composed(found.file), []).append(found)
    labels, usages = Labels(), Usages()
    usage: list[int] = []
    groups: list[str] = []
    chosen: list[Found] = []
    missing: list[tuple[int, str]] = []
    namesakes: list[Found] = []
    taken_for: dict[str, PurePosixPath] = {}
    rows_read = 0
    with closing(rows_of(table)) as rows:  # type: ignore[type-var]
        if columns.header:
            next(rows, None)
        for number, row in rows:
            at = f"{shown(table)}, line {number}"
            rows_read += 1
            if rows_read > MAX_ROWS:
                raise InputError(f"{at}: more than {MAX_ROWS:,} rows; split the file")
            try:
                fields = fields_below(columns, row)
                if columns.usage is not None:
                    usage.append(usages.of(fields[columns.usage]))
                labels.add(columns, fields, lambda: at)  # noqa: B023
            except InputError as error:
                raise InputError(f"{at}: {error}") from error
            name = fields[columns.image or 0].decode("utf-8", "replace").strip()
            as_written = posixpath.normpath(name.replace("\\", "/"))
            path = PurePosixPath(composed(as_written))
            picture = by_path.get(as_written) or _picture(files, path, at, by_path, by_name)
            if picture is None:
                missing.append((number, name))
                namesakes.extend(by_name.get(path.name, [])[:1])
                continue
            if (other := taken_for.setdefault(picture.name, path)) != path:
                raise InputError(
                    f"{at}: {quoted(name, 80)} and {quoted(str(other), 80)}, in a row above, would "
                    f"both be {picture.name}; give paths from {shown(files.root)}"
                )
            chosen.append(picture)
            if columns.group is not None:
                groups.append(fields[columns.group].decode("utf-8", "replace").strip()[:100])
    if missing:
        raise _not_there(table, files, missing, namesakes, rows_read)
    if not chosen:
        raise InputError(f"{shown(table)}: no pictures: nothing follows the line of column names")
    title, preset = _title(table, columns, labels)
    if preset is rafdb.PRESET and not usage:
        usage = [_split_of_rafdb(table, found) for found in chosen]
    if not usage:
        usage = _splits_of_folders(table, chosen)
    return Source(
        title,
        labels.of_rows,
        labels.places,
        np.array(usage or np.zeros(len(chosen)), np.int8),
        groups or None,
        preset,
        EncodedPictures(
            files.root, [each.name for each in chosen], lambda which: files.content(chosen[which])
        ),
        labels.votes(table, columns),
        _unnamed(table, files, chosen),
    )


def _unnamed(table: Path, files: Files, chosen: Sequence[Found]) -> tuple[str, ...]:
    """A note on pictures that no row names."""
    named = {each.name for each in chosen}
    others = [shown(each.name) for each in files.pictures if each.name not in named]
    if not others:
        return ()
    return (
        f"{len(others):,} of {len(files.pictures):,} pictures are in no row of {shown(table)}, and "
        f"left out: {listed(others, 3)}",
    )


def _splits_of_folders(table: Path, chosen: Sequence[Found]) -> list[int]:
    """The split of each picture by the folders it lies in; none where these tell none."""
    splits = [_split(found.folders) for found in chosen]
    silent = [found for found, split in zip(chosen, splits, strict=True) if split is None]
    if silent and len(silent) < len(chosen):
        raise InputError(
            f"{shown(table)}: {shown(silent[0].name)} lies in no folder of a split, as "
            f"{len(chosen) - len(silent):,} of {len(chosen):,} pictures do; move it into train, "
            "validation or test, or give the list a column named split"
        )
    return [split for split in splits if split is not None]


def _split_of_rafdb(table: Path, found: Found) -> int:
    usage = usage_of(found.file.partition("_")[0])
    if usage is None:
        raise InputError(
            f"{shown(table)}: {quoted(found.file, 80)} begins with neither train_ nor test_, as "
            "RAF-DB's pictures do; restore their names, or rename the list if it is another one"
        )
    return usage


def _picture(
    files: Files,
    path: PurePosixPath,
    at: str,
    by_path: dict[str, Found],
    by_name: dict[str, list[Found]],
) -> Found | None:
    if found := by_path.get(str(path)):
        return found
    # RAF-DB's list names train_00001.jpg, its cut-out faces are train_00001_aligned.jpg.
    aligned = f"{path.stem}{rafdb.ALIGNED}{path.suffix}"
    candidates = by_name.get(path.name) or by_name.get(aligned) or []
    alike = [each for each in candidates if _ends_alike(path, each, files.root)]
    candidates = alike or _moved(
        path, candidates, files, unique=len(by_name) == len(files.pictures)
    )
    if len(candidates) > 1:
        raise InputError(
            f"{at}: several pictures are named {path.name}: {candidates[0].name} and "
            f"{candidates[1].name}; give paths from {shown(files.root)}"
        )
    return candidates[0] if candidates else None


def _ends_alike(path: PurePosixPath, found: Found, root: Path) -> bool:
    """Whether the folders of one are the last ones of the other, and at least one is the same.

    Else pictures of `train` would be taken for those of `test` that have their names.
    """
    asked = _folders(path)
    there = (composed(root.absolute().name), *found.folders)
    shared = min(len(asked), max(1, len(found.folders)))
    return not asked or asked[-shared:] == there[-shared:]


def _moved(
    path: PurePosixPath, candidates: Sequence[Found], files: Files, *, unique: bool
) -> list[Found]:
    """Those of the path's split whose folders end as its do, the most of them; at least in one.

    Where names are unique, which no second picture has, the folders may be others altogether.
    """
    asked = _folders(path)
    split = _split(asked)
    root = composed(files.root.absolute().name)
    same = [
        each
        for each in candidates
        if split == _split(each.folders) or split == _split((root, *each.folders))
    ]
    shared = [_shared_end(asked, (root, *each.folders)) for each in same]
    most = max(shared, default=0)
    if not (most or unique):
        return []
    return [each for each, count in zip(same, shared, strict=True) if count == most]


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the last names of both are the same."""
    pairs = zip(one[::-1], other[::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _folders(path: PurePosixPath) -> tuple[str, ...]:
    return tuple(part for part in path.parent.parts if part.strip("./"))


def _split(folders: Sequence[str]) -> int | None:
    """The split that the innermost folder named after one tells."""
    return next((split for each in folders[::-1] if (split := split_of(each)) is not None), None)


def _not_there(
    table: Path,
    files: Files,
    missing: Sequence[tuple[int, str]],
    namesakes: Sequence[Found],
    rows: int,
) -> InputError:
    names = listed([f"{quoted(name, 80)} (line {number})" for number, name in missing], 3)
    others = listed([shown(each.name) for each in namesakes], 3)
    elsewhere = f" (of these names, but in other folders: {others})" if namesakes else ""
    return InputError(
        f"{shown(table)}, line {missing[0][0]}: no such picture: {len(missing):,} of {rows:,} rows "
        f"name files that are not below {shown(files.root)}: {names}{elsewhere}; copy the "
        "files there, correct the paths (from there, or names alone without any folder), or leave "
        "out these rows"
    )


def _title(table: Path, columns: Columns, labels: Labels) -> tuple[str, Preset | None]:
    if columns.affectnet:
        contempt = {"7", "7.0"} & set(labels.places)
        return "AffectNet's table", affectnet.EIGHT if contempt else affectnet.SEVEN
    if RAFDB_LIST.fullmatch(table.name):
        return "RAF-DB's list", rafdb.PRESET
    return "list of picture files", None
