"""Test-time augmentation: what each view shows."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.data.test_time_augmentation import VIEWS, augmented_views
from ferkeras.data.warp import keras_warp


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(200, 5).faces.images[:40]


@pytest.mark.parametrize(("tta", "count"), VIEWS.items())
def test_the_first_view_is_the_face_and_each_second_a_mirror_image(faces, tta, count):
    views = list(augmented_views(faces, tta))
    assert len(views) == count
    assert all(view.shape == faces.shape and view.dtype == np.uint8 for view in views)
    np.testing.assert_array_equal(views[0], faces)
    for plain, mirrored in zip(views[::2], views[1::2], strict=False):
        np.testing.assert_array_equal(mirrored, plain[:, :, ::-1])


@pytest.mark.parametrize(("view", "side"), [(2, 44), (4, 52)])
def test_nearer_and_farther_are_what_the_augmentation_makes_of_a_zoom(faces, view, side):
    scale, centre = side / 48, 47 / 2
    still = centre * (1 - scale)
    row = [scale, 0, still, 0, scale, still, 0, 0]
    transforms = np.tile(np.float32(row), (len(faces), 1))
    expected = keras.ops.convert_to_numpy(keras_warp(faces.astype(np.float32), transforms))
    seen = list(augmented_views(faces, "multiscale"))[view]
    np.testing.assert_allclose(seen, expected, atol=0.51)
    assert (seen != faces).any()


@given(st.integers(0, 255), st.sampled_from([0, 1, 3]))
def test_a_face_of_one_grey_stays_it(grey, count):
    faces = np.full((count, 48, 48, 1), grey, np.uint8)
    for view in augmented_views(faces, "multiscale"):
        np.testing.assert_array_equal(view, faces)


def test_many_faces_are_seen_as_one_is(make_faces):
    faces = make_faces([0] * 1030).images
    alone = augmented_views(faces[1028:1029], "multiscale")
    for together, each in zip(augmented_views(faces, "multiscale"), alone, strict=True):
        np.testing.assert_array_equal(together[1028:1029], each)
