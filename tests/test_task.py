"""What is learnt travels with the faces, and is nobody's global."""

import ast
from pathlib import Path

import pytest

import ferkeras
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import Classes, ImageSpec, Task

PACKAGE = Path(ferkeras.__file__).parent


def test_a_task_survives_being_written_down():
    task = Task(Classes(("yes", "not so sure")), ImageSpec(96, 80, 3))
    assert Task.from_json(task.as_json()) == task


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {**FER2013.as_json(), "classes": ["one"]},
        {**FER2013.as_json(), "classes": ["one", "one"]},
        {**FER2013.as_json(), "classes": ["one", 2]},
        {**FER2013.as_json(), "classes": ["one", "two\nthree"]},
        {**FER2013.as_json(), "classes": [f"c{k}" for k in range(1001)]},
        {**FER2013.as_json(), "height": 15},
        {**FER2013.as_json(), "width": 513},
        {**FER2013.as_json(), "width": 48.0},
        {**FER2013.as_json(), "channels": True},
        {**FER2013.as_json(), "channels": 2},
    ],
)
def test_what_is_no_task_is_refused(content):
    with pytest.raises(ValueError, match="expected"):
        Task.from_json(content)


def test_nothing_but_readers_and_synthetic_faces_knows_the_classes_of_fer2013():
    allowed = ("data",)
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert not names & {"EMOTIONS", "SIZE"}, path
