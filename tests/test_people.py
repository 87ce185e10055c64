"""People on both sides of a split are found."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.check_data.checks.people import check_people
from ferkeras.check_data.finding import Level
from ferkeras.check_data.material import Material
from ferkeras.data.faces import USAGES, Faces, ReadFaces
from ferkeras.data.presets.fer2013 import FER2013


def material_of(usage, people):
    count = len(usage)
    faces = Faces(
        np.zeros((count, 48, 48, 1), np.uint8), np.zeros(count, np.int32), FER2013.classes
    )
    groups = None if people is None else np.array(people, np.int32)
    read = ReadFaces(faces, np.array(usage, np.int8), "faces", "0" * 32, groups)
    return Material(read, read.usage)


def test_who_is_not_known_is_not_judged():
    found = check_people(material_of([0, 1], None))
    assert found.level is Level.NOT_ASKED
    assert "data.group_column" in found.found


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=30))
def test_faces_of_people_seen_in_training_are_counted_as_by_hand(rows):
    usage, people = zip(*rows, strict=True)
    found = check_people(material_of(usage, people))
    trained = {who for where, who in rows if USAGES[where] == "train"}
    counts = {
        split: sum(USAGES[where] == split and who in trained for where, who in rows)
        for split in ("validation", "test")
    }
    for split, numbers in found.numbers["splits"].items():
        assert numbers["faces"] == counts[split]
    assert (found.level is Level.LOOK) == any(counts.values())
