"""Keras's files of weights (`.keras`, `.h5`) of strangers: what is in them is known before a read.

HDF5 lets a file name other files, declare arrays that it does not hold, and pack them; nothing of
this is in a file that Keras has written, and a file that has any of it is refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import h5py
import numpy as np

from ferkeras.files.arrays import ARCHIVE_ERRORS
from ferkeras.files.inner import InnerPath

_MEMBER = "model.weights.h5"
_MOST_GROUPS = 100_000
_WHOLE = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS)


class DamagedWeights(ValueError):
    """A file that does not hold weights as Keras writes them; the message says what is wrong."""


@contextmanager
def open_weights(path: InnerPath, largest: int) -> Iterator[h5py.File]:
    """Open the weights in a `.keras` archive or a `.h5` file, once all in it has been looked at.

    Args:
        path: the file; which of the two it is, its content says.
        largest: bytes that its weights may have together, and the archive unpacked.

    Raises:
        DamagedWeights: it is neither, damaged, too large, or not as Keras writes it.
        OSError: reading failed.
    """
    with path.open() as file:
        try:
            weights = h5py.File(_unpacked(file, largest), "r")
            _demand_numbers(weights, largest)
        except (*ARCHIVE_ERRORS, TypeError, OverflowError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise DamagedWeights(" ".join(str(error).split())[:200]) from None
        with weights:
            yield weights


def layers_of(weights: h5py.File) -> dict[str, list[h5py.Dataset]]:
    """The weights of each layer that has any, in Keras's order; by the layer's name.

    Empty for what was written before Keras noted the names, as its earlier format is.
    """
    found = {}
    for group in _groups(weights):
        name = group.attrs.get("name")
        if group.name.endswith("/vars") and isinstance(name, str) and len(group):
            found[name] = [group[str(number)] for number in range(len(group))]
    return found


def values_of(dataset: h5py.Dataset) -> np.ndarray:
    """The values of a weight.

    Raises:
        DamagedWeights: they are no numbers, or not finite.
    """
    values = np.array(dataset)
    if values.dtype.kind == "V" and dataset.attrs.get("dtype") == "bfloat16":
        # The upper half of a float32.
        values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise DamagedWeights(f"{dataset.name} has values that are not finite numbers")
    return values


def _unpacked(file: BinaryIO, largest: int) -> BinaryIO:
    if not zipfile.is_zipfile(file):
        file.seek(0)
        return file
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > largest:
            raise ValueError(f"it unpacks to {unpacked:,} bytes")
        member = archive.getinfo(_MEMBER)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("packed in a way that Keras does not")
        return io.BytesIO(archive.read(member))


def _demand_numbers(weights: h5py.File, largest: int) -> None:
    """ValueError for what Keras does not write: links, packed or missing data, too much."""
    total = 0
    for group in _groups(weights):
        for name in group:
            each = group[name]  # `values()` has None for what cannot be opened
            if isinstance(each, h5py.Dataset):
                _demand_whole(each)
                total += each.nbytes
            elif not isinstance(each, h5py.Group):
                raise ValueError(f"{each.name} is no array")
        # The earlier format names the arrays of a layer, and may name one again and again.
        for key in group.attrs:
            if key.startswith("weight_names"):
                total += sum(group[name].nbytes for name in group.attrs[key])
        if total > largest:
            raise ValueError(f"its weights have more than {largest:,} bytes")


def _demand_whole(dataset: h5py.Dataset) -> None:
    if dataset.dtype.kind not in "biufV" or dataset.dtype.hasobject:
        raise ValueError(f"{dataset.name} is not an array of numbers")
    layout = dataset.id.get_create_plist().get_layout()
    if layout not in _WHOLE or dataset.external or dataset.nbytes != dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} is not stored whole in this file")


def _groups(weights: h5py.File) -> Iterator[h5py.Group]:
    """All groups, each by the one name that it has; ValueError for links and for too many."""
    left, seen = [weights], {hash(weights.id)}
    while left:
        group = left.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link")
        yield group
        for name in group:
            each = group[name]
            if isinstance(each, h5py.Group):
                if hash(each.id) in seen or len(seen) > _MOST_GROUPS:
                    raise ValueError(f"{each.name} is there twice, or one of very many")
                seen.add(hash(each.id))
                left.append(each)
