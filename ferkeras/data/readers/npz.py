"""Faces from ``.npz``: which of its arrays belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, listed, quoted, shown
from ferkeras.data.readers.arrays import as_faces, as_labels, as_text, brief, not_read, source_of
from ferkeras.data.readers.columns import usage_of
from ferkeras.data.readers.source import NoPeople, Source
from ferkeras.files.arrays import ARCHIVE_ERRORS, HEADER_ERRORS

_LARGEST = 64 * 2**30
_IMAGES = ("images", "x", "X", "faces", "data", "pixels")
_LABELS = ("labels", "y", "Y", "label", "emotions", "emotion", "targets", "classes")
_NAMES = ("class_names", "names", "label_names")
_GROUPS = ("groups", "people", "persons", "subjects")
_USAGES = ("usage", "split", "splits", "subset", "partition")
_LIKE_A_PART = tuple(f"{name}_" for name in ("images", "x", "X", "labels", "y", "Y", "groups"))
_EXPECTED = "expected images and labels, or x_train, y_train, x_test, y_test and the like"


class _Part(NamedTuple):
    """The faces of one split, or all faces, and the arrays that they are from.

    Attributes:
        images: as `as_faces` has them.
        labels: as `as_labels` has them.
        groups: who is seen, shape (N,), or None.
        usage: index into `ferkeras.data.faces.USAGES`.
        arrays: names of the arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None
    usage: int
    arrays: tuple[str | None, ...]


def read_npz(path: Path, group_column: str | None = None, *, votes: bool = False) -> Source:
    """Read ``images`` (or ``x``) and ``labels`` (or ``y``), or ``x_train``, ``y_train``, ...

    Args:
        path: the file.
        group_column: the array that says who is seen; with splits it ends in their names. None
            for ``groups``, ``people`` and the like, where there are any.
        votes: whether labels have a column for each class, with votes or probabilities.

    Raises:
        InputError: it is damaged, or lacks images or labels, or they do not go together.
    """
    arrays = _loaded(path)
    parts = _parts(path, arrays, group_column, votes=votes)
    try:
        images = np.concatenate([each.images for each in parts])
        labels = np.concatenate([each.labels for each in parts])
    except ValueError as error:
        raise InputError(f"{shown(path)}: its parts differ ({brief(error)})") from None
    groups = [each.groups for each in parts if each.groups is not None]
    if groups and len(groups) < len(parts):
        raise InputError(f"{shown(path)}: only some of its splits say who is seen")
    if group_column is not None and not groups:
        raise NoPeople(
            f"{shown(path)}: no array named {quoted(group_column)}, as data.group_column says"
            f"{did_you_mean(group_column, arrays)} there are {listed(sorted(arrays), 12)}"
        )
    read = {name for each in parts for name in each.arrays}
    usage = np.repeat([each.usage for each in parts], [len(each.images) for each in parts])
    of_usage = next((name for name in _USAGES if name in arrays), None)
    if of_usage is not None and not usage.any():
        usage = _usages(f"{shown(path)}, {of_usage}", arrays[of_usage], len(images))
        read.add(of_usage)
    unread = [
        name
        for name in sorted(arrays)
        if (name.startswith(_LIKE_A_PART) or name in _USAGES) and name not in read
    ]
    return source_of(
        path,
        images,
        labels,
        usage,
        names=next((arrays[name] for name in _NAMES if name in arrays), None),
        groups=np.concatenate(groups) if groups else None,
        notes=(f"{listed(unread)} not read: {_EXPECTED}",) if unread else (),
    )


def _loaded(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if sum(member.file_size for member in file.zip.infolist()) > _LARGEST:
                raise ValueError(f"unpacks to more than {_LARGEST // 2**30} GiB")
            return {name: file[name] for name in file.files}
    except (OSError, *ARCHIVE_ERRORS, *HEADER_ERRORS) as error:
        raise not_read(path, error) from None


def _parts(
    path: Path, arrays: Mapping[str, np.ndarray], group_column: str | None, *, votes: bool
) -> list[_Part]:
    """What belongs together: all faces, or those of each split, in the order of `USAGES`."""
    of_groups = _GROUPS if group_column is None else (group_column,)
    usages = {split: usage_of(split) for split in (name.rpartition("_")[2] for name in arrays)}
    splits = sorted((usage, f"_{split}") for split, usage in usages.items() if usage is not None)
    parts: list[_Part] = []
    for usage, end in (*splits, (0, "")):
        x, y, who = (_name(path, arrays, each, end) for each in (_IMAGES, _LABELS, of_groups))
        if x is None or y is None:
            # Labels of no split may be the names of the classes.
            if half := x or who or (y if end else None):
                lacking = "images" if x is None else "labels"
                raise InputError(f"{shown(path)}: {half} without its {lacking}; {_EXPECTED}")
            continue
        if parts and not end:
            raise InputError(
                f"{shown(path)}: {x} and {y} are of no split, and others are; call them {x}_train "
                f"and {y}_train, or leave them out"
            )
        images = as_faces(path, arrays[x])
        labels = as_labels(f"{shown(path)}, {y}", arrays[y], len(images), votes=votes)
        groups = None if who is None else as_text(f"{shown(path)}, {who}", arrays[who])
        if groups is not None and groups.shape != (len(images),):
            raise InputError(
                f"{shown(path)}: {len(images):,} images and {who} of shape {groups.shape}; "
                "expected one group, that is one person, an image"
            )
        parts.append(_Part(images, labels, groups, usage, (x, y, who)))
    if not parts:
        raise InputError(
            f"{shown(path)}: holds {', '.join(sorted(arrays)) or 'nothing'}; {_EXPECTED}"
        )
    return parts


def _usages(at: str, names: np.ndarray, count: int) -> np.ndarray:
    """The split of each image, as an array names it."""
    if names.shape != (count,):
        raise InputError(
            f"{at}: {count:,} images and splits of shape {names.shape}; expected one an image"
        )
    written, places = np.unique(as_text(at, names).astype(str), return_inverse=True)
    known = [usage_of(name) for name in written.tolist()]
    if None in known:
        raise InputError(
            f"{at}: {quoted(str(written[known.index(None)]))} is no split; expected Training, "
            "PublicTest or PrivateTest, or train, validation and test"
        )
    return np.array(known, np.int8)[places]


def _name(
    path: Path, arrays: Mapping[str, np.ndarray], names: Sequence[str], end: str
) -> str | None:
    """The array of one of these names with the name of a split after it."""
    found = [f"{name}{end}" for name in names if f"{name}{end}" in arrays]
    if end and len(found) > 1:
        raise InputError(
            f"{shown(path)}: holds {listed(found)}; expected one of them for each split"
        )
    return found[0] if found else None
