"""A model and its rows, before they are examined: weights that are there, rows that have labels."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program.material import Material


def build(model: keras.Model, material: Material) -> None:
    """Give a model its weights, as the first step of `fit` does; one that has them is left alone.

    `fit` traces its step for any number of rows, and a model's own `build` may take no other shape:
    a row is called only where it cannot be traced.

    Raises:
        InputError: the model fails with a row of its own data.
    """
    if model.built:
        return
    row = material.take(np.arange(1))
    if not model.run_eagerly and _traced(model, row):
        return
    try:
        model(row)
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        raise InputError(
            f"the model fails when it is called with a row of its training data: "
            f"{type(error).__name__}: {said}; `model(x[:1])` has to work first"
        ) from None


def _traced(model: keras.Model, row: object) -> bool:
    rows = keras.tree.map_structure(
        lambda each: tf.TensorSpec((None, *np.shape(each)[1:]), np.asarray(each).dtype), row
    )
    try:
        tf.function(model).get_concrete_function(rows)
    except Exception:
        return False
    return bool(model.built)


def has_own_step(model: keras.Model) -> bool:
    """Whether a model has a training step that is not Keras's."""
    step = getattr(type(model), "train_step", None)
    return step is not None and not str(step.__module__).startswith("keras.")


def labelled(material: Material, model: keras.Model) -> Material:
    """The rows with a label, where rows without one are left out of the loss.

    They are written as a negative class index, or as one beyond the units of the output: the loss's
    `ignore_class`, or whatever a training step of the model's own tells apart.
    """
    labels = material.y.reshape(-1)
    if len(labels) != len(material) or labels.dtype.kind not in "if":
        return material
    ignored = getattr(model.loss, "ignore_class", None)
    there = labels >= 0 if has_own_step(model) else (labels >= 0) | (labels != ignored)
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    units = outputs[0].shape[-1] if len(outputs) == 1 else None
    beyond = units is not None and ignored is not None and ignored >= units
    if beyond:
        there &= labels != ignored
    if there.all() or len(np.unique(labels[there])) < 2:
        return material  # -1 and 1 are two classes
    rows = np.flatnonzero(there)
    everywhere = material.all_labels.reshape(-1)
    kept = ~np.isin(everywhere, labels[~there])
    if not beyond:
        kept |= everywhere >= 0
    batches = np.split(there, np.cumsum(material.sizes)[:-1]) if material.sizes else []
    return replace(
        material,
        x=material.take(rows),
        y=material.y[rows],
        weight=None if material.weight is None else material.weight[rows],
        place=material.place[rows],
        all_labels=material.all_labels[kept],
        sizes=tuple(int(each.sum()) for each in batches if each.any()),
        labelled=float(kept.mean()),
    )
