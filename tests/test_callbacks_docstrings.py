"""Every public name of `callbacks/` shows an example, and every example runs."""

import inspect
import re
import textwrap

import keras
import numpy as np
import pytest

import callbacks

pytestmark = pytest.mark.usefixtures("eager")


def examples(value):
    return [
        textwrap.dedent(block)
        for block in re.findall(r"```python\n(.*?)```", inspect.getdoc(value) or "", re.DOTALL)
    ]


@pytest.mark.parametrize("name", callbacks.__all__)
def test_the_example_of_a_docstring_runs(name, tmp_path, monkeypatch, capsys):
    value = getattr(callbacks, name)
    found = examples(value)
    if isinstance(value, type) and not hasattr(value, "__dataclass_fields__"):
        assert found, f"{name} has no example"
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40)
    x = (np.eye(3)[y] @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(40, 4))).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for example in found:
        given = {"keras": keras, "np": np, "model": model, "x": x, "y": y}
        exec(compile(example, name, "exec"), vars(callbacks) | given)
