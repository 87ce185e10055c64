"""Names of classes inside a model file: what a training takes comes out as it went in."""

import pytest

from ferkeras.cli.errors import InputError
from ferkeras.data.task import LONGEST_NAME, MOST_CLASSES, Classes
from ferkeras.runs.embedded import About, enclose, enclosed_in


@pytest.mark.parametrize(
    "names",
    [
        ("no", "yes"),
        tuple(f"class {number}" for number in range(MOST_CLASSES)),
        ("a" * LONGEST_NAME, "b" * LONGEST_NAME),
    ],
    ids=["fewest", "most", "longest"],
)
def test_every_task_that_can_be_trained_can_be_opened(tmp_path, names):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a model")
    enclose(path, About(Classes(names).names, {"seed": 3}))
    assert enclosed_in(path.read_bytes(), path) == About(names, {"seed": 3})


@pytest.mark.parametrize("names", [("one",), ("twice", "twice"), ("a", "b\u202e")])
def test_names_that_no_training_takes_are_refused(tmp_path, names):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a model")
    enclose(path, About(names, {}))
    with pytest.raises(InputError, match=r"labels\.txt inside is damaged: expected"):
        enclosed_in(path.read_bytes(), path)
