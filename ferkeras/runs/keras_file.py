"""Networks as `.keras` files that any Keras 3 opens, without ferkeras and in safe mode."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import keras

from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import atomic_path
from ferkeras.network.served import served_network
from ferkeras.runs.embedded import About, enclose


def save_network(
    model: keras.Model, path: AnyPath, about: About, *, compressed: bool = False
) -> None:
    """Write a trained network as a `.keras` file that outputs probabilities.

    Args:
        model: functional; uint8 faces to logits.
        path: the file; replaced whole.
        about: names of the K classes, the temperature that logits are divided by, and how the
            network came about; enclosed in the file.
        compressed: Keras does not compress its archive; this does.
    """
    served = served_network(model, temperature=about.temperature, dtype="float32")
    write_served(served, path, about.also(temperature=about.temperature), compressed)


def write_served(
    served: keras.Model, path: AnyPath, about: About, compressed: bool = False
) -> None:
    """Write what `served_network` returned, with float32 for its input, as `save_network` does."""
    with atomic_path(path) as temporary:
        served.save(temporary)
        if compressed:
            _compress(temporary)
        enclose(temporary, about)


def _compress(path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            # A fixed date, as `enclose` has it.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, compresslevel=9)
