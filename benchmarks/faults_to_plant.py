"""The faults that `planted_faults.py` plants: what is wrong, and the cause that should be named.

`TUNED` were at hand when the probes' thresholds were chosen; `UNSEEN` were run for the first time
afterwards; `KINDS` were reported by others, and their probes were written against them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkeras.data.faces import Faces, Splits

if TYPE_CHECKING:
    from ferkeras.training.setup import TrainingSetup

BASE = {
    "data.demo_faces": 2000,
    "network.filters": [8, 16, 32],
    "network.dense_units": [64],
    "train.batch_size": 32,
    "train.learning_rate": 0.002,
    "train.epochs": 6,
    **{
        f"augment.{key}": 0.0
        for key in ("shift", "rotate_degrees", "zoom", "brightness", "contrast", "erase")
    },
}
_ALPHABETICAL = np.array([0, 1, 2, 3, 5, 6, 4])
"""The class index that each emotion gets where folders are read in alphabetical order."""


Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""A change to images."""


@dataclass(frozen=True)
class Earlier:
    """A training that comes before, and the key that is given its run.

    Attributes:
        key: `distill.teachers` or `network.start_from`.
        overrides: its settings.
    """

    key: str
    overrides: dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """Something wrong.

    Attributes:
        name: what is wrong.
        cause: the one that should be named first.
        overrides: settings that do it.
        faces: changes the faces, given them and a generator.
        setup: changes the network before training.
        flatters: whether its cost does not show in the validation skill.
        ramps: whether it needs the ramps of a whole training.
        also: causes that are as right.
        earlier: a training whose run this one needs.
    """

    name: str
    cause: str
    overrides: dict[str, Any] = field(default_factory=dict)
    faces: Callable[[Splits, np.random.Generator], Splits] | None = None
    setup: Callable[[TrainingSetup], None] | None = None
    flatters: bool = False
    ramps: bool = False
    also: tuple[str, ...] = ()
    earlier: Earlier | None = None


def in_training(splits: Splits, images: np.ndarray | None = None, labels: Any = None) -> Splits:
    """The splits with other training images or labels."""
    train = splits.train
    images = train.images if images is None else images
    return replace(
        splits, train=Faces(images, train.labels if labels is None else labels, train.classes)
    )


def in_validation(splits: Splits, images: np.ndarray | None = None, labels: Any = None) -> Splits:
    """The splits with other validation images or labels."""
    faces = splits.validation
    images = faces.images if images is None else images
    return replace(
        splits, validation=Faces(images, faces.labels if labels is None else labels, faces.classes)
    )


def _blank(splits: Splits, rng: np.random.Generator) -> Splits:
    images = splits.train.images.copy()
    images[rng.random(len(images)) < 0.7] = 0
    return in_training(splits, images)


def _few(count: int) -> Callable[[Splits, np.random.Generator], Splits]:
    def few(splits: Splits, rng: np.random.Generator) -> Splits:
        return replace(
            splits, train=splits.train.take(rng.choice(len(splits.train), count, replace=False))
        )

    return few


def _leak(splits: Splits, rng: np.random.Generator) -> Splits:
    splits = _few(400)(splits, rng)
    leaked = splits.train.take(rng.choice(400, 250, replace=False))
    kept = splits.validation.take(rng.permutation(len(splits.validation))[:150])
    images = np.concatenate([leaked.images, kept.images])
    return replace(
        splits, validation=Faces(images, np.concatenate([leaked.labels, kept.labels]), kept.classes)
    )


def _without(*labels: int) -> Callable[[Splits, np.random.Generator], Splits]:
    def without(splits: Splits, rng: np.random.Generator) -> Splits:
        return replace(splits, train=splits.train.take(~np.isin(splits.train.labels, labels)))

    return without


def _momentum(value: float) -> Callable[[TrainingSetup], None]:
    def set_momentum(setup: TrainingSetup) -> None:
        for layer in setup.model.layers:
            if hasattr(layer, "momentum"):
                layer.momentum = value

    return set_momentum


def _scale(name: str, value: float) -> Callable[[TrainingSetup], None]:
    def set_scale(setup: TrainingSetup) -> None:
        for variable in setup.model.trainable_weights:
            if name in variable.path and variable.path.endswith("gamma"):
                variable.assign(np.full(variable.shape, value, np.float32))

    return set_scale


