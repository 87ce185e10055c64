"""Bad inputs for the commands: files made by code, the command line, and what must be said.

`tests/test_bad_inputs.py` gives each to the command in process; `benchmarks/bad_inputs.py` gives
each to a fresh process and measures its memory and time.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROW = " ".join(str(value % 256) for value in range(2304))
PNG = b"\x89PNG\r\n\x1a\n"

Make = Callable[[Path], list[str]]


@dataclass(frozen=True)
class BadInput:
    """One bad input.

    Attributes:
        name: what is wrong with it.
        verb: the command that gets it, such as "fit".
        make: makes the files in an empty folder and returns the command line.
        expected: part of the error's text; `{folder}` is the folder.
        costly: takes seconds or needs hundreds of MB, by design.
    """

    name: str
    verb: str
    make: Make
    expected: str
    costly: bool = False


def table(*rows: str, header: str = "emotion,pixels,Usage") -> bytes:
    """A table of faces."""
    return "\n".join([header, *rows, ""]).encode()


def whole(count: int = 14) -> bytes:
    """A table that would be read."""
    return table(*(f"{row % 7},{ROW},Training" for row in range(count)))


def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """A zip archive; `__` in a name stands for a slash, `_` for a dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return packed.getvalue()


def picture(mode: str = "L", size: tuple[int, int] = (48, 48), kind: str = "PNG") -> bytes:
    """A picture that would be read."""
    packed = io.BytesIO()
    Image.new(mode, size).save(packed, kind)
    return packed.getvalue()


def _with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again, empty."""
    packed = io.BytesIO()
    Image.new("L", (48, 48)).save(packed, "JPEG", progressive=True)
    content = packed.getvalue()
    at = content.rindex(b"\xff\xda")
    scan = content[at : at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")]
    return content[:-2] + (scan + b"\0") * count + b"\xff\xd9"


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk of a PNG file."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, depth: int, colour: int, bits: int) -> bytes:
    """A PNG of zeros, packed well."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes((width * bits + 7) // 8)
    packed = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return PNG + header(width, height, depth, colour) + chunk(b"IDAT", packed) + chunk(b"IEND")


