"""Pictures that a program hands over: paths, Pillow images, arrays; what is none is refused."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import shown
from ferkeras.data.pictures import MOST_FILLED_UP, toned_picture
from ferkeras.data.task import ImageSpec
from ferkeras.predict.sources import View, is_folder, is_there, large_enough, read_picture

Picture = str | Path | Image.Image | np.ndarray
"""A path; a Pillow image; or uint8 pixels, 0 to 255: grey (H, W) or (H, W, 1), RGB (H, W, 3) or
RGBA (H, W, 4), whose transparency is laid on white."""

_CHANNELS = (1, 3, 4)

_EXPECTED = (
    "expected uint8 pixels from 0 to 255 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or N "
    "such pictures, (N, H, W) or (N, H, W, C)"
)


def views_given(pictures: Picture | Iterable[Picture], face: ImageSpec) -> Iterator[View]:
    """What is to be predicted, in order.

    Args:
        pictures: one or many; an array of N grey pictures (N, H, W), or of pictures (N, H, W, C).
        face: what the network takes.

    Raises:
        InputError: it is neither a picture nor many, or the shape of an array may mean one or many.
    """
    # They are read later, when whoever makes one after another may have the next in its place.
    lasting = isinstance(pictures, Sequence | np.ndarray)
    for at, each in enumerate(_each(pictures, face)):
        if isinstance(each, str | Path):
            yield View(str(each), None, partial(_read, each))
        else:
            picture = each if lasting else _copy(each)
            yield View(f"picture {at}", None, partial(_rgb_of, picture), _bytes_of(picture))


def _copy(picture: object) -> object:
    if not isinstance(picture, np.ndarray | Image.Image):
        return picture
    # What cannot be copied cannot be read either, and is told of where it is.
    with suppress(OSError, ValueError, SyntaxError):
        return picture.copy()
    return picture


def _bytes_of(picture: object) -> int:
    if isinstance(picture, Image.Image):
        return picture.width * picture.height * len(picture.getbands())
    return picture.nbytes if isinstance(picture, np.ndarray) else 0


def _each(pictures: Picture | Iterable[Picture], face: ImageSpec) -> Iterable[Picture]:
    if isinstance(pictures, str | Path | Image.Image):
        return [pictures]
    if isinstance(pictures, np.ndarray):
        return _pictures_in(pictures, face)
    if pictures is None or not isinstance(pictures, Iterable):
        raise _no_picture(pictures)
    return pictures


def _pictures_in(array: np.ndarray, face: ImageSpec) -> Iterable[np.ndarray]:
    """The pictures of an array; only shapes that can mean one thing are taken."""
    shape = array.shape
    if array.dtype != np.uint8 or array.ndim not in (2, 3, 4):
        raise _not_pixels(array)
    if array.ndim == 4:
        return array
    if array.ndim == 3 and shape[-1] in _CHANNELS:
        return [array]
    if 0 in shape:
        raise InputError(f"a picture without pixels, of shape {shape}")
    if array.ndim == 3 and shape[0] in _CHANNELS[1:]:
        raise InputError(
            f"pixels of shape {shape} may be {shape[0]} grey pictures, or one with its channels "
            "first; give (N, H, W, 1) for the one (array[..., None]), (H, W, C) for the other "
            "(np.moveaxis(array, 0, -1))"
        )
    height, width = shape[-2:]
    if array.ndim == 2 and width == face.height * face.width * face.channels:
        raise InputError(
            f"pixels of shape {shape} look like faces in one row each; give (N, H, W, C): "
            f"array.reshape(-1, {face.height}, {face.width}, {face.channels})"
        )
    if max(height, width) > MOST_FILLED_UP * min(height, width):
        raise InputError(
            f"pixels of shape {shape}: {width} x {height} is no picture of a face; {_EXPECTED}"
        )
    return [array] if array.ndim == 2 else array


def _read(path: str | Path) -> Image.Image:
    file = expanded(path)
    if is_folder(file):
        raise InputError(
            f"a folder; give the pictures in it: sorted(pathlib.Path({str(path)!r}).iterdir())"
        )
    if glob.has_magic(str(path)) and not is_there(file):
        raise InputError(
            f"a pattern; give the pictures that it matches: sorted(glob.glob({str(path)!r}))"
        )
    return read_picture(file)


def _rgb_of(picture: object) -> Image.Image:
    if isinstance(picture, Image.Image):
        return large_enough(_toned(picture))
    if not isinstance(picture, np.ndarray):
        raise _no_picture(picture)
    shape = picture.shape
    if picture.dtype != np.uint8 or not (
        len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS)
    ):
        raise _not_pixels(picture)
    if 0 in shape:
        raise InputError(f"a picture without pixels, of shape {shape}")
    image = Image.fromarray(picture[..., 0] if shape[2:] == (1,) else picture)
    return large_enough(toned_picture(image, 3))


def _toned(picture: Image.Image) -> Image.Image:
    try:
        return toned_picture(picture, 3)
    # Pillow reads a file when its pixels are asked for: it may end early, or be closed by then.
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"a Pillow image whose pixels cannot be read ({error})") from None


def _not_pixels(array: np.ndarray) -> InputError:
    return InputError(f"{_EXPECTED}; found {array.dtype} of shape {array.shape}")


def _no_picture(found: object) -> InputError:
    why = "; cv2.imread returns None where it cannot read a file" if found is None else ""
    what = "None" if found is None else shown(type(found).__name__)
    return InputError(f"expected a path, a Pillow image or an array, found {what}{why}")
