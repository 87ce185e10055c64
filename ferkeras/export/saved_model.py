"""A trained network as a SavedModel that needs neither Keras nor ferkeras to be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ferkeras.data.pictures import MOST_FILLED_UP
from ferkeras.export.quiet import without_asset_chatter
from ferkeras.export.upright import turned_upright
from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import atomic_place
from ferkeras.runs.embedded import About

SAVED_MODEL = (
    "saved_model.pb",
    "fingerprint.pb",
    "assets",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    "variables",
)
"""What `write_saved_model` makes in its folder."""


def write_saved_model(
    served: keras.Model,
    folder: AnyPath,
    about: About,
    *,
    compact: bool = False,
    files: bool = True,
) -> None:
    """Write a SavedModel, whole or not at all.

    Its signatures, all with any number N of faces:

    - `serving_default`: `faces`, uint8 (N, H, W, C), to `probabilities`, float32 (N, K), and
      `label`, strings (N,).
    - `encoded`: `image_bytes`, strings (N,), each the content of a PNG or JPEG file, to the same.
      They are turned upright by their EXIF orientation, transparency is laid on white, colour
      becomes ITU-R 601 luma where the network is for grey faces, any size becomes the network's.
    - `about`: nothing, to `emotions`, strings (K,) in class order, and `provenance`, JSON text.

    Faces of another size, and none at all, are an error.

    Args:
        served: uint8 faces to probabilities (N, K); see `served_network`.
        folder: must not exist; TensorFlow Serving's `<model>/<version>`. Its parent must.
        about: names of the K classes, and how the network came about.
        compact: store in bfloat16 each weight whose values are all bfloat16 numbers; predictions
            stay the same.
        files: with the signature `encoded`.

    Raises:
        Refused: the folder exists.
        OSError: it cannot be written.
    """
    emotions = tf.constant(about.emotions)
    provenance = tf.constant(about.provenance_text())
    shape = served.input_shape[1:]
    prediction = _from_compact_weights(served) if compact else served

    def serve(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = prediction(_checked(faces), training=False)
        return {
            "probabilities": probabilities,
            "label": tf.gather(emotions, tf.argmax(probabilities, axis=-1)),
        }

    def encoded(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return serve(
            tf.map_fn(
                lambda content: decode_face_in_graph(content, shape),
                image_bytes,
                fn_output_signature=tf.TensorSpec(shape, tf.uint8),
            )
        )

    archive = keras.export.ExportArchive()
    faces = tf.TensorSpec((None, *shape), tf.uint8, name="faces")
    archive.add_endpoint("serve", serve, input_signature=[faces])
    if files:
        image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
        archive.add_endpoint("encoded", encoded, input_signature=[image_bytes])
    archive.add_endpoint("about", lambda: {"emotions": emotions, "provenance": provenance}, [])
    with atomic_place(folder) as temporary, without_asset_chatter():
        temporary.mkdir()
        archive.write_out(str(temporary), verbose=False)


def _checked(faces: tf.Tensor) -> tf.Tensor:
    """The faces, if they are at least one of the size that the signature asks for."""
    # A loaded signature does not hold its callers to its shape.
    found = tf.shape(faces)
    right = (found[0] > 0) & tf.reduce_all(tf.equal(found[1:], faces.shape[1:]))
    height, width, channels = faces.shape[1:]
    expected = f"(N, {height}, {width}, {channels})"
    said = [f"expected uint8 faces {expected}, N of at least 1; found", found]
    with tf.control_dependencies([tf.debugging.Assert(right, said)]):
        return tf.identity(faces)


def _from_compact_weights(served: keras.Model) -> Callable[..., tf.Tensor]:
    """The same network, its weights held in as few bits as lose nothing."""
    stored = [
        tf.Variable(_compact(variable.value), trainable=False)
        for variable in (*served.trainable_variables, *served.non_trainable_variables)
    ]
    trainable = len(served.trainable_variables)

    def prediction(faces: tf.Tensor, training: bool) -> tf.Tensor:
        weights = [
            tf.cast(each, tf.float32) if each.dtype == tf.bfloat16 else tf.convert_to_tensor(each)
            for each in stored
        ]
        probabilities, _ = served.stateless_call(
            weights[:trainable], weights[trainable:], faces, training=training
        )
        return probabilities

    return prediction


def _compact(weights: tf.Tensor) -> tf.Tensor:
    if weights.dtype != tf.float32:
        return weights
    half = tf.cast(weights, tf.bfloat16)
    return half if bool(tf.reduce_all(tf.cast(half, tf.float32) == weights)) else weights


def saved_model_predictions(folder: Path, faces: np.ndarray) -> np.ndarray:
    """Probabilities (N, K) of a SavedModel for uint8 faces (N, H, W, C).

    A SavedModel is a program: only those written by this process or its own run are loaded.
    """
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return serve(faces=tf.constant(faces))["probabilities"].numpy()


def decode_face_in_graph(content: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """One PNG or JPEG file (scalar string) to a face, uint8, of this shape (H, W, C).

    It decodes as `ferkeras.data.pictures.decode_face` does (where it resizes, to within a few grey
    levels).
    """

    def toned(colour: tf.Tensor) -> tf.Tensor:
        return _luma(colour) if shape[2] == 1 else tf.cast(colour, tf.float32)

    def from_jpeg() -> tf.Tensor:
        return toned(tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"))

    def from_png() -> tf.Tensor:
        pixels = tf.cast(tf.io.decode_png(content, channels=4), tf.int32)
        colour, alpha = pixels[..., :3], pixels[..., 3:] * _alpha_scale(content)
        # Half of 255 added: integer division rounds down.
        return toned((colour * alpha + 255 * (255 - alpha) + 127) // 255)

    picture = turned_upright(tf.cond(tf.io.is_jpeg(content), from_jpeg, from_png), content)
    picture = _filled_up(picture, *shape[:2])
    resized = tf.image.resize(picture, shape[:2], method="bicubic", antialias=True)
    face = tf.saturate_cast(tf.round(resized), tf.uint8)
    return tf.ensure_shape(face, shape)


def _alpha_scale(png: tf.Tensor) -> tf.Tensor:
    """What alpha is to be multiplied by: of grey in 1, 2 or 4 bits TensorFlow gives 1, 3 or 15."""
    depth, kind = tf.unstack(
        tf.cast(tf.io.decode_raw(tf.strings.substr(png, 24, 2), tf.uint8), tf.int32), 2
    )
    few = tf.logical_and(tf.equal(kind, 0), depth < 8)
    most = tf.bitwise.left_shift(1, tf.where(few, depth, 8)) - 1
    return 255 // most


def _filled_up(picture: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """A picture in the proportions of a face, as `ferkeras.data.pictures.face_of` makes them."""
    high, wide = tf.shape(picture)[0], tf.shape(picture)[1]

    def filled(side: tf.Tensor, other: tf.Tensor, ratio: float) -> tf.Tensor:
        wanted = tf.cast(tf.round(tf.cast(other, tf.float64) * ratio), tf.int32)
        count = tf.minimum(tf.maximum(side, wanted), MOST_FILLED_UP * side)
        return tf.clip_by_value(tf.range(count) - (count - side) // 2, 0, side - 1)

    rows, columns = filled(high, wide, height / width), filled(wide, high, width / height)
    return tf.gather(tf.gather(picture, rows), columns, axis=1)


def _luma(colour: tf.Tensor) -> tf.Tensor:
    # The integer arithmetic of Pillow's convert("L"), so that both ways round alike.
    weights = tf.constant((19_595, 38_470, 7_471), tf.int32)
    total = tf.reduce_sum(tf.cast(colour, tf.int32) * weights, axis=-1, keepdims=True)
    return tf.cast((total + 0x8000) // 0x10000, tf.float32)
