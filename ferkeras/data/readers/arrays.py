"""Faces from NumPy's files: ``.npz`` with images and labels, or ``.npy`` beside its labels."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.data import selection
from ferkeras.data.faces import USAGES
from ferkeras.data.readers.source import ArrayPictures, Source
from ferkeras.data.readers.votes import Votes, check_votes
from ferkeras.data.task import LARGEST_SIDE, SMALLEST_SIDE

_LARGEST = 64 * 2**30
_IMAGES = ("images", "x", "X", "faces", "data", "pixels")
_LABELS = ("labels", "y", "Y", "label", "emotions", "emotion", "targets", "classes")
_NAMES = ("class_names", "names", "label_names")
_GROUPS = ("groups", "people", "persons", "subjects")
_SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def read_npz(path: Path, *, votes: bool = False) -> Source:
    """Read ``images`` (or ``x``) and ``labels`` (or ``y``), or ``x_train``, ``y_train``, ...

    Args:
        path: the file.
        votes: whether labels have a column for each class, with votes or probabilities.

    Raises:
        InputError: it is damaged, or lacks images or labels, or they do not go together.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if sum(member.file_size for member in file.zip.infolist()) > _LARGEST:
                raise ValueError(f"unpacks to more than {_LARGEST // 2**30} GiB")
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{shown(path)}: damaged ({_brief(error)})") from None
    parts = [
        (arrays[f"{x}_{short}"], arrays[f"{y}_{short}"], USAGES.index(split))
        for short, split in _SPLITS.items()
        for x, y in (("x", "y"), ("X", "y"), ("images", "labels"))
        if f"{x}_{short}" in arrays and f"{y}_{short}" in arrays
    ]
    if not parts:
        images, labels = _first(arrays, _IMAGES), _first(arrays, _LABELS)
        if images is None or labels is None:
            raise InputError(
                f"{shown(path)}: holds {', '.join(sorted(arrays)) or 'nothing'}; expected images "
                "and labels, or x_train, y_train and the like"
            )
        parts = [(images, labels, 0)]
    try:
        images = np.concatenate([as_faces(path, each[0]) for each in parts])
        as_labels = _as_votes if votes else _as_labels
        labels = np.concatenate([as_labels(path, each[1]) for each in parts])
    except ValueError as error:
        raise InputError(f"{shown(path)}: its parts differ ({_brief(error)})") from None
    usage = np.repeat([each[2] for each in parts], [len(each[1]) for each in parts])
    return _source(path, images, labels, usage, arrays)


def read_npy(path: Path, *, votes: bool = False) -> Source:
    """Read images from ``.npy`` and labels from the file beside it: ``labels.npy`` or ``y.npy``.

    Args:
        path: the file of the images.
        votes: see `read_npz`.

    Raises:
        InputError: one of them is missing or damaged, or they do not go together.
    """
    stem = path.stem
    for x, y in (("images", "labels"), ("X", "y"), ("x", "y"), ("faces", "labels")):
        if stem == x or stem.startswith(f"{x}_"):
            beside = path.with_name(f"{y}{stem[len(x) :]}.npy")
            if beside.is_file():
                images, labels = (_loaded(each) for each in (path, beside))
                usage = np.zeros(len(labels), np.int8)
                labels = _as_votes(beside, labels) if votes else _as_labels(beside, labels)
                return _source(path, as_faces(path, images), labels, usage, {})
    raise InputError(
        f"{shown(path)}: images without labels; expected labels.npy beside images.npy, or y.npy "
        "beside X.npy"
    )


def _source(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    usage: np.ndarray,
    arrays: Mapping[str, np.ndarray],
) -> Source:
    if len(images) != len(labels):
        raise InputError(
            f"{shown(path)}: {len(images):,} images and {len(labels):,} labels; expected one "
            "label an image"
        )
    if not len(images):
        raise InputError(f"{shown(path)}: no images in it; expected at least one")
    names = _first(arrays, _NAMES)
    votes = None
    if labels.ndim == 2:
        votes = _votes(path, labels, names)
        labels = np.full(len(labels), "")
    if names is not None and labels.dtype.kind in "iu" and names.ndim == 1:
        if labels.min() < 0 or labels.max() >= len(names):
            raise InputError(
                f"{shown(path)}: labels from {labels.min()} to {labels.max()} for {len(names)} "
                "names"
            )
        labels = names.astype(str)[labels]
    written = [str(each).strip() for each in labels.tolist()]
    places: dict[str, str] = {}
    for row, label in enumerate(written, 1):
        places.setdefault(label, f"{shown(path)}, image {row:,}")
    groups = _first(arrays, _GROUPS)
    if groups is not None and groups.shape != (len(images),):
        raise InputError(
            f"{shown(path)}: {len(images):,} images and groups of shape {groups.shape}; "
            "expected one group, that is one person, an image"
        )
    return Source(
        "arrays",
        written,
        places,
        usage.astype(np.int8),
        None if groups is None else [str(each) for each in groups.tolist()],
        None,
        ArrayPictures(images),
        votes,
    )


