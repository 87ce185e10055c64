"""Verbs where something is amiss from the beginning, and on a disk that fills up.

See faults_of_verbs.py, which says what is asked of each end.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import faults_of_studies as studies
from breaking import forked, gone_on, is_litter, prepare, tree
from PIL import Image


def without_a_temporary_folder(base: Path) -> None:
    """Let every search for one fail."""

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    tempfile.tempdir = None
    tempfile._get_default_tempdir = none


def read_only(base: Path) -> None:
    """Let no folder be written to, and give up being above that, as root is."""
    for path in (base, *base.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    libc = ctypes.CDLL(None, use_errno=True)
    version = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(version, sets) == 0:
        for each in (0, 1):  # effective, permitted
            sets[each] &= ~(1 << _CAP_DAC_OVERRIDE)
        assert libc.capset(version, sets) == 0, os.strerror(ctypes.get_errno())


_CAPABILITIES_VERSION, _CAP_DAC_OVERRIDE = 0x20080522, 1
GROUNDS = {"no temporary folder": without_a_temporary_folder, "read-only folder": read_only}


def on_bad_ground(verb: str, template: Path) -> list[dict[str, Any]]:
    """Run a verb where something is amiss from the beginning."""
    rows = []
    for name, spoil in GROUNDS.items():
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder) / "base"
            base.mkdir()
            prepare(verb, template, base)
            before = tree(base)
            code, said = forked(verb, base, Path(folder) / "own", partial(spoil, base))
            wrong = ["traceback: " + said.strip()[-300:]] if "Traceback" in said else []
            if spoil is read_only:
                wrong += [] if code in (1, 2) and said.count("error: ") == 1 else [f"exit {code}"]
                wrong += ["changed something"] if tree(base) != before else []
            elif code not in (0, 1):
                wrong.append(f"exit {code}")
            rows.append({"where": name, "fault": name, "code": code, "wrong": wrong,
                         "said": said[-300:]})  # fmt: skip
    return rows


_LEFT = (7 << 20, 0, 3_000, 20_000, 100_000, 400_000)
"""Bytes that are left on a disk: first enough, so that the verb ends as it does usually."""


def on_a_full_disk(verb: str, template: Path) -> list[dict[str, Any]]:
    """Run a verb on a disk that fills up after the verb has looked whether there is room."""
    rows: list[dict[str, Any]] = []
    for left in (*_LEFT, None):
        with _small_disk(sum(map(len, tree(template).values()))) as disk:
            elsewhere = disk.parent / "elsewhere"
            elsewhere.mkdir()
            # The results are on it, or temporary files alone.
            base = elsewhere if left is None else disk
            prepare(verb, template, base)
            before, said = tree(base), disk.parent / "said"

            def fill(left: int | None = left, disk: Path = disk) -> None:
                if left is None:
                    tempfile.tempdir = str(disk)
                    _fill(disk, 0)
                else:
                    _fill_once_there_was_room(disk, left)

            code, words = forked(verb, base, said, fill)
            after = {name: data for name, data in tree(base).items() if "ballast" not in name}
            wrong = ["traceback: " + words.strip()[-300:]] if "Traceback" in words else []
            usual = rows[0]["code"] if rows else code
            if code not in (0, 1, 2) or (code != usual and words.count("error: ") != 1):
                wrong.append(f"exit {code}, said {words[-300:]!r}")
            wrong += [f"left {name}" for name in after.keys() - before if is_litter(name)]
            wrong += [f"not whole: {name}" for name in after if not is_whole(base / name)]
            wrong += [f"gone: {name}" for name in before.keys() - after if verb != "fit"]
            if verb in studies.STUDIES:
                (disk / "ballast").unlink(missing_ok=True)
                wrong += gone_on(verb, base, template, said)
            where = "temporary folder" if left is None else f"{left:,} bytes left"
            rows.append({"where": where, "fault": "full disk", "code": code, "wrong": wrong,
                         "said": words[-300:]})  # fmt: skip
    return rows


@contextlib.contextmanager
def _small_disk(size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size + (8 << 20)}", "tmpfs", str(disk)]
        subprocess.run(command, check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def _fill(disk: Path, left: int) -> None:
    """Leave so many bytes on a disk, or a page less."""
    state = os.statvfs(disk)
    free = state.f_bavail * state.f_frsize
    if free > left:
        with contextlib.suppress(OSError), (disk / "ballast").open("ab", buffering=0) as file:
            file.write(bytes(free - left))


def _fill_once_there_was_room(disk: Path, left: int) -> None:
    from ferkeras.files import writing

    real = writing.demand_room

    def demand_room(folder: Any) -> None:
        real(folder)
        _fill(disk, left)

    for each in list(sys.modules.values()):
        ours = getattr(each, "__name__", "").startswith("ferkeras")
        if ours and vars(each).get("demand_room") is real:
            each.demand_room = demand_room  # type: ignore[attr-defined]


def is_whole(path: Path) -> bool:
    """Whether a file is to its end what its name says."""
    try:
        match path.suffix:
            case ".json":
                json.loads(path.read_bytes())
            case ".npz" | ".keras" | ".tflite":
                with zipfile.ZipFile(path) as archive:
                    return archive.testzip() is None
            case ".png":
                with Image.open(path) as image:
                    image.load()
            case ".html":
                return path.read_bytes().rstrip().endswith(b"</html>")
            case ".csv" | ".yaml" | ".md":
                return path.read_bytes().endswith(b"\n")
            case ".pb":
                return path.stat().st_size > 0
    except (ValueError, OSError, zipfile.BadZipFile):
        return False
    return True
