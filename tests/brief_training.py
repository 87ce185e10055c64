"""Settings and faces of trainings that are over in a few seconds and learn something."""

from dataclasses import replace
from functools import cache

import numpy as np

from ferkeras.data.faces import Splits
from ferkeras.data.synthetic.dataset import synthetic_faces

QUICK = {
    "network.filters": [8],
    "network.dense_units": [8],
    "network.conv_dropout": 0.0,
    "network.dense_dropout": 0.0,
    "train.batch_size": 32,
    "train.epochs": 3,
    "train.learning_rate": 0.003,
    **{
        f"augment.{key}": 0.0
        for key in ("shift", "rotate_degrees", "zoom", "brightness", "contrast", "erase")
    },
}


@cache
def synthetic_splits(count: int, *, halved: bool = False) -> Splits:
    """So many synthetic faces, training and validation together, split as they were drawn.

    They are drawn once: nobody writes into them.

    Args:
        count: how many.
        halved: faces of 24 x 24 pixels, whose steps take a quarter of the time.
    """
    read = synthetic_faces(count, 0)
    faces = read.faces
    if halved:
        images = np.asarray(faces.images).reshape(count, 24, 2, 24, 2, 1).mean(axis=(2, 4))
        faces = replace(faces, images=images.round().astype(np.uint8))
    train, validation = (faces.take(read.usage == usage) for usage in np.unique(read.usage))
    for array in (train.images, train.labels, validation.images, validation.labels):
        array.setflags(write=False)
    return Splits(train, validation, None, read.source, read.fingerprint, True)
