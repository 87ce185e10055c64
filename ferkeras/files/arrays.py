"""NumPy archives (`.npz`) of strangers: what is in them is known before it is unpacked."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

ARCHIVE_ERRORS = (
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)
"""What `zipfile` raises on damaged archives."""

HEADER_ERRORS = (TypeError, OverflowError, SyntaxError, MemoryError, tokenize.TokenError)
"""What `numpy.lib.format` raises on damaged headers besides."""


class DamagedArrays(ValueError):
    """An archive that does not hold what it should; the message says what is wrong."""


def read_arrays(
    file: BinaryIO, names: Sequence[str] | None, *, largest: int, packed: bool = True
) -> dict[str, np.ndarray]:
    """Read arrays of numbers from an archive that `numpy.savez` made.

    Args:
        file: the archive, seekable.
        names: those that are wanted and must be there; None for all.
        largest: bytes that they may have together, unpacked.
        packed: whether members may be compressed.

    Raises:
        DamagedArrays: the archive or an array is damaged, missing, too large, or not of numbers.
        OSError: reading failed.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {
                member.filename.removesuffix(".npy"): member for member in archive.infolist()
            }
            if names is None:
                names = list(members)
            wanted = [members[name] for name in names]
            allowed = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[: 2 if packed else 1]
            if any(member.compress_type not in allowed for member in wanted):
                raise ValueError("packed in a way that NumPy does not")
            if sum(member.file_size for member in wanted) > largest:
                raise ValueError(f"unpacks to more than {largest:,} bytes")
            return {
                name: _array(archive, member) for name, member in zip(names, wanted, strict=True)
            }
    except (*ARCHIVE_ERRORS, *HEADER_ERRORS) as error:
        reason = " ".join(str(error).split())[:100].encode("ascii", "backslashreplace").decode()
        raise DamagedArrays(f"{type(error).__name__}: {reason}") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(file, max_header_size=10_000)
        if dtype.kind not in "biuf":
            raise ValueError(f"{member.filename}: not an array of numbers")
        left = member.file_size - file.tell()
        count = 1
        for length in shape:
            count *= int(length)
        if count * dtype.itemsize != left or len(shape) > 16 or min(shape, default=0) < 0:
            raise ValueError(f"{member.filename}: its length is not that of its shape")
        content = file.read()
        if len(content) != left:
            raise ValueError(f"{member.filename}: cut off")
        array = np.frombuffer(content, dtype)
        return array.reshape(shape, order="F" if fortran else "C").copy()
