"""Everything about a run that TensorBoard can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary

from ferkeras.config.file import dump_config
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces
from ferkeras.files.inner import AnyPath, InnerPath, folder_of
from ferkeras.metrics.predictions import Predictions
from ferkeras.report import pictures
from ferkeras.tensorboard import summaries
from ferkeras.tensorboard.projector import penultimate_features, write_projection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# TensorBoard shows images about 300 pixels wide; the captions of three faces can be read there.
_COLUMNS = 3

KEPT_MATRIX = "validation/confusion_matrix_of_kept_network"
"""Tag of the confusion matrix that belongs to the figures of the run."""

_POINTS = 500
"""Faces in the projector; each costs one more inference at the end of a run."""


_WRITERS = ("train", "validation")

_SUFFIX = ".ferkeras.v2"
"""At the end of the name of an event file: tells those made here from those of other programs."""


class TensorBoardWriter(keras.callbacks.Callback):
    """Write a run's numbers, pictures, weights, graph and settings for TensorBoard.

    Training and validation are two TensorBoard runs, `train` and `validation`, that use the same
    tags, so that each chart shows both. The step is the number of the epoch, counted from 1.

    Each epoch: all logs as scalars (tags: `ferkeras.tensorboard.summaries.split_by_writer`), in one
    write. In the first and the last epoch, and every `config.monitor.images_every` epochs: the
    confusion matrix and predictions for some fixed faces as images, and the weights as histograms.
    Once: the graph of the network in inference, the configuration as text, the arrangement of the
    Custom Scalars page and, for the HParams page, settings and (at the end) results.

    Stand it after every callback that adds to the logs. It costs one trace of the network in
    inference, and one inference of the sample for each image.

    Args:
        folder: where to write; `train` and `validation` are made in it.
        config: the resolved configuration.
        class_names: names of the K classes, in class order.
        confusion: returns the epoch's confusion matrix of the validation faces: integers of
            shape (K, K), truth by row.
        sample_images: uint8, shape (n, H, W, C): a few validation faces.
        sample_labels: integer, shape (n,): what they show.
        kept: whether the network of the epoch that has just ended is the run's; the results are
            those of the last that was.
    """

    def __init__(
        self,
        folder: AnyPath,
        config: Config,
        class_names: tuple[str, ...],
        confusion: Callable[[], np.ndarray],
        sample_images: np.ndarray,
        sample_labels: np.ndarray,
        kept: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._folder = folder_of(folder)
        self._config = config
        self._class_names = tuple(class_names)
        self._confusion = confusion
        self._images = sample_images
        self._labels = sample_labels
        self._was_kept = kept
        self._configuration = dump_config(config)
        self._configuration_before = self._configuration
        # What the run is called on the HParams page, where runs with one name would be averaged.
        self._trial = self._folder.path.resolve().parent.name
        self._kept: dict[str, float] = {}
        self._matrix: np.ndarray | None = None
        self._step = 0
        self._predict: Any = None
        self._writers: dict[str, Any] = {}
        self._goes_on = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open files; write what does not change, unless the run is resumed."""
        self._open()
        inputs = self.model.inputs[0]
        network = self.model
        self._predict = tf.function(
            lambda faces: tf.nn.softmax(tf.cast(network(faces, training=False), tf.float32)),
            input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)],
        )
        if self._goes_on:
            if self._configuration_before != self._configuration:
                self._write_configuration(self._step)
            return
        with self._writers["train"].as_default():
            tf.summary.graph(self._predict.get_concrete_function().graph)
        self._write("validation", summaries.layout(), 0)
        self._write("validation", summaries.hyperparameters(self._config, self._trial), 0)
        self._write_configuration(0)
        self._flush()

    def _write_configuration(self, step: int) -> None:
        with self._writers["validation"].as_default():
            tf.summary.text("configuration", f"```yaml\n{self._configuration}\n```", step=step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's numbers and, when it is time, pictures and weights."""
        logs = logs or {}
        self._step = epoch + 1
        train, validation = summaries.split_by_writer(logs)
        self._write("train", summaries.scalars(train), self._step)
        self._write("validation", summaries.scalars(validation), self._step)
        if self._was_kept():
            self._kept = dict(logs)
        self._matrix = self._confusion()
        every = self._config.monitor.images_every
        # Not in `on_train_end`, where Keras has put other weights into a network with an average.
        last = self._step == self.params["epochs"] or self.model.stop_training
        if self._step == 1 or self._step % every == 0 or last:
            self._write_pictures()
        self._flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write the results and close the files."""
        results = {
            tag: self._kept[key]
            for tag in summaries.RESULTS
            if (key := tag.removeprefix("result/")) in self._kept
        }
        self._write("validation", summaries.scalars(results), self._step)
        self._write("validation", summaries.end_of_session(), self._step)
        self.close()

    def close(self) -> None:
        """Write what is waiting and close the files; for a training that did not end well."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def get_state(self) -> dict[str, Any]:
        """How long each file is, and what the rest depends on, for JSON."""
        return {
            "files": {_key(path): path.stat().st_size for path in self._files()},
            "best": self._kept,
            "step": self._step,
            "matrix": None if self._matrix is None else self._matrix.tolist(),
            "configuration": self._configuration,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned; what the files have beyond that is cut off."""
        is_open = bool(self._writers)
        self.close()
        for path in self._files():
            size = state["files"].get(_key(path))
            if size is None:
                path.unlink()
            elif path.stat().st_size > size:
                path.truncate(size)
        self._kept = dict(state["best"])
        self._step = state["step"]
        self._matrix = None if state["matrix"] is None else np.array(state["matrix"])
        self._configuration_before = state.get("configuration", self._configuration)
        self._goes_on = True
        if is_open:
            self._open()

    def _files(self) -> list[InnerPath]:
        """Those that trainings of ferkeras have made, and nobody else."""
        return [
            path
            for name in _WRITERS
            for path in (self._folder / name).iterdir()
            if path.name.startswith("events.out.tfevents.") and path.name.endswith(_SUFFIX)
        ]

    def _open(self) -> None:
        self._writers = {name: _file_writer(self._folder / name) for name in _WRITERS}

    def _write_pictures(self) -> None:
        assert self._matrix is not None
        probabilities = self._predict(tf.constant(self._images)).numpy()
        figures = {
            "validation/confusion_matrix": pictures.confusion_thumbnail(
                self._matrix, self._class_names
            ),
            "validation/sample_predictions": self._sample_figure(probabilities),
        }
        with self._writers["validation"].as_default():
            for tag, figure in figures.items():
                tf.summary.image(tag, pictures.as_array(figure)[None], step=self._step)
        for variable in self.model.weights:
            values = variable.numpy()
            if values.size > 1 and np.issubdtype(values.dtype, np.floating):
                tag = f"weights/{variable.path}"
                self._write("train", summaries.histogram(tag, values), self._step)

    def _sample_figure(self, probabilities: np.ndarray) -> Figure:
        predicted = probabilities.argmax(axis=1)
        names = self._class_names
        return pictures.mosaic_figure(
            self._images,
            [
                f"{names[label]}\n{names[prediction]} {probability:.0%}"
                for label, prediction, probability in zip(
                    self._labels, predicted, probabilities.max(axis=1), strict=True
                )
            ],
            columns=_COLUMNS,
            title="truth, then prediction",
            colors=np.where(predicted == self._labels, "green", "firebrick").tolist(),
        )

    def _write(self, writer: str, summary: Summary, step: int) -> None:
        with self._writers[writer].as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()


def remove_events(folder: InnerPath) -> None:
    """Remove the event files that trainings of ferkeras have made in a folder."""
    for name in _WRITERS:
        for path in (folder / name).iterdir():
            if path.name.endswith(_SUFFIX):
                path.unlink()


def _key(path: InnerPath) -> str:
    return f"{path.parent.name}/{path.name}"


def _file_writer(folder: InnerPath) -> Any:
    # TensorFlow makes the folder too, but would do so through links.
    folder.mkdir(parents=True, exist_ok=True)
    return tf.summary.create_file_writer(str(folder), max_queue=1000, filename_suffix=_SUFFIX)


def write_text(folder: AnyPath, tag: str, text: str) -> None:
    """Add a text, read as Markdown, to what `TensorBoardWriter` has written."""
    writer = _file_writer(folder_of(folder) / "validation")
    with writer.as_default():
        tf.summary.text(tag, text, step=0)
    writer.close()


def write_predictions(
    folder: AnyPath,
    step: int,
    model: keras.Model,
    faces: Faces,
    predicted: Predictions,
) -> None:
    """Add what the network that is kept predicts to what `TensorBoardWriter` has written.

    Its confusion matrix (the one that the report shows; `validation/confusion_matrix` is that of
    each epoch), precision-recall curves of each class, and for the projector what the network's
    last layer gets of up to 500 of the faces.

    Args:
        folder: as for `TensorBoardWriter`.
        step: its epoch, from 1.
        model: the network, functional.
        faces: validation faces.
        predicted: what the network predicts for them.
    """
    folder = folder_of(folder)
    names = predicted.classes.names
    curves = summaries.precision_recall(predicted.labels, predicted.probabilities, names)
    writer = _file_writer(folder / "validation")
    with writer.as_default():
        tf.summary.experimental.write_raw_pb(curves.SerializeToString(), step=step)
        matrix = pictures.confusion_thumbnail(predicted.matrix(), names)
        tf.summary.image(KEPT_MATRIX, pictures.as_array(matrix)[None], step=step)
    writer.close()
    shown = np.random.default_rng(0).permutation(len(faces))[:_POINTS]
    write_projection(
        folder / "validation",
        penultimate_features(model, faces.images[shown]),
        faces.images[shown],
        predicted.labels[shown],
        predicted.probabilities[shown],
        names,
    )
