"""What `import ferkeras` offers: train, open, predict, evaluate, export, without a console.

Everything prints nothing; what a command would print goes, line by line, to `progress`, for which
`print` will do. An object with the methods of `ferkeras.cli.lines.Reports` is told instead what is
being done and what each epoch came to. TensorFlow is imported by what trains, evaluates and
exports, and by nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded, path_given
from ferkeras.cli.lines import Progress, Reports, console_for
from ferkeras.cli.wording import described
from ferkeras.config.arguments import DEFAULT, find_config
from ferkeras.config.file import load_config, with_values
from ferkeras.config.idle import refuse_idle
from ferkeras.config.keys import with_dots
from ferkeras.config.schema import Config
from ferkeras.data.box import Box
from ferkeras.data.classes import ClassesWanted
from ferkeras.data.faces import ReadFaces
from ferkeras.data.load import load_faces, load_splits, split_as_configured
from ferkeras.data.pictures import quiet_pillow
from ferkeras.data.read_before import read_with, taken_over
from ferkeras.data.test_time_augmentation import VIEWS, TestTimeAugmentation
from ferkeras.runs.changes import EPOCHS
from ferkeras.runs.finished import FinishedRun, TrainedRun, find_folder
from ferkeras.runs.finished import open_run as open_finished
from ferkeras.runs.history import read_history
from ferkeras.runs.moved import PATH
from ferkeras.runs.records import HealingRecord, MetricsRecord
from ferkeras.runs.shipped import SHIPPED, located
from ferkeras.runs.so_far import open_trained
from ferkeras.runs.unfinished import reopened

if TYPE_CHECKING:
    import pandas as pd

    from ferkeras.evaluate.assessment import Assessment
    from ferkeras.predict.cuts import Source
    from ferkeras.predict.given import Picture
    from ferkeras.predict.network import Network


@dataclass(frozen=True)
class Prediction:
    """What a network says of one face.

    Attributes:
        emotion: the most probable one.
        confidence: its probability, 0 to 1.
        probabilities: of every emotion, in class order; they sum to 1.
        picture: index of the picture that the face is in.
        box: where it is, in pixels of the upright picture; None: the whole picture.
        source: ``detected``: a face that was found in the picture; ``crop``: a picture that looks
            like one face, cut out already, or was said to be one; ``uncertain``: one in which no
            face was found, and that looks like none: it was taken whole all the same.
    """

    emotion: str
    confidence: float
    probabilities: dict[str, float]
    picture: int
    box: Box | None
    source: Source


def train(
    config: str | Path | Config = DEFAULT,
    settings: Mapping[str, Any] | None = None,
    *,
    data: str | Path | ReadFaces | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network, and leave everything about it in a new folder, as `ferkeras fit` does.

    The random generators of Python, NumPy and Keras are seeded, and TensorFlow's operations made
    deterministic, for the whole process.

    Args:
        config: a YAML file, the name of a configuration that comes along (``demo``, ``fer2013``,
            ``fer2013-fast``, ...), or a `ferkeras.config.schema.Config`.
        settings: what is different in it, as ``{"train.epochs": 3}`` or
            ``{"train": {"epochs": 3}}``; `ferkeras fit --help` lists all keys.
        data: path of the faces, or what `load_data` returned, whose arguments the run's
            configuration takes over; None: as configured.
        progress: takes each line of what the command prints, as `print` does; or an object that is
            told of phases and epochs, without a console::

                class Plot:
                    def phase(self, what): ...  # "loading TensorFlow", "validation", ...
                    def epoch(self, epoch, epochs, logs): ...  # 3, 60, {"loss": 1.5, ...}

    Returns:
        The finished run; `Run.stopped` says whether an alarm ended it early.

    Raises:
        InputError: the configuration or the faces are wrong, or faces of `load_data` were read
            otherwise than the configuration asks for.
        RunError: the training failed.
        Interrupted: Ctrl-C or a signal came; `ferkeras fit --resume` goes on from the state that
            was saved last, which the message tells of.

    Example:
        >>> import ferkeras
        >>> small = {"data.demo_faces": 300, "train.epochs": 1, "network.filters": [4]}
        >>> run = ferkeras.train("demo", small)  # doctest: +SKIP
    """
    if not isinstance(config, Config):
        expected = "a file, the name of a configuration or a Config (changes go into settings)"
        config = load_config(find_config(path_given("config", config, expected)))
    values = _settings(settings)
    if isinstance(data, ReadFaces):
        values["data.path"] = data.settings.get("data.path", data.source)
    elif data is not None:
        values["data.path"] = path_given("data", data, "a path, or what load_data returned")
    resolved = with_values(config, values)
    refuse_idle(resolved, values)
    if isinstance(data, ReadFaces):
        resolved = taken_over(data, resolved, values)
    with console_for(progress) as console:
        splits = (
            split_as_configured(data, resolved)
            if isinstance(data, ReadFaces)
            else load_splits(resolved, console)
        )

        from ferkeras.fit.fitting import fit

        reports = progress if isinstance(progress, Reports) else None
        outcome = fit(resolved, console, splits=splits, reports=reports)
    assert outcome is not None
    return Run(open_finished(outcome.run.folder.absolute()))


