"""Alter a sound file by what its format is made of, or by its bytes."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_ODD_LINES = ('"', "&a [*a]", "!!python/object:os.system x", "- " * 500, "\t")

Mutate = Callable[[bytes, random.Random], bytes]

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, -0.0, 0.5, 1e308, float("nan"), float("inf"),
    "", "x", "\x1b[2J", "a" * 5000, "../../mine", "\ud800", [], {}, [[]], [None], {"": None},
    [1, "a"], {"a": {"b": {"c": []}}},
)  # fmt: skip


_KEYS = ("", "../../mine", "\x1b[2J", "\ud800", "a" * 5000, "<b>`", "run")


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Change, drop, double or move some bytes."""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        if not raw:
            break
        at = rng.randrange(len(raw))
        match rng.randrange(6):
            case 0:
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                raw[at] = rng.randrange(256)
            case 2:
                del raw[at : at + rng.choice((1, 4, 100, 5000))]
            case 3:
                raw[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
            case 4:
                size = rng.choice((1, 2, 4, 8))
                raw[at : at + size] = rng.choice((b"\xff", b"\0", b"\x7f")) * size
            case _:
                del raw[at:]
    return bytes(raw)


def of_json(content: bytes, rng: random.Random) -> bytes:
    """Put other values, keys or nests at a random place of a document."""
    if rng.random() < 0.15:
        return of_bytes(content, rng)
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 3))):
        value = _changed(value, rng)
    if rng.random() < 0.02:
        return b"[" * 100_000 + b"]" * 100_000
    return json.dumps(value).encode()


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        match rng.randrange(8):
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                value[rng.choice((f"{key}x", *_KEYS))] = value.pop(key)
            case 2 if isinstance(value, list):
                value.append(value[key])
            case _:
                value[key] = _changed(value[key], rng)
        return value
    return copy.deepcopy(rng.choice(_VALUES))


def of_text(content: bytes, rng: random.Random) -> bytes:
    """Change cells, keys and lines of a table or a configuration."""
    if rng.random() < 0.2:
        return of_bytes(content, rng)
    lines = content.decode().split("\n")
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(lines))
        odd = str(rng.choice(_VALUES)).encode("utf-8", "replace").decode()
        match rng.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                cells = lines[at].split(",")
                cells[rng.randrange(len(cells))] = odd
                lines[at] = ",".join(cells)
            case 3:
                key, sign, _ = lines[at].partition(":")
                lines[at] = f"{key}{sign} {odd}"
            case 4:
                lines[at] = rng.choice(_ODD_LINES)
            case 5:
                lines[at] += "," * rng.choice((1, 5000))
            case _:
                lines[at] = " " * rng.randrange(4) + lines[at]
        lines = lines or [""]
    return "\n".join(lines).encode()


def of_npz(content: bytes, rng: random.Random) -> bytes:
    """Change dtypes, shapes, values, members or the archive of NumPy arrays."""
    if rng.random() < 0.3:
        return of_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    match rng.randrange(9):
        case 0:
            del members[name]
        case 7:
            # As sound as before: the faces in another order.
            array = np.load(io.BytesIO(members[name]))
            members[name] = _npy(array[::-1] if array.ndim else array)
        case 8:
            # One face, or none, or numbers of the other byte order.
            kind, faces = rng.choice(("<", ">")), rng.choice((0, 1, None))
            for each, data in members.items():
                array = np.load(io.BytesIO(data))
                array = array[:faces] if array.ndim else array
                members[each] = _npy(array.astype(array.dtype.newbyteorder(kind)))
        case 1:
            members[name] = of_bytes(members[name], rng)
        case 2:
            members[name] = _npy(_array(rng))
        case 3:
            header = str(
                {
                    "descr": rng.choice(("<f4", "<f8", "|O", "<U9", "<M8[s]", "|V4", "<f2", "[")),
                    "fortran_order": rng.random() < 0.5,
                    "shape": rng.choice(((10**12,), (2**40, 2**40), (-1,), (3, 7), (), (0,))),
                }
            ).encode()
            members[name] = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(64)
        case 4:
            members[name] = bytes(rng.choice((0, 10, 50 << 20)))
        case 5:
            members[f"{name}x"] = members.pop(name)
        case _:
            members[name] = members[name][:128] + of_bytes(members[name][128:], rng)
    target = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(target, "w", packing) as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    return target.getvalue()


def _array(rng: random.Random) -> np.ndarray:
    shape = rng.choice(((), (0,), (1,), (5,), (5, 7), (40, 7), (2, 3, 4)))
    values = np.full(shape, rng.choice((0, 1, -1, 99, 1e30)))
    kind = rng.choice((np.float32, np.float64, np.int32, np.int8, bool, complex, "S3", "U3"))
    with np.errstate(invalid="ignore"):
        array = values.astype(np.float64).astype(kind)
    if array.dtype.kind == "f" and array.size and rng.random() < 0.5:
        array.reshape(-1)[0] = rng.choice((np.nan, np.inf, -np.inf))
    return array


