"""A trained network in other formats, each checked against what it came from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ferkeras.cli.errors import RunError
from ferkeras.data.pipeline import untuned
from ferkeras.export.litert import write_litert
from ferkeras.export.onnx import onnx_predictions, write_onnx
from ferkeras.export.parity import Parity
from ferkeras.export.probe import Probe
from ferkeras.export.saved_model import saved_model_predictions, write_saved_model
from ferkeras.files.inner import AnyPath, InnerPath, folder_of
from ferkeras.files.writing import atomic_place
from ferkeras.network.served import served_network
from ferkeras.runs.embedded import About
from ferkeras.runs.keras_file import save_network
from ferkeras.runs.litert import LiteRtNetwork
from ferkeras.runs.litert_check import fault_of, remember_litert
from ferkeras.runs.record import FILES, newest_version

_LARGEST_DIFFERENCE = {"litert-float16": 0.02, "litert-int8": 1.0}
"""Of a probability, where more is allowed than `_ROUNDING`."""
_ROUNDING = 1e-4
# 98 % is what is asked of PublicTest; at 500 faces the sampling error is 0.6 points.
_LEAST_AGREEMENT = {"litert-int8": 0.97}
"""Fraction of equal labels, where less is asked than `_NEARLY_ALL`."""
_NEARLY_ALL = 0.995


@dataclass(frozen=True)
class Exported:
    """One exported model.

    Attributes:
        format: one of `FILES`, or `saved_model`.
        path: file or folder.
        size: bytes on the disk.
        temperature: what its logits are divided by.
        parity: how its predictions compare with those of the trained network.
        compared_on: what the faces were on which they were compared.
    """

    format: str
    path: AnyPath
    size: int
    temperature: float
    parity: Parity
    compared_on: str


def export_network(
    model: keras.Model,
    formats: Sequence[str],
    folder: AnyPath,
    about: About,
    *,
    probe: Probe,
    representative: np.ndarray | None = None,
    compact: bool = False,
) -> list[Exported]:
    """Write a network in some formats and compare each with the network.

    All compute in float32 (`litert-int8` in integers; `litert-float16` stores its weights in half
    of the bits), take uint8 faces (N, H, W, C) and give `probabilities` and, but for `keras`,
    `label`. A SavedModel gets the next free number in `folder`, the files replace their
    predecessors: all when each has been compared, none where one is refused.

    Args:
        model: uint8 faces to logits (N, K).
        formats: of `FILES`, or `saved_model`.
        folder: made where it is missing.
        about: travels inside, with the temperature that logits are divided by.
        probe: faces on which predictions are compared.
        representative: uint8 faces that `litert-int8` measures its ranges on.
        compact: keep the SavedModel small, see `write_saved_model`; what is converted from it
            besides may not know bfloat16, so export that by itself.

    Raises:
        RunError: an export predicts otherwise than the network, or LiteRT cannot run it.
        OSError: the folder cannot be written to.
    """
    temperature = about.temperature
    about = about.also(temperature=temperature)
    served = served_network(model, temperature=temperature)
    faces = np.asarray(probe.images)
    expected = _predictions(model, faces, temperature)
    # Of a network that was trained in half precision, exports are held to its float32 copy.
    exact = expected if _is_float32(model) else served.predict(_batches(faces), verbose=0)
    folder = folder_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    version = str(newest_version(folder) + 1)
    paths = {name: folder / FILES.get(name, version) for name in formats}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        places = {name: stack.enter_context(atomic_place(path)) for name, path in paths.items()}
        kept = "saved_model" in places
        saved_model = places["saved_model"] if kept else InnerPath(Path(scratch), "1")
        if set(formats) != {"keras"}:
            # What others are converted from need not read files.
            write_saved_model(served, saved_model, about, compact=compact, files=kept)
        exported = []
        for name, place in places.items():
            match name:
                case "litert":
                    write_litert(saved_model, place, about)
                case "litert-float16":
                    write_litert(saved_model, place, about, half=True)
                case "litert-int8":
                    write_litert(saved_model, place, about, representative=representative)
                    _demand_integers_run(place, about)
                case "onnx":
                    write_onnx(saved_model, place, about)
                case "keras":
                    save_network(model, place, about)
            predicted = predictions_of(name, place, faces)
            Parity.of(exact, predicted).demand(
                str(paths[name]),
                difference=_LARGEST_DIFFERENCE.get(name, _ROUNDING),
                agreement=_LEAST_AGREEMENT.get(name, _NEARLY_ALL),
            )
            if name.startswith("litert"):
                remember_litert(place.read_bytes(), about.emotions)
            parity = Parity.of(expected, predicted)
            exported.append(
                Exported(name, paths[name], _size(place), temperature, parity, probe.kind)
            )
    return exported


def _demand_integers_run(path: InnerPath, about: About) -> None:
    # Steps of 1e-8, of units that are never active, have ended the process in LiteRT's own code.
    reason = fault_of(path.read_bytes(), about.emotions)
    if reason is not None:
        raise RunError(
            f"litert-int8: LiteRT does not run this network in integers ({reason}); no file is "
            "kept; take litert or litert-float16"
        )


def predictions_of(format: str, path: AnyPath, faces: np.ndarray) -> np.ndarray:
    """Probabilities, float32 (N, K), of an exported network for uint8 faces (N, H, W, C).

    Args:
        format: of `FILES`, or `saved_model`.
        path: the file or folder; a SavedModel is a program: only name one you made.
        faces: uint8.
    """
    match format:
        case "saved_model":
            return saved_model_predictions(Path(path), faces)
        case "litert" | "litert-float16" | "litert-int8":
            return LiteRtNetwork(path, own=True)(faces)
        case "onnx":
            return onnx_predictions(Path(path), faces)
        case "keras":
            model = keras.saving.load_model(Path(path), compile=False)
            return model.predict(_batches(faces), verbose=0)
        case _:
            raise ValueError(f"unknown format {format!r}; expected saved_model or {list(FILES)}")


def _predictions(model: keras.Model, faces: np.ndarray, temperature: float) -> np.ndarray:
    logits = model.predict(_batches(faces), verbose=0)
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits / temperature))


def _is_float32(model: keras.Model) -> bool:
    return all(layer.compute_dtype == "float32" for layer in model.layers)


def _batches(faces: np.ndarray) -> tf.data.Dataset:
    # Given an array, a deterministic TensorFlow writes an error about its own graph to stderr.
    return untuned(tf.data.Dataset.from_tensor_slices(faces).batch(256))


def _size(path: InnerPath) -> int:
    if path.is_dir():
        return sum(map(_size, path.iterdir()))
    return path.stat().st_size
