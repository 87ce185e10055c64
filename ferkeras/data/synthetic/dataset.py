"""Synthetic faces, made from a seed, so that everything can be tried without a download.

A parametric face is moved by the action units of the seven emotions, over many people, poses
and lights. Face i depends on (seed, i) alone: asking for more faces adds to the same ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ferkeras.cli.errors import InputError
from ferkeras.data.faces import USAGES, Faces, ReadFaces
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013, SIZE, TRAINING_COUNTS
from ferkeras.data.synthetic import SOURCE, action_units, eyes, head, mouth, people, photograph
from ferkeras.data.synthetic.canvas import Canvas, Pose
from ferkeras.data.synthetic.random_rows import Draws, raw_rows

RECIPE = 1
"""Version of the drawing; raised whenever the same seed would give other pixels."""

FACES_PER_PERSON = 5
"""Faces that follow each other in the data and show the same person."""

_MOST = 1_000_000
_FEWEST = 200
# A chunk's float32 images fit the second-level cache; half the time of chunks of 400.
_CHUNK = 50
_STREAM_PERSON, _STREAM_FACE, _STREAM_GRAIN, _STREAM_LABEL = range(4)
_POSE_COLUMNS = 12
_FACE_COLUMNS = (
    action_units.COLUMNS + _POSE_COLUMNS + head.COLUMNS + eyes.COLUMNS + photograph.COLUMNS
) // 4 * 4 + 4


def synthetic_faces(
    count: int,
    seed: int,
    *,
    label_noise: float = 0.03,
    progress: Callable[[int, int], None] | None = None,
) -> ReadFaces:
    """Draw grey faces with emotions, split into training and validation people.

    Emotions come in the proportions of FER2013's Training split, exactly to within one face,
    in both splits. Three people in twenty are for validation; no person is in both splits.

    Args:
        count: faces to draw, 200 to 1,000,000.
        seed: 0 or more; the same seed draws the same faces on every machine of one kind.
        label_noise: fraction of the training faces that get a wrong label, 0 to below 1.
            Validation labels are always right.
        progress: called with (faces made, count) after every chunk.

    Returns:
        The faces; `usage` says train or validation for each.

    Raises:
        InputError: `count`, `seed` or `label_noise` is out of range.
    """
    if not _FEWEST <= count <= _MOST:
        raise InputError(
            f"synthetic faces: count {count} is out of range; expected {_FEWEST} to {_MOST:,}; "
            "set data.demo_faces"
        )
    if seed < 0:
        raise InputError(f"synthetic faces: seed {seed} is negative; expected 0 or more")
    if not 0 <= label_noise < 1:
        raise InputError(
            f"synthetic faces: label noise {label_noise:g} is out of range; expected 0 to below 1; "
            "set data.demo_label_noise"
        )
    usage = _usage(count)
    shown = _emotions(usage)
    images = np.empty((count, SIZE, SIZE, 1), np.uint8)
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count)
        images[first:last, :, :, 0] = _draw(seed, first, shown[first:last])
        if progress is not None:
            progress(last, count)
    labels = _mislabel(shown, usage, seed, label_noise)
    recipe = f"{SOURCE}: recipe {RECIPE}, count {count}, seed {seed}, noise {label_noise!r}"
    return ReadFaces(
        Faces(images, labels, FER2013.classes),
        usage,
        recipe,
        hashlib.blake2b(recipe.encode(), digest_size=16).hexdigest(),
    )


def _usage(count: int) -> npt.NDArray[np.int8]:
    person = np.arange(count) // FACES_PER_PERSON
    validation = person * 3 % 20 < 3
    return np.where(validation, USAGES.index("validation"), USAGES.index("train")).astype(np.int8)


def _emotions(usage: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """What each face expresses: in each split, the sequence that keeps to the proportions."""
    labels = np.empty(len(usage), np.int32)
    for split in np.unique(usage):
        members = np.flatnonzero(usage == split)
        labels[members] = _in_proportion(len(members))
    return labels


def _in_proportion(count: int) -> npt.NDArray[np.int32]:
    """First `count` class indices of one endless sequence, each as often as in FER2013.

    The j-th face of a class belongs at place (j + 0.3) / fraction (a divisor method of
    apportionment); with 0.3 the rarest class appears among the first twenty.
    """
    fraction = np.array(TRAINING_COUNTS) / sum(TRAINING_COUNTS)
    each = [np.arange(int(count * part) + 2) for part in fraction]
    place = np.concatenate([(j + 0.3) / part for j, part in zip(each, fraction, strict=True)])
    label = np.repeat(np.arange(len(EMOTIONS), dtype=np.int32), [len(j) for j in each])
    return label[np.argsort(place, kind="stable")[:count]]


def _mislabel(
    shown: npt.NDArray[np.int32], usage: npt.NDArray[np.int8], seed: int, fraction: float
) -> npt.NDArray[np.int32]:
    draws = Draws(raw_rows(seed, _STREAM_LABEL, 0, len(shown), 4))
    wrong = draws.chance(fraction).ravel() & (usage == USAGES.index("train"))
    others = len(EMOTIONS) - 1
    away = 1 + (draws.unit().ravel() * others).astype(np.int32)
    return np.where(wrong, (shown + away) % len(EMOTIONS), shown).astype(np.int32)


def _draw(seed: int, first: int, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Draw consecutive faces, `first` and on; uint8, shape (len(labels), 48, 48)."""
    number = first + np.arange(len(labels))
    person = number // FACES_PER_PERSON
    met = people.meet(
        Draws(
            raw_rows(
                seed,
                _STREAM_PERSON,
                int(person[0]),
                int(person[-1] - person[0]) + 1,
                people.COLUMNS,
            )
        )
    ).take(person - person[0])
    draws = Draws(raw_rows(seed, _STREAM_FACE, first, len(labels), _FACE_COLUMNS))
    units = action_units.act(labels, draws)
    scale = draws.between(17.0, 21.5)
    pose = Pose(
        x=draws.around(SIZE / 2 - 0.5, 1.3),
        y=draws.around(SIZE / 2 - 0.5, 1.3) - 0.02 * scale,
        scale=scale,
        roll=draws.around(0, 0.11),
        yaw=draws.around(0, 0.2),
        pitch=draws.around(0, 0.1),
    )
    skew = draws.around(0, 0.12)
    canvas = Canvas(pose)
    head.draw_head(canvas, met, units, draws)
    mouth.draw_nose(canvas, met, units)
    mouth.draw_mouth(canvas, met, units, skew)
    eyes.draw_eyes(canvas, met, units, skew, draws)
    photograph.cover_up(canvas, met, draws)
    grain = raw_rows(seed, _STREAM_GRAIN, first, len(labels), photograph.GRAIN_WORDS)
    return photograph.expose(canvas, draws, grain)
