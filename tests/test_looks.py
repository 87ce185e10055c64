"""Several looks at a face: what is seen in each of them."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.data.synthetic.dataset import draw_faces
from ferkeras.data.test_time_augmentation import looks_at
from ferkeras.data.warp import keras_warp


@pytest.fixture(scope="module")
def faces():
    return draw_faces(200, 5).faces.images[:40]


@pytest.mark.parametrize("count", [1, 2, 6])
def test_the_first_look_is_the_face_and_each_second_a_mirror_image(faces, count):
    looks = list(looks_at(faces, count))
    assert len(looks) == count
    assert all(look.shape == faces.shape and look.dtype == np.uint8 for look in looks)
    np.testing.assert_array_equal(looks[0], faces)
    for plain, mirrored in zip(looks[::2], looks[1::2], strict=False):
        np.testing.assert_array_equal(mirrored, plain[:, :, ::-1])


@pytest.mark.parametrize(("look", "side"), [(2, 44), (4, 52)])
def test_nearer_and_farther_are_what_the_augmentation_makes_of_a_zoom(faces, look, side):
    scale, centre = side / 48, 47 / 2
    still = centre * (1 - scale)
    row = [scale, 0, still, 0, scale, still, 0, 0]
    transforms = np.tile(np.float32(row), (len(faces), 1))
    expected = keras.ops.convert_to_numpy(keras_warp(faces.astype(np.float32), transforms))
    seen = list(looks_at(faces, 6))[look]
    np.testing.assert_allclose(seen, expected, atol=0.51)
    assert (seen != faces).any()


@given(st.integers(0, 255), st.sampled_from([0, 1, 3]))
def test_a_face_of_one_grey_stays_it(grey, count):
    faces = np.full((count, 48, 48, 1), grey, np.uint8)
    for look in looks_at(faces, 6):
        np.testing.assert_array_equal(look, faces)


def test_many_faces_are_seen_as_one_is(make_faces):
    faces = make_faces([0] * 1030).images
    for together, alone in zip(looks_at(faces, 6), looks_at(faces[1028:1029], 6), strict=True):
        np.testing.assert_array_equal(together[1028:1029], alone)
