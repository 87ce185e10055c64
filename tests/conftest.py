"""What tests share: small faces, and one way to import TensorFlow without its chatter."""

import numpy as np
import pytest

from ferkeras.data.faces import SIZE, Faces
from ferkeras.quiet import import_tensorflow

import_tensorflow()


@pytest.fixture
def make_faces():
    """Noise faces with the labels given: `make_faces([0, 3, 3])`."""

    def make(labels, seed=0) -> Faces:
        labels = np.asarray(labels, np.int32)
        rng = np.random.default_rng(seed)
        return Faces(rng.integers(0, 256, (len(labels), SIZE, SIZE, 1), dtype=np.uint8), labels)

    return make
