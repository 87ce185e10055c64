"""A trained network is asked whether the names of the classes mean what it knows."""

import numpy as np
import pytest

from ferkeras.check_data.checks.known_network import check_known_network
from ferkeras.check_data.finding import Level
from ferkeras.check_data.material import Material
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import Classes

NEUTRAL_FIRST = (6, 3, 4, 5, 2, 1, 0)
"""AffectNet's order, in FER2013's class indices."""


def material_of(shown: np.ndarray, order, classes=FER2013.classes, side: int = 48) -> Material:
    """Faces as dark as what they show, under the label that `order` gives it."""
    labels = np.array([list(order).index(each) for each in shown], np.int32)
    images = np.repeat(shown.astype(np.uint8) * 30, side * side).reshape(-1, side, side, 1)
    usage = np.ones(len(shown), np.int8)
    return Material(ReadFaces(Faces(images, labels, classes), usage, "faces", "0" * 32), usage)


def knowing(right: float):
    """A network that recognises this fraction of the faces, and else says anything."""
    rng = np.random.default_rng(0)

    def predict(faces: np.ndarray) -> np.ndarray:
        shown = faces[:, 0, 0, 0] // 30
        anything = rng.integers(0, 7, len(faces))
        return np.eye(7)[np.where(rng.random(len(faces)) < right, shown, anything)]

    return predict


SHOWN = np.random.default_rng(1).permutation(np.arange(420) % 7)


@pytest.mark.parametrize("side", [48, 96])
def test_another_order_is_named(side):
    found = check_known_network(
        material_of(SHOWN, NEUTRAL_FIRST, side=side), "known", FER2013, knowing(0.6)
    )
    assert found.level is Level.WRONG
    assert "its angry look neutral" in found.found
    assert "data.classes" in found.advice


def test_two_names_that_are_exchanged_are_a_hint():
    order = (1, 0, 2, 3, 4, 5, 6)
    found = check_known_network(material_of(SHOWN, order), "known", FER2013, knowing(0.8))
    assert found.level is Level.LOOK
    assert "its angry look disgust, its disgust look angry" in found.found


def test_recall_that_is_hardly_below_chance_is_a_hint():
    """Six classes mean others, and of the seventh four in five are recognised."""

    def predict(faces: np.ndarray) -> np.ndarray:
        shown = faces[:, 0, 0, 0] // 30
        lost = (shown == 6) & (np.arange(len(faces)) % 5 == 0)
        return np.eye(7)[np.where(lost, 0, shown)]

    found = check_known_network(
        material_of(SHOWN, (1, 2, 3, 4, 5, 0, 6)), "known", FER2013, predict
    )
    assert found.numbers["recall"] < 1 / 7
    assert found.level is Level.LOOK


def test_two_of_few_classes_that_are_exchanged_are_a_hint_however_low_recall_is():
    classes = Classes(FER2013.classes.names[:3])

    def predict(faces: np.ndarray) -> np.ndarray:
        shown = faces[:, 0, 0, 0] // 30
        return np.eye(7)[np.where(shown == 2, np.arange(len(faces)) % 3, shown)]

    found = check_known_network(
        material_of(SHOWN[SHOWN < 3], (1, 0, 2), classes), "known", FER2013, predict
    )
    assert found.numbers["recall"] < 0.2
    assert found.level is Level.LOOK


@pytest.mark.parametrize("right", [0.0, 0.6])
def test_the_right_order_is_left_alone_whatever_the_network_knows(right):
    found = check_known_network(material_of(SHOWN, range(7)), "known", FER2013, knowing(right))
    assert found.level is Level.OK
    assert "recalls" in found.found


def test_classes_that_it_does_not_know_are_not_asked_about():
    classes = Classes(tuple("abcdefg"))
    found = check_known_network(
        material_of(SHOWN, range(7), classes), "known", FER2013, knowing(0.6)
    )
    assert found.level is Level.NOT_ASKED
    assert found.found == "known knows 0 of these classes; 3 are needed"


def test_too_few_faces_are_not_asked_about_and_the_reason_is_their_number():
    found = check_known_network(material_of(SHOWN[:14], range(7)), "known", FER2013, knowing(0.6))
    assert found.level is Level.NOT_ASKED
    assert found.found.startswith("14 faces (at most 60 a class) of the ")
