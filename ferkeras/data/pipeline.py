"""From arrays to batches by `tf.data`: order and augmentation depend on (seed, epoch) alone.

Few faces are held as a tensor. Many stay where they are, usually on the disk, and the rows of each
batch are read when it is made, ahead of the step that takes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ferkeras.config.sections.augment import Augment
from ferkeras.data.augment import NUMBERS, augment
from ferkeras.data.faces import Faces
from ferkeras.data.selection import Images, Selection

_PLAIN_BATCH = 256

_AHEAD = max(2, (os.cpu_count() or 2) // 2)
"""Batches that are made at once; their order is the same whatever it is."""

VOTES_WEIGHT = 0.5
"""Weight of the votes in the loss beside 1 for the labels; below 1, see `training_targets`."""


class TrainingPipeline:
    """Batches of training faces, the same for the same (seed, epoch, step) however they began.

    Nothing is remembered between batches, so that a run can begin in any epoch at any step and
    sees exactly what an uninterrupted run saw.

    Args:
        faces: the training faces; kept in memory once, as uint8, unless they are a `Selection`.
        batch_size: faces a step; the last batch of an epoch may be smaller.
        seed: seeds order and augmentation.
        augmentation: how far each random change may go.
        balanced: draw each class equally often, with replacement, instead of shuffling.
    """

    def __init__(
        self,
        faces: Faces,
        *,
        batch_size: int,
        seed: int,
        augmentation: Augment,
        balanced: bool = False,
    ) -> None:
        self.steps_per_epoch = -(-len(faces) // batch_size)
        self._count = len(faces)
        self._batch_size = batch_size
        self._seed = seed
        self._augmentation = augmentation
        self._rows = _rows_of(faces.images)
        self._targets = tf.constant(training_targets(faces))
        self._draw = _BalancedDraw(faces.labels) if balanced else None

    def order(self, epoch: int | tf.Tensor) -> tf.Tensor:
        """Which face stands at each place of `epoch` (from 1): int64, shape (N,)."""
        seed = tf.stack([tf.cast(self._seed, tf.int64), 2 * tf.cast(epoch, tf.int64)])
        if self._draw is not None:
            return self._draw(self._count, seed)
        indices = tf.range(self._count, dtype=tf.int64)
        return tf.random.experimental.stateless_shuffle(indices, seed)

    def dataset(self, first_epoch: int, last_epoch: int, first_step: int = 0) -> tf.data.Dataset:
        """Batches of the epochs `first_epoch..last_epoch`: uint8 (B, H, W, C) and targets.

        Targets are class indices, int32 (B,), or rows of `training_targets`.

        Give `steps_per_epoch` to `fit` along with it: epochs follow each other in one iterator,
        so the next epoch's first batches are made while validation runs.

        Args:
            first_epoch: counted from 1.
            last_epoch: the last one included.
            first_step: steps of the first epoch to leave out, counted from 0.
        """

        # Nothing here branches on a tensor, and what does not would take a second to convert.
        @tf.autograph.experimental.do_not_convert
        def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
            seed = tf.stack([tf.cast(self._seed, tf.int64), 2 * epoch + 1])
            order = self.order(epoch)
            numbers = tf.random.stateless_uniform((self._count, NUMBERS), seed)
            first = tf.where(epoch == first_epoch, first_step, 0)
            steps = tf.data.Dataset.range(tf.cast(first, tf.int64), self.steps_per_epoch)

            def places(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                begin = step * self._batch_size
                end = tf.minimum(begin + self._batch_size, self._count)
                return order[begin:end], numbers[begin:end]

            return steps.map(places)

        @tf.autograph.experimental.do_not_convert
        def batch(order: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = self._rows(order)
            targets = tf.gather(self._targets, order)
            return augment(images, numbers, self._augmentation), targets

        epochs = last_epoch - first_epoch + 1
        return untuned(
            tf.data.Dataset.range(first_epoch, last_epoch + 1)
            .flat_map(batches_of)
            .map(batch, num_parallel_calls=_AHEAD, deterministic=True)
            .apply(
                tf.data.experimental.assert_cardinality(epochs * self.steps_per_epoch - first_step)
            )
            .prefetch(4)
        )


def training_targets(faces: Faces) -> np.ndarray:
    """What a network is trained towards, face by face.

    Class indices, int32 (N,); where faces have targets or votes, float32 (N, K + V): first the
    probabilities of the K classes, then the fractions of the votes times `VOTES_WEIGHT`. The
    largest number of a row is at the face's class, by which Keras finds its class weight.
    """
    if faces.targets is None and faces.votes is None:
        return faces.labels.astype(np.int32)
    targets = faces.targets
    if targets is None:
        targets = np.eye(len(faces.classes), dtype=np.float32)[faces.labels]
    if faces.votes is None:
        return targets
    return np.concatenate([targets, np.float32(VOTES_WEIGHT) * faces.votes], axis=1)


def plain_dataset(faces: Faces) -> tf.data.Dataset:
    """Batches (uint8 (B, H, W, C), int32 (B,)) in the order given, without augmentation."""
    labels = faces.labels.astype(np.int32)
    if not isinstance(faces.images, Selection):
        dataset = tf.data.Dataset.from_tensor_slices((faces.images, labels))
        return untuned(dataset.batch(_PLAIN_BATCH).prefetch(2))
    rows = _rows_of(faces.images)
    indices = tf.data.Dataset.range(len(faces)).batch(_PLAIN_BATCH)
    return untuned(indices.map(lambda index: (rows(index), tf.gather(labels, index))).prefetch(2))


def _rows_of(images: Images) -> Callable[[tf.Tensor], tf.Tensor]:
    """What gives the images at some indices, in a graph."""
    if not isinstance(images, Selection):
        held = tf.constant(images)
        return lambda index: tf.gather(held, index)

    def rows(index: tf.Tensor) -> tf.Tensor:
        read = tf.numpy_function(images.__getitem__, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(read, (None, *images.shape[1:]))

    return rows


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same dataset without `tf.data`'s tuner of buffers and threads.

    The tuner sleeps between its checks, twice as long each time up to a minute, and the end of an
    iterator waits until it has woken: a validation of 2.6 s took 5.1 s (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


class _BalancedDraw:
    """Indices with replacement, every class equally likely (PyTorch's WeightedRandomSampler)."""

    def __init__(self, labels: np.ndarray) -> None:
        counts = np.bincount(labels)
        present = np.flatnonzero(counts)
        self._by_class = tf.constant(np.argsort(labels, kind="stable"), tf.int64)
        self._counts = tf.constant(counts[present], tf.int64)
        self._starts = tf.constant((np.cumsum(counts) - counts)[present], tf.int64)

    def __call__(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        # float64: a float32 cannot tell the members of a class of millions apart.
        numbers = tf.random.stateless_uniform((2, count), seed, dtype=tf.float64)
        classes = tf.cast(numbers[0] * self._counts.shape[0], tf.int64)
        sizes = tf.gather(self._counts, classes)
        member = tf.cast(numbers[1] * tf.cast(sizes, tf.float64), tf.int64)
        return tf.gather(self._by_class, tf.gather(self._starts, classes) + member)
