"""Each callback of `callbacks/` in a plain Keras model, on every backend that is installed.

  python benchmarks/backends.py
  python benchmarks/backends.py --only jax

Needs Keras, NumPy and at least one of TensorFlow, JAX and torch. Each backend gets a process of its
own, in which ferkeras cannot be imported, nor TensorFlow where it is not the backend. There every
callback that needs no gradient tape trains a compiled model beside Keras's EarlyStopping and
CSVLogger, with class indices, one-hot and binary labels, and what it did is held against what Keras
itself measures. Prints a table for each backend; exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("tensorflow", "jax", "torch")
LABELS = ("integers", "one-hot", "binary")
EPOCHS = 4
RATE = 0.5


def main() -> int:
    """Run every backend; print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=BACKENDS, help="one backend")
    parser.add_argument("--child", choices=BACKENDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(train_all(arguments.child)))
        return 0
    wanted = [arguments.only] if arguments.only else BACKENDS
    installed = [name for name in wanted if importlib.util.find_spec(name)]
    if not installed:
        print(f"not installed: {', '.join(wanted)}")
        return 1
    sound = [measure(name) for name in installed]
    return 0 if all(sound) else 1


def measure(backend: str) -> bool:
    """Train on one backend and print its table; whether everything went as it should."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", backend],
        env={**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    print(f"{backend} {version(backend)}, Keras {version('keras')}")
    if done.returncode:
        print(done.stderr)
        return False
    table = json.loads(done.stdout.splitlines()[-1])
    print(f"  {'':<26}" + "".join(f"{labels:<10}" for labels in LABELS))
    for name, row in table.items():
        cells = ("ok" if not row[labels] else "FAILED" for labels in LABELS)
        print(f"  {name:<26}" + "".join(f"{cell:<10}" for cell in cells))
    wrong = [
        f"  {name}, {labels}: {error}"
        for name, row in table.items()
        for labels, error in row.items()
        if error
    ]
    print(*wrong, sep="\n")
    return not wrong


def hide(*packages: str) -> None:
    """Let installed packages be as if they were not."""

    class Rest(PathFinder):
        @classmethod
        def find_spec(cls, name: str, *where: Any) -> ModuleSpec | None:
            """As `importlib` calls it."""
            return None if name.split(".")[0] in packages else super().find_spec(name, *where)

    sys.meta_path[:] = [Rest if each is PathFinder else each for each in sys.meta_path]


def train_all(backend: str) -> dict[str, dict[str, str]]:
    """Errors by callback and labels; empty where there was none."""
    hide("ferkeras", *({"tensorflow"} - {backend}))
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    import keras
    from plain_keras import MAKE

    assert keras.backend.backend() == backend
    table: dict[str, dict[str, str]] = {}
    for name in [*sorted(set(MAKE) - {"GradientNormMonitor"}), "all of these"]:
        for labels in LABELS:
            try:
                train(name, labels)
                error = ""
            except Exception as raised:  # each cell tells of itself
                error = f"{type(raised).__name__}: {raised}"
            table.setdefault(name, {})[labels] = error
    return table


def train(name: str, labels: str) -> None:
    """Train a model with one callback, or all, beside Keras's own; assert what it did."""
    import keras
    from plain_keras import LABELS as FORMS
    from plain_keras import MAKE, X, build

    keras.backend.clear_session()
    everything = name == "all of these"
    names = [each for each in MAKE if each not in ("GradientNormMonitor", "AveragedWeights")]
    chosen = [*names, "AveragedWeights"] if everything else [name]
    form = FORMS[labels]
    model = build(labels, averaged="AveragedWeights" in chosen)
    before = set(model.evaluate(X, form.y, verbose=0, return_dict=True))
    ours = {each: MAKE[each](model, form.names, (X, form.y)) for each in chosen}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "history.csv")
        monitor = MONITORED.get(name, "val_accuracy").format(form.names[0])
        stopping = keras.callbacks.EarlyStopping(monitor, patience=EPOCHS, mode="max")
        history = model.fit(
            X, form.y, validation_data=(X, form.y), batch_size=8, epochs=EPOCHS, verbose=0,
            callbacks=[*ours.values(), keras.callbacks.CSVLogger(str(log)), stopping],
        ).history  # fmt: skip
        with log.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    assert stopping.best is not None, f"EarlyStopping found no {monitor}"
    assert math.isfinite(stopping.best), stopping.best
    assert {len(values) for values in history.values()} == {EPOCHS}, history
    assert len(rows) == EPOCHS, rows
    assert set(history) <= set(rows[0]), set(history) - set(rows[0])
    assert history["val_accuracy"][-1] > 0.9, history["val_accuracy"]
    after = model.evaluate(X, form.y, verbose=0, return_dict=True)
    assert set(after) == before, after
    if not everything:
        CHECKS[name](model, ours[name], history, after, form)


