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

_EXPORTS = "export"

FILES = {
    "litert": LITERT_FILE,
    "litert-float16": HALF_LITERT_FILE,
    "litert-int8": "model-int8.tflite",
    "onnx": "model.onnx",
    "keras": "model.keras",
}
"""Formats of one file and how the file is called; `saved_model`, a folder, is numbered."""


def newest_version(folder: InnerPath) -> int:
    """The highest number of a SavedModel in a folder, TensorFlow Serving's version; 0 for none."""
    return max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)


@dataclass(frozen=True)
class Run:
    """One folder that a training fills; every name in it stands here.

    Attributes:
        folder: what the training left.
        apart: where commands put what they find out about it; None: in the folder itself.
    """

    folder: Path
    apart: InnerPath | None = None

    @property
    def inner(self) -> InnerPath:
        """The folder, as the root of every path in it."""
        return InnerPath(self.folder)

    @property
    def results(self) -> InnerPath:
        """The folder of what is exported, evaluated and diagnosed after the training."""
        return self.inner if self.apart is None else self.apart

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
    def trackers(self) -> InnerPath:
        """Which run of each experiment tracker is told of it."""
        return self.inner / "trackers.json"

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
        """The training's SavedModel, in the folder layout of TensorFlow Serving."""
        return self.inner / _EXPORTS / "1"

    @property
    def exports(self) -> InnerPath:
        """Everything exported: numbered SavedModels, files, and the model card README.md."""
        return self.results / _EXPORTS

    @property
    def litert(self) -> InnerPath:
        """The network as a LiteRT file, which predicts without TensorFlow."""
        return self.inner / _EXPORTS / LITERT_FILE

    @property
    def half_litert(self) -> InnerPath:
        """The LiteRT file with weights of 16 bits."""
        return self.inner / _EXPORTS / HALF_LITERT_FILE

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
        return self._last("calibration.json")

    @property
    def report(self) -> InnerPath:
        """Everything about the run on one page."""
        return self.inner / "report.html"

    @property
    def diagnosis(self) -> InnerPath:
        """The folder of why the run did not learn, or that it did."""
        return self.results / "diagnosis"

    def evaluation(self, split: str) -> InnerPath:
        """The folder of what `python -m ferkeras.evaluate` found on a split."""
        return self.results / "evaluation" / split

    def figures(self, split: str) -> InnerPath:
        """The figures of an evaluation on a split: the last, or those that came with the run."""
        return self._last("evaluation", split, f"evaluation-{split}.json")

    def picture(self, name: str) -> InnerPath:
        """Where the picture `name` goes."""
        return self.inner / f"{name}.png"

    def _last(self, *names: str) -> InnerPath:
        """What a command has added, or else what came with the run."""
        added = InnerPath(self.results.root, *self.results.parts, *names)
        return added if added.exists() else InnerPath(self.folder, *names)
