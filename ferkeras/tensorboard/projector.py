"""TensorBoard's projector: embeddings of faces, as points in space.

The files lie in the folder of a TensorBoard run, where TensorBoard looks for them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import keras
import numpy as np
from google.protobuf import text_format
from PIL import Image
from sklearn.decomposition import PCA
from tensorboard.plugins.projector import ProjectorConfig
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME

from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import atomic_file, write_text

_BATCH = 250
_WIDEST = 256
"""Numbers a point at most: TensorBoard reads text, and its own PCA takes only 200 of them."""

_TITLES = ("class", "prediction", "probability", "verdict")
TENSOR, METADATA, SPRITES = "faces_features.tsv", "faces_metadata.tsv", "faces.png"
PROJECTION = (TENSOR, METADATA, SPRITES, PROJECTOR_FILENAME)
"""Files that `write_projection` writes."""


def penultimate_features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What the last layer of a functional network gets, in inference.

    Args:
        model: its last layer has one input.
        images: N of the network's inputs.

    Returns:
        float32, shape (N, width of that layer's input).
    """
    before = keras.Model(model.inputs[0], model.layers[-1].input)
    batches = [
        keras.ops.convert_to_numpy(before(images[at : at + _BATCH], training=False))
        for at in range(0, len(images), _BATCH)
    ]
    return np.concatenate(batches).astype(np.float32)


def write_projection(
    folder: AnyPath,
    features: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
) -> None:
    """Write points, what is known of them, their faces, and where TensorBoard finds all that.

    Args:
        folder: that of a TensorBoard run; it must have an event file, or TensorBoard does not
            look into it.
        features: float, shape (N, width), finite. Of more than 256 numbers a point, the 256
            principal components are written.
        images: uint8, shape (N, height, width, C): the faces.
        labels: int, shape (N,): what they show.
        probabilities: float, shape (N, K): of the network.
        class_names: names of the K classes, in class order.
    """
    points = io.StringIO()
    np.savetxt(points, _narrow(features), fmt="%.5g", delimiter="\t")
    write_text(folder / TENSOR, points.getvalue())
    write_text(folder / METADATA, _metadata(labels, probabilities, class_names))
    with atomic_file(folder / SPRITES) as file:
        Image.fromarray(sprites(images)).save(file, "png")

    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="validation faces before the last layer",
        tensor_path=TENSOR,
        metadata_path=METADATA,
    )
    embedding.sprite.image_path = SPRITES
    embedding.sprite.single_image_dim.extend([images.shape[2], images.shape[1]])
    write_text(folder / PROJECTOR_FILENAME, text_format.MessageToString(config))


def sprites(images: np.ndarray) -> np.ndarray:
    """Faces (N, height, width, C) on one sheet, row by row, as many rows as columns."""
    count, height, width = images.shape[:3]
    side = math.ceil(math.sqrt(count))
    pictures = images[..., 0] if images.shape[3] == 1 else images
    cells = np.zeros((side * side, *pictures.shape[1:]), np.uint8)
    cells[:count] = pictures
    grid = cells.reshape(side, side, *pictures.shape[1:]).swapaxes(1, 2)
    return grid.reshape(side * height, side * width, *pictures.shape[3:])


def _narrow(features: np.ndarray) -> np.ndarray:
    if features.shape[1] <= _WIDEST:
        return features
    components = min(_WIDEST, len(features))
    if (features == features[0]).all():
        # One point, or several in one place, from which no direction leads.
        return np.zeros((len(features), components))
    return PCA(components, svd_solver="randomized", random_state=0).fit_transform(features)


def _metadata(labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> str:
    predicted = probabilities.argmax(axis=1)
    rows = [
        (
            names[label],
            names[prediction],
            f"{probability:.2f}",
            "right" if label == prediction else "wrong",
        )
        for label, prediction, probability in zip(
            labels, predicted, probabilities.max(axis=1), strict=True
        )
    ]
    return "".join("\t".join(row) + "\n" for row in [_TITLES, *rows])
