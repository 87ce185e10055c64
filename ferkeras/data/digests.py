"""Digests of files and of faces: SHA-256 over pieces, hashed side by side."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ferkeras.cli.wording import cannot_read
from ferkeras.data.faces import Faces
from ferkeras.data.selection import Images, blocks

# Fixed, because the digest depends on it. Large enough that threads, which leave Python's lock
# while hashing, hardly meet.
PIECE_BYTES = 4 * 2**20

_WORTH_A_THREAD = 2**13
"""Bytes of an image from which threads gain more than handing it over costs."""


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


def _digest_of_digests(digests: Iterable[bytes], total_bytes: int) -> str:
    root = hashlib.sha256(total_bytes.to_bytes(8, "little"))
    for digest in digests:
        root.update(digest)
    return root.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the digest of a file's content, 64 hexadecimal digits.

    Raises:
        InputError: the file cannot be read.
    """

    def piece(start: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            content = file.read(PIECE_BYTES)
        return hashlib.sha256(content).digest()

    try:
        size = path.stat().st_size
        with ThreadPoolExecutor(_threads()) as pool:
            return _digest_of_digests(pool.map(piece, range(0, size, PIECE_BYTES)), size)
    except OSError as error:
        raise cannot_read(path, error) from error


def digests_of_images(images: Images, key: bytes = b"") -> list[bytes]:
    """Return 16 bytes an image; equal pixels, equal digests.

    Args:
        images: uint8, shape (N, H, W, C).
        key: mixed in.
    """

    def digest(image: np.ndarray) -> bytes:
        return hashlib.blake2b(image.data, digest_size=16, key=key).digest()

    with ThreadPoolExecutor(_threads()) as pool:
        found: list[bytes] = []
        for block in blocks(images):
            pixels = np.ascontiguousarray(block)
            found += (
                map(digest, pixels)
                if pixels[0].size < _WORTH_A_THREAD
                else pool.map(digest, pixels)
            )
        return found


def fingerprint_of(faces: Faces, usage: np.ndarray) -> str:
    """Return the digest of labels, usage and pixels; equal content, equal digest.

    Args:
        faces: images uint8 (N, H, W, C), labels int32 (N,).
        usage: int8, shape (N,).

    Returns:
        64 hexadecimal digits.
    """
    labels = faces.labels.astype("<i4")
    return _digest_of_arrays(
        labels.view(np.uint8), usage.view(np.uint8), np.ascontiguousarray(faces.images)
    )


def division_of(usage: np.ndarray) -> str:
    """Return the digest of which face is in which split, 64 hexadecimal digits.

    Args:
        usage: int8, shape (N,).
    """
    return _digest_of_arrays(usage.view(np.uint8))


def votes_fingerprint_of(faces: Faces) -> str | None:
    """Return the digest of targets and votes, 64 hexadecimal digits; None where there are none."""
    arrays = {"targets": faces.targets, "votes": faces.votes}
    content: list[np.ndarray] = []
    for name, array in arrays.items():
        if array is not None:
            about = np.frombuffer(f"{name} {array.shape} ".encode(), np.uint8)
            content += [about, np.ascontiguousarray(array, "<f4").view(np.uint8)]
    return _digest_of_arrays(*content) if content else None


def _digest_of_arrays(*arrays: np.ndarray) -> str:
    content = [array.reshape(-1) for array in arrays]
    pieces = [
        flat[start : start + PIECE_BYTES]
        for flat in content
        for start in range(0, len(flat), PIECE_BYTES)
    ]
    with ThreadPoolExecutor(_threads()) as pool:
        digests = pool.map(lambda piece: hashlib.sha256(piece).digest(), pieces)
        return _digest_of_digests(digests, sum(map(len, content)))
