"""Faces from NumPy's arrays; ``.npy`` beside its labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.data import selection
from ferkeras.data.readers.source import ArrayPictures, Source, who_is
from ferkeras.data.readers.votes import Votes, check_votes
from ferkeras.data.task import LARGEST_SIDE, SMALLEST_SIDE
from ferkeras.files.arrays import HEADER_ERRORS


def labels_beside(path: Path) -> Path:
    """Return the file of the labels of a file of images: ``labels.npy`` or ``y.npy`` beside it.

    Raises:
        InputError: there is none.
    """
    stem = path.stem
    for x, y in (("images", "labels"), ("X", "y"), ("x", "y"), ("faces", "labels")):
        if stem == x or stem.startswith(f"{x}_"):
            beside = path.with_name(f"{y}{stem[len(x) :]}.npy")
            if beside.is_file():
                return beside
    raise InputError(
        f"{shown(path)}: images without labels; expected labels.npy beside images.npy, or y.npy "
        "beside X.npy"
    )


def read_npy(path: Path, beside: Path, *, votes: bool = False) -> Source:
    """Read images and labels from a ``.npy`` each.

    Args:
        path: the file of the images.
        beside: that of the labels, see `labels_beside`.
        votes: whether labels have a column for each class, with votes or probabilities.

    Raises:
        InputError: one of them is damaged, or they do not go together.
    """
    images = as_faces(path, _loaded(path))
    labels = as_labels(shown(beside), _loaded(beside), len(images), votes=votes)
    return source_of(path, images, labels, np.zeros(len(labels), np.int8))


def source_of(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    usage: np.ndarray,
    *,
    names: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    notes: tuple[str, ...] = (),
) -> Source:
    """The source of faces in arrays that go together.

    Args:
        path: where they are from, for messages.
        images: see `as_faces`.
        labels: see `as_labels`.
        usage: shape (N,), indices into `ferkeras.data.faces.USAGES`.
        names: of the classes, shape (K,), or None.
        groups: who is seen, shape (N,), or None.
        notes: see `Source`.

    Raises:
        InputError: there are no images, or other labels than names.
    """
    if not len(images):
        raise InputError(f"{shown(path)}: no images in it; expected at least one")
    names = None if names is None else as_text(shown(path), names)
    votes = None
    if labels.ndim == 2:
        votes = _votes(path, labels, names)
        labels = np.full(len(labels), "")
    if labels.dtype.kind == "f" and np.equal(np.mod(labels, 1), 0).all():
        labels = labels.astype(np.int64)
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
    return Source(
        "arrays",
        written,
        places,
        usage.astype(np.int8),
        None if groups is None else [who_is(each) for each in groups.tolist()],
        None,
        ArrayPictures(images),
        votes,
        notes,
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
    if images.dtype == np.uint8 or not len(images):
        return images.astype(np.uint8, copy=False)
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


def as_labels(at: str, labels: np.ndarray, images: int, *, votes: bool = False) -> np.ndarray:
    """Labels as (N,), one-hot rows as class indices; votes or probabilities as float32 (N, V).

    Args:
        at: where they are, for messages.
        labels: numbers or names, (N,) or (N, 1), or a row for each image.
        images: how many images they are for.
        votes: whether they have a column for each class, with votes or probabilities.

    Raises:
        InputError: they are something else, or more or fewer than there are images.
    """
    labels = (_as_votes if votes else _as_labels)(at, labels)
    if len(labels) != images:
        raise InputError(
            f"{at}: {images:,} images and {len(labels):,} labels; expected one label an image"
        )
    return labels


def as_text(at: str, array: np.ndarray) -> np.ndarray:
    """Bytes as the text that they are, in UTF-8; all else as it is.

    Raises:
        InputError: they are not UTF-8.
    """
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{at}: names in bytes that are not UTF-8 ({error.object!r:.60}); expected text"
        ) from None


def _as_votes(at: str, labels: np.ndarray) -> np.ndarray:
    """Votes or probabilities as float32 (N, V)."""
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "iufb":
        raise InputError(
            f"{at}: data.votes=columns: labels of shape {labels.shape}, {labels.dtype}; "
            "expected a column for each class, with the votes for it or its probability"
        )
    columns = [(column, f"{column}") for column in range(labels.shape[1])]
    for row, values in enumerate(labels, 1):
        try:
            check_votes(values.astype(float).tolist(), columns)
        except InputError as error:
            raise InputError(f"{at}, image {row:,}: {error}") from None
    return labels.astype(np.float32)


def _as_labels(at: str, labels: np.ndarray) -> np.ndarray:
    """Labels as (N,); one-hot rows become class indices."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] and labels.dtype.kind in "iufb":
        one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
        if not one_hot:
            raise InputError(
                f"{at}: labels of shape {labels.shape} that are not one-hot; expected one "
                "label an image; where they are votes or probabilities, set data.votes=columns"
            )
        return labels.argmax(axis=1)
    if labels.ndim != 1 or labels.dtype.kind not in "iufUS":
        raise InputError(
            f"{at}: labels of shape {labels.shape}, {labels.dtype}; expected one number "
            "or name an image"
        )
    return as_text(at, labels)


def _loaded(path: Path) -> np.ndarray:
    try:
        large = path.stat().st_size > selection.LARGE
        return np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, *HEADER_ERRORS) as error:
        raise not_read(path, error) from None


def not_read(path: Path, error: Exception) -> InputError:
    """What to say of a file that NumPy refuses."""
    if "Object arrays" in str(error):
        return InputError(
            f"{shown(path)}: an array of Python objects, which may carry code and is not read; "
            "save text as labels.astype(str) and pixels as images.astype('uint8')"
        )
    if "pickle" in str(error):
        return InputError(
            f"{shown(path)}: not an array of NumPy's, but another kind of file of that name, or "
            "Python objects, which may carry code and are not read"
        )
    return InputError(f"{shown(path)}: damaged ({brief(error)})")


def brief(error: Exception) -> str:
    """What NumPy says of a file, on one line."""
    return " ".join(str(error).split())[:100]
