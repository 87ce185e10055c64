"""Dividing faces into training, validation and test."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.config.keys import as_yaml
from ferkeras.data.digests import digests_of_images, division_of, votes_fingerprint_of
from ferkeras.data.faces import USAGES, Faces, ReadFaces, Splits


class Fold(NamedTuple):
    """One of the parts into which faces are divided, on which a network is validated.

    Attributes:
        number: which, from 1.
        of: how many there are.
    """

    number: int
    of: int


_LONGEST_PROPOSAL = 200
_ABOUT = 0.25

_NONE, _TRAIN, _VALIDATION, _TEST = map(USAGES.index, ("", "train", "validation", "test"))


def split_faces(
    read: ReadFaces,
    *,
    seed: int,
    validation_fraction: float,
    fold: Fold | None = None,
    drop_leaked: bool = False,
) -> Splits:
    """Split faces as their source says, or by a seeded, stratified draw where it does not.

    An official split is honoured to the face, copies between its parts included. Where the
    source has no validation faces, a fraction of the training faces is drawn for it; a test split
    stays as it is. The draw is a function of the seed and of the pixels and labels alone: the
    order of the faces and the format they were stored in do not matter. Copies of one image
    (equal pixels, whatever their labels) fall on one side together. Where the source says who is
    seen, all faces of a person do too, and classes are as balanced as people allow
    (scikit-learn's StratifiedGroupKFold, of whose folds one of about its share is held out); so
    it is with `fold`. Else each class gets
    its fraction to within the size of its largest group of copies, keeps one group in training, and
    has one in validation if it has two; a group whose labels differ counts for the majority.

    Args:
        read: what a reader found.
        seed: 0 to 2**31 - 1; matters for a drawn split only.
        validation_fraction: fraction of the training faces drawn for validation, above 0, below 1.
        fold: validate on one of several folds; an official split of training and validation faces
            is then not looked at.
        drop_leaked: leave out training faces that are also, pixel for pixel, among the validation
            or test faces; labels do not matter.

    Raises:
        InputError: a class has no training faces, or there are no validation faces.
    """
    usage = usage_as_split(
        read,
        seed=seed,
        validation_fraction=validation_fraction,
        fold=fold,
        drop_leaked=drop_leaked,
    )
    train, validation, test = (
        read.faces.take(np.flatnonzero(usage == part)) for part in (_TRAIN, _VALIDATION, _TEST)
    )
    leaked = len(usage) - len(train) - len(validation) - len(test)
    _check(read.source, train, validation, leaked)
    return Splits(
        train=train,
        validation=validation,
        test=test if len(test) else None,
        source=read.source,
        fingerprint=read.fingerprint,
        official=fold is None
        and bool((read.usage == _TRAIN).any() and (read.usage == _VALIDATION).any()),
        recognised=read.recognised,
        by_person=read.groups is not None,
        votes_fingerprint=votes_fingerprint_of(read.faces),
        division=division_of(usage),
        leaked=leaked,
    )


def usage_as_split(
    read: ReadFaces,
    *,
    seed: int,
    validation_fraction: float,
    fold: Fold | None = None,
    drop_leaked: bool = False,
) -> np.ndarray:
    """The split of every face as `split_faces` puts it, without checking that it can be trained on.

    Args:
        read: what a reader found.
        seed: 0 to 2**31 - 1; matters for a drawn split only.
        validation_fraction: fraction of the training faces drawn for validation, above 0, below 1.
        fold: see `split_faces`.
        drop_leaked: see `split_faces`.

    Returns:
        int8, shape (N,), index into `ferkeras.data.faces.USAGES`: train, validation or test; 0
        for a face that is left out.
    """
    usage = read.usage.copy()
    if fold is not None or not (usage == _VALIDATION).any():
        pool = np.flatnonzero(usage != _TEST)
        faces = read.faces.take(pool)
        if not len(pool):
            held_out = np.zeros(0, bool)
        elif fold is None and read.groups is None:
            held_out = _draw(faces, seed, validation_fraction)
        else:
            groups = None if read.groups is None else read.groups[pool]
            try:
                held_out = _fold(faces, groups, seed, fold, validation_fraction)
            except InputError as error:
                raise InputError(f"{read.source}: {error}") from None
        usage[pool] = np.where(held_out, _VALIDATION, _TRAIN)
    if drop_leaked:
        digests = np.array(digests_of_images(read.faces.images))
        held_out = digests[(usage == _VALIDATION) | (usage == _TEST)]
        usage[(usage == _TRAIN) & np.isin(digests, held_out)] = _NONE
    return usage


def _fold(
    faces: Faces, groups: np.ndarray | None, seed: int, fold: Fold | None, fraction: float
) -> np.ndarray:
    """Return a bool array, shape (N,): True for this fold, or for one of about the fraction."""
    # They bring SciPy and scikit-learn along, which a source that is split already does without.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.model_selection import StratifiedGroupKFold

    digests = _keyed_digests(faces, seed)
    # By their digests, so that the order of the rows does not matter.
    _, copy = np.unique(np.array(digests), return_inverse=True)
    order = np.argsort(copy, kind="stable")
    together = copy
    if groups is not None:
        # Whoever shares a picture with somebody is on one side with him.
        count = int(copy.max()) + 1
        links = coo_array(
            (np.ones(len(copy)), (copy, count + groups)), shape=2 * [count + int(groups.max()) + 1]
        )
        together = connected_components(links, directed=False)[1][copy]
    most, largest = len(np.unique(together)), int(faces.counts().max())
    # scikit-learn wants a class with as many faces as there are folds.
    of = fold.of if fold else min(max(2, round(1 / fraction)), max(2, min(most, largest)))
    if most < of or largest < of:
        raise _too_few(most, largest, groups is not None, fold)
    splitter = StratifiedGroupKFold(of, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # That a class has fewer faces than there are folds.
        warnings.simplefilter("ignore", UserWarning)
        folds = list(splitter.split(order, faces.labels[order], together[order]))
    parts = [order[part] for _, part in folds]
    held_out = np.zeros(len(faces), bool)
    held_out[parts[fold.number - 1] if fold else _of_its_size(faces, parts)] = True
    return held_out


def _of_its_size(faces: Faces, parts: Sequence[np.ndarray]) -> np.ndarray:
    """The first part that has about its share of the faces, or else the one nearest to it.

    Whoever has more pictures than all others together would be a part alone. One that leaves
    every class in training goes before one that does not.
    """
    counts = faces.counts()
    whole = [
        part
        for part in parts
        if (counts > np.bincount(faces.labels[part], minlength=len(counts)))[counts > 0].all()
    ]
    off = [abs(len(part) * len(parts) / len(faces) - 1) for part in whole or parts]
    place = next((at for at, each in enumerate(off) if each <= _ABOUT), int(np.argmin(off)))
    return (whole or parts)[place]


def _too_few(found: int, largest: int, people: bool, wanted: Fold | None) -> InputError:
    if wanted is None and largest < 2 <= found:
        return InputError(
            "nothing can be held out for validation: no class has two faces; add faces, or give "
            "the source a split of its own"
        )
    if wanted is None:
        return InputError(
            "nobody can be held out for validation: all faces are of one person, or of people who "
            "share pictures; add faces of others, or give the source a split of its own"
        )
    if largest < wanted.of <= found:
        return InputError(
            f"no class has more than {largest} faces, which cannot be divided into {wanted.of} "
            "folds; set data.folds lower, or add faces"
        )
    what = ("person" if found == 1 else "people") if people else "different pictures"
    return InputError(
        f"{found} {what} cannot be divided into {wanted.of} folds; set data.folds lower, or add "
        "faces"
    )


def _keyed_digests(faces: Faces, seed: int) -> list[bytes]:
    return digests_of_images(faces.images, seed.to_bytes(8, "little"))


def _draw(faces: Faces, seed: int, fraction: float) -> np.ndarray:
    """Return a bool array, shape (N,): True for validation."""
    copies: dict[bytes, list[int]] = defaultdict(list)
    for index, digest in enumerate(_keyed_digests(faces, seed)):
        copies[digest].append(index)

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


def _naming(train: Faces) -> str:
    """How `data.classes` leaves out the classes without faces, for people."""
    there = [name for name, count in zip(train.classes, train.counts(), strict=True) if count]
    names = as_yaml(there)
    numbers = as_yaml({name: ["NUMBER"] for name in there[:2]}).removesuffix("}")
    # A shell takes the other quotes as they are.
    quote = '"' if "'" in names else "'"
    longest = max(len(names), len(numbers))
    if len(there) < 2 or longest >= _LONGEST_PROPOSAL or quote in names:
        return ""
    return (
        f", or name those that are there: {quote}data.classes={names}{quote}, and where the labels "
        f"are numbers {quote}data.classes={numbers}, ...}}{quote} with the numbers that stand for "
        "them"
    )


def _check(source: str, train: Faces, validation: Faces, leaked: int) -> None:
    classes, counts = train.classes, train.counts()
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing:
        found = ", ".join(f"{name} {count:,}" for name, count in zip(classes, counts, strict=True))
        left_out = (
            f" after {leaked:,} that are held out too were left out (data.drop_leaked)"
            if leaked
            else ""
        )
        keep = "set data.drop_leaked=false, or " if leaked else ""
        raise InputError(
            f"{source}: no training images of {', '.join(missing)}; expected at least one of each "
            f"class, found {found}{left_out}; {keep}add faces of the missing ones{_naming(train)}"
        )
    if not len(validation):
        raise InputError(
            f"{source}: no validation images: none of the {len(train):,} training images could be "
            "held out, as each class has one distinct image only; add faces"
        )
