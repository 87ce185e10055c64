"""LiteRT files of strangers, tried out in a process of its own before they are run in this one.

A LiteRT file holds numbers and the names of operations, no code; but its reader is written for
files that a converter made, and an altered one can end the process that reads it. A file is
therefore loaded and asked by a child process, with bounds on time and memory, unless this account
has made or tried it before (which a signature in the cache folder says) or it came with ferkeras.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ferkeras.cli.errors import InputError, RunError
from ferkeras.cli.wording import quoted, shown
from ferkeras.data.cache.location import cache_folder
from ferkeras.files.inner import AnyPath, InnerPath
from ferkeras.files.secret import is_signed, sign
from ferkeras.files.writing import write_text

_FOLDER = "ferkeras-networks"
_SECONDS = 20
_WAIT = 10 * _SECONDS
"""For a process that shares its processors with others."""

_BYTES = 2 << 30


def faces_at_once(interpreter: Any) -> int:
    """How many faces a loaded network may be asked about in one call, within half a GiB.

    LiteRT holds what layers make for all faces of a call, some four of the largest at a time (the
    network that comes along takes 0.6 MiB a face, its largest layer makes 0.14).

    Args:
        interpreter: whose tensors have been allocated for one face.
    """
    made = [
        int(np.prod(each["shape"])) * np.dtype(each["dtype"]).itemsize
        for each in interpreter.get_tensor_details()
        # The others are weights, of which there is one for all faces.
        if len(each["shape_signature"]) and each["shape_signature"][0] == -1
    ]
    return max(1, (512 << 20) // (4 * max([1, *made])))


_TRIAL = """
import sys
import time
from importlib.util import find_spec
if find_spec("resource"):
    import resource
    for name, most in (("RLIMIT_CPU", {seconds}), ("RLIMIT_DATA", {bytes}), ("RLIMIT_CORE", 0)):
        if hasattr(resource, name):
            resource.setrlimit(getattr(resource, name), (most, most))
import numpy as np
from ai_edge_litert.interpreter import Interpreter
{faces_at_once}
interpreter = Interpreter(model_content=sys.stdin.buffer.read(), num_threads=1)
interpreter.allocate_tensors()
runner = interpreter.get_signature_runner("serving_default")
height, width, channels = map(int, runner.get_input_details()["faces"]["shape"][1:])
if not (height <= 1024 and width <= 1024 and channels in (1, 3)):
    sys.exit("it takes faces of " + str((height, width, channels)))
rng = np.random.default_rng(0)
def ask(count):
    faces = rng.integers(0, 256, (count, height, width, channels), np.uint8)
    faces[0] = 0
    found = runner(faces=faces)["probabilities"]
    if found.dtype != np.float32 or found.shape != (count, {classes}):
        sys.exit("it gives " + str(found.dtype) + str(found.shape)
                 + " where float32(" + str(count) + ", {classes}) is expected")
    if not np.isfinite(found).all() or abs(found.sum(axis=1) - 1).max() > 0.01 or found.min() < 0:
        sys.exit("its probabilities are none")
ask(1)
begun = time.process_time()
ask(1)
# In batches as large as they ever are, of what is done within a few seconds.
soon = int(4 / max(1e-6, time.process_time() - begun))
most = max(2, min(192, faces_at_once(interpreter), soon))
for count in (min(32, most), most, 1, min(7, most)):
    ask(count)
print("sound")
"""


def check_litert(content: bytes, path: AnyPath, classes: Sequence[str]) -> None:
    """Refuse a LiteRT file that does not predict faces as an exported network does.

    Args:
        content: the file's.
        path: what the message calls it.
        classes: the names that it carries.

    Raises:
        InputError: it is damaged, or gives something else than probabilities of these classes.
        RunError: the trial took too long to tell.
    """
    claim = _claim(content, classes)
    if _is_known(claim):
        return
    reason = fault_of(content, classes)
    if reason is not None:
        raise _refused(path, reason)
    remember_litert(content, classes)


def fault_of(content: bytes, classes: Sequence[str]) -> str | None:
    """Why a LiteRT file does not predict faces as an exported network does; None: it does.

    Args:
        content: the file's.
        classes: the names that it carries.

    Raises:
        RunError: the trial took too long to tell.
    """
    trial = _TRIAL.format(
        seconds=_SECONDS,
        bytes=_BYTES,
        classes=len(classes),
        faces_at_once=inspect.getsource(faces_at_once).replace(": Any", ""),
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", trial],
            input=content,
            capture_output=True,
            timeout=_WAIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(
            f"the trial of a LiteRT file is not done after {_WAIT} seconds, of which it may "
            f"compute {_SECONDS}: this machine is busy; try again"
        ) from None
    if done.returncode < 0:
        return f"reading it ends the process by signal {-done.returncode}"
    if done.returncode or done.stdout.strip() != b"sound":
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return quoted(said, 200)[1:-1] or "its trial ends without a word"
    return None


def remember_litert(content: bytes, classes: Sequence[str]) -> None:
    """Keep in mind that a LiteRT file was made or tried by this account; where it can be kept."""
    claim = _claim(content, classes)
    path, signature = _note(claim), sign(claim)
    if path is not None and signature is not None:
        with contextlib.suppress(OSError, InputError):
            path.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True)
            write_text(path, signature)


def _is_known(claim: str) -> bool:
    path = _note(claim)
    try:
        return path is not None and path.exists() and is_signed(claim, path.read_text(64))
    except (OSError, ValueError, InputError):
        return False


def _claim(content: bytes, classes: Sequence[str]) -> str:
    return f"litert {hashlib.sha256(content).hexdigest()} {len(classes)}"


def _note(claim: str) -> InnerPath | None:
    folder = cache_folder()
    name = hashlib.sha256(claim.encode()).hexdigest()
    return None if folder is None else InnerPath(folder, _FOLDER, name)


def _refused(path: AnyPath, reason: str) -> InputError:
    return InputError(
        f"{shown(path)}: damaged, or not made by python -m ferkeras.export ({reason}); export it "
        "again"
    )
