"""Dividing faces into training, validation and test."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.data.faces import USAGES, Faces, ReadFaces, Splits

_TRAIN, _VALIDATION, _TEST = (USAGES.index(name) for name in ("train", "validation", "test"))


def split_faces(read: ReadFaces, *, seed: int, validation_fraction: float) -> Splits:
    """Split faces as their source says, or by a seeded, stratified draw where it does not.

    An official split is honoured to the face, copies between its parts included. Where the
    source has no validation faces, a fraction of the training faces is drawn for it; a test split
    stays as it is. The draw is a function of the seed and of the pixels and labels alone: the
    order of the faces and the format they were stored in do not matter. Copies of one image
    (equal pixels, whatever their labels) fall on one side together. Each class gets
    its fraction to within the size of its largest group of copies, keeps one group in training, and
    has one in validation if it has two; a group whose labels differ counts for the majority.

    scikit-learn's StratifiedGroupKFold was not taken: it knows fractions of 1/k only, gives no such
    guarantee for a class, and its result depends on the order of the rows.

    Args:
        read: what a reader found.
        seed: 0 to 2**31 - 1; matters for a drawn split only.
        validation_fraction: fraction of the training faces drawn for validation, above 0, below 1.

    Raises:
        InputError: a class has no training faces, or there are no validation faces.
    """
    usage = usage_as_split(read, seed=seed, validation_fraction=validation_fraction)
    train, validation, test = (
        read.faces.take(np.flatnonzero(usage == part)) for part in (_TRAIN, _VALIDATION, _TEST)
    )
    _check(read.source, train, validation)
    return Splits(
        train=train,
        validation=validation,
        test=test if len(test) else None,
        source=read.source,
        fingerprint=read.fingerprint,
        official=bool((read.usage == _TRAIN).any() and (read.usage == _VALIDATION).any()),
    )


def usage_as_split(read: ReadFaces, *, seed: int, validation_fraction: float) -> np.ndarray:
    """The split of every face as `split_faces` puts it, without checking that it can be trained on.

    Args:
        read: what a reader found.
        seed: 0 to 2**31 - 1; matters for a drawn split only.
        validation_fraction: fraction of the training faces drawn for validation, above 0, below 1.

    Returns:
        int8, shape (N,), index into `ferkeras.data.faces.USAGES`: train, validation or test.
    """
    usage = read.usage.copy()
    if not (usage == _VALIDATION).any():
        pool = np.flatnonzero(usage != _TEST)
        held_out = _draw(read.faces.take(pool), seed, validation_fraction)
        usage[pool] = np.where(held_out, _VALIDATION, _TRAIN)
    return usage


def _draw(faces: Faces, seed: int, fraction: float) -> np.ndarray:
    """Return a bool array, shape (N,): True for validation."""
    copies: dict[bytes, list[int]] = defaultdict(list)
    key = seed.to_bytes(8, "little")
    for index, image in enumerate(np.ascontiguousarray(faces.images)):
        copies[hashlib.blake2b(image.data, digest_size=16, key=key).digest()].append(index)

    groups_of: dict[int, list[list[int]]] = defaultdict(list)
    # Sorting by digests keyed with the seed is the shuffle.
    for digest in sorted(copies):
        group = copies[digest]
        counts = Counter(faces.labels[group].tolist())
        most_common = min(counts, key=lambda label: (-counts[label], label))
        groups_of[most_common].append(group)

    chosen = np.zeros(len(faces), bool)
    for groups in groups_of.values():
        for group in _near_fraction(groups, fraction):
            chosen[group] = True
    return chosen


def _near_fraction(groups: list[list[int]], fraction: float) -> list[list[int]]:
    """Return some of the groups, with about `fraction` of the faces, never all of the groups."""
    target = fraction * sum(map(len, groups))
    taken: list[list[int]] = []
    faces_taken = 0
    for group in groups:
        if len(taken) < len(groups) - 1 and faces_taken + len(group) / 2 <= target:
            taken.append(group)
            faces_taken += len(group)
    if not taken and len(groups) > 1:
        taken.append(min(groups, key=len))
    return taken


def _check(source: str, train: Faces, validation: Faces) -> None:
    classes, counts = train.classes, train.counts()
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing:
        listed = ", ".join(f"{name} {count:,}" for name, count in zip(classes, counts, strict=True))
        raise InputError(
            f"{source}: no training images of {', '.join(missing)}; expected at least one of each "
            f"emotion, found {listed}; add faces of the missing ones"
        )
    if not len(validation):
        raise InputError(
            f"{source}: no validation images: none of the {len(train):,} training images could be "
            "held out, as each class has one distinct image only; add faces"
        )
