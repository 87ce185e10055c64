"""A run, opened: its folder, its figures, and its network, ready to predict."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded, path_given
from ferkeras.cli.lines import Progress, console_for
from ferkeras.cli.wording import described
from ferkeras.config.schema import Config
from ferkeras.data.pictures import quiet_pillow
from ferkeras.data.test_time_augmentation import VIEWS, TestTimeAugmentation
from ferkeras.facade.prediction import Prediction
from ferkeras.runs.finished import FinishedRun, TrainedRun
from ferkeras.runs.history import read_history
from ferkeras.runs.records import HealingRecord, MetricsRecord
from ferkeras.runs.shipped import SHIPPED, located
from ferkeras.runs.so_far import open_trained

if TYPE_CHECKING:
    import pandas as pd

    from ferkeras.evaluate.assessment import Assessment
    from ferkeras.predict.given import Picture
    from ferkeras.predict.network import Network


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
