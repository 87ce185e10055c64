"""Coverage-guided fuzzing of what reads files from outside: tables, pictures, configurations.

    pip install atheris
    python benchmarks/fuzz_readers.py csv --seconds 900 [--corpus FOLDER] [--json FILE]
    python benchmarks/fuzz_readers.py picture --seconds 900
    python benchmarks/fuzz_readers.py config --seconds 300

Each input either gives what the reader promises (checked: shapes, ranges, dtypes) or an InputError
of one printable line (a list of lines for a configuration). Everything else, more than 1 GiB of
memory, or more than 10 processor seconds for one input is a finding: it is written into the corpus
folder as `finding-*`, its traceback is printed, and the exit code is 1. Atheris (libFuzzer) guides
the inputs by the branches they reach in ferkeras, Pillow, PyYAML and the standard library's csv,
gzip and zipfile; all of them are instrumented. Not a requirement of ferkeras: install it by hand.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TARGETS = ("csv", "picture", "config")
_LARGEST_INPUT = {"csv": 4096, "picture": 16_384, "config": 2048}
_PNG = b"\x89PNG\r\n\x1a\n"
_INSTRUMENTED = ("ferkeras", "PIL", "yaml", "csv", "gzip", "zipfile", "_compression")
# Atheris 3.0.0 never frees what an instrumented comparison of arrays returns, which soon looks
# like a leak of ours.
_LEFT_OUT = ("ferkeras.data.readers.pixels",)

# One byte of a fuzzed table stands for a whole row of pixels, so that short inputs reach far.
_ROWS = {
    b"\x01": b" ".join(b"%d" % (i % 256) for i in range(2304)),
    b"\x02": b" ".join([b"0"] * 2303),
    b"\x03": b"7 " * 2303 + b"256",
}


def fuzz(target: str, corpus: Path, seconds: int) -> None:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=list(_INSTRUMENTED), exclude=list(_LEFT_OUT)):
        one_input = {"csv": _table, "picture": _picture, "config": _configuration}[target]()
    options = {
        "-max_total_time": seconds,
        "-max_len": _LARGEST_INPUT[target],
        "-rss_limit_mb": 1024,
        "-timeout": 3600,
        "-report_slow_units": 3600,
        "-artifact_prefix": f"{corpus}/finding-",
        "-print_final_stats": 1,
    }
    atheris.Setup(
        [sys.argv[0], *(f"{name}={value}" for name, value in options.items()), str(corpus)],
        one_input,
    )
    atheris.Fuzz()


def _checked(read: Callable[[], None], lines: bool = False) -> None:
    from ferkeras.cli.errors import InputError

    before = time.process_time()
    try:
        read()
    except InputError as error:
        text = str(error)
        shown = text.replace("\n", "") if lines else text
        if not shown.isprintable() or not shown or len(text) > 20_000:
            raise AssertionError(f"not a message for people: {text[:500]!r}") from error
    # Of the processor, so that a busy machine is no finding.
    seconds = time.process_time() - before
    assert seconds < 10, f"took {seconds:.1f} processor seconds"


def _table() -> Callable[[bytes], None]:
    import numpy as np

    from ferkeras.data.read import read_faces

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "faces.csv"

    def read() -> None:
        _ = folder  # kept alive as long as the target
        read = read_faces(path, cache=False)
        faces, usage = read.faces, read.usage
        count = len(faces)
        assert faces.images.shape == (count, *faces.task.image.shape)
        assert faces.images.dtype == np.uint8
        assert faces.labels.dtype == np.int32
        assert faces.labels.shape == usage.shape == (count,)
        assert 0 <= faces.labels.min() <= faces.labels.max() < len(faces.classes)
        assert (usage == 0).all() or (usage > 0).all()

    def one_input(data: bytes) -> None:
        kind, text = data[:1], data[1:]
        if kind in {b"P", b"G", b"Z"}:
            for byte, row in _ROWS.items():
                text = text.replace(byte, row)
        if kind == b"G":
            text = gzip.compress(text, 1)
        elif kind == b"Z":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("faces.csv", text)
            text = buffer.getvalue()
        path.write_bytes(text)
        _checked(read)

    return one_input


def _picture() -> Callable[[bytes], None]:
    import numpy as np

    from ferkeras.data.pictures import decode_face, quiet_pillow
    from ferkeras.data.presets.fer2013 import FER2013

    def one_input(data: bytes) -> None:
        content = _with_right_checksums(data) if data.startswith(_PNG) else data

        def read() -> None:
            with quiet_pillow():
                face = decode_face(content, FER2013.image)
            assert face.shape == (48, 48)
            assert face.dtype == np.uint8

        _checked(read)

    return one_input


def _with_right_checksums(data: bytes) -> bytes:
    """Make the chunk checksums of a PNG right, without which no mutation would get through."""
    content = bytearray(data)
    at = len(_PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 8 + length
        if end + 4 > len(content):
            break
        struct.pack_into(">I", content, end, zlib.crc32(content[at + 4 : end]))
        at = end + 4
    return bytes(content)


def _configuration() -> Callable[[bytes], None]:
    from ferkeras.config.file import dump_config, load_config

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "fuzzed.yaml"

    def one_input(data: bytes) -> None:
        text, _, overrides = data.partition(b"\0")
        path.write_bytes(text)

        def read() -> None:
            _ = folder
            given = [each.decode("utf-8", "replace") for each in overrides.split(b"\0")]
            config = load_config(path, [each for each in given if each])
            path.write_text(dump_config(config))
            assert load_config(path) == config

        _checked(read, lines=True)

    return one_input


def seeds(target: str) -> dict[str, bytes]:
    """Inputs to begin with: each layout that is accepted, and some ways to be near it."""
    if target == "csv":
        tables = (
            b"emotion,pixels,Usage\n3,\x01,Training\n0,\x01,PublicTest\n",
            b"emotion, Usage, pixels\r\n6, PrivateTest, \x01\r\n",
            b'\xef\xbb\xbfpixels,emotion\n"\x01","happiness"\n\n\x02,sad\n',
            b"id,emotion,pixels\n1,neutral,\x03\n",
            b"emotion,pixels\n" + b"1,\x01\n" * 40,
        )
        table = tables[0].replace(b"\x01", _ROWS[b"\x03"][:200])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/fer2013.csv", table)
        raw = (b"-" + table, b"-" + gzip.compress(table), b"-" + packed.getvalue())
        return {
            f"{kind.decode()}{number}": kind + text
            for kind in (b"P", b"G", b"Z")
            for number, text in enumerate(tables)
        } | {f"raw{number}": text for number, text in enumerate(raw)}
    if target == "picture":
        return _picture_seeds()
    files = {path.stem: path.read_bytes() for path in (ROOT / "configs").glob("*.yaml")}
    files["odd"] = b"train: {epochs: 3, optimizer: sgd}\nnetwork:\n  filters: [4, 8]\nseed: 0x10\n"
    files["override"] = b"name: a\0train.epochs=3\0data.path=~/x\0network.dense_units=[]"
    files["tags"] = b"a: &x [!!int 1, !!binary aGk=, 2001-12-14, 1:30, .inf, ~]\n? [b]\n: *x\n"
    return files


def _picture_seeds() -> dict[str, bytes]:
    import numpy as np
    from PIL import Image

    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    image = Image.fromarray(grey)
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = Image.merge("LA", (image, image))
    found: dict[str, bytes] = {}

    def keep(name: str, picture: Image.Image, kind: str, **options: object) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found[name] = buffer.getvalue()

    keep("grey.png", image, "PNG")
    keep("alpha.png", alpha, "PNG", exif=exif)
    keep("rgba.png", alpha.convert("RGBA"), "PNG")
    keep("palette.png", image.convert("P"), "PNG", transparency=3)
    keep("one.png", image.convert("1"), "PNG")
    keep("deep.png", Image.fromarray(grey.astype(np.uint16) * 257), "PNG", transparency=999)
    keep("moves.png", image, "PNG", save_all=True, append_images=[image.rotate(90)])
    keep("grey.jpg", image, "JPEG", exif=exif)
    keep("colour.jpg", image.convert("RGB"), "JPEG", progressive=True, comment=b"c")
    keep("cmyk.jpg", image.convert("CMYK"), "JPEG", icc_profile=b"p" * 200)
    keep("two.jpg", image, "MPO", save_all=True, append_images=[image])
    return found


def report(log: str, target: str, corpus: Path, seconds: float) -> dict[str, object]:
    """What libFuzzer said of its work."""

    def last(pattern: str) -> int:
        found = re.findall(pattern, log)
        return int(found[-1]) if found else 0

    # #12345 REDUCE cov: 512 ft: 2048 corp: 99/12Kb ...
    return {
        "target": target,
        "seconds": round(seconds),
        "executions": max(
            last(r"stat::number_of_executed_units:\s+(\d+)"), last(r"#(\d+)\s+[A-Za-z]+ +cov:")
        ),
        "branches_at_start": int((re.findall(r"INITED cov: (\d+)", log) or ["0"])[0]),
        "branches": last(r"cov: (\d+)"),
        "features": last(r"ft: (\d+)"),
        "inputs_kept": last(r"corp: (\d+)"),
        "peak_mib": max(last(r"stat::peak_rss_mb:\s+(\d+)"), last(r"rss: (\d+)Mb")),
        "findings": sorted(path.name for path in corpus.glob("finding-*")),
    }


def main(argv: list[str] | None = None) -> int:
    """Fuzz one target in a process of its own, print what came of it; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=_TARGETS)
    parser.add_argument("--seconds", type=int, default=600, help="how long (default 600)")
    parser.add_argument("--corpus", type=Path, help="folder that keeps the inputs between calls")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    sys.path.insert(0, str(ROOT))
    if options.here:
        fuzz(options.target, options.corpus, options.seconds)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        corpus = options.corpus or Path(temporary)
        corpus.mkdir(parents=True, exist_ok=True)
        for name, content in seeds(options.target).items():
            (corpus / name).write_bytes(content)
        before = time.monotonic()
        command = [sys.executable, __file__, options.target, "--here"]
        done = subprocess.run(
            [*command, "--seconds", str(options.seconds), "--corpus", str(corpus)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        figures = report(done.stdout, options.target, corpus, time.monotonic() - before)
    for name, value in figures.items():
        print(f"{name:18} {value}")
    if done.returncode:
        print(done.stdout[-6000:])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if done.returncode or figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
