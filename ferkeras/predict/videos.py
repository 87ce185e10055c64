"""Frames of a video file, read by OpenCV."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

# It is read when OpenCV opens its first video; what FFmpeg says of a file is said here.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.quiet import caught_stderr
from ferkeras.cli.streams import tell
from ferkeras.cli.wording import shown
from ferkeras.data.pictures import MAX_PICTURE_PIXELS
from ferkeras.predict.sources import View

_CUT_OFF = 0.9
"""Of the time that a file speaks of, the least that nothing is said about."""


def frames_of(path: Path, every_seconds: float) -> Iterator[View]:
    """Frames of a video, each with its time in seconds.

    A file that cannot be read is one view, whose reading says so.

    Args:
        path: the file.
        every_seconds: time between two frames, 0 or more; the first frame always comes.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    name = str(path)
    # A local file and nothing else: the name may resemble an address.
    place = os.path.realpath(path)
    try:
        place.encode()
    except UnicodeEncodeError:
        # OpenCV ends the process over one.
        yield View(name, None, _unnameable)
        return
    with caught_stderr():
        capture = cv2.VideoCapture(place, cv2.CAP_FFMPEG)
    pixels = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not rate or not math.isfinite(rate):
        rate = 25.0
    number, seconds, shift, next_wanted, shown_one = 0, 0.0, 0.0, 0.0, False
    try:
        while 0 < pixels <= MAX_PICTURE_PIXELS and capture.grab():
            # Frames need not come at one rate: a phone takes fewer in the dark.
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if not math.isfinite(stamp) or stamp <= 0:
                seconds = max(seconds, number / rate)
            else:
                if number and stamp + shift < seconds:
                    # Videos that were put together each begin at 0.
                    shift = seconds + 1 / rate - stamp
                seconds = stamp + shift
            number += 1
            # Half a frame early, so that 1 s at 29.97 frames/s is the 30th frame.
            late = seconds + 0.5 / rate - next_wanted
            if late < 0:
                continue
            if every_seconds:
                next_wanted += every_seconds * (1 + late // every_seconds)
            readable, frame = capture.retrieve()
            if readable:
                shown_one = True
                yield View(name, seconds, partial(_read, frame), frame.nbytes)
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        capture.release()
    if not shown_one:
        yield View(name, None, _unreadable)
    elif max(number, seconds * rate) < _CUT_OFF * promised:
        # Not an error: some files only guess how many they have, or hide the first of them.
        tell(
            f"note: {shown(name)}: {number:,} frames were read, of {round(promised):,} that the "
            "file speaks of; it may be cut off"
        )


def _read(frame: np.ndarray) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def _unnameable() -> Image.Image:
    raise InputError("a video whose name has bytes that are no UTF-8; rename it")


def _unreadable() -> Image.Image:
    raise InputError("unreadable video; expected a whole file in a format that FFmpeg knows")