def header(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """The first chunk of a PNG."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def data(name: str, content: Callable[[], bytes], expected: str, costly: bool = False):
    """A bad file of faces."""

    def make(folder: Path) -> list[str]:
        path = folder / name.partition(":")[0]
        path.write_bytes(content())
        return [f"data.path={path}", "data.cache=false"]

    return BadInput(name.partition(":")[2], "fit", make, expected, costly)


def row(name: str, text: str, expected: str) -> BadInput:
    """A table whose third data row is bad."""
    return data(
        f"fer2013.csv:{name}",
        lambda: table(f"0,{ROW},Training", f"1,{ROW},Training", text),
        f"fer2013.csv, line 4 (data row 3): {expected}",
    )


def face(name: str, content: Callable[[], bytes], expected: str, costly: bool = False) -> BadInput:
    """A folder with a bad picture in it."""

    def make(folder: Path) -> list[str]:
        for emotion in ("happy", "sad"):
            (folder / emotion).mkdir()
            (folder / emotion / "a.png").write_bytes(picture())
        (folder / "happy" / "bad.png").write_bytes(content())
        return [f"data.path={folder}", "data.cache=false"]

    return BadInput(name, "fit", make, expected, costly)


def tree(name: str, expected: str, *paths: str, link: str | None = None) -> BadInput:
    """A folder of whole pictures in wrong places."""

    def make(folder: Path) -> list[str]:
        root = folder / "faces"
        root.mkdir()
        (folder / "outside.png").write_bytes(picture())
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(picture())
        if link:
            (root / "happy" / "link.png").symlink_to(link)
        return [f"data.path={root}", "data.cache=false"]

    return BadInput(name, "fit", make, expected)


def settings(name: str, text: str | bytes, expected: str) -> BadInput:
    """A bad configuration file."""

    def make(folder: Path) -> list[str]:
        path = folder / "bad.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return ["--config", str(path)]

    return BadInput(f"configuration: {name}", "fit", make, expected)


def line(name: str, expected: str, *arguments: str, verb: str = "fit") -> BadInput:
    """A bad command line."""
    return BadInput(
        f"command line: {name}",
        verb,
        lambda folder: [each.format(folder=folder) for each in arguments],
        expected,
    )


def run(name: str, expected: str, verb: str = "evaluate", **files: bytes | None) -> BadInput:
    """A bad folder of a run; None takes a file away."""

    def make(folder: Path) -> list[str]:
        made: dict[str, bytes | None] = {
            "config.yaml": b"name: made\n",
            "metrics.json": b'{"best_epoch": 1, "epochs": 1, "parameters": 1, "alarms": [], '
            b'"validation": {}}',
            "environment.json": b'{"ferkeras": "0", "python": "3.11", "packages": {}, '
            b'"platform": "Linux", "processor_cores": 2, "command": ["python"], '
            b'"data": {"source": "a.csv", "fingerprint": "0", "official_split": true, '
            b'"faces": {"train": 2}, "mean": 0.5, "std": 0.2}}',
        }
        made |= {key.replace("_", "."): content for key, content in files.items()}
        for file, content in made.items():
            if content is not None:
                (folder / file).write_bytes(content)
        if verb == "resume":
            (folder / "metrics.json").unlink()
            return ["--resume", str(folder)]
        return [str(folder)]

    return BadInput(f"run: {name}", "fit" if verb == "resume" else verb, make, expected)


def spoilt(content: bytes, at: int) -> bytes:
    """The content with one byte changed."""
    changed = bytearray(content)
    changed[at] ^= 0xFF
    return bytes(changed)


def many_members() -> bytes:
    """A zip archive that is nothing but a table of contents of 20 MB."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    contents = (entry + b"a") * 430_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65_535, 65_535, len(contents), 4, 0)
    return b"PK\3\4" + contents + end


def fifo(folder: Path) -> list[str]:
    """A named pipe, which would be waited for without end."""
    os.mkfifo(folder / "pipe.csv")
    return [f"data.path={folder / 'pipe.csv'}"]


DATA = [
    row("a pixel short", f"2,{ROW[:-3]},Training", "2303 pixels, expected 2304"),
    row("a pixel too many", f"2,{ROW} 1,Training", "2305 pixels"),
    row("no pixels", "2,,Training", "0 pixels"),
    row("a pixel of 256", f"2,256{ROW[1:]},Training", "pixel 1 is '256', expected a whole number"),
    row("a negative pixel", f"2,-1{ROW[1:]},Training", "pixel 1 is '-1'"),
    row("a pixel that is no number", f"2,nan{ROW[1:]},Training", "pixel 1 is 'nan'"),
    row("Arabic digits", f"2,\u0663{ROW[1:]},Training", "pixel 1 is"),
    row("a class index of 9", f"9,{ROW},Training", "unknown emotion '9'"),
    row(
        "a misspelt emotion", f"hapy,{ROW},Training", "unknown emotion 'hapy'; did you mean 'happy'"
    ),
    row("an unknown split", f"2,{ROW},Trainin", "unknown Usage 'Trainin'; did you mean 'Training'"),
    row("a field too many", f"2,{ROW},Training,x", "4 fields, expected 3"),
    data(
        "fer2013.csv:a quote left open",
        lambda: table(f"0,{ROW},Training", f"1,{ROW},Training", f'"2,{ROW},Training'),
        "fer2013.csv, line 4: quotes that do not match",
    ),
    row("a terminal's escape sequence", f"\x1b[2J,{ROW},Training", "unknown emotion '\\x1b[2J'"),
    data("a.csv:empty file", lambda: b"", "empty file"),
    data("a.csv:header alone", lambda: table(), "no faces: nothing follows"),
    data("a.csv:no pixels column", lambda: table(header="emotion,pixel"), "no column named pixels"),
    data("a.csv:Kaggle's test.csv", lambda: table(ROW, header="pixels"), "which has no labels"),
    data("a.csv:two pixels columns", lambda: table(header="pixels,pixels,emotion"), "2 columns"),
    data("a.csv:twenty thousand columns", lambda: table(header="a," * 20_000), "20,001 columns"),
    data("a.csv:UTF-16", lambda: whole().decode().encode("utf-16"), "UTF-16"),
    data("a.csv:a line of 3 MB", lambda: b"emotion,pixels\n0," + b"1" * 3_000_000, "longer than"),
    data("a.csv:64 MB of NUL", lambda: bytes(64 << 20), "longer than", costly=True),
    data("a.csv:a flood of blank lines", lambda: b"\n" * 10**6, "blank lines"),
    data("a.csv:a picture by another name", picture, "not text"),
    data("a.csv:classes missing", lambda: table(f"0,{ROW},Training"), "no training images of"),
    BadInput("a named pipe", "fit", fifo, "neither a file nor a folder"),
]

ARCHIVES = [
    data("a.csv.gz:gzip cut off", lambda: gzip.compress(whole())[:-20], "damaged after line"),
    data(
        "a.csv.gz:gzip with a changed checksum", lambda: spoilt(gzip.compress(whole()), -6), "dam"
    ),
    data("a.csv.gz:no gzip inside", whole, "named .gz but its content is not"),
    data(
        "a.csv.gz:a gzip bomb",
        lambda: gzip.compress(b"emotion,pixels\n" + f"0,{'0 ' * 2303}0\n".encode() * 40_000),
        "no table of faces",
        costly=True,
    ),
    data(
        "a.csv.gz:a gzip header with a name of 60 MB",
        lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * (60 << 20),
        "damaged after line 0",
        costly=True,
    ),
    data("a.csv.gz:300,000 empty gzip members", lambda: gzip.compress(b"") * 300_000, "empty mem"),
    data("a.zip:zip cut off", lambda: zipped(a_csv=whole())[:-30], "cannot be opened"),
    data("a.zip:zip without a table", lambda: zipped(happy__1_png=picture()), "2 to 1,000 classes"),
    data("a.zip:zip with two tables", lambda: zipped(a_csv=b"", b_csv=b""), "2 .csv files"),
    data(
        "a.zip:zip whose members climb out",
        lambda: zipped(**{"..__..__evil_txt": b"x"}),
        "no .csv file",
    ),
    data(
        "a.zip:zip packed by LZMA", lambda: zipped(zipfile.ZIP_LZMA, a_csv=whole()), "another met"
    ),
    data("a.zip:zip with a changed checksum", lambda: _changed_zip(), "damaged after line"),
    data("a.zip:zip of 430,000 members", many_members, "table of contents", costly=True),
]


def _changed_zip() -> bytes:
    packed = zipped(a_csv=whole())
    return spoilt(packed, packed.rindex(b"a.csv") - 30)


PICTURES = [
    face("a picture of zero bytes", lambda: b"", "bad.png: the file is empty"),
    face("a PNG cut off", lambda: picture()[:60], "bad.png: unreadable image"),
    face("a JPEG cut off", lambda: picture(kind="JPEG")[:-60], "bad.png: unreadable image"),
    face("a text named png", lambda: b"hello", "no picture of a known kind"),
    face(
        "a PNG that says 3.6 gigapixels",
        lambda: PNG + header(60_000, 60_000) + chunk(b"IDAT"),
        "expected at most 50,000,000",
    ),
    face("a PNG of 51 megapixels", lambda: PNG + header(7150, 7150) + chunk(b"IDAT"), "7,150 x"),
    face("a PNG of no pixels", lambda: PNG + header(0, 48) + chunk(b"IDAT"), "unreadable image"),
    face("a PNG with a wrong checksum", lambda: spoilt(picture(), 30), "unreadable image"),
    face(
        "49 megapixels of 16 bits in 95 kB",
        lambda: png(7000, 7000, 16, 0, 16),
        "no validation images",
        costly=True,
    ),
    face(
        "49 megapixels with alpha in 190 kB",
        lambda: png(7000, 7000, 8, 6, 32),
        "no validation images",
        costly=True,
    ),
    face(
        "a JPEG of 4 million empty comments",
        lambda: b"\xff\xd8" + b"\xff\xfe\x00\x02" * (2**22 - 1),
        "bad.png: more than 4,000 segments",
    ),
    face(
        "a PNG of 1.4 million empty chunks",
        lambda: PNG + header(8, 8) + chunk(b"abCd") * 1_398_000,
        "bad.png: more than 50,000 chunks",
    ),
    face(
        "a JPEG of 1,000 empty scans",
        lambda: _with_scans(1000),
        "bad.png: 65 scans or more over 2,304 pixels",
    ),
    face("a picture of 17 MB", lambda: picture() + bytes(17 << 20), "larger than 16 MiB"),
    tree("a misspelt class folder", "did you mean 'happy'", "hapy/1.png", "sad/1.png"),
    tree("classes of one picture", "no validation images", "happy/1.png", "contempt/1.png"),
    tree("a picture outside the classes", "a picture outside the class", "happy/1.png", "2.png"),
    tree("classes beside splits", "neither its folder", "train/happy/1.png", "happy/1.png"),
    tree("an empty folder", "no pictures below this folder"),
    tree(
        "a link out of the folder",
        "a link out of the data",
        "happy/1.png",
        link="../../outside.png",
    ),
    tree("a link to nothing", "which is not there", "happy/1.png", link="nowhere"),
    tree("a link to itself", "link.png", "happy/1.png", link="link.png"),
    tree("a split that contradicts itself", "but lies in", "train/happy/PrivateTest_1.png"),
]

CONFIGURATIONS = [
    settings("a misspelt key", "train:\n  epoch: 3\n", "bad.yaml:2: train.epoch: no such key; did"),
    settings("a text for a number", "train:\n  epochs: ten\n", "bad.yaml:2: train.epochs = ten"),
    settings("a number out of range", "train:\n  batch_size: 1\n", "bad.yaml:2: train.batch_size"),
    settings("infinity", "train:\n  learning_rate: .inf\n", "train.learning_rate = .inf"),
    settings("a list", "- train\n", "expected `section:`"),
    settings("a key twice", "seed: 1\nseed: 2\n", "bad.yaml:2: seed stands twice"),
    settings("not YAML", "train: [\n", "bad.yaml: not valid YAML"),
    settings("Python objects", "seed: !!python/object/apply:os.getpid []\n", "tags (!)"),
    settings("a tag without a value", "seed: !!int ''\n", "tags (!)"),
    settings(
        "a billion laughs",
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        + "monitor: *i\n",
        "anchors (&) and aliases (*)",
    ),
    settings("brackets 5000 deep", "a: " + "[" * 5000 + "]" * 5000, "nested more than 16 deep"),
    settings("a number of base 60", "seed: 1" + ":1" * 2000, "seed = "),
    settings("a number of 16,000 bits", "seed: 0x" + "f" * 4000, "expected whole number"),
    settings("5,000 unknown keys", "".join(f"k{n}: 1\n" for n in range(5000)), "more than 20 err"),
    settings("2 MB", "#" * (2 << 20), "larger than 64 KiB"),
    settings("bytes that are no UTF-8", b"seed: \xff\n", "not a YAML text"),
    settings("NUL bytes", b"seed: \0\n", "not a YAML text"),
    settings("an escape sequence as a key", '"\\e[2J": 1\n', "'\\x1b[2J': no such key"),
    settings("a billion filters", "network:\n  filters: [1000000000]\n", "1 to 4,096"),
    settings("6 blocks", "network:\n  filters: [4, 4, 4, 4, 4, 4]\n", "network.filters"),
    settings("10^20 epochs", f"train:\n  epochs: 1{'0' * 20}\n", "1 to 1,000,000"),
    settings(
        "rare classes corrected twice", "train:\n  sampler: balanced\n", "correct rare classes"
    ),
    settings("a name that climbs", "name: ../../evil\n", "bad.yaml:1: name = ../../evil"),
]

COMMAND_LINES = [
    line("no such file", "no such file or folder", "data.path={folder}/none.csv"),
    line("no such configuration", "no such file", "--config", "{folder}/none.yaml"),
    line("no value", "expected a value after it", "train.epochs"),
    line("no such key", "did you mean train.epochs?", "train.epcohs=3"),
    line("brackets 3000 deep", "nested more than 16 deep", "train.epochs=" + "[" * 3000),
    line("no such option", "unknown: --epoch", "--epoch", "3"),
    line("a configuration that is a folder", "cannot be read", "--config", "{folder}"),
    line("a device as configuration", "larger than 64 KiB", "--config", "/dev/zero"),
    line("NUL in a path", "not a path", "data.path=a\0b"),
    line("no such home", "not a path", "data.path=~nobody-of-this-name/faces"),
    line("resume where nothing is", "no such folder", "--resume", "{folder}/none"),
    line("resume what was never begun", "neither a run nor a folder", "--resume", "{folder}"),
    line("resume with settings", "only train.epochs", "--resume", "{folder}", "seed=3"),
    line("evaluate nothing", "no such run folder", "{folder}/none", verb="evaluate"),
]

RUNS = [
    run("no configuration", "not a run", config_yaml=None),
    run("not finished", "not finished", metrics_json=None),
    run("a configuration that is none", "config.yaml: expected `section:`", config_yaml=b"- a\n"),
    run("metrics that are no JSON", "metrics.json: damaged", metrics_json=b"{"),
    run("metrics that are a list", "metrics.json: damaged", metrics_json=b"[]"),
    run("metrics without anything", "metrics.json: damaged: best_epoch", metrics_json=b"{}"),
    run("metrics 100,000 deep", "metrics.json: damaged", metrics_json=b"[" * 100_000),
    run("an environment that is no JSON", "environment.json", environment_json=b"\xff"),
    run("an environment that is missing", "environment.json", environment_json=None),
    run("data that are a list", "environment.json", environment_json=b'{"data": []}'),
    run("resume with a list as environment", "environment.json", "resume", environment_json=b"[]"),
    run(
        "resume with a fingerprint of 7",
        "environment.json",
        "resume",
        environment_json=b'{"data": {"fingerprint": 7}}',
    ),
    run("resume 100,000 deep", "environment.json", "resume", environment_json=b"[" * 100_000),
    run("resume with a broken environment", "environment.json", "resume", environment_json=b"{"),
]

BAD_INPUTS = [*DATA, *ARCHIVES, *PICTURES, *CONFIGURATIONS, *COMMAND_LINES, *RUNS]


def model_file(name: str, expected: str, spoil: Callable[[Path], None]) -> Callable[..., BadInput]:
    """A finished run with a bad model file, once it is known where a finished run is."""

    def of(finished: Path) -> BadInput:
        def make(folder: Path) -> list[str]:
            copy = folder / "run"
            shutil.copytree(finished, copy)
            spoil(copy)
            return [str(copy)]

        return BadInput(f"model: {name}", "evaluate", make, expected, costly=True)

    return of


def _members(run: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(run / "best.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write_members(run: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(run / "best.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def lambda_layer(marker: Path) -> bytes:
    """The `config.json` of a network whose Lambda layer would make the file `marker`."""
    import base64
    import marshal

    code = compile(f"open({str(marker)!r}, 'w').close()", "<lambda>", "exec")
    function = {
        "class_name": "__lambda__",
        "config": {
            "code": base64.b64encode(marshal.dumps(code)).decode(),
            "defaults": None,
            "closure": None,
        },
    }
    layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "evil", "function": function},
        "registered_name": None,
    }
    model = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "evil", "layers": [layer]},
        "registered_name": None,
    }
    return json.dumps(model).encode()