MONITORED = {"CollapseAlarm": "val_collapse_fraction", "PerClassReport": "val_recall/{}"}
"""What EarlyStopping watches where the callback publishes a figure of the validation."""


def near(found: Any, expected: Any) -> None:
    """Fail unless figures are the same to float32's digits."""
    import numpy as np

    np.testing.assert_allclose(found, expected, rtol=1e-4)


def averaged(model: Any, callback: Any, history: Any, after: Any, form: Any) -> None:
    """The last validation was of the average, which is what the model has in the end."""
    near(history["val_loss"][-1], after["loss"])
    for variable, average in zip(
        model.trainable_variables, model.optimizer._model_variables_moving_average, strict=True
    ):
        near(variable.numpy(), average.numpy())


def fraction(model: Any, callback: Any, history: Any, after: Any, form: Any) -> None:
    """The fraction is that of the model's predictions."""
    import numpy as np
    from plain_keras import X

    scores = model.predict(X, verbose=0)
    found = scores.argmax(1) if form.columns > 1 else (scores[:, 0] > 0.5).astype(int)
    near(history["val_collapse_fraction"][-1], np.bincount(found).max() / len(X))
    assert callback.collapsed_since is None


def diverges(model: Any, callback: Any, history: Any, after: Any, form: Any) -> None:
    """It let a sound training be, and leaves one whose loss is not a number."""
    import numpy as np
    from plain_keras import X

    from callbacks import Diverged

    found = None
    try:
        model.fit(np.full_like(X, np.nan), form.y, batch_size=8, verbose=0, callbacks=[callback])
    except Diverged as diverged:
        found = diverged
    except RuntimeError as error:
        # The binary cross-entropy of torch refuses such predictions before a callback is asked.
        if "between 0 and 1" not in str(error):
            raise
        return
    assert found is not None, "not noticed"
    assert found.step == 2, found


def rate_falls(model: Any, callback: Any, history: Any, after: Any, form: Any) -> None:
    """The optimizer has the rate of the last step."""
    from callbacks import cosine_rate

    near(model.optimizer.learning_rate.numpy(), cosine_rate(23, RATE, 0, 24))


CHECKS: dict[str, Callable[..., None]] = {
    "AveragedWeights": averaged,
    "CollapseAlarm": fraction,
    "CosineLearningRate": rate_falls,
    "DelayedReduceLROnPlateau": lambda model, callback, history, after, form: near(
        history["learning_rate"], [RATE, RATE, RATE * 0.9, RATE * 0.81]
    ),
    "DivergenceGuard": diverges,
    "OverfittingWatch": lambda model, callback, history, after, form: near(
        history["inference_accuracy"], [math.nan, history["val_accuracy"][1]] * 2
    ),
    "PerClassReport": lambda model, callback, history, after, form: near(
        callback.matrix.trace() / callback.matrix.sum(), history["val_accuracy"][-1]
    ),
    "PublishVariables": lambda model, callback, history, after, form: near(
        history["learning_rate"], [RATE] * EPOCHS
    ),
    "VariableRamp": lambda model, callback, history, after, form: near(
        history["dropout"], [0.0, 0.1, 0.2, 0.2]
    ),
}


if __name__ == "__main__":
    sys.exit(main())
