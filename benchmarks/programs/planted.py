"""What a program is made of: rows of known kinds, small models, and what `fit` is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Planted:
    """A program before it is trained."""

    model: Any
    train: Any
    validation: Any = None
    fit: dict[str, Any] = field(default_factory=dict)


def table(name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standardised columns and class indices of a data set of scikit-learn, in random order."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    x, y = data.data.astype("float32"), data.target
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
    order = np.random.default_rng(seed).permutation(len(y))
    return x[order], y[order]


def digits(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """8 x 8 pictures of digits, 0 to 1."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    return (data.images[..., None] / 16).astype("float32")[order], data.target[order]


def faces(count: int = 1200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic faces, 0 to 1, of seven emotions."""
    from ferkeras.data.synthetic.dataset import synthetic_faces

    drawn = synthetic_faces(count, seed).faces
    return (drawn.images / 255).astype("float32"), drawn.labels.astype("int64")


def blobs(
    classes: int, rows: int, columns: int = 20, seed: int = 0, apart: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    x = rng.normal(0, apart / 2, (classes, columns))[y] + rng.normal(0, 1, (rows, columns))
    return x.astype("float32"), y


def rings(rows: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two rings, one inside the other, which no line divides."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    angle, radius = rng.uniform(0, 2 * np.pi, rows), 0.7 + 0.9 * y + rng.normal(0, 0.1, rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype("float32"), y


def sentences(rows: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Token numbers, of which some occur more often in one class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    x = rng.integers(1, 500, (rows, 30))
    marked = rng.random(x.shape) < 0.2
    return np.where(marked, rng.integers(500, 600, x.shape) + 100 * y[:, None], x), y


def waves(rows: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of three frequencies, in noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    t = np.arange(40)
    x = np.sin(t * (0.2 + 0.25 * y[:, None]) + rng.uniform(0, 6, (rows, 1)))
    return (x + rng.normal(0, 0.3, x.shape))[..., None].astype("float32"), y


def hot(y: np.ndarray, classes: int | None = None) -> np.ndarray:
    """One column a class."""
    return np.eye(classes or y.max() + 1, dtype="float32")[y]


def dense(
    x: np.ndarray,
    units: int,
    last: str | None = "softmax",
    hidden: tuple[int, ...] = (32, 32),
    activation: str = "relu",
    **kwargs: Any,
) -> Any:
    """Dense layers; `kwargs` go to the hidden ones."""
    import keras

    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            *([keras.layers.Flatten()] if x.ndim > 2 else []),
            *(keras.layers.Dense(width, activation, **kwargs) for width in hidden),
            keras.layers.Dense(units, last),
        ]
    )


def convolutional(
    x: np.ndarray, units: int, last: str | None = "softmax", norm: bool = False, **options: Any
) -> Any:
    """Two convolutions, average over the picture, one dense layer."""
    import keras

    layers = keras.layers
    momentum, drop = options.get("momentum", 0.9), options.get("drop", 0.0)
    body: list[Any] = [keras.Input(x.shape[1:])]
    for width in options.get("widths", (16, 32)):
        body.append(layers.Conv2D(width, 3, padding="same", use_bias=not norm))
        body += [layers.BatchNormalization(momentum=momentum)] if norm else []
        body += [layers.Activation("relu"), layers.MaxPooling2D()]
    body += [layers.Flatten() if options.get("flat") else layers.GlobalAveragePooling2D()]
    body += [layers.Dropout(drop)] if drop else []
    return keras.Sequential([*body, layers.Dense(units, last)])


SPARSE = "sparse_categorical_crossentropy"


def compiled(
    model: Any, loss: Any = SPARSE, rate: float | None = 0.003, metrics: Any = ("accuracy",),
    optimizer: str = "adam",
) -> Any:  # fmt: skip
    """The model, compiled."""
    import keras

    tool = keras.optimizers.get(optimizer)
    if rate is not None:
        tool.learning_rate = rate
    model.compile(tool, loss, metrics=list(metrics))
    return model


def split(x: Any, y: np.ndarray, at: float = 0.8) -> tuple[Any, Any]:
    """Rows before and after a place."""
    n = int(at * len(y))
    return (x[:n], y[:n]), (x[n:], y[n:])


def program(model: Any, x: Any, y: np.ndarray, **fit: Any) -> Planted:
    """A program with a validation split of its own."""
    train, validation = split(x, y)
    return Planted(model, train, validation, {"epochs": 20, "batch_size": 32, **fit})
