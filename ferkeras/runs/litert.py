"""Prediction from an exported LiteRT file, without importing TensorFlow."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.quiet import caught_stderr
from ferkeras.data.task import ImageSpec
from ferkeras.runs.embedded import read_enclosed


class LiteRtNetwork:
    """A network in a LiteRT file; may be called from several threads at once.

    Each thread gets an interpreter of its own that computes on one core: on whole batches that is
    as fast as one interpreter on all cores, and decoding runs beside it.

    A LiteRT file holds numbers and the names of operations, no code.

    Args:
        path: a file that `ferkeras.export.litert` wrote.
        threads: cores that one call uses.

    Attributes:
        about: names of the classes, and how the network came about.
        image: size and colour of the faces that it takes.

    Raises:
        InputError: there is no such file, or it is damaged or not exported by ferkeras.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._path = path
        self._threads = threads
        self._local = threading.local()
        self.about = read_enclosed(path)
        # Read once: the file may be replaced while threads still start.
        self._content = path.read_bytes()
        # LiteRT greets on stderr, once a process. Here no other thread is about, which must not
        # be the case when the descriptor is redirected.
        with caught_stderr():
            _, *shape = self._runner().get_input_details()["faces"]["shape_signature"]
        self.image = ImageSpec(*map(int, shape))

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, K), of uint8 faces (N, H, W, C); N may be 0."""
        if not len(faces):
            return np.empty((0, len(self.about.emotions)), np.float32)
        return self._runner()(faces=faces)["probabilities"]

    def _runner(self) -> Any:
        if not hasattr(self._local, "runner"):
            self._local.runner = self._load()
        return self._local.runner

    def _load(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_content=self._content, num_threads=self._threads)
            interpreter.allocate_tensors()
            return interpreter.get_signature_runner("serving_default")
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{self._path}: damaged, or of a newer LiteRT than this "
                f"({' '.join(str(error).split())[:200]}); export it again"
            ) from None
