"""Random changes to a batch of training faces, a pure function of the random numbers given."""

from __future__ import annotations

import math

import tensorflow as tf

from ferkeras.config.sections.augment import Augment
from ferkeras.data.warp import warp

NUMBERS = 12
"""Uniform random numbers that `augment` uses for each face."""

_ERASED_SIDE = (0.15, 0.4)
"""Smallest and largest side of an erased rectangle, as a fraction of the face's side."""


def augment(images: tf.Tensor, numbers: tf.Tensor, settings: Augment) -> tf.Tensor:
    """Flip, shift, turn, zoom, light and erase.

    Args:
        images: uint8, shape (B, H, W, C).
        numbers: float32 in [0, 1), shape (B, NUMBERS); row i alone decides what happens to face i.
        settings: how far each change may go; a change set to zero costs nothing.

    Returns:
        uint8, shape (B, H, W, C).
    """
    # Asked before the warp, whose kernel knows no static shape.
    height, width = images.shape[1:3]
    if _moves(settings):
        images = warp(images, _transforms(numbers, settings, height, width))
    if settings.brightness or settings.contrast:
        images = _light(images, numbers, settings)
    if settings.erase:
        images = _erase(images, numbers, settings.erase, height, width)
    return images


def _moves(settings: Augment) -> bool:
    return bool(settings.flip or settings.shift or settings.rotate_degrees or settings.zoom)


def _signed(numbers: tf.Tensor, largest: float) -> tf.Tensor:
    return (2.0 * numbers - 1.0) * largest


def _transforms(numbers: tf.Tensor, settings: Augment, height: int, width: int) -> tf.Tensor:
    """One affine map a face about its centre, as `warp` takes it."""
    angle = _signed(numbers[:, 0], math.radians(settings.rotate_degrees))
    scale = 1.0 + _signed(numbers[:, 1], settings.zoom)
    mirror = tf.where(numbers[:, 2] < 0.5, -1.0, 1.0) if settings.flip else tf.ones_like(angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    a0, a1 = mirror * tf.cos(angle) / scale, -tf.sin(angle) / scale
    b0, b1 = mirror * tf.sin(angle) / scale, tf.cos(angle) / scale
    if x == y:  # FER2013's runs are the same to the bit
        a2, b2 = x - (a0 + a1) * x, y - (b0 + b1) * y
    else:
        a2, b2 = x - (a0 * x + a1 * y), y - (b0 * x + b1 * y)
    a2 += _signed(numbers[:, 3], settings.shift * width)
    b2 += _signed(numbers[:, 4], settings.shift * height)
    zero = tf.zeros_like(angle)
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)


def _light(images: tf.Tensor, numbers: tf.Tensor, settings: Augment) -> tf.Tensor:
    pixels = tf.cast(images, tf.float32)
    mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    contrast = 1.0 + _signed(numbers[:, 5], settings.contrast)
    brightness = _signed(numbers[:, 6], settings.brightness * 255.0)
    contrast = contrast[:, None, None, None]
    offset = mean * (1.0 - contrast) + brightness[:, None, None, None]
    # +0.5 because the cast truncates.
    return tf.cast(tf.clip_by_value(pixels * contrast + (offset + 0.5), 0.0, 255.0), tf.uint8)


def _erase(
    images: tf.Tensor, numbers: tf.Tensor, chance: float, height: int, width: int
) -> tf.Tensor:
    """Fill a rectangle with one grey value (random erasing, Zhong et al. 2017)."""
    low, high = _ERASED_SIDE

    def inside(where: tf.Tensor, side: tf.Tensor, size: int) -> tf.Tensor:
        place = tf.range(size, dtype=tf.float32)[None, :]
        length = (low + (high - low) * side) * size
        start = where * (size - length)
        return (place >= start[:, None]) & (place < (start + length)[:, None])

    rows = inside(numbers[:, 7], numbers[:, 8], height)
    columns = inside(numbers[:, 9], numbers[:, 10], width)
    # One number serves twice: below `chance` it says that a face is erased, and how grey.
    erased = numbers[:, 11] < chance
    grey = tf.cast(numbers[:, 11] / chance * 255.0, tf.uint8)
    mask = erased[:, None, None] & rows[:, :, None] & columns[:, None, :]
    return tf.where(mask[..., None], grey[:, None, None, None], images)
