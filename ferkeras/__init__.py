"""Facial-expression classifiers in Keras 3 that do not collapse, or say why they did.

From Python, without a console::

    import ferkeras

    run = ferkeras.train("fer2013-fast", {"train.epochs": 3}, data="fer2013.csv", progress=print)
    run.history                                  # a pandas DataFrame, one row an epoch
    run.predict(["a.png", "b.png"])              # paths, Pillow images or arrays
    run.evaluate().plain.metrics["accuracy"]
    run.export("onnx")

    ferkeras.open_run("saved_models/fer2013-fast-001")
    ferkeras.resume("saved_models/fer2013-fast-001", epochs=6)
    ferkeras.open_run().predict("face.png")      # the network that comes along; no TensorFlow
    ferkeras.load_data("fer2013.csv")
    ferkeras.diagnose_model(model, train, validation)  # why any Keras classifier does not learn

On a command line: `python -m ferkeras` lists the verbs. Callbacks for any Keras 3 project are in
`ferkeras.callbacks`. Wrong input raises `ferkeras.InputError` with a message for people, work that
fails `ferkeras.RunError`.

Importing ferkeras imports nothing else; each name below does so when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferkeras.cli.errors import InputError, Interrupted, RunError
    from ferkeras.diagnose import diagnose_model
    from ferkeras.facade.data import load_data
    from ferkeras.facade.prediction import Prediction
    from ferkeras.facade.run import Run, open_run
    from ferkeras.facade.training import resume, train

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Interrupted",
    "Prediction",
    "Run",
    "RunError",
    "diagnose_model",
    "load_data",
    "open_run",
    "resume",
    "train",
]

_WHERE = {
    "InputError": "ferkeras.cli.errors",
    "Interrupted": "ferkeras.cli.errors",
    "Prediction": "ferkeras.facade.prediction",
    "Run": "ferkeras.facade.run",
    "RunError": "ferkeras.cli.errors",
    "diagnose_model": "ferkeras.diagnose",
    "load_data": "ferkeras.facade.data",
    "open_run": "ferkeras.facade.run",
    "resume": "ferkeras.facade.training",
    "train": "ferkeras.facade.training",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ferkeras' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