def _hostile(run: Path) -> None:
    _write_members(run, {"metadata.json": b"{}", "config.json": lambda_layer(run / "ran")})


def _climbing(run: Path) -> None:
    _write_members(run, {"../../climbed.txt": b"x", "config.json": b"{}", "metadata.json": b"{}"})


def _h5(change: Callable[..., None]) -> Callable[[Path], None]:
    """Change the weights within a model file."""

    def spoil(run: Path) -> None:
        import h5py

        members = _members(run)
        inner = io.BytesIO(members["model.weights.h5"])
        with h5py.File(inner, "r+") as file:
            found: list[str] = []
            file.visititems(
                lambda name, item: found.append(name) if hasattr(item, "shape") else None
            )
            name = max(found, key=lambda each: file[each].size)
            shape = file[name].shape
            del file[name]
            change(file, name, shape)
        members["model.weights.h5"] = inner.getvalue()
        _write_members(run, members)

    return spoil


def _claim(file, name, shape):
    file.create_dataset(name, shape=(2**40,), dtype="f4", chunks=(1024,))


def _external(file, name, shape):
    size = int(np.prod(shape))
    file.create_dataset(name, shape=shape, dtype="f4", external=[("/etc/passwd", 0, size * 4)])


def _link(file, name, shape):
    import h5py

    file[name] = h5py.ExternalLink("/etc/passwd", "/x")