TUNED = (
    Fault("learning rate 1", "learning_rate_too_high", {"train.learning_rate": 1.0}),
    Fault("learning rate 1e-6", "learning_rate_too_low", {"train.learning_rate": 1e-6}),
    Fault(
        "SGD clipped to 1e-4",
        "gradients_clipped_away",
        {"train.optimizer": "sgd", "train.learning_rate": 0.05, "train.global_clip_norm": 1e-4},
    ),
    Fault(
        "balanced sampler and inverse weights",
        "rare_classes_overweighted",
        {
            "train.sampler": "balanced",
            "train.allow_sampler_with_class_weight": True,
            "class_weight.rule": "inverse",
            "class_weight.min": 0.01,
            "class_weight.max": 100.0,
        },
    ),
    Fault(
        "dropout 0.9",
        "too_much_dropout",
        {
            "network.conv_dropout": 0.9,
            "network.dense_dropout": 0.9,
            "schedule.dropout_from_epoch": None,
        },
    ),
    Fault("label smoothing 0.98", "too_much_label_smoothing", {"train.label_smoothing": 0.98}),
    Fault(
        "violent augmentation",
        "too_much_augmentation",
        {
            "augment.shift": 0.5,
            "augment.rotate_degrees": 180.0,
            "augment.zoom": 0.9,
            "augment.brightness": 1.0,
            "augment.contrast": 0.99,
            "augment.erase": 1.0,
        },
    ),
    Fault(
        "weight decay 0.9 with SGD",
        "weight_decay_too_strong",
        {"train.optimizer": "sgd", "train.learning_rate": 0.05, "train.weight_decay": 0.9},
    ),
    Fault(
        "BatchNorm momentum 0.9995", "batchnorm_too_slow", {"network.batchnorm_momentum": 0.9995}
    ),
    Fault(
        "BatchNorm momentum 0.1, batches of 4",
        "batchnorm_too_fast",
        {"train.batch_size": 4, "train.epochs": 4},
        setup=_momentum(0.1),
    ),
    Fault("batches of 1024", "too_few_steps", {"train.batch_size": 1024, "train.epochs": 4}),
    Fault(
        "one filter a block",
        "network_too_small",
        {"network.filters": [1, 1, 1], "network.dense_units": []},
    ),
    Fault(
        "400 memorised faces",
        "overfitting",
        {
            "network.conv_dropout": 0.0,
            "network.dense_dropout": 0.0,
            "augment.flip": False,
            "train.epochs": 20,
        },
        faces=_few(400),
        flatters=True,
    ),
    Fault(
        "training labels shuffled",
        "random_labels",
        faces=lambda s, rng: in_training(s, labels=rng.permutation(s.train.labels)),
    ),
    Fault(
        "validation class indices in alphabetical order",
        "permuted_labels",
        faces=lambda s, rng: in_validation(s, labels=_ALPHABETICAL[s.validation.labels]),
    ),
    Fault("70 % of the training images black", "blank_images", faces=_blank),
    Fault("no happy and no sad in training", "missing_class", faces=_without(3, 4)),
    Fault(
        "validation faces inverted",
        "unlike_validation",
        faces=lambda s, rng: in_validation(s, 255 - s.validation.images),
    ),
    Fault(
        "250 training faces in validation",
        "leakage",
        {"train.epochs": 20},
        faces=_leak,
        flatters=True,
    ),
    Fault("a block that begins at zero", "dead_units", setup=_scale("block2b", 0.0)),
)

