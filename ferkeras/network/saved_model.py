"""Export a trained network as a SavedModel that needs neither Keras nor ferkeras to be used."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ferkeras.data.faces import SIZE
from ferkeras.errors import RunError

_TOLERANCE = 1e-4
"""Largest difference of a probability between the network and its export."""


def export_saved_model(
    model: keras.Model,
    folder: Path,
    *,
    names: Sequence[str],
    provenance: Mapping[str, Any],
    probe: np.ndarray,
) -> float:
    """Write a SavedModel and check that it answers as the network does.

    Its signature `serving_default` takes `faces`, uint8 (N, 48, 48, 1), and returns
    `probabilities`, float32 (N, K), and `label`, strings (N,). The signature `about` takes nothing
    and returns `emotions`, strings (K,) in code order, and `provenance`, JSON text.

    Args:
        model: takes uint8 faces and returns logits (N, K).
        folder: written anew, TensorFlow Serving's `<model>/<version>`.
        names: of the K classes, in code order.
        provenance: how the model came about; travels inside the export.
        probe: uint8 faces (n, 48, 48, 1) on which network and export are compared.

    Returns:
        The largest difference of a probability found.

    Raises:
        RunError: the export answers otherwise than the network.
    """
    emotions = tf.constant(list(names))
    about = tf.constant(json.dumps(provenance, default=str))

    def serve(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(model(faces, training=False))
        return {
            "probabilities": probabilities,
            "label": tf.gather(emotions, tf.argmax(probabilities, axis=-1)),
        }

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec((None, SIZE, SIZE, 1), tf.uint8, name="faces")]
    archive.add_endpoint("serve", serve, input_signature=signature)
    archive.add_endpoint("about", lambda: {"emotions": emotions, "provenance": about}, [])
    with _without_asset_chatter():
        archive.write_out(str(folder), verbose=False)
    return _check(model, folder, probe)


def _check(model: keras.Model, folder: Path, probe: np.ndarray) -> float:
    exported = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answers = exported(faces=tf.constant(probe))["probabilities"].numpy()
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(model(probe, training=False)))
    difference = float(np.abs(answers - expected).max())
    if not difference <= _TOLERANCE:
        raise RunError(
            f"{folder}: the exported model differs from the trained one by {difference:.2g} in a "
            f"probability (at most {_TOLERANCE:g} allowed) on {len(probe)} validation faces; "
            "do not use this export"
        )
    return difference


@contextmanager
def _without_asset_chatter() -> Iterator[None]:
    # TensorFlow announces each SavedModel it writes, under this logger, at level INFO.
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