def _npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


def of_keras(content: bytes, rng: random.Random) -> bytes:
    """Change the archive, a member or the weights inside."""
    if rng.random() < 0.2:
        return of_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(["model.weights.h5", "model.weights.h5", *members])
    match rng.randrange(5):
        case 0:
            del members[name]
        case 1:
            members["../../mine"] = b"x"
        case 2:
            members[name] = bytes(rng.choice((0, 100, 20 << 20)))
        case _:
            members[name] = of_bytes(members[name], rng)
    target = io.BytesIO()
    with zipfile.ZipFile(
        target, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as out:
        for each, data in members.items():
            out.writestr(each, data)
    return target.getvalue()


_CELLS = (
    ("study_user_attributes", "value_json"),
    ("trial_user_attributes", "value_json"),
    ("trial_system_attributes", "value_json"),
    ("trial_params", "distribution_json"),
    ("trial_params", "param_value"),
    ("trial_params", "param_name"),
    ("trial_values", "value"),
    ("trial_values", "objective"),
    ("trials", "state"),
    ("trials", "number"),
    ("trials", "datetime_start"),
    ("study_directions", "direction"),
)
"""Of a study: table and column."""

_SCHEMES = (
    ("CREATE TRIGGER t AFTER UPDATE ON {table} BEGIN DELETE FROM {table}; END",),
    ("CREATE TRIGGER t AFTER INSERT ON trials BEGIN UPDATE {table} SET rowid = -rowid; END",),
    (
        "ALTER TABLE {table} RENAME TO was",
        "CREATE VIEW {table} AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT was.*, x FROM was, n",
    ),
    ("ALTER TABLE {table} ADD COLUMN more AS (zeroblob(900000000))",),
)
"""Statements by which a database is made to work for itself."""

_ODD_CELLS = (None, 0, 1, -1, 99, 1e308, "x", "", "COMPLETE", "RUNNING", "WAITING", b"\xff")


def of_sqlite(content: bytes, rng: random.Random) -> bytes:
    """Change what a study holds in its database, or the database."""
    if rng.random() < 0.4:
        return of_bytes(content, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        path.write_bytes(content)
        with contextlib.closing(sqlite3.connect(path)) as base:
            match rng.randrange(5):
                case 4:
                    table, _ = rng.choice(_CELLS)
                    for statement in rng.choice(_SCHEMES):
                        base.execute(statement.format(table=table))
                case 0:
                    names = [name for (name,) in base.execute(
                        "select name from sqlite_master where type = 'table'"
                    )]  # fmt: skip
                    base.execute(f"drop table {rng.choice(names)}")
                case _:
                    table, column = rng.choice(_CELLS)
                    rows = base.execute(f"select rowid, {column} from {table}").fetchall()
                    row, cell = rng.choice(rows or [(0, "0")])
                    if column.endswith("_json"):
                        cell = of_json(cell.encode(), rng).decode("utf-8", "replace")
                    else:
                        cell = rng.choice(_ODD_CELLS)
                    with contextlib.suppress(sqlite3.Error):  # the table does not take it
                        base.execute(
                            f"update {table} set {column} = ? where rowid = ?", (cell, row)
                        )
            base.commit()
        return path.read_bytes()


def of_litert(content: bytes, rng: random.Random) -> bytes:
    """Change the graph, or the names and the provenance behind it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        start = min(member.header_offset for member in archive.infolist())
    graph = content[:start]
    match rng.randrange(6):
        case 0:
            return of_bytes(content, rng)
        case 1:
            members["about.json"] = of_json(members["about.json"], rng)
        case 2:
            members["labels.txt"] = of_text(members["labels.txt"], rng)
        case _:
            graph = of_bytes(graph, rng) if rng.random() < 0.5 else _of_flatbuffer(graph, rng)
    target = io.BytesIO()
    target.write(graph)
    with zipfile.ZipFile(target, "a") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def _of_flatbuffer(graph: bytes, rng: random.Random) -> bytes:
    """Change offsets, sizes and operator codes: 32-bit words of the tables at either end."""
    raw = bytearray(graph)
    for _ in range(rng.choice((1, 2, 6))):
        near = min(len(raw) // 4 - 1, 3000)
        at = 4 * rng.choice((rng.randrange(near), len(raw) // 4 - 1 - rng.randrange(near)))
        (word,) = struct.unpack_from("<I", raw, at)
        other = rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, word + 4, word - 4, word * 2, 1 << 20))
        struct.pack_into("<I", raw, at, other & 0xFFFFFFFF)
    return bytes(raw)


def of_checkpoint(content: bytes, rng: random.Random) -> bytes:
    """As `of_npz`, or change the state that a checkpoint holds as JSON."""
    if rng.random() < 0.5:
        return of_npz(content, rng)
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["state"] = np.frombuffer(of_json(arrays["state"].tobytes(), rng), np.uint8)
    target = io.BytesIO()
    np.savez(target, **arrays)
    return target.getvalue()