def _bomb(run: Path) -> None:
    members = _members(run)
    members["model.weights.h5"] += bytes(400 << 20)
    _write_members(run, members)


def _other_network(run: Path) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("- 8\n", "- 16\n"))


def _huge_mean(run: Path) -> None:
    path = run / "environment.json"
    content = json.loads(path.read_text())
    content["data"]["mean"] = 10**400
    path.write_text(json.dumps(content))


MODEL_FILES = [
    model_file("zero bytes", "best.keras: damaged", lambda r: (r / "best.keras").write_bytes(b"")),
    model_file("a text", "best.keras: damaged", lambda r: (r / "best.keras").write_text("hello")),
    model_file("missing", "best.keras: no such file", lambda r: (r / "best.keras").unlink()),
    model_file(
        "cut off",
        "best.keras: damaged",
        lambda r: os.truncate(r / "best.keras", (r / "best.keras").stat().st_size // 2),
    ),
    model_file(
        "a bare HDF5 file",
        "best.keras: damaged",
        lambda r: (r / "best.keras").write_bytes(_members(r)["model.weights.h5"]),
    ),
    model_file("a Lambda layer with code", "best.keras: damaged", _hostile),
    model_file("members that climb out", "best.keras: damaged", _climbing),
    model_file("weights that claim 4 TB", "best.keras: damaged", _h5(_claim)),
    model_file("weights kept in another file", "best.keras: damaged", _h5(_external)),
    model_file("weights linked to another file", "best.keras: damaged", _h5(_link)),
    model_file("a zip bomb of weights", "best.keras: damaged", _bomb),
    model_file("weights of another network", "best.keras: damaged", _other_network),
    model_file("a mean of 400 digits", "environment.json: damaged", _huge_mean),
]
