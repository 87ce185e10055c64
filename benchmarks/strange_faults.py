"""Faults that were thought up key by key and by what happens to pictures and labels on their way.

None of the probes was written with one of these at hand; what was missed when they were first
planted is told in `docs/diagnosis.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from faults_to_plant import Change, Earlier, Fault, both, in_training, in_validation

from ferkeras.data.faces import Splits

_NEVER: dict[str, Any] = {
    "schedule.dropout_from_epoch": None,
    "schedule.smoothing_from_epoch": None,
    "schedule.plateau_from_epoch": None,
}


def _pixels(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A change to each image, of height, width and channel."""

    def changed(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.stack([change(image).reshape(image.shape) for image in images]).astype(np.uint8)

    return changed


def _blurred(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _pixels(lambda image: cv2.GaussianBlur(image, (0, 0), 6))(images, rng)


def _peppered(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    salt = rng.random(images.shape)
    return np.where(salt < 0.3, 0, np.where(salt > 0.7, 255, images)).astype(np.uint8)


def _turned(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.rot90(images, axes=(1, 2)).copy()


def _upside_down(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return images[:, ::-1].copy()


def _dark(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (images // 6).astype(np.uint8)


def _close(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _pixels(lambda image: cv2.resize(image[16:32, 16:32], (48, 48)))(images, rng)


def _small(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    def small(image: np.ndarray) -> np.ndarray:
        canvas = np.zeros((48, 48), np.uint8)
        canvas[2:18, 2:18] = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
        return canvas

    return _pixels(small)(images, rng)


def _rolled(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    ways = rng.integers(0, 48 * 48, len(images))
    flat = images.reshape(len(images), -1)
    return np.stack([np.roll(each, way) for each, way in zip(flat, ways, strict=True)]).reshape(
        images.shape
    )


def _halves_exchanged(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Left half of one face, right half of another."""
    mixed = images.copy()
    mixed[:, :, 24:] = images[rng.permutation(len(images)), :, 24:]
    return mixed


def _black(fraction: float) -> Change:
    def black(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images = images.copy()
        images[rng.random(len(images)) < fraction] = 0
        return images

    return black


def _one_image_of(label: int) -> Callable[[Splits, np.random.Generator], Splits]:
    """Every face of a class is one placeholder."""

    def placed(splits: Splits, rng: np.random.Generator) -> Splits:
        def change(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
            images = images.copy()
            images[labels == label] = splits.train.images[0]
            return images

        return in_training(splits, change(splits.train.images, splits.train.labels))

    return placed


def _relabelled(
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray], where: str = "training"
) -> Callable[[Splits, np.random.Generator], Splits]:
    def relabelled(splits: Splits, rng: np.random.Generator) -> Splits:
        if where in ("training", "both"):
            splits = in_training(splits, labels=change(splits.train.labels.copy(), rng))
        if where in ("validation", "both"):
            splits = in_validation(splits, labels=change(splits.validation.labels.copy(), rng))
        return splits

    return relabelled


def _wrong(fraction: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    def wrong(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        at = rng.random(len(labels)) < fraction
        labels[at] = (labels[at] + rng.integers(1, 7, at.sum())) % 7
        return labels

    return wrong


def _two_sources(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The second half from a source whose classes are in alphabetical order."""
    half = len(labels) // 2
    labels[half:] = np.array([0, 1, 2, 3, 5, 6, 4])[labels[half:]]
    return labels


def _into(old: int, new: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    def into(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        labels[labels == old] = new
        return labels

    return into


def _repeated(distinct: int) -> Callable[[Splits, np.random.Generator], Splits]:
    """So few faces, many times each."""

    def repeated(splits: Splits, rng: np.random.Generator) -> Splits:
        rows = np.resize(np.arange(distinct), len(splits.train))
        return replace(splits, train=splits.train.take(rows))

    return repeated


def _two_classes_in_validation(splits: Splits, rng: np.random.Generator) -> Splits:
    labels = splits.validation.labels
    return replace(splits, validation=splits.validation.take(np.isin(labels, (3, 6))))


def _sorted_split(splits: Splits, rng: np.random.Generator) -> Splits:
    """A table that is sorted by class, cut at 85 %."""
    images = np.concatenate([splits.train.images, splits.validation.images])
    labels = np.concatenate([splits.train.labels, splits.validation.labels])
    order = np.argsort(labels, kind="stable")
    images, labels, cut = images[order], labels[order], len(splits.train)
    splits = in_training(splits, images[:cut], labels[:cut])
    return in_validation(splits, images[cut:], labels[cut:])


STRANGE = (
    # Rates and steps, and what moves them over time.
    Fault("adam with a rate for sgd, 0.1", "learning_rate_too_high", {"train.learning_rate": 0.1}),
    Fault(
        "sgd with a rate for fine-tuning, 1e-4",
        "learning_rate_too_low",
        {"train.optimizer": "sgd", "train.learning_rate": 1e-4},
    ),
    Fault(
        "a plateau that lowers the rate a hundred times from the first epoch on",
        "learning_rate_fell_too_early",
        {
            "schedule.plateau_from_epoch": 1,
            "schedule.plateau_patience": 1,
            "schedule.plateau_factor": 0.001,
            "schedule.plateau_min_learning_rate": 0.0,
            "train.epochs": 12,
        },
        ramps=True,
    ),
    Fault(
        "a cosine that warms up to a rate of 3",
        "learning_rate_too_high",
        {
            "train.learning_rate": 3.0,
            "train.learning_rate_schedule": "cosine",
            "train.warmup_epochs": 1,
        }
        | _NEVER,
        ramps=True,
    ),
    Fault(
        "one epoch of batches of 512",
        "too_few_steps",
        {"train.batch_size": 512, "train.epochs": 1},
        also=("not_finished",),
    ),
    Fault(
        "adam clipped to 1e-9",
        "gradients_clipped_away",
        {"train.global_clip_norm": 1e-9},
        also=("learning_rate_too_low",),
    ),
    Fault(
        "a first layer at a millionth of the rate, and the others in between",
        "first_layers_too_slow",
        {"network.first_layer_rate": 1e-6},
    ),
    Fault(
        "a teacher that has collapsed, for all of the loss",
        "teacher_knows_nothing",
        {"distill.weight": 1.0},
        earlier=Earlier("distill.teachers", {"train.learning_rate": 5.0, "train.epochs": 1}),
        ramps=True,
    ),
    Fault(
        "a network that begins with one that has diverged",
        "starts_from_a_broken_network",
        earlier=Earlier("network.start_from", {"train.learning_rate": 10.0, "train.epochs": 2}),
        ramps=True,
        also=("dead_units",),
    ),
    # Regularisation, each alone.
    Fault("dense dropout 0.95", "too_much_dropout", {"network.dense_dropout": 0.95} | _NEVER),
    Fault("convolutional dropout 0.8", "too_much_dropout", {"network.conv_dropout": 0.8} | _NEVER),
    Fault("turned by any angle", "too_much_augmentation", {"augment.rotate_degrees": 180.0}),
    Fault("zoomed by anything", "too_much_augmentation", {"augment.zoom": 0.95}),
    Fault(
        "as bright or dark as can be",
        "too_much_augmentation",
        {"augment.brightness": 1.0, "augment.contrast": 0.99},
    ),
    Fault("label smoothing 0.9", "too_much_label_smoothing", {"train.label_smoothing": 0.9}),
    Fault(
        "adamw with decay 0.99 and a rate of 0.1",
        "weight_decay_too_strong",
        {"train.optimizer": "adamw", "train.weight_decay": 0.99, "train.learning_rate": 0.1},
        also=("learning_rate_too_high",),
    ),
    # The network.
    Fault(
        "eight dense layers of four units", "network_too_small", {"network.dense_units": [4] * 8}
    ),
    Fault(
        "four blocks of two filters",
        "network_too_small",
        {"network.filters": [2] * 4, "network.dense_units": []},
    ),
    Fault(
        "running statistics of five thousand steps",
        "batchnorm_too_slow",
        {"network.batchnorm_momentum": 0.9998},
    ),
    Fault(
        "batches of two",
        "batchnorm_too_fast",
        {"train.batch_size": 2, "train.epochs": 1, "network.batchnorm_momentum": 0.5},
    ),
    # Labels.
    Fault(
        "six of ten labels wrong, in both splits",
        "noisy_labels",
        faces=_relabelled(_wrong(0.6), "both"),
        also=("unreadable_faces",),
    ),
    Fault(
        "half of the validation labels wrong",
        "noisy_validation_labels",
        faces=_relabelled(_wrong(0.5), "validation"),
        flatters=True,
    ),
    Fault(
        "two sources of training faces, classes in two orders",
        "noisy_labels",
        faces=_relabelled(_two_sources),
    ),
    Fault(
        "validation labels one too high",
        "permuted_labels",
        faces=_relabelled(lambda labels, rng: (labels + 1) % 7, "validation"),
    ),
    Fault("sad called neutral in training", "missing_class", faces=_relabelled(_into(4, 6))),
    Fault(
        "labels of training sorted",
        "random_labels",
        faces=_relabelled(lambda labels, rng: np.sort(labels)),
    ),
    # Splits.
    Fault(
        "validation has two of seven classes",
        "validation_cannot_measure",
        faces=_two_classes_in_validation,
        flatters=True,
    ),
    Fault(
        "a table sorted by class, cut in two",
        "missing_class",
        faces=_sorted_split,
        also=("validation_cannot_measure",),
    ),
    Fault(
        "thirty faces, fifty-six times each",
        "repeated_faces",
        faces=_repeated(30),
        also=("overfitting",),
    ),
    Fault(
        "validation is part of training",
        "leakage",
        {"train.epochs": 15},
        faces=lambda s, rng: replace(s, validation=s.train.take(np.arange(300))),
        flatters=True,
    ),
    # Images.
    Fault(
        "both splits blurred to nothing",
        "blurred_images",
        faces=both(_blurred),
        also=("unreadable_faces",),
    ),
    Fault(
        "validation turned by a right angle",
        "unlike_validation",
        faces=both(_turned, training=False),
    ),
    Fault("training upside down", "unlike_validation", faces=both(_upside_down, validation=False)),
    Fault(
        "validation six times darker",
        "unlike_validation",
        faces=both(_dark, training=False),
        also=("wrong_normalisation",),
    ),
    Fault(
        "training cropped to the nose", "unlike_validation", faces=both(_close, validation=False)
    ),
    Fault(
        "validation faces small in a corner",
        "unlike_validation",
        faces=both(_small, training=False),
    ),
    Fault(
        "salt and pepper over both",
        "scrambled_images",
        faces=both(_peppered),
        also=("unreadable_faces",),
    ),
    Fault(
        "rows read with a random offset",
        "unreadable_faces",
        faces=both(_rolled),
        also=("scrambled_images",),
    ),
    Fault(
        "right halves of other faces",
        "unreadable_faces",
        faces=both(_halves_exchanged),
        also=("noisy_labels",),
    ),
    Fault(
        "a third of the training faces black",
        "blank_images",
        faces=both(_black(0.33), validation=False),
    ),
    Fault(
        "one placeholder for all happy faces of training",
        "repeated_faces",
        faces=_one_image_of(3),
    ),
)
