"""One picture file to one face, as a person sees it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps

from ferkeras.cli.errors import InputError
from ferkeras.data.decoding_cost import wasted_work
from ferkeras.data.task import ImageSpec

# Pillow spends most of a second and 80 MB on each MiB of empty segments before it gives up.
MAX_PICTURE_BYTES = 16 * 2**20
MAX_PICTURE_PIXELS = 50_000_000
SUFFIXES = (
    ".bmp",
    ".gif",
    ".jfif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)

# What a decoder asks for is not left to the content of a foreign file.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")

_HEIF_BRANDS = {
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
    ),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
"""What the box ``ftyp`` at the beginning of a file says, with the name of the kind."""

# A picture is converted in bands, so that what is held of it in between does not grow with it.
_PIXELS_A_BAND = 1_000_000

_SIXTEEN_BITS = ("PNG", "PPM")
"""Formats whose pictures are of 16 bits where Pillow has them as whole numbers."""

_XMP = {"xmp", "XML:com.adobe.xmp"}
"""Under which names Pillow keeps them."""

_MODES = {1: "L", 3: "RGB"}

MOST_FILLED_UP = 4
"""A side is made longer by at most this factor where proportions differ."""

_GREY_WITHIN = 3.0
"""Mean difference of two channels, 0 to 255, up to which a picture is grey."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata; what matters of them is checked here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def decode_face(content: bytes, spec: ImageSpec) -> np.ndarray:
    """Return the face in a picture file: `decode`, then `face_of`.

    Args:
        content: the bytes of the file.
        spec: size and colour of the face.

    Returns:
        uint8, shape (height, width, channels).

    Raises:
        InputError: see `decode`.
    """
    return face_of(decode(content, spec.channels), spec)


def face_of(picture: Image.Image, spec: ImageSpec) -> np.ndarray:
    """Bring a picture of mode L or RGB to the size and colour of a face.

    Resized with antialiasing, its proportions kept: where they are not those of the face, the
    shorter side is filled up by repeating the edge.

    Returns:
        uint8, shape (height, width, channels).
    """
    mode = _MODES[spec.channels]
    if picture.mode != mode:
        picture = picture.convert(mode)
    size = (spec.width, spec.height)
    if picture.width * spec.height != picture.height * spec.width:
        picture = _filled_up(picture, spec)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture, np.uint8).reshape(spec.shape)


def _filled_up(picture: Image.Image, spec: ImageSpec) -> Image.Image:
    width = max(picture.width, round(picture.height * spec.width / spec.height))
    height = max(picture.height, round(picture.width * spec.height / spec.width))
    # Of a picture like a ribbon the middle alone is taken: it shows no face anyway.
    width, height = (
        min(width, MOST_FILLED_UP * picture.width),
        min(height, MOST_FILLED_UP * picture.height),
    )
    pixels = np.asarray(picture)
    rows = repeated_edges(picture.height, height)
    columns = repeated_edges(picture.width, width)
    return Image.fromarray(pixels[rows[:, None], columns])


def repeated_edges(length: int, filled: int) -> np.ndarray:
    """Which of `length` pixels stands at each of `filled` places, the ends repeated: int64."""
    return np.clip(np.arange(filled) - (filled - length) // 2, 0, length - 1)


def has_colour(picture: Image.Image) -> bool:
    """Whether a picture of mode RGB is more than grey."""
    red, green, blue = (np.asarray(band, np.int16) for band in picture.split())
    # Compression colours grey pictures a little.
    return bool(max(np.abs(red - green).mean(), np.abs(blue - green).mean()) > _GREY_WITHIN)


def decode(content: bytes, channels: int) -> Image.Image:
    """Return the picture in a file, in its own size: of mode L for 1 channel, RGB for 3.

    Turned upright by its EXIF orientation; transparency is laid on white, as viewers show it;
    16 bits, 32 bits and fractions from 0 to 1 are scaled to 8 bits; colour becomes ITU-R 601 luma
    where it is to be grey. Of several pictures in one file the first is taken.

    Raises:
        InputError: no picture of a kind that is read, truncated, damaged, more than 50 million
            pixels, more work than a picture is, or of numbers in no usual range. The message leaves
            it to the caller to name the file.
    """
    if not content:
        raise InputError("the file is empty; copy it again or remove it")
    if kind := _heif(content):
        raise InputError(
            f"{kind} inside, whatever its name, which is not read; convert it to JPEG or PNG"
        )
    if wasted := wasted_work(content):
        raise InputError(f"{wasted}, which no picture needs; save it anew with another program")
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
        return toned_picture(image, channels)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"many times larger than a picture may be; expected at most {MAX_PICTURE_PIXELS:,} "
            "pixels in all"
        ) from error
    # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error, ... on
    # damaged content; all of them say the same about the file.
    except Exception as error:
        raise InputError(
            f"unreadable image ({_reason(error)}); expected a whole {', '.join(_FORMATS[:-1])} "
            f"or {_FORMATS[-1]}"
        ) from error


