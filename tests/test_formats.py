"""All formats take the same input, and refuse the same."""

import io

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ferkeras.config.networks.residual import Residual
from ferkeras.data.pictures import decode_face
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.export.formats import export_network
from ferkeras.export.probe import Probe
from ferkeras.export.saved_model import decode_face_in_graph
from ferkeras.network.model import build_network
from ferkeras.runs.embedded import About
from ferkeras.runs.litert import LiteRtNetwork

FORMATS = ("saved_model", "litert", "litert-float16", "litert-int8", "onnx", "keras")

RNG = np.random.default_rng(8)


def faces(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def blocks(count):
    """Faces that differ from one another more than noise does, which is the same everywhere."""
    return faces(count, 6, 6, 1).repeat(8, axis=1).repeat(8, axis=2)


REFUSED = {
    "64 pixels": faces(2, 64, 64, 1),
    "96 pixels": faces(2, 96, 96, 1),
    "224 pixels": faces(1, 224, 224, 1),
    "as many pixels in another shape": faces(2, 36, 64, 1),
    "one pixel": faces(2, 1, 1, 1),
    "one row": faces(2, 1, 48, 1),
    "three channels": faces(2, 48, 48, 3),
    "channels first": faces(2, 1, 48, 48),
    "one face that is no batch": faces(48, 48, 1),
    "no face": faces(0, 48, 48, 1),
    "pixels / 255": (faces(2, 48, 48, 1) / 255).astype(np.float32),
    "pixels / 127.5 - 1": (faces(2, 48, 48, 1) / 127.5 - 1).astype(np.float32),
    "pixels / 255 in float64": faces(2, 48, 48, 1) / 255,
}


@pytest.fixture(scope="module")
def network():
    """Ends in an average over all places, and so would itself take faces of any size.

    It has every kind of layer that residual networks have, and statistics as after a training.
    """
    keras.utils.set_random_seed(0)
    settings = Residual(
        filters=(16,), stem_filters=4, residual_blocks=(1,), squeeze_excite=0.5, separable=True
    )
    model = build_network(settings, FER2013, mean=0.5, std=0.25)
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    last = model.get_layer("logits")
    last.set_weights([3 * each for each in last.get_weights()])
    return model


@pytest.fixture(scope="module")
def paths(network, tmp_path_factory):
    exported = export_network(
        network,
        FORMATS,
        tmp_path_factory.mktemp("exports"),
        About(FER2013.classes.names, {}),
        probe=Probe(faces(32, 48, 48, 1)),
        representative=blocks(32),
    )
    return {each.format: each.path for each in exported}


def probabilities(name, path, images):
    """By the program that people use for the format, which knows nothing of ferkeras."""
    match name:
        case "saved_model":
            serve = (model := tf.saved_model.load(str(path))).signatures["serving_default"]
            assert model
            return serve(faces=tf.constant(images))["probabilities"].numpy()
        case "onnx":
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            return session.run(["probabilities"], {"faces": images})[0]
        case "keras":
            return keras.saving.load_model(path).predict(images, verbose=0)
        case _:
            run = Interpreter(str(path)).get_signature_runner("serving_default")
            return run(faces=images)["probabilities"]


@pytest.mark.parametrize("name", FORMATS)
def test_faces_of_the_training_s_size_and_type_are_taken(name, paths, network):
    images = blocks(9)
    expected = np.array(keras.ops.softmax(network.predict(images, verbose=0)))
    assert expected.std(axis=0).max() > 0.05
    tolerance = 0.2 if name == "litert-int8" else 0.01
    np.testing.assert_allclose(probabilities(name, paths[name], images), expected, atol=tolerance)


@pytest.mark.parametrize("what", list(REFUSED))
@pytest.mark.parametrize("name", FORMATS)
def test_all_else_is_refused(name, what, paths):
    """By an error; by NaN for all classes where Keras casts numbers before a network sees them."""
    try:
        found = probabilities(name, paths[name], REFUSED[what])
    except Exception:
        return
    assert name == "keras"
    assert "pixels /" in what
    assert np.isnan(found).all()


def test_the_keras_file_takes_whole_numbers_of_any_type(paths):
    images = faces(2, 48, 48, 1)
    expected = probabilities("keras", paths["keras"], images)
    for dtype in (np.float32, np.float64, np.int64):
        found = probabilities("keras", paths["keras"], images.astype(dtype))
        np.testing.assert_array_equal(found, expected)


def test_faces_without_their_one_channel_get_it_or_are_refused(paths):
    images = faces(2, 48, 48, 1)
    for name, path in paths.items():
        if name == "keras":  # Keras itself adds it
            expected = probabilities(name, path, images)
            np.testing.assert_array_equal(probabilities(name, path, images[..., 0]), expected)
        else:
            with pytest.raises(Exception, match=r"(?s)."):
                probabilities(name, path, images[..., 0])


def test_one_bad_face_leaves_the_others_alone(paths):
    images = faces(2, 48, 48, 1).astype(np.float32)
    images[1, 5, 5] += 0.5
    found = probabilities("keras", paths["keras"], images)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_the_reader_of_litert_files_names_what_it_was_given(paths):
    network = LiteRtNetwork(paths["litert"])
    for images in (REFUSED["64 pixels"], REFUSED["pixels / 255"], REFUSED["three channels"]):
        with pytest.raises(ValueError, match=r"Expected uint8 faces .* Received: "):
            network(images)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
"""Says how a picture is to be turned as well; viewers do not ask it."""


def picture(format, orientation):
    """A picture file that says how it is to be turned."""
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    if orientation:
        exif[0x0112] = orientation
    file = io.BytesIO()
    smooth = Image.fromarray(faces(5, 7)).resize((96, 64), Image.Resampling.BICUBIC)
    about = PngInfo()
    about.add_itxt("XML:com.adobe.xmp", XMP.decode())
    smooth.save(file, format, exif=exif, xmp=XMP, pnginfo=about)
    return file.getvalue()


@pytest.mark.parametrize("orientation", [0, *range(1, 9), 9])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_encoded_pictures_are_turned_upright_as_predict_turns_them(format, orientation):
    content = picture(format, orientation)
    inside = (
        decode_face_in_graph(tf.constant(content), FER2013.image.shape).numpy()[..., 0].astype(int)
    )
    assert np.abs(inside - decode_face(content, FER2013.image)[..., 0].astype(int)).max() <= 6


def test_the_saved_model_turns_encoded_pictures(paths):
    signatures = tf.saved_model.load(str(paths["saved_model"])).signatures
    content = picture("JPEG", 6)
    found = signatures["encoded"](image_bytes=tf.constant([content]))["probabilities"]
    direct = signatures["serving_default"](
        faces=tf.constant(decode_face(content, FER2013.image)[None])
    )
    np.testing.assert_allclose(found, direct["probabilities"], atol=0.1)