UNSEEN = (
    Fault(
        "SGD learning rate 10",
        "learning_rate_too_high",
        {"train.optimizer": "sgd", "train.learning_rate": 10.0},
    ),
    Fault(
        "SGD learning rate 1e-5",
        "learning_rate_too_low",
        {"train.optimizer": "sgd", "train.learning_rate": 1e-5},
    ),
    Fault("BatchNorm momentum 0.999", "batchnorm_too_slow", {"network.batchnorm_momentum": 0.999}),
    Fault(
        "dense dropout 0.97",
        "too_much_dropout",
        {"network.dense_dropout": 0.97, "schedule.dropout_from_epoch": None},
    ),
    Fault(
        "rotation by any angle, erasing always",
        "too_much_augmentation",
        {"augment.rotate_degrees": 180.0, "augment.erase": 1.0, "augment.shift": 0.4},
    ),
    Fault(
        "labels one row off",
        "random_labels",
        faces=lambda s, rng: in_training(s, labels=np.roll(s.train.labels, 1)),
    ),
    Fault(
        "happy and neutral exchanged in validation",
        "permuted_labels",
        faces=lambda s, rng: in_validation(
            s, labels=np.array([0, 1, 2, 6, 4, 5, 3])[s.validation.labels]
        ),
    ),
    Fault(
        "validation faces scaled to 0..1",
        "blank_images",
        faces=lambda s, rng: in_validation(s, s.validation.images // 255),
    ),
    Fault(
        "training faces scaled to 0..1",
        "blank_images",
        faces=lambda s, rng: in_training(s, s.train.images // 255),
    ),
    Fault(
        "balanced sampler and square-root weights without caps",
        "rare_classes_overweighted",
        {
            "train.sampler": "balanced",
            "train.allow_sampler_with_class_weight": True,
            "class_weight.rule": "square_root",
            "class_weight.min": 0.01,
            "class_weight.max": 100.0,
        },
    ),
)


def _mostly(label: int, fraction: float) -> Callable[[Splits, np.random.Generator], Splits]:
    """Training faces of which so many are of one class."""

    def mostly(splits: Splits, rng: np.random.Generator) -> Splits:
        labels = splits.train.labels
        of_it, others = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        few = rng.choice(others, round(len(of_it) * (1 - fraction) / fraction), replace=False)
        return replace(splits, train=splits.train.take(np.sort(np.concatenate([of_it, few]))))

    return mostly


def _mislabelled(fraction: float) -> Callable[[Splits, np.random.Generator], Splits]:
    def mislabelled(splits: Splits, rng: np.random.Generator) -> Splits:
        labels = splits.train.labels.copy()
        wrong = rng.random(len(labels)) < fraction
        labels[wrong] = (labels[wrong] + rng.integers(1, 7, wrong.sum())) % 7
        return in_training(splits, labels=labels)

    return mislabelled


def both(
    change: Change, training: bool = True, validation: bool = True
) -> Callable[[Splits, np.random.Generator], Splits]:
    """Change the images of both splits, or of one of them."""

    def changed(splits: Splits, rng: np.random.Generator) -> Splits:
        if training:
            splits = in_training(splits, change(splits.train.images, rng))
        if not validation:
            return splits
        return in_validation(splits, change(splits.validation.images, rng))

    return changed


def _scrambled(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    order = np.random.default_rng(0).permutation(images[0].size)
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


def _noisy(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(images + rng.normal(0, 150, images.shape), 0, 255).astype(np.uint8)


def _pale(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (124 + images // 32).astype(np.uint8)


USUAL_AUGMENTATION = {
    "augment.shift": 0.08,
    "augment.rotate_degrees": 10.0,
    "augment.zoom": 0.1,
    "augment.brightness": 0.1,
    "augment.contrast": 0.2,
    "augment.erase": 0.1,
}

KINDS = (
    Fault(
        "validation holds one emotion",
        "validation_cannot_measure",
        faces=lambda s, rng: replace(s, validation=s.validation.take(s.validation.labels == 3)),
        flatters=True,
    ),
    Fault(
        "nineteen of twenty training faces are happy",
        "class_imbalance",
        faces=_mostly(3, 0.95),
    ),
    Fault(
        "a dropout ramp to 0.97",
        "too_much_dropout",
        {
            "schedule.dropout_from_epoch": 2,
            "schedule.dropout_over_epochs": 2,
            "schedule.gate_accuracy": 0.0,
            "schedule.conv_dropout_end": 0.97,
            "schedule.dense_dropout_end": 0.97,
            "train.epochs": 8,
        },
        ramps=True,
    ),
    Fault(
        "a label-smoothing ramp to 0.97",
        "too_much_label_smoothing",
        {
            "schedule.smoothing_from_epoch": 2,
            "schedule.smoothing_over_epochs": 2,
            "schedule.gate_accuracy": 0.0,
            "schedule.smoothing_begin": 0.5,
            "schedule.smoothing_end": 0.97,
            "train.epochs": 8,
        },
        ramps=True,
    ),
    Fault(
        "eight grey levels, usual augmentation",
        "too_much_augmentation",
        USUAL_AUGMENTATION,
        faces=both(_pale),
    ),
    Fault("pixels in a wrong order", "scrambled_images", faces=both(_scrambled)),
    Fault(
        "pixels in a wrong order in training alone",
        "scrambled_images",
        faces=both(_scrambled, validation=False),
    ),
    Fault("noise over every image", "scrambled_images", faces=both(_noisy)),
    Fault("four of ten training labels wrong", "noisy_labels", faces=_mislabelled(0.4)),
    Fault(
        "inverse weights without caps",
        "rare_classes_overweighted",
        {"class_weight.rule": "inverse", "class_weight.min": 0.01, "class_weight.max": 100.0},
    ),
    Fault("a layer of two units", "network_too_small", {"network.dense_units": [2]}),
    Fault("a block of one filter", "network_too_small", {"network.filters": [8, 1, 32]}),
)
"""Kinds that were reported by others: what acts at the end of a ramp, what no yardstick reads, what
cannot be measured, and what costs skill without stopping the learning."""

SETS = {"tuned": TUNED, "unseen": UNSEEN, "kinds": KINDS}
