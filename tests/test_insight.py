"""Copies between splits, faces worth showing, Grad-CAM, and what changed in a training."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from callbacks import VariableRamp
from ferkeras.config.sections.schedule import Schedule
from ferkeras.data.leakage import occurs_in
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.metrics.examples import examples_of_each, worst_mistakes
from ferkeras.metrics.predictions import Predictions
from ferkeras.network.grad_cam import grad_cam
from ferkeras.report.events import events_of
from ferkeras.report.heat import grad_cam_figure, overlaid


def test_copies_are_found_pixel_for_pixel(make_faces):
    train, other = make_faces(range(7)).images, make_faces(range(3), seed=1).images
    almost = train[2:3].copy()
    almost[0, 40, 40, 0] ^= 1
    images = np.concatenate([other, train[5:6], almost, train[:1]])
    assert occurs_in(images, train).tolist() == [False] * 3 + [True, False, True]
    assert not occurs_in(images, train[:0]).any()


@pytest.fixture
def predictions():
    """Faces 0 to 20, three of each emotion; the first of each is predicted wrongly."""
    labels = np.repeat(np.arange(7), 3).astype(np.int32)
    predicted = labels.copy()
    predicted[::3] = (labels[::3] + 1) % 7
    confidence = np.linspace(0.5, 0.9, 21)
    probabilities = np.repeat(((1 - confidence) / 6)[:, None], 7, axis=1)
    probabilities[np.arange(21), predicted] = confidence
    return Predictions(probabilities.astype(np.float32), labels, FER2013.classes)


def test_the_most_confident_wrong_predictions_come_first(predictions):
    assert worst_mistakes(predictions, 3).tolist() == [18, 15, 12]
    assert len(worst_mistakes(predictions, 100)) == 7


def test_examples_are_of_every_emotion_and_both_kinds(predictions):
    chosen = examples_of_each(predictions, 2)
    assert predictions.labels[chosen].tolist() == [c for c in range(7) for _ in range(2)]
    right = predictions.predicted[chosen] == predictions.labels[chosen]
    assert right.tolist() == [True, False] * 7
    everything = examples_of_each(predictions, 10)
    assert sorted(everything) == list(range(21))
    assert predictions.labels[examples_of_each(predictions, 2, most=7)].tolist() == list(range(7))
    assert len(examples_of_each(predictions, 2, most=5)) == 5


def test_grad_cam_is_class_activation_mapping_where_the_two_must_agree():
    """With global average pooling before the logits the weights are those of the dense layer."""
    keras.utils.set_random_seed(0)
    faces = keras.Input((48, 48, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(faces)
    x = keras.layers.Conv2D(5, 3, strides=4, padding="same", name="last")(x)
    x = keras.layers.ReLU()(x)
    logits = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(faces, logits)
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    maps = keras.Model(faces, x).predict(images, verbose=0)
    classes = np.array([0, 3, 3, 6])
    kernel = model.layers[-1].get_weights()[0]
    raw = np.maximum(np.einsum("nhwk,kn->nhw", maps, kernel[:, classes]), 0)
    found = grad_cam(model, images, classes)
    assert found.shape == (4, 48, 48)
    # 48 is 4 x 12: the centres of enlarged pixels lie between four pixels of the result.
    shrunk = found.reshape(4, 12, 4, 12, 4)[:, :, 1:3, :, 1:3].mean(axis=(2, 4))
    for heat, expected in zip(shrunk, raw, strict=True):
        if expected.max() > 0:
            assert np.corrcoef(heat.ravel(), expected.ravel())[0, 1] > 0.99
        else:
            assert not heat.any()


def test_grad_cam_finds_the_only_part_of_a_face_that_counts():
    faces = keras.Input((48, 48, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(faces)
    x = keras.layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False)(x)
    x = keras.layers.ReLU()(x)
    model = keras.Model(faces, keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x)))
    model.layers[-1].set_weights([np.eye(1, 7, 2), np.zeros(7)])
    images = np.zeros((1, 48, 48, 1), np.uint8)
    images[0, 8:16, 24:32] = 255
    heat = grad_cam(model, images, np.array([2]))[0]
    assert heat[8:16, 24:32].min() == 1
    assert heat.sum() == pytest.approx(64)
    assert not grad_cam(model, images, np.array([0])).any()


def test_grad_cam_needs_a_convolution():
    faces = keras.Input((48, 48, 1), dtype="uint8")
    model = keras.Model(faces, keras.layers.Dense(7)(keras.layers.Flatten()(faces)))
    with pytest.raises(ValueError, match="needs a convolution"):
        grad_cam(model, np.zeros((1, 48, 48, 1), np.uint8), np.array([0]))


def history(**columns):
    return pd.DataFrame({"epoch": range(1, 13)} | columns)


def test_a_ramp_is_one_event_from_the_epoch_that_the_console_names_to_its_last_change():
    found = events_of(
        history(conv_dropout=[0.1] * 4 + [0.125, 0.15, 0.175] + [0.2] * 5), Schedule()
    )
    assert [(e.first, e.last, e.text) for e in found] == [(4, 8, "conv dropout 0.1 → 0.2")]


@pytest.mark.parametrize("begin", [0.05, 0.0])
def test_a_ramp_of_label_smoothing_is_named_as_the_console_names_it(begin):
    values, lines, variable = [], [], keras.Variable(0.0)
    schedule = Schedule(smoothing_begin=begin, smoothing_end=0.1)
    ramp = VariableRamp(
        "label_smoothing", [variable], begin, 0.1, 8, 1, gate=None, log=lines.append
    )
    for epoch in range(12):
        ramp.on_epoch_begin(epoch)
        values.append(float(variable))
    (event,) = events_of(history(label_smoothing=values), schedule)
    assert (event.first, event.last) == (8, 9)
    assert event.text == f"label smoothing {begin:g} → 0.1"
    assert lines == [f"epoch 8: label_smoothing goes from {begin:g} to 0.1 by epoch 9"]


def test_a_ramp_that_had_only_begun_goes_from_what_there_was():
    (event,) = events_of(history(label_smoothing=[0.0] * 11 + [0.05]), Schedule())
    assert (event.first, event.last, event.text) == (12, 12, "label smoothing 0 → 0.05")


def test_reductions_of_the_learning_rate_are_events_and_a_schedule_is_not():
    plateau = events_of(history(learning_rate=[1e-3] * 7 + [5e-4] * 3 + [2.5e-4] * 2), Schedule())
    assert [e.first for e in plateau] == [8, 11]
    assert plateau[0].text == "learning rate 0.001 → 0.0005"
    assert events_of(history(learning_rate=np.linspace(1e-3, 1e-5, 12)), Schedule()) == []


def test_nothing_happens_in_a_run_of_one_epoch():
    assert events_of(pd.DataFrame({"epoch": [1], "learning_rate": [1e-3]}), Schedule()) == []


def test_all_colour_on_a_face_is_heat():
    coloured = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)
    heat = np.zeros((1, 96, 96))
    heat[:, :48] = 1
    laid = overlaid(coloured, heat).astype(int)
    spread = laid.max(axis=-1) - laid.min(axis=-1)
    assert (spread[0, 60:] == 0).all()
    assert (spread[0, :36] > 30).all()
    grey = np.asarray(Image.fromarray(coloured[0]).convert("L"))
    np.testing.assert_array_equal(laid[0, 60:, :, 0], grey[60:])


@pytest.mark.parametrize(("shape", "shown"), [((60, 30), (96, 48)), ((16, 512), (3, 96))])
def test_a_face_keeps_its_proportions_under_heat(shape, shown):
    faces, heat = np.zeros((2, *shape, 1), np.uint8), np.zeros((2, *shape))
    assert overlaid(faces, heat).shape == (2, *shown, 3)
    assert grad_cam_figure(faces, heat, ["", ""]).axes
