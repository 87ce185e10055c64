"""What gzip has packed, unpacked by zlib itself, so that no part of a file costs more than another.

`gzip.GzipFile` walks through the file name in a header byte by byte, and through a file of
nothing but empty members in one call that cannot be bounded.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_EMPTY_MEMBERS = 1000
_STEP_BYTES = 2**16


class Gunzip(io.RawIOBase):
    """The unpacked bytes of one gzip member after another, checksums checked.

    Args:
        file: at the beginning of the first member.

    Raises:
        EOFError, ValueError, zlib.error: in `readinto`, on a file that is cut off or damaged.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._pending = b""
        self._member: zlib._Decompress | None = None
        self._empty = 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` as far as one step goes; return how far, 0 at the end."""
        room = memoryview(buffer)
        while True:
            packed = self._packed()
            if self._member is None:
                if not packed:
                    return 0
                self._empty += 1
                if self._empty > MAX_EMPTY_MEMBERS:
                    raise ValueError(f"more than {MAX_EMPTY_MEMBERS:,} empty members")
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            elif not packed:
                raise EOFError("it ends in the middle")
            text = self._member.decompress(packed, len(room))
            if self._member.eof:
                self._pending = self._member.unused_data
                self._member = None
            else:
                self._pending = self._member.unconsumed_tail
            if text:
                self._empty = 0
                room[: len(text)] = text
                return len(text)

    def _packed(self) -> bytes:
        """The next bytes of the file, without the zeros that pad members; none at its end."""
        packed = self._pending or self._file.read(_STEP_BYTES)
        while self._member is None and packed and not (packed := packed.lstrip(b"\0")):
            packed = self._file.read(_STEP_BYTES)
        return packed
