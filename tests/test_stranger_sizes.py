"""Files that are more work than they look: bounded in numbers, before the work."""

import io
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from ferkeras.cli.errors import InputError
from ferkeras.config.networks.plain import Plain
from ferkeras.config.networks.residual import Residual
from ferkeras.data.decoding_cost import wasted_work
from ferkeras.data.pictures import decode
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import ImageSpec, Task
from ferkeras.files.arrays import DamagedArrays, read_arrays
from ferkeras.files.inner import InnerPath
from ferkeras.network.model import build_network
from ferkeras.predict.predictions import predict_views
from ferkeras.predict.sources import View
from ferkeras.runs.embedded import About

FACE = Image.fromarray(np.arange(2304, dtype=np.uint8).reshape(48, 48))


def jpeg(picture: Image.Image = FACE, **options) -> bytes:
    file = io.BytesIO()
    # Pillow's room for a file does not grow with what is written beside the picture.
    with mock.patch.object(ImageFile, "MAXBLOCK", 1 << 22):
        picture.save(file, "JPEG", **options)
    return file.getvalue()


def with_scans(count: int, size: int = 48) -> bytes:
    """A progressive JPEG whose last scan is there again and again, empty."""
    content = jpeg(FACE.resize((size, size)), progressive=True)
    at = content.rindex(b"\xff\xda")
    header = content[at : at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")]
    return content[:-2] + (header + b"\0") * count + b"\xff\xd9"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (with_scans(1000), "65 scans or more over 2,304 pixels"),
        (with_scans(20, 7000), "17 scans or more over 49,000,000 pixels"),
        (jpeg()[:2] + b"\xff\xfe\x00\x02" * (2**22 - 1), "more than 4,000 segments"),
        (jpeg()[:2] + b"\xff\xfe\x00\x02" * 5000 + jpeg()[2:], "more than 4,000 segments"),
        (
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sI", 0, b"abCd", 0) * 1_398_000,
            "more than 50,000 chunks",
        ),
    ],
    ids=["scans", "scans of a large picture", "comments alone", "comments", "chunks"],
)
def test_what_keeps_a_decoder_busy_for_nothing_is_not_decoded(content, said, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *arguments, **more: pytest.fail("opened"))
    with pytest.raises(InputError, match=said):
        decode(content, 1)


@settings(max_examples=30)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from(("L", "RGB", "CMYK")),
    st.booleans(),
    st.integers(1, 100),
    st.integers(0, 4),
)
def test_pictures_as_programs_write_them_are_read(width, height, mode, progressive, quality, ms):
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    content = jpeg(
        Image.fromarray(noise).convert(mode),
        progressive=progressive,
        quality=quality,
        restart_marker_rows=ms,
        comment=b"\xff\xda" * 3000,
        exif=b"Exif\0\0" + b"\xff\xda\xff\xfe" * 2000,
        icc_profile=b"\xff\xda" * 50_000,
    )
    assert wasted_work(content) is None
    assert decode(content, 3).size == (width, height)
    png = io.BytesIO()
    Image.fromarray(noise).save(png, "PNG")
    assert wasted_work(png.getvalue()) is None


class Grey:
    """A network that calls everything even."""

    about = About(("a", "b"), {})
    image = ImageSpec(48, 48, 1)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        return np.full((len(faces), 2), 0.5, np.float32)


@pytest.mark.parametrize(
    ("megabytes", "most"), [(72, 4), (0.01, 400)], ids=["of 24 megapixels", "small"]
)
def test_frames_that_wait_are_bounded_by_their_bytes(megabytes, most):
    begun = ended = greatest = 0

    def views():
        nonlocal begun, greatest
        for number in range(60):
            begun += 1
            greatest = max(greatest, begun - ended)
            yield View("clip.mp4", float(number), lambda: FACE, int(megabytes * 2**20))

    for seen in predict_views(views(), Grey(), threads=4):
        assert seen.seconds == ended
        ended += 1
    assert ended == 60
    assert greatest <= most


