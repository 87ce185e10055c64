"""A run's folder: every name in it.

A run folder tells how it came about: `config.yaml` (resolved), `environment.json`, `history.csv`,
`best.keras`, `last.keras`, pictures, `tensorboard/`, `export/1/` and, last of all, `metrics.json`:
a folder that has it is complete. `checkpoints/` are what it can be resumed from; the newest stays,
so that a complete run can go on for more epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferkeras.files.inner import InnerPath

LITERT_FILE = "model.tflite"
"""What the network is called as a LiteRT file, in the folder of the exports."""

HALF_LITERT_FILE = "model-float16.tflite"
"""The same with its weights in 16 bits each, which is what a published run has."""


@dataclass(frozen=True)
class Run:
    """One folder that a training fills; every name in it stands here."""

    folder: Path

    @property
    def inner(self) -> InnerPath:
        """The folder, as the root of every path in it."""
        return InnerPath(self.folder)

    @property
    def config(self) -> InnerPath:
        """The resolved configuration."""
        return self.inner / "config.yaml"

    @property
    def environment(self) -> InnerPath:
        """Versions, machine, command and data fingerprint."""
        return self.inner / "environment.json"

    @property
    def history(self) -> InnerPath:
        """One line an epoch."""
        return self.inner / "history.csv"

    @property
    def best(self) -> InnerPath:
        """The model of the epoch with the best validation accuracy."""
        return self.inner / "best.keras"

    @property
    def last(self) -> InnerPath:
        """The model of the last epoch."""
        return self.inner / "last.keras"

    @property
    def tensorboard(self) -> InnerPath:
        """TensorBoard's event files."""
        return self.inner / "tensorboard"

    @property
    def checkpoints(self) -> InnerPath:
        """States of the training from which it can be resumed."""
        return self.inner / "checkpoints"

    @property
    def export(self) -> InnerPath:
        """The SavedModel, in the folder layout of TensorFlow Serving."""
        return self.exports / "1"

    @property
    def exports(self) -> InnerPath:
        """Everything exported: numbered SavedModels, files, and the model card README.md."""
        return self.inner / "export"

    @property
    def litert(self) -> InnerPath:
        """The network as a LiteRT file, which predicts without TensorFlow."""
        return self.exports / LITERT_FILE

    @property
    def half_litert(self) -> InnerPath:
        """The LiteRT file with weights of 16 bits."""
        return self.exports / HALF_LITERT_FILE

    @property
    def predictions(self) -> InnerPath:
        """Probabilities and true labels of the validation faces."""
        return self.inner / "predictions.npz"

    @property
    def metrics(self) -> InnerPath:
        """Results; written last, so that its presence means that the run is complete."""
        return self.inner / "metrics.json"

    @property
    def calibration(self) -> InnerPath:
        """The temperature, if `python -m ferkeras.evaluate --calibrate` has fitted one."""
        return self.inner / "calibration.json"

    @property
    def report(self) -> InnerPath:
        """Everything about the run on one page."""
        return self.inner / "report.html"

    @property
    def diagnosis(self) -> InnerPath:
        """The folder of why the run did not learn, or that it did."""
        return self.inner / "diagnosis"

    def evaluation(self, split: str) -> InnerPath:
        """The folder of what `python -m ferkeras.evaluate` found on a split."""
        return self.inner / "evaluation" / split

    def picture(self, name: str) -> InnerPath:
        """Where the picture `name` goes."""
        return self.inner / f"{name}.png"
