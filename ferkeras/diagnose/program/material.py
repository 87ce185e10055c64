"""What a program trains on, as a sample of bounded size in memory."""

from __future__ import annotations

import hashlib
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown

MOST_ROWS = 4096
"""Rows that are looked at; an accuracy of them is known to 0.8 points."""

MOST_BYTES = 256 << 20
_MOST_SECONDS = 8.0
_MOST_DENSE = 2 << 30
_LONGEST = 200
"""Characters of an error that are told."""

_OPERATION = re.compile(r"^\s*\{\{.*?\}\}")


@dataclass(frozen=True)
class Material:
    """Rows of a split.

    Attributes:
        x: what the model is called with: an array or a nested structure of arrays, each of shape
            (N, ...); for arrays a sample without replacement, in the order of the rows.
        y: labels of these rows, shape (N, ...).
        weight: of these rows, shape (N,); None where there are none.
        place: row number of each, shape (N,), in the order in which the program reads them.
        all_labels: labels of every row that was seen, in the order of the program.
        total: rows of the split; None where a stream has no known end.
        batch: rows of a batch, where the data comes in batches; else None.
        streamed: whether the data comes in batches of its own order (`tf.data`, a sequence).
        sizes: rows of each batch that was read, where the data comes in batches.
        labelled: part of the rows that these are of; the others have no label and were left out.
        source: what they were read from, where the data comes in batches; else None.
    """

    x: Any
    y: np.ndarray
    weight: np.ndarray | None
    place: np.ndarray
    all_labels: np.ndarray
    total: int | None
    batch: int | None
    streamed: bool
    sizes: tuple[int, ...] = ()
    labelled: float = 1.0
    source: Any = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def arrays(self) -> list[np.ndarray]:
        """The inputs, in Keras's order."""
        return keras.tree.flatten(self.x)

    @cached_property
    def digests(self) -> np.ndarray:
        """A number for each row, the same where all inputs are, shape (N,), uint64."""
        return digests_of(self.arrays)

    @property
    def ends(self) -> bool:
        """Whether every label of the split was seen."""
        return self.total is not None and round(self.total * self.labelled) <= len(self.all_labels)

    def take(self, rows: np.ndarray) -> Any:
        """The inputs of some of the rows."""
        return keras.tree.map_structure(lambda each: each[rows], self.x)

    def divided(self, fraction: float) -> tuple[Material, Material | None]:
        """Rows that `fit` trains on, and the last ones, which `validation_split` holds out.

        The first still know how many rows there are in all, and their labels.
        """
        at = int((self.total or len(self)) * (1 - fraction))
        first, last = (np.flatnonzero(each) for each in (self.place < at, self.place >= at))
        if not len(first) or not len(last):
            return self, None
        held = replace(
            self._of(last), all_labels=self.all_labels[at:], total=len(self.all_labels) - at
        )
        return self._of(first), held

    def _of(self, rows: np.ndarray) -> Material:
        weight = None if self.weight is None else self.weight[rows]
        return replace(
            self, x=self.take(rows), y=self.y[rows], weight=weight, place=self.place[rows]
        )


def digests_of(arrays: list[np.ndarray]) -> np.ndarray:
    """A number for each row of arrays (N, ...), the same where all are, shape (N,), uint64."""
    rows = []
    for at in range(len(arrays[0])):
        digest = hashlib.blake2b(digest_size=8)
        for each in arrays:
            row = np.asarray(each[at])
            # The bytes of objects say where they are, not what.
            told = repr(row.tolist()).encode() if row.dtype.hasobject else row.tobytes()
            digest.update(told)
        rows.append(int.from_bytes(digest.digest(), "little"))
    return np.array(rows, np.uint64)


def read_material(
    data: Any, batch: int | None = None, *, role: str = "train", rows: int = MOST_ROWS
) -> Material:
    """Read what `fit` would be given.

    Args:
        data: (x, y) or (x, y, sample_weight), x an array or a dict, list or tuple of arrays; a
            `tf.data.Dataset`, a `keras.utils.PyDataset` or another iterable of batches.
        batch: rows of a batch that the caller knows of; streams know their own.
        role: how the argument is called, for messages.
        rows: of a stream, about as many as are read.

    Raises:
        InputError: there are no labels, no rows, or rows and labels differ in number.
    """
    if isinstance(data, (tuple, list)) and 2 <= len(data) <= 3 and not are_batches(data):
        return _from_arrays(*data, batch=batch, role=role)
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise InputError(
            f"{role}: expected (x, y), a tf.data.Dataset or batches of (x, y), received "
            f"{type(data).__name__}"
        )
    return replace(_from_batches(data, role, rows), source=data)


def _single(y: Any, role: str) -> Any:
    """Labels of one output; those of a model that names its only output come in a dict."""
    if not isinstance(y, Mapping):
        return y
    if len(y) != 1:
        names = ", ".join(str(each) for each in list(y)[:5])
        raise InputError(
            f"{role}: labels of {len(y)} outputs ({names}); expected one output of classes: "
            "build a functional model, of which each output can be examined by its name"
        )
    return next(iter(y.values()))


def are_batches(data: Any) -> bool:
    """Whether a tuple or list holds batches, (x, y) each, and is not one itself."""
    return all(isinstance(each, tuple) and len(each) in (2, 3) for each in data)


