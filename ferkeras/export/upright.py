"""The EXIF orientation of a PNG or JPEG file, read and obeyed inside a TensorFlow graph."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_ORIENTATION = 0x0112
_SHORT = 3
_MOST_ENTRIES = 1000
_MOST_PARTS = 1000
"""Entries of a directory, and parts of a file, that are looked at."""

_APP1, _START_OF_SCAN = 0xE1, 0xDA


def turned_upright(picture: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Turn and mirror a picture (H, W, C) as the file (scalar string) it comes from asks for."""
    orientation = exif_orientation(content)

    def if_one_of(chosen: tuple[int, ...], turn: Callable, picture: tf.Tensor) -> tf.Tensor:
        asked = tf.reduce_any(tf.equal(orientation, chosen))
        return tf.cond(asked, lambda: turn(picture), lambda: picture)

    picture = if_one_of((5, 6, 7, 8), lambda p: tf.transpose(p, (1, 0, 2)), picture)
    picture = if_one_of((2, 3, 6, 7), lambda p: tf.reverse(p, [1]), picture)
    return if_one_of((3, 4, 7, 8), lambda p: tf.reverse(p, [0]), picture)


def exif_orientation(content: tf.Tensor) -> tf.Tensor:
    """Orientation of a PNG or JPEG file (scalar string), int32 1 to 8; 1 where it says none."""
    file = _Bytes(content)
    header = tf.cond(tf.io.is_jpeg(content), lambda: _in_jpeg(file), lambda: _in_png(file))
    little = tf.equal(file.byte(header), ord("I"))
    directory = header + file.four(header + 4, little)
    entries = tf.clip_by_value(file.two(directory, little), 0, _MOST_ENTRIES)
    at = directory + 2 + 12 * tf.range(entries)
    found = tf.equal(file.two(at, little), _ORIENTATION)
    found &= tf.equal(file.two(at + 2, little), _SHORT)
    value = tf.reduce_max(tf.where(found, file.two(at + 8, little), 0))
    there = (header > 0) & (entries > 0) & (value >= 1) & (value <= 8)
    return tf.where(there, value, 1)


class _Bytes:
    """Numbers at places of a file; beyond its end there are zeros."""

    def __init__(self, content: tf.Tensor) -> None:
        content = tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32)
        self.size = tf.size(content)
        self._padded = tf.concat([content, [0]], 0)

    def byte(self, at: tf.Tensor) -> tf.Tensor:
        inside = (at >= 0) & (at < self.size)
        return tf.gather(self._padded, tf.where(inside, at, self.size))

    def two(self, at: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
        first, second = self.byte(at), self.byte(at + 1)
        return tf.where(little, second * 256 + first, first * 256 + second)

    def four(self, at: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
        first, second = self.two(at, little), self.two(at + 2, little)
        high, low = tf.where(little, second, first), tf.where(little, first, second)
        # Places beyond 2 GiB are beyond the end of the file, and would be negative numbers.
        return tf.where(high < 1 << 15, high, (1 << 15) - 1) * (1 << 16) + low

    def text(self, at: tf.Tensor, expected: bytes) -> tf.Tensor:
        return tf.reduce_all(tf.equal(self.byte(at + tf.range(len(expected))), list(expected)))


def _walk(ahead: Callable, step: Callable, begin: int) -> tf.Tensor:
    """Go from part to part of a file; where the header is that was found, or 0."""
    start = (tf.constant(begin), tf.constant(0))
    return tf.while_loop(ahead, step, start, maximum_iterations=_MOST_PARTS)[1]


def _in_jpeg(file: _Bytes) -> tf.Tensor:
    """Where the TIFF header of the EXIF segment is; 0 where there is none."""

    def ahead(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        is_marker = tf.equal(file.byte(at), 0xFF)
        scan = tf.equal(file.byte(at + 1), _START_OF_SCAN)
        return tf.equal(found, 0) & (at < file.size) & is_marker & ~scan

    def step(at: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        exif = tf.equal(file.byte(at + 1), _APP1) & file.text(at + 4, b"Exif\0\0")
        filling = tf.equal(file.byte(at + 1), 0xFF)
        length = tf.where(filling, 1, 2 + file.two(at + 2, tf.constant(False)))
        return at + length, tf.where(exif, at + 10, found)

    return _walk(ahead, step, 2)


def _in_png(file: _Bytes) -> tf.Tensor:
    """Where the TIFF header of the eXIf chunk is; 0 where there is none."""

    def ahead(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        return tf.equal(found, 0) & (at < file.size) & ~file.text(at + 4, b"IEND")

    def step(at: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        length = tf.minimum(file.four(at, tf.constant(False)), file.size)
        return at + 12 + length, tf.where(file.text(at + 4, b"eXIf"), at + 8, found)

    return _walk(ahead, step, 8)
