"""Settings and faces of trainings that are over in a few seconds and learn something."""

import numpy as np

from ferkeras.data.faces import Splits
from ferkeras.data.synthetic.dataset import synthetic_faces

QUICK = {
    "network.filters": [4, 8],
    "network.dense_units": [16],
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


def synthetic_splits(count: int) -> Splits:
    """So many synthetic faces, training and validation together, split as they were drawn."""
    read = synthetic_faces(count, 0)
    train, validation = (read.faces.take(read.usage == usage) for usage in np.unique(read.usage))
    return Splits(train, validation, None, read.source, read.fingerprint, True)