def _votes(path: Path, counts: np.ndarray, names: np.ndarray | None) -> Votes:
    if names is None:
        names = np.arange(counts.shape[1])
    if names.shape != (counts.shape[1],):
        raise InputError(
            f"{shown(path)}: {counts.shape[1]} columns of labels for {names.size} names; expected "
            "one name a column"
        )
    return Votes(tuple(map(str, names.tolist())), counts, f"{shown(path)}, columns of the labels")


def as_faces(path: Path, images: np.ndarray) -> np.ndarray:
    """Images as uint8 (N, H, W, C).

    Args:
        path: where they are from, for messages.
        images: whole numbers 0 to 255 or fractions 0 to 1: (N, H, W), (N, H, W, C), or (N, P) with
            the pixels of squares.

    Raises:
        InputError: they are something else.
    """
    if images.ndim == 2 and round(images.shape[1] ** 0.5) ** 2 == images.shape[1]:
        side = round(images.shape[1] ** 0.5)
        images = images.reshape(-1, side, side)
    if images.ndim == 3:
        images = images[..., None]
    sides = images.shape[1:3]
    if (
        images.ndim != 4
        or images.shape[3] not in (1, 3)
        or not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides)
    ):
        raise InputError(
            f"{shown(path)}: images of shape {images.shape}; expected (N, H, W), (N, H, W, 1) or "
            f"(N, H, W, 3) with {SMALLEST_SIDE} to {LARGEST_SIDE} pixels each way"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "iuf" or not np.isfinite(images).all():
        raise InputError(
            f"{shown(path)}: images of {images.dtype}, or not finite; expected uint8 "
            "from 0 to 255, or finite fractions from 0 to 1"
        )
    low, high = float(images.min()), float(images.max())
    whole = images.dtype.kind != "f" or bool((images == np.rint(images)).all())
    if low >= 0 and high <= 255 and whole and high > 1:
        return images.astype(np.uint8)
    if low >= 0 and high <= 1 and images.dtype.kind == "f":
        return np.rint(images * 255).astype(np.uint8)
    raise InputError(
        f"{shown(path)}: pixels from {low:g} to {high:g}; expected whole numbers from 0 to 255, or "
        "fractions from 0 to 1"
    )


def _as_votes(path: Path, labels: np.ndarray) -> np.ndarray:
    """Votes or probabilities as float32 (N, V)."""
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "iufb":
        raise InputError(
            f"{shown(path)}: data.votes=columns: labels of shape {labels.shape}, {labels.dtype}; "
            "expected a column for each class, with the votes for it or its probability"
        )
    columns = [(column, f"{column}") for column in range(labels.shape[1])]
    for row, values in enumerate(labels, 1):
        try:
            check_votes(values.astype(float).tolist(), columns)
        except InputError as error:
            raise InputError(f"{shown(path)}, image {row:,}: {error}") from None
    return labels.astype(np.float32)


def _as_labels(path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels as (N,); one-hot rows become class indices."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "iufb":
        one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
        if not one_hot:
            raise InputError(
                f"{shown(path)}: labels of shape {labels.shape} that are not one-hot; expected one "
                "label an image; where they are votes or probabilities, set data.votes=columns"
            )
        return labels.argmax(axis=1)
    if labels.ndim != 1 or labels.dtype.kind not in "iufUS":
        raise InputError(
            f"{shown(path)}: labels of shape {labels.shape}, {labels.dtype}; expected one number "
            "or name an image"
        )
    return labels.astype(str) if labels.dtype.kind == "S" else labels


def _loaded(path: Path) -> np.ndarray:
    try:
        large = path.stat().st_size > selection.LARGE
        return np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{shown(path)}: damaged ({_brief(error)})") from None


def _first(arrays: Mapping[str, np.ndarray], names: tuple[str, ...]) -> Any:
    return next((arrays[name] for name in names if name in arrays), None)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