def resume(
    path: str | Path,
    *,
    epochs: int | None = None,
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run that was interrupted, or train a finished one for more epochs.

    It goes on at the step where it was, as `ferkeras fit --resume` does. A finished run for which
    no more epochs are asked is opened as it is.

    Args:
        path: its folder.
        epochs: how many it shall have in all; None: as configured.
        data: where its faces are now; they must be the same. None: as configured.
        progress: as for `train`.

    Raises:
        InputError: it cannot go on, or not as asked for; nothing was changed.
        RunError: the training failed.
        Interrupted: as for `train`.
    """
    changes: dict[str, Any] = {}
    if epochs is not None:
        changes[EPOCHS] = epochs
    if data is not None:
        changes[PATH] = path_given("data", data)
    run = find_folder(path_given("path", path))
    with console_for(progress) as console, reopened(run, changes) as unfinished:
        if unfinished is not None:
            from ferkeras.fit.fitting import fit

            reports = progress if isinstance(progress, Reports) else None
            fit(unfinished.config, console, unfinished, reports=reports)
    return Run(open_finished(run.folder.absolute()))


def open_run(path: str | Path | None = None) -> Run:
    """Open a run; imports no TensorFlow.

    One that was cut off, or is still being trained, is opened with the network that it keeps so
    far; `Run.unfinished` says so.

    Args:
        path: its folder; None: the network that comes with ferkeras.

    Raises:
        InputError: it is no run, has no network yet, or is damaged.

    Example:
        >>> import ferkeras
        >>> ferkeras.open_run().name
        'fer2013'
    """
    # A program may change its folder afterwards.
    folder = SHIPPED if path is None else located(expanded(path_given("path", path)))
    return Run(open_trained(folder.absolute()))


def load_data(
    path: str | Path,
    *,
    classes: ClassesWanted = None,
    size: int | tuple[int, int] | None = None,
    color: bool | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> ReadFaces:
    """Read faces from any file or folder that `ferkeras fit` reads.

    Args:
        path: a table such as ``fer2013.csv``, a list of pictures, or a folder with one folder of
            pictures a class; ``demo`` for synthetic faces.
        classes: as `data.classes` has it; None for the classes that there are.
        size: side of a face in pixels, or height and width; None for what suits the faces.
        color: whether they are in colour; None for what most of them are.
        cache: keep what was read, and use what was kept.
        progress: takes lines about how far the reading is.

    Raises:
        InputError: the faces cannot be read; the message says where and why.
    """
    settings = {
        "data.path": path_given("path", path),
        "data.cache": cache,
        "data.classes": classes,
        "data.size": size,
        "data.color": color,
    }
    with console_for(progress) as console:
        config = with_values(Config(), settings)
        return replace(load_faces(config, console), settings=read_with(config))


class Run:
    """A run: its folder, its figures, and its network, ready to predict.

    Made by `train`, `resume` and `open_run`.

    Args:
        finished: what the folder tells of itself.
    """

    def __init__(self, finished: TrainedRun) -> None:
        self._finished = finished

    def __repr__(self) -> str:
        of = f", {self.unfinished}" if self.unfinished else ""
        return (
            f"<ferkeras.Run {self.name}: {self._finished.accuracy:.1%} of the validation faces{of}>"
        )

    @property
    def unfinished(self) -> str:
        """``unfinished after epoch 3 of 60`` for a run without an end; empty for one with it."""
        return self._finished.unfinished

    @property
    def folder(self) -> Path:
        """Where everything about it is."""
        return self._finished.run.folder

    @property
    def name(self) -> str:
        """The name of its folder, such as ``demo-001``."""
        return self._finished.name

    @property
    def config(self) -> Config:
        """Its configuration, with every default."""
        return self._finished.config

    @property
    def metrics(self) -> MetricsRecord:
        """What `metrics.json` holds: best epoch, validation figures, alarms, diagnosis.

        Raises:
            InputError: the run is unfinished; `history` has its figures so far.
        """
        if not isinstance(self._finished, FinishedRun):
            raise InputError(f"{self.folder}: {self.unfinished}: it has no metrics.json yet")
        return self._finished.metrics

    @property
    def stopped(self) -> str | None:
        """Why the training ended early; None: it did not."""
        return None if self.unfinished else self.metrics.get("stopped")

    @property
    def healings(self) -> list[HealingRecord]:
        """What the training did about its alarms by itself, oldest first; empty: nothing.

        Each has `epoch`, `alarm`, `cause`, `verdict`, `evidence`, `tried` and `changes`; where
        there are changes, also after how many epochs it went on (`restored`) and how many were
        `lost`.
        """
        return self._finished.healings

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: `epoch` (from 1), `loss`, `val_accuracy` and all else that was logged.

        Raises:
            InputError: `history.csv` is missing or damaged.
        """
        return read_history(self._finished)

    def predict(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        tta: TestTimeAugmentation = "none",
        detect: bool | None = False,
    ) -> list[Prediction]:
        """Predict the emotions of faces, with the run's LiteRT file where it has one.

        Args:
            pictures: one or many: paths, Pillow images, or uint8 arrays; an array of many grey
                faces (N, H, W) or pictures (N, H, W, C) counts as many. Any size from 8 pixels a
                side will do; colour becomes grey where the network takes grey.
            tta: test-time augmentation: ``none``, ``flip`` or ``multiscale``.
            detect: find the faces in each picture first; False: each picture is one face, cut out
                already; None: find them in pictures that look like photographs, as ``ferkeras
                predict`` does.

        Returns:
            One prediction a face, in the order of the pictures. Where faces are found, a picture
            may have none or several; `Prediction.picture` says whose it is.

        Raises:
            InputError: a picture cannot be read, or is no picture; or the shape of an array may
                mean one or many.
        """
        from ferkeras.predict.cuts import chosen_cut
        from ferkeras.predict.given import views_given
        from ferkeras.predict.predictions import predict_views

        if tta not in tuple(VIEWS):
            raise InputError(f"tta {tta!r}: expected one of {', '.join(VIEWS)}")
        if not (detect is None or isinstance(detect, bool)):
            raise InputError(f"detect: expected True, False or None, found {described(detect)}")
        cut = chosen_cut(detect)
        views = views_given(pictures, self._network.image)
        emotions = self._network.about.emotions
        found = []
        with quiet_pillow():
            for at, seen in enumerate(predict_views(views, self._network, cut, tta)):
                if seen.error is not None:
                    raise InputError(f"{seen.name}: {seen.error}")
                for each in seen.predicted:
                    probabilities = dict(zip(emotions, each.probabilities.tolist(), strict=True))
                    best = emotions[int(each.probabilities.argmax())]
                    found.append(
                        Prediction(
                            best, probabilities[best], probabilities, at, each.box, seen.source
                        )
                    )
        return found

    def evaluate(
        self,
        split: str | None = None,
        *,
        data: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Assessment:
        """Measure the network, with 95 % intervals; writes nothing.

        Args:
            split: ``validation``, ``test`` or ``train``; None: validation, or all of `data`.
            data: path of other faces; None: those of the run.
            progress: takes lines about how far it is.

        Returns:
            `.plain.metrics` holds the figures of the network as it is, `.plain.ranges` their
            intervals, `.result("flip")` and `.result("multiscale")` those with test-time
            augmentation, `.as_json()` everything.

        Raises:
            InputError: the faces cannot be read, or there are none of that split.
        """
        from ferkeras.evaluate.subject import SPLITS, find_subject

        if split is not None and split not in SPLITS:
            raise InputError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
        with console_for(progress) as console:
            path = None if data is None else path_given("data", data)
            subject = find_subject(self._finished, split, path, console)
            for note in filter(None, (self.unfinished, subject.remark)):
                console.print(f"note: {note}")

            from ferkeras.cli.quiet import import_tensorflow

            with console.working("loading TensorFlow"):
                import_tensorflow()
                from ferkeras.evaluate.assessment import PASSES, assess, logits_of_views
                from ferkeras.metrics.calibration import temperatures_of
                from ferkeras.runs.network import load_trained

            with console.progress("evaluating", PASSES) as advance:
                model = load_trained(self._finished).model
                return assess(
                    subject,
                    temperatures=temperatures_of(self._finished.run),
                    seed=self.config.seed,
                    views=logits_of_views(model, subject.faces, advance),
                )

    def export(
        self,
        format: str,
        folder: str | Path | None = None,
        *,
        data: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the network in another format, check it, and put its model card beside it.

        Args:
            format: ``saved_model``, ``litert``, ``litert-float16``, ``litert-int8``, ``onnx`` or
                ``keras``.
            folder: where to; None: `export/` of the run; of the network that comes along,
                `saved_models/fer2013-results/export/` below the current folder.
            data: where the run's faces are, where they have moved.
            progress: takes each line of what the command prints.

        Returns:
            The file, or the folder of a SavedModel.

        Raises:
            InputError: an unknown format, a package for it is missing, or the faces cannot be read.
            RunError: the export predicts otherwise than the network.
        """
        from ferkeras.export.exporting import export_run

        target = None if folder is None else path_given("folder", folder)
        with console_for(progress) as console:
            return export_run(
                self._finished,
                format,
                console,
                folder=None if target is None else expanded(target),
                data=None if data is None else path_given("data", data),
            )

    @cached_property
    def _network(self) -> Network:
        from ferkeras.predict.network import load_network

        return load_network(self.folder)


def _settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(
            f'settings: expected a mapping such as {{"train.epochs": 3}}, found {described(given)}'
        )
    values = with_dots(given)
    return {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in values.items()}
