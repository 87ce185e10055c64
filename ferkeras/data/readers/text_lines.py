"""Lines of a text file, plain, gzipped or zipped, one at a time and bounded in every way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO, cast

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, quoted, shown
from ferkeras.data.readers.files import holds_pictures, is_visible
from ferkeras.data.readers.gunzip import Gunzip
from ferkeras.data.readers.source import Progress

# A face of 48 x 48 pixels takes 5 to 9 KB, one of 512 x 512 at most 1.3 MB.
MAX_LINE_BYTES = 2**21
MAX_BLANK_LINES = 1000
MAX_TEXT_BYTES = 16 * 2**30
# Digits compress about three times, a dataset of flat faces a few dozen times.
BOMB_RATIO = 100
BOMB_FROM_BYTES = 64 * 2**20
_LINES_BETWEEN_PROGRESS = 500
_STEP_BYTES = 2**18

# Some 200,000 members, which is more than a folder of all of FER2013's faces.
_LARGEST_CONTENTS = 16 * 2**20
# Not LZMA, whose decoder takes as much memory as the archive says.
_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def lines_of(path: Path, progress: Progress | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line) of a text file, without line ends, blank lines left out.

    Compression is recognised by content. Lines are counted from 1 and blank ones count, as an
    editor counts. Memory does not grow with the file.

    Args:
        path: plain text, gzip, or a zip archive with exactly one ``.csv`` in it.
        progress: called now and then with (bytes of the file consumed, bytes of the file).

    Raises:
        InputError: the file cannot be read, is damaged, or exceeds a bound (2 MiB a line, 1000
            blank lines, 16 GiB of text, 100 times its compressed size).
    """
    number = 0
    blank = 0
    text_bytes = 0
    with ExitStack() as stack:
        try:
            size = path.stat().st_size
            file = stack.enter_context(_ModestFile(path.open("rb", buffering=0)))
        except OSError as error:
            raise cannot_read(path, error) from error
        text = _opened(path, file, stack)
        while True:
            try:
                line = text.readline(MAX_LINE_BYTES + 1)
            # Decompressors raise zlib.error, lzma.LZMAError, EOFError, BadZipFile, struct.error,
            # NotImplementedError, RuntimeError, ...; all of them say the same about the file.
            except Exception as error:
                if text is file and isinstance(error, OSError):
                    raise cannot_read(path, error) from error
                raise InputError(
                    f"{shown(path)}: damaged after line {number}: cannot be decompressed "
                    f"({error}); copy or download it again"
                ) from error
            if not line:
                break
            number += 1
            text_bytes += len(line)
            if len(line) > MAX_LINE_BYTES:
                raise InputError(
                    f"{shown(path)}, line {number}: longer than {MAX_LINE_BYTES:,} bytes; "
                    "expected one face a line, of at most 512 x 512 pixels"
                )
            if text is not file:
                _refuse_bomb(path, number, text_bytes, file.tell())
            if progress and number % _LINES_BETWEEN_PROGRESS == 0:
                progress(min(file.tell(), size), size)
            line = line.rstrip(b"\r\n")
            if not line.strip():
                blank += 1
                if blank > MAX_BLANK_LINES:
                    raise InputError(
                        f"{shown(path)}, line {number}: more than {MAX_BLANK_LINES} blank lines; "
                        "expected one face a line"
                    )
                continue
            yield number, line
    if progress:
        progress(size, size)


def _opened(path: Path, file: io.BufferedReader, stack: ExitStack) -> BinaryIO:
    suffix = path.suffix.lower()
    try:
        head = file.peek(4)[:4]
    except OSError as error:
        raise cannot_read(path, error) from error
    if head.startswith(_GZIP):
        return _buffered(stack.enter_context(Gunzip(file)))
    if head in _ZIP:
        return _only_csv_in_zip(path, file, stack)
    if suffix in {".gz", ".zip"} and head:
        raise InputError(
            f"{shown(path)}: named {suffix} but its content is not; it is damaged or misnamed: "
            "download it again, or rename it if it is plain text"
        )
    return file


class _ModestFile(io.BufferedReader):
    """A file that is never asked for much at once, as zipfile does for a table of contents."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_CONTENTS:
            raise ValueError(f"its table of contents is larger than {_LARGEST_CONTENTS:,} bytes")
        return super().read(size)


def _buffered(unpacked: Gunzip | IO[bytes]) -> BinaryIO:
    # Unpacking in larger steps than the decompressors' own saves a tenth of the time.
    return io.BufferedReader(cast(io.RawIOBase, unpacked), _STEP_BYTES)


def _only_csv_in_zip(path: Path, file: io.BufferedReader, stack: ExitStack) -> BinaryIO:
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        files = [name for name in archive.namelist() if not name.endswith("/")]
        names = [name for name in files if is_visible(name)]
        tables = [name for name in names if name.lower().endswith(".csv")]
        if len(tables) == 1:
            if archive.getinfo(tables[0]).compress_type not in _ZIP_METHODS:
                raise NotImplementedError("packed by another method than deflate or bzip2")
            return _buffered(stack.enter_context(archive.open(tables[0])))
    # zipfile raises BadZipFile, RuntimeError (password), NotImplementedError (compression),
    # struct.error, UnicodeDecodeError, ... on archives that are damaged or not for it.
    except Exception as error:
        raise InputError(
            f"{shown(path)}: this zip archive cannot be opened ({error}); "
            "download it again, or unpack it and give the .csv or the folder of images"
        ) from error
    nothing = "hidden files alone" if files else "nothing"
    listed = ", ".join(quoted(name) for name in (tables or names)[:5]) or nothing
    more = ", ..." if len(tables or names) > 5 else ""
    none = "no .csv file" if holds_pictures(path) else "no pictures and no .csv file"
    found = f"{len(tables)} .csv files" if tables else none
    raise InputError(
        f"{shown(path)}: {found} in this zip archive (it holds {listed}{more}), expected exactly "
        "one; unpack it and give the file or the folder of images that is meant"
    )


def _refuse_bomb(path: Path, number: int, text_bytes: int, file_bytes: int) -> None:
    too_dense = text_bytes > BOMB_FROM_BYTES and text_bytes > BOMB_RATIO * file_bytes
    if too_dense or text_bytes > MAX_TEXT_BYTES:
        raise InputError(
            f"{shown(path)}, line {number}: unpacks to more than {text_bytes // 2**20:,} MiB from "
            f"{max(1, file_bytes // 2**20):,} MiB, which is no table of faces; reading stopped"
        )
