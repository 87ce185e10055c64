"""One picture file to one face, as a person sees it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps

from ferkeras.cli.errors import InputError
from ferkeras.data.task import ImageSpec

# Pillow spends most of a second and 80 MB on each MiB of empty segments before it gives up.
MAX_PICTURE_BYTES = 16 * 2**20
MAX_PICTURE_PIXELS = 50_000_000
SUFFIXES = (".jpeg", ".jpg", ".png")

# What a decoder asks for is not left to the content of a foreign file.
_FORMATS = ("PNG", "JPEG")

# A picture is made grey in bands, so that what is held of it in between does not grow with it.
_PIXELS_A_BAND = 1_000_000


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata; what matters of them is checked here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def decode_face(content: bytes, spec: ImageSpec) -> np.ndarray:
    """Return the face in a PNG or JPEG file.

    Made grey as `decode_grey` does it; resized with antialiasing whatever its proportions.

    Args:
        content: the bytes of the file.
        spec: size of the face.

    Returns:
        uint8, shape (height, width).

    Raises:
        InputError: see `decode_grey`.
    """
    return face_of(decode_grey(content), spec)


def face_of(grey: Image.Image, spec: ImageSpec) -> np.ndarray:
    """Resize a picture of mode L with antialiasing to a face, uint8 (height, width)."""
    size = (spec.width, spec.height)
    if grey.size != size:
        grey = grey.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(grey, np.uint8)


def decode_grey(content: bytes) -> Image.Image:
    """Return the picture in a PNG or JPEG file in grey, of mode L, in its own size.

    Turned upright by its EXIF orientation; transparency is laid on white, as viewers show it;
    16 bits are scaled to 8; colour becomes ITU-R 601 luma.

    Raises:
        InputError: not a PNG or JPEG, truncated, damaged, or more than 50 million pixels. The
            message leaves it to the caller to name the file.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        # The header alone has been read so far: no memory is spent on a bomb.
        if width * height > MAX_PICTURE_PIXELS:
            raise InputError(
                f"{width:,} x {height:,} pixels, expected at most {MAX_PICTURE_PIXELS:,} in all"
            )
        # verify() passes a truncated JPEG, load() does not.
        image.load()
        return grey_picture(image)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{_reason(error)}; expected at most {MAX_PICTURE_PIXELS:,} pixels"
        ) from error
    # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error, ... on
    # damaged content; all of them say the same about the file.
    except Exception as error:
        raise InputError(
            f"unreadable image ({_reason(error)}); expected a whole PNG or JPEG"
        ) from error


def grey_picture(image: Image.Image) -> Image.Image:
    """A Pillow image in grey, of mode L, turned as its EXIF data say, in its own size."""
    return _upright(_grey(image), image)


def _upright(grey: Image.Image, image: Image.Image) -> Image.Image:
    """`grey` turned as `image`, which it was made from, says of its orientation."""
    # Most say nothing, and a needless turn costs a tenth of the reading of a small picture.
    if orientation := image.getexif().get(ExifTags.Base.Orientation):
        grey.getexif()[ExifTags.Base.Orientation] = orientation
        return ImageOps.exif_transpose(grey)
    return grey


def _grey(image: Image.Image) -> Image.Image:
    """The picture in mode L."""
    width, height = image.size
    if width * height <= _PIXELS_A_BAND:
        return _grey_band(image)
    grey = Image.new("L", image.size)
    rows = max(1, _PIXELS_A_BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        grey.paste(_grey_band(image.crop((0, top, width, bottom))), (0, top))
    return grey


def _grey_band(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        deep = np.asarray(image, np.int64)
        if "transparency" in image.info:
            deep = np.where(np.equal(deep, image.info["transparency"]), 65_535, deep)
        # convert("L") would clip at 255 instead of scaling.
        eight_bits = np.rint(np.clip(deep, 0, 65_535) / 257).astype(np.uint8)
        return Image.fromarray(eight_bits)
    if image.has_transparency_data:
        # convert("L") would uncover the colour that transparency hides.
        above = image.convert("RGBA")
        white = Image.new("RGBA", above.size, "white")
        return Image.alpha_composite(white, above).convert("L")
    if image.mode in {"1", "L", "RGB"}:
        return image.convert("L")
    return image.convert("RGB").convert("L")


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "neither PNG nor JPEG inside"
    return " ".join(str(error).split())[:100] or type(error).__name__
