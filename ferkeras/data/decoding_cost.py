"""What a picture file costs to decode, known before it is decoded."""

from __future__ import annotations

import re

_MOST_SEGMENTS = 4000
"""A colour profile or description of 16 MiB takes 257."""
_MOST_SCANS = 64
"""Encoders write about 10."""
_MOST_PIXELS_OF_SCANS = 800_000_000
"""In all scans together: 16 scans of the largest picture that is read."""
_MOST_CHUNKS = 50_000

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_SCAN = b"\xff\xda"
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""Within a scan, 0xff is followed by 0 or by the number of a restart."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of segments that hold the size of the picture."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_WITHOUT_LENGTH = (0x01, 0xD8)


def wasted_work(content: bytes) -> str | None:
    """Say what in a picture file would keep a decoder busy for nothing; None where nothing does.

    A JPEG file of a few kilobytes may hold thousands of scans, each of which goes over the whole
    picture, and like a PNG file millions of empty segments.

    Args:
        content: of the file.
    """
    if content.startswith(_JPEG):
        small = len(content) < 4 * _MOST_SEGMENTS and content.count(_SCAN) <= 16
        return None if small else _in_jpeg(content)
    if content.startswith(_PNG) and len(content) > 12 * _MOST_CHUNKS:
        return _in_png(content)
    return None


def _in_jpeg(content: bytes) -> str | None:
    at, segments, scans, pixels = len(_JPEG), 0, 0, 0
    while found := _MARKER.search(content, at):
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in _FRAMES:
            height, width = (int.from_bytes(content[i : i + 2], "big") for i in (at + 3, at + 5))
            pixels = max(pixels, height * width)
        at += int.from_bytes(content[at : at + 2], "big")
        segments += 1
        scans += marker == _START_OF_SCAN
        if scans > _MOST_SCANS or scans * pixels > _MOST_PIXELS_OF_SCANS:
            return f"{scans} scans or more over {pixels:,} pixels"
        if segments > _MOST_SEGMENTS:
            return f"more than {_MOST_SEGMENTS:,} segments"
    return None


def _in_png(content: bytes) -> str | None:
    at, chunks = len(_PNG), 0
    while at + 8 <= len(content):
        at += 12 + int.from_bytes(content[at : at + 4], "big")
        chunks += 1
        if chunks > _MOST_CHUNKS:
            return f"more than {_MOST_CHUNKS:,} chunks"
    return None