def archive(packing: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(64)


def spoilt(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


SOUND = archive(a=npy(np.random.default_rng(0).normal(size=500)))


@pytest.mark.parametrize(
    "content",
    [
        archive(a=npy(np.zeros(2**20))),
        archive(zipfile.ZIP_LZMA, a=npy(np.zeros(3))),
        archive(a=header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**12,)}")),
        archive(a=header(b"{'descr': '|O', 'fortran_order': False, 'shape': (8,)}")),
        archive(a=header(b"{'descr': ('<f4'")),
        archive(a=header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)\n (")),
        archive(a=b""),
        archive(b=npy(np.zeros(3))),
        *(spoilt(SOUND, at) for at in (0, 28, 45, 60, 100, len(SOUND) - 20)),
        *(SOUND[:at] for at in (0, 10, 40, len(SOUND) // 2, len(SOUND) - 1)),
    ],
    # Not their bytes: a zip file holds the time.
    ids=lambda content: f"{len(content)} bytes",
)
def test_damaged_arrays_are_one_error_and_a_bomb_is_not_unpacked(content):
    with pytest.raises(DamagedArrays):
        read_arrays(io.BytesIO(content), ("a",), largest=1 << 20)


@pytest.mark.parametrize(
    "error",
    [zlib.error("x"), struct.error("x"), tokenize.TokenError("x"), MemoryError(), KeyError()],
)
def test_whatever_numpy_and_zipfile_raise_is_that_error(error, monkeypatch):
    def fail(*arguments, **more):
        raise error

    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", fail)
    with pytest.raises(DamagedArrays):
        read_arrays(io.BytesIO(archive(a=npy(np.zeros(3)))), ("a",), largest=1 << 20)


def test_as_much_memory_is_taken_as_there_is_to_read(tmp_path, monkeypatch):
    path = InnerPath(tmp_path, "a")
    path.path.write_bytes(b"12345")
    asked: list[int] = []

    class File(io.BytesIO):
        def fileno(self) -> int:
            return opened.fileno()

        def read(self, size: int = -1) -> bytes:
            asked.append(size)
            return super().read(size)

    with Path(path).open("rb") as opened:
        monkeypatch.setattr(InnerPath, "open", lambda *arguments, **more: File(b"12345"))
        assert path.read_bytes() == b"12345"
    assert asked == [6]


@pytest.mark.parametrize(
    ("network", "side"),
    [
        (Plain(filters=(4096,) * 5), 48),
        (Plain(filters=(4096,), dense_units=(4096,)), 48),
        (Plain(filters=(8, 512), first_stride=1, dense_units=(256,)), 512),
        (Residual(filters=(4096,) * 5, residual_blocks=(64,)), 48),
        (Residual(filters=(4096,) * 5, separable=True, residual_blocks=(8,)), 48),
    ],
    ids=["convolutions", "flattened", "large faces", "residual", "separable"],
)
def test_a_network_that_no_machine_holds_is_not_built(network, side):
    task = Task(FER2013.classes, ImageSpec(side, side, 1))
    with pytest.raises(InputError, match=r"weights or more .* at most 200,000,000 are built"):
        build_network(network, task, mean=0.5, std=0.25)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.integers(1, 24), min_size=1, max_size=3).map(tuple),
    st.lists(st.integers(1, 24), max_size=2).map(tuple),
    st.sampled_from((24, 33, 48)),
    st.sampled_from(("plain", "residual", "separable")),
)
def test_no_network_has_fewer_weights_than_are_said(filters, dense, side, kind):
    network = (
        Plain(filters=filters, dense_units=dense)
        if kind == "plain"
        else Residual(filters=filters, dense_units=dense, separable=kind == "separable")
    )
    task = Task(FER2013.classes, ImageSpec(side, side, 1))
    built = build_network(network, task, mean=0.5, std=0.25).count_params()
    assert network.fewest_weights(side, side) <= built
