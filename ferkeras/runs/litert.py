"""Prediction from an exported LiteRT file, without importing TensorFlow."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.quiet import caught_stderr
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.data.task import ImageSpec
from ferkeras.files.inner import AnyPath, inside
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.litert_check import check_litert, faces_at_once

_LARGEST = 256 << 20
"""Bytes of the largest LiteRT file that is read."""


def _content_of(path: AnyPath) -> bytes:
    try:
        return inside(path).read_bytes(_LARGEST)
    except FileNotFoundError:
        raise InputError(f"{shown(path)}: no such file") from None
    except OSError as error:
        raise cannot_read(path, error) from None


class LiteRtNetwork:
    """A network in a LiteRT file; may be called from several threads at once.

    Each thread gets an interpreter of its own that computes on one core: on whole batches that is
    as fast as one interpreter on all cores, and decoding runs beside it.

    A LiteRT file holds numbers and the names of operations, no code. One that this account has
    neither made nor used before is tried in a process of its own first.

    Args:
        path: a file that `ferkeras.export.litert` wrote.
        own: whether this process or the package brought the file; no trial is needed then.

    Attributes:
        about: names of the classes, and how the network came about.
        image: size and colour of the faces that it takes.

    Raises:
        InputError: there is no such file, or it is damaged or not exported by ferkeras.
        RunError: its trial took too long to tell.
    """

    def __init__(self, path: AnyPath, *, own: bool = False) -> None:
        self._path = path
        self._local = threading.local()
        # Read once: the file may be replaced while threads still start.
        self._content = _content_of(path)
        self.about = enclosed_in(self._content, path)
        if not own:
            check_litert(self._content, path, self.about.emotions)
        # LiteRT greets on stderr, once a process. Here no other thread is about, which must not
        # be the case when the descriptor is redirected.
        with caught_stderr():
            _, *shape = self._runner()[0].get_input_details()["faces"]["shape_signature"]
        self.image = ImageSpec(*map(int, shape))

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, K), of uint8 faces (N, H, W, C); N may be 0.

        Of a large network, or of many faces, so many at a time as half a GiB has room for.

        Raises:
            ValueError: other faces; LiteRT by itself is not as clear.
        """
        if faces.dtype != np.uint8 or faces.shape[1:] != tuple(self.image.shape):
            raise ValueError(
                f"Expected uint8 faces of shape (N, {', '.join(map(str, self.image.shape))}). "
                f"Received: {faces.dtype} of shape {faces.shape}"
            )
        if not len(faces):
            return np.empty((0, len(self.about.emotions)), np.float32)
        runner, most = self._runner()
        probabilities = np.concatenate(
            [
                runner(faces=faces[at : at + most])["probabilities"]
                for at in range(0, len(faces), most)
            ]
        )
        if not np.isfinite(probabilities).all():
            raise InputError(
                f"{shown(self._path)}: damaged: gives probabilities that are not finite; export "
                "it again"
            )
        return probabilities

    def _runner(self) -> tuple[Any, int]:
        """What is called, and for how many faces at once."""
        if not hasattr(self._local, "runner"):
            self._local.runner = self._load()
        return self._local.runner

    def _load(self) -> tuple[Any, int]:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_content=self._content, num_threads=1)
            interpreter.allocate_tensors()
            return interpreter.get_signature_runner("serving_default"), faces_at_once(interpreter)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{self._path}: damaged, or of a newer LiteRT than this "
                f"({' '.join(str(error).split())[:200]}); export it again"
            ) from None