def toned_picture(image: Image.Image, channels: int) -> Image.Image:
    """A Pillow image of mode L or RGB, turned as its EXIF data say, in its own size."""
    return _upright(_toned(image, _MODES[channels]), image)


def _upright(toned: Image.Image, image: Image.Image) -> Image.Image:
    """`toned` turned as `image`, which it was made from, says of its orientation."""
    # Most say nothing, and a needless turn costs a tenth of the reading of a small picture.
    if orientation := _without_xmp(image).getexif().get(ExifTags.Base.Orientation):
        toned.getexif()[ExifTags.Base.Orientation] = orientation
        return ImageOps.exif_transpose(toned)
    return toned


def _without_xmp(image: Image.Image) -> Image.Image:
    """A picture with the same EXIF data: Pillow asks XMP for an orientation, nobody else does."""
    if _XMP.isdisjoint(image.info):
        return image
    bare = Image.new("L", (1, 1))
    bare.info = {key: value for key, value in image.info.items() if key not in _XMP}
    return bare


def _toned(image: Image.Image, mode: str) -> Image.Image:
    """The picture in mode L or RGB."""
    width, height = image.size
    white = _white(image)
    if width * height <= _PIXELS_A_BAND:
        return _toned_band(image, mode, white)
    toned = Image.new(mode, image.size)
    rows = max(1, _PIXELS_A_BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        toned.paste(_toned_band(image.crop((0, top, width, bottom)), mode, white), (0, top))
    return toned


def _white(image: Image.Image) -> int:
    """The number that is white: that of the kind, or, where none is, the least that is usual.

    Raises:
        InputError: numbers of which none is known to be white.
    """
    if image.mode == "F":
        usual = (1, 255)
    elif image.mode == "I" and image.format not in _SIXTEEN_BITS:
        usual = (255, 65_535)
    else:
        return 65_535 if image.mode.startswith("I") else 255
    low, high = np.array(image.getextrema(), float).tolist()
    white = next((each for each in usual if 0 <= low <= high <= each), None)
    if white is None:
        raise InputError(
            f"numbers from {low:g} to {high:g}, expected 0 to {usual[0]} or 0 to {usual[1]:,}; "
            "save it with 8 bits a channel"
        )
    return white


def _toned_band(image: Image.Image, mode: str, white: int) -> Image.Image:
    if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
        raise InputError("some of its numbers are none (NaN); save it with 8 bits a channel")
    if image.mode.startswith("I") or white == 1:
        deep = np.asarray(image, np.float32 if white == 1 else np.int64)
        if "transparency" in image.info:
            deep = np.where(np.equal(deep, image.info["transparency"]), white, deep)
        # convert("L") would clip at 255 instead of scaling.
        eight_bits = np.rint(np.clip(deep, 0, white) / (white / 255)).astype(np.uint8)
        return Image.fromarray(eight_bits).convert(mode)
    if image.has_transparency_data:
        # convert("L") would uncover the colour that transparency hides.
        above = image.convert("RGBA")
        below = Image.new("RGBA", above.size, "white")
        return Image.alpha_composite(below, above).convert(mode)
    if image.mode in {"1", "L", "RGB"}:
        return image.convert(mode)
    return image.convert("RGB").convert(mode)


def _heif(content: bytes) -> str | None:
    return _HEIF_BRANDS.get(content[8:12]) if content[4:8] == b"ftyp" else None


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "no picture of a known kind inside"
    return " ".join(str(error).split())[:100] or type(error).__name__
