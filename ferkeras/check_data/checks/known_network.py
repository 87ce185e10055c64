"""What a network that is already trained says of the labels: do their names mean what it knows?"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from ferkeras.check_data.checks.label_order import SURE, best_order
from ferkeras.check_data.finding import Finding, Level
from ferkeras.check_data.material import Material
from ferkeras.data.pictures import face_of
from ferkeras.data.task import Task

OF_EACH = 60
"""Faces of each class that the network is asked about."""

FEWEST_CLASSES, FEWEST_FACES = 3, 100

KNOWS = 0.45
"""Mean recall, with other names, from which the network knows what it is looking at."""

BELOW_CHANCE, MANY_CLASSES = 3.0, 5
"""Standard errors by which recall is below chance where the names are wrong, and classes of which
even two that are exchanged make that sure."""


def check_known_network(
    material: Material, name: str, task: Task, predict: Callable[[np.ndarray], np.ndarray]
) -> Finding:
    """Whether a trained network contradicts the order of the classes.

    It predicts some faces of the classes that it knows. If other names fit its predictions better
    by `SURE` standard errors, and well, the class indices may stand for other names than they were
    given. That is wrong where it recalls clearly less than by chance with the names that they
    have, unless two of few classes alone seem to be exchanged; else it is a hint and no proof: the
    network may see these faces otherwise than its own.

    Args:
        material: what is checked.
        name: of the network, for people.
        task: what it has learnt.
        predict: its probabilities, (N, K), of uint8 faces (N, H, W, C) of its size.
    """
    faces = material.faces
    shared = [each for each in faces.classes if each in task.classes.names]
    index = _some_of_each([faces.classes.index(each) for each in shared], faces.labels)
    wanting = ""
    if len(shared) < FEWEST_CLASSES:
        wanting = f"{name} knows {len(shared)} of these classes; {FEWEST_CLASSES} are needed"
    elif len(index) < FEWEST_FACES:
        wanting = (
            f"{len(index)} faces (at most {OF_EACH} a class) of the {len(shared)} classes that "
            f"{name} knows; {FEWEST_FACES} are needed"
        )
    if wanting:
        return Finding("against a trained network", Level.NOT_ASKED, wanting)
    images = np.stack([face_of(_picture(faces.images[which]), task.image) for which in index])
    columns = [task.classes.index(each) for each in shared]
    predicted = predict(images)[:, columns].argmax(axis=1)
    labels = np.array([shared.index(material.label(which)) for which in index])
    order = best_order(labels, predicted, len(shared))
    renamed = np.mean(
        [
            (predicted[labels == label] == order.truth_of[label]).mean()
            for label in np.unique(labels)
        ]
    )
    chance = 1 / len(shared)
    found = f"{name} recalls {order.recall:.0%} of {len(index):,} faces (chance {chance:.0%})"
    numbers = {"recall": order.recall, "renamed": float(renamed), "errors": order.errors}
    if order.errors <= SURE or renamed < KNOWS:
        return Finding("against a trained network", Level.OK, found, "", numbers)
    moved = [
        f"its {shared[label]} look {shared[truth]}"
        for label, truth in enumerate(order.truth_of)
        if truth != label
    ]
    below = (chance - order.recall) / math.sqrt(chance * (1 - chance) / len(index))
    wrong = below >= BELOW_CHANCE and (len(moved) > 2 or len(shared) >= MANY_CLASSES)
    return Finding(
        "against a trained network",
        Level.WRONG if wrong else Level.LOOK,
        f"{found}, and {renamed:.0%} if {', '.join(moved)}",
        "look at the pictures of the classes: are class indices in another order? data.classes "
        "says what they mean",
        numbers,
    )


def _some_of_each(classes: list[int], labels: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(np.flatnonzero(labels == each))[:OF_EACH] for each in classes]
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