def _from_arrays(x: Any, y: Any, weight: Any = None, *, batch: int | None, role: str) -> Material:
    if y is None:
        raise InputError(f"{role}: there are no labels (y is None), so nothing can be examined")
    y = _single(y, role)
    x = keras.tree.map_structure(_array, _without_frames(_thinned(x, role)))
    y = _array(y)
    rows = {len(each) for each in keras.tree.flatten(x)} | {len(y)}
    if len(rows) > 1:
        raise InputError(
            f"{role}: inputs and labels have {' and '.join(f'{n:,}' for n in sorted(rows))} rows; "
            "expected one label a row"
        )
    total = rows.pop()
    if not total:
        raise InputError(f"{role}: there are no rows")
    size = sum(each[:1].nbytes for each in keras.tree.flatten(x))
    most = int(min(MOST_ROWS, max(32, MOST_BYTES // max(1, size))))
    place = np.arange(total)
    if total > most:
        place = np.sort(np.random.default_rng(0).choice(total, most, replace=False))
    x = keras.tree.map_structure(lambda each: each[place], x)
    weight = None if weight is None else np.asarray(weight)[place]
    return Material(x, y[place], weight, place, y, total, batch, streamed=False)


def _from_batches(data: Iterable[Any], role: str, most: int) -> Material:
    xs: list[Any] = []
    ys: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    rows = size = 0
    until = time.monotonic() + _MOST_SECONDS
    batches = batches_of(data)
    ended = False
    while rows < most and size < MOST_BYTES and time.monotonic() < until:
        try:
            batch = next(batches)
        except StopIteration:
            ended = True
            break
        except Exception as error:
            # What its own functions raise, or TensorFlow for it, which begins with the operation.
            lines = _OPERATION.sub("", str(error)).strip().splitlines() or [""]
            raise InputError(
                f"{role}: batch {len(ys) + 1} of the data cannot be read, by `fit` no more than "
                f"here: {type(error).__name__}: {shown(lines[0][:_LONGEST])}"
            ) from error
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise InputError(f"{role}: a batch holds no labels; expected (x, y)")
        x, y = keras.tree.map_structure(_array, batch[0]), _array(_single(batch[1], role))
        first = keras.tree.flatten(x)[0]
        if y.ndim == 0 or first.ndim == 0 or len(first) != len(y):
            raise InputError(f"{role}: the data is not in batches; call .batch(32) on the dataset")
        xs.append(x)
        ys.append(y)
        if len(batch) > 2 and batch[2] is not None:
            weights.append(_array(batch[2]))
        rows += len(ys[-1])
        size += sum(each.nbytes for each in keras.tree.flatten(x))
    if not rows:
        raise InputError(f"{role}: there are no rows")
    x = keras.tree.map_structure(lambda *each: _together(each), *xs)
    y = _together(ys)
    return Material(
        x,
        y,
        _together(weights) if len(weights) == len(ys) else None,
        np.arange(rows),
        y,
        rows if ended else _length(data, len(ys[0])),
        len(ys[0]),
        streamed=True,
        sizes=tuple(len(each) for each in ys),
    )


def _together(batches: Sequence[np.ndarray]) -> np.ndarray:
    """Batches in one array; those of `padded_batch`, each as long as its longest row, padded on."""
    longest = [max(sizes) for sizes in zip(*(each.shape[1:] for each in batches), strict=True)]
    if any(list(each.shape[1:]) != longest for each in batches):
        batches = [
            np.pad(each, [(0, 0), *((0, n) for n in np.subtract(longest, each.shape[1:]))])
            for each in batches
        ]
    return np.concatenate(batches)


def batches_of(data: Any) -> Iterator[Any]:
    """One batch after another."""
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        return (data[at] for at in (range(count) if count is not None else itertools.count()))
    return iter(data)


def _length(data: Any, batch: int) -> int | None:
    """Rows of a stream that was not read to its end; None for one without an end."""
    if hasattr(data, "cardinality"):
        count = int(data.cardinality())
    else:
        try:
            count = len(data)
        except TypeError:
            return None
    return count * batch if count > 0 else None


def _without_frames(x: Any) -> Any:
    if not hasattr(x, "to_numpy"):
        return x
    values = x.to_numpy()
    # Columns of numbers and of true and false together come as objects; Keras takes them.
    kinds = {each.kind for each in getattr(x, "dtypes", ()) if hasattr(each, "kind")}
    return values.astype(np.float32) if values.dtype.hasobject and kinds <= set("biuf") else values


def _thinned(x: Any, role: str) -> Any:
    """Sparse rows, as `TfidfVectorizer` makes them, where they fit into memory as a whole."""
    if not hasattr(x, "toarray"):
        return x
    size = x.dtype.itemsize * int(np.prod(x.shape, dtype=np.float64))
    if size > _MOST_DENSE:
        raise InputError(
            f"{role}: a sparse matrix of {x.shape[0]:,} x {x.shape[1]:,}; some of its rows are "
            "enough: give x[:2000], y[:2000], mixed"
        )
    return x


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if hasattr(value, "toarray"):  # SciPy's sparse matrices
        value = value.toarray()
    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(value)
    return np.asarray(value)
