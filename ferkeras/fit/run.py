"""One run: from a configuration and faces to a folder with a trained, exported network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import keras
import pandas as pd

from ferkeras.callbacks import CollapseAlarm
from ferkeras.cli.console import Console
from ferkeras.cli.errors import RunError
from ferkeras.cli.signals import Stopped, stop_requests
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.warp import BACKEND
from ferkeras.diagnose.report import JSON, PAGE, PICTURE
from ferkeras.export.formats import export_network
from ferkeras.export.model_card import CARD, write_model_card
from ferkeras.export.probe import Probe
from ferkeras.export.saved_model import SAVED_MODEL
from ferkeras.files.inner import InnerPath
from ferkeras.files.made import Made
from ferkeras.files.writing import write_json, write_npz
from ferkeras.fit.alarm_diagnosis import DiagnosisOnAlarm, report_diagnosis
from ferkeras.fit.automatic_learning_rate import with_automatic_learning_rate
from ferkeras.fit.good_state import checkpoints_of, go_on_healed
from ferkeras.fit.heal import Healed, HealOnAlarm, healed_after_divergence
from ferkeras.fit.report import write_run_report
from ferkeras.lr_find.range_test import LrRange
from ferkeras.lr_find.report import describe_rules, write_lr_range
from ferkeras.metrics.inference import Predictions, predict
from ferkeras.report.events import events_of
from ferkeras.report.pictures import (
    draw_confusion_matrix,
    draw_curves,
    draw_mosaic,
    draw_per_class,
)
from ferkeras.runs.changes import CHANGEABLE, EPOCHS, remove_end, write_changes
from ferkeras.runs.conditions import Change
from ferkeras.runs.create import create_run, record_start
from ferkeras.runs.finished import FinishedRun, about_training
from ferkeras.runs.healings import healing_text, last_change
from ferkeras.runs.keras_file import save_network
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.network import load_network
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, HealingRecord, MetricsRecord, read_record
from ferkeras.runs.start import was_trained_on_validation
from ferkeras.runs.teachers import describe, possibly_leaked, record_of
from ferkeras.tensorboard.projector import PROJECTION
from ferkeras.tensorboard.writer import remove_events, write_predictions, write_text
from ferkeras.training.callbacks import RunCallbacks, build_callbacks
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.endings import resumable
from ferkeras.training.history import CSVHistory
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import TrainingSetup, build_setup, make_reproducible

_PROBE = 64
"""Validation faces on which the exports are compared with the network."""

_MOSAIC = 40
"""Augmented training faces shown in `train_batch.png`."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        run: its folder.
        best_epoch: the epoch with the highest validation accuracy, from 1.
        validation: predictions of that epoch's network on the validation faces.
        metrics: what `metrics.json` holds.
        stopped: why the run was ended early, None if it was not.
    """

    run: Run
    best_epoch: int
    validation: Predictions
    metrics: dict[str, Any]
    stopped: str | None


def train(
    config: Config,
    splits: Splits,
    console: Console,
    run: Run | None = None,
    *,
    watch: Sequence[keras.callbacks.Callback] = (),
    brief: bool = False,
) -> Outcome:
    """Train the configured network on `splits`, and leave everything about it in a folder.

    The epoch is chosen by validation accuracy; a test split is not touched.

    Args:
        config: the resolved configuration.
        splits: the faces.
        console: where messages are printed.
        run: an interrupted run of this configuration, to resume; the caller has locked
            it. None begins a new one.
        watch: further callbacks, after those of the run.
        brief: leave histories, networks, predictions and figures, without pictures, exports and
            report; for one run of many.

    Raises:
        InputError: the run folder cannot be made, its checkpoints cannot be used, or a run of
            `distill.teachers` is none.
        RunError: `train.learning_rate` is auto and no rate lowers the loss, not one step could
            be applied, the training diverged, the export predicts otherwise than the network, or
            something could not be written.
        Interrupted: SIGINT or SIGTERM came; the run can be resumed.
    """
    with console.working("building the network"):
        make_reproducible(config)
        setup = build_setup(config, splits)
    found = None
    if config.train.learning_rate == "auto":
        config, found = with_automatic_learning_rate(config, setup, console)
    _print_what_will_be_trained(config, splits, setup, console, found)
    if run is not None:
        with resumable(run):
            return _train(config, splits, setup, run, console, watch, brief)
    run = create_run(config)
    with exclusive_lock(run.folder), resumable(run):
        if found is not None:
            write_lr_range(found, run.folder)
        return _train(config, splits, setup, run, console, watch, brief)


def _train(
    config: Config,
    splits: Splits,
    setup: TrainingSetup,
    run: Run,
    console: Console,
    watch: Sequence[keras.callbacks.Callback],
    brief: bool,
) -> Outcome:
    """Write down how the run begins, and train it until no alarm changes its settings."""
    if not run.environment.exists():
        # Before the first file is made, in a folder that may be somebody else's.
        Made(run.inner).expect(
            [
                *_what_a_training_makes(run),
                *_what_an_alarm_makes(run),
                *_what_an_end_makes(run),
            ]
        )
        record_start(
            run,
            config,
            {
                "source": splits.source,
                "fingerprint": splits.fingerprint,
                **({"votes": splits.votes_fingerprint} if splits.votes_fingerprint else {}),
                "official_split": splits.official,
                "task": splits.task.as_json(),
                "recognised": splits.recognised,
                "by_person": splits.by_person,
                "faces": {name: len(faces) for name, faces in _named(splits).items()},
                "mean": setup.mean,
                "std": setup.std,
                "warp": BACKEND,
            },
            record_of(setup.teachers),
            record_of([setup.start])[0] if setup.start else None,
        )
    console.print(f"run folder: {run.folder}\n")
    if not brief and not run.picture("train_batch").exists():
        with console.working("augmenting a batch of faces"):
            _draw_train_batch(run, setup)
    while True:
        try:
            return _train_as_configured(config, splits, setup, run, console, watch, brief)
        except Healed as healed:
            config = healed.config
        # As in a process of its own, which would go on from here if this one were cut off.
        keras.utils.clear_session()
        make_reproducible(config)
        setup = build_setup(config, splits)


def _train_as_configured(
    config: Config,
    splits: Splits,
    setup: TrainingSetup,
    run: Run,
    console: Console,
    watch: Sequence[keras.callbacks.Callback],
    brief: bool,
) -> Outcome:
    environment = read_record(run.environment, EnvironmentRecord)
    checkpoints = checkpoints_of(run, config, environment)
    examinations: list[DiagnosisOnAlarm | HealOnAlarm] = []

    def after_alarm(collapse: CollapseAlarm, history: CSVHistory) -> DiagnosisOnAlarm | HealOnAlarm:
        if config.monitor.collapse_action == "heal":
            found = HealOnAlarm(config, splits, run, checkpoints, collapse, history, console)
        else:
            found = DiagnosisOnAlarm(
                config,
                splits,
                collapse,
                history,
                tell=lambda found: report_diagnosis(found, run, console),
                progress=lambda: console.working("looking for the cause"),
            )
        examinations.append(found)
        return found

    about = about_training(run, config, environment)
    with console.progress("preparing"):
        run_callbacks = build_callbacks(
            config,
            setup,
            splits,
            run,
            console,
            after_alarm if config.monitor.diagnose else None,
            about,
        )
    with stop_requests() as request:
        callbacks = [*run_callbacks.callbacks, *watch]
        loop = TrainingLoop(config, setup, callbacks, checkpoints, console, request)
        _go_on_or_begin(loop, run, config, checkpoints, last_change(environment), console)
        try:
            with healed_after_divergence(examinations):
                loop.run(ended=run_callbacks.collapse.stopped is not None)
        except Healed:
            run_callbacks.close()
            if request.signal is not None:
                raise Stopped(request.signal) from None
            raise
    if request.signal is not None:
        # It came after the last step.
        raise Stopped(request.signal)
    history = run_callbacks.history.frame()
    if len(history):
        ended_with = {"validation_accuracy": float(history["val_accuracy"].iloc[-1])}
        about = about.also(epoch=len(history), **ended_with)
    with console.working("saving the last network"):
        save_network(setup.model, run.last, about)
    diagnosis = examinations[0].found if examinations else None
    outcome = _finish(config, splits, setup, run, run_callbacks, diagnosis, console, brief)
    if brief:
        checkpoints.clear()
    else:
        checkpoints.keep_newest()
    return outcome


def _go_on_or_begin(
    loop: TrainingLoop,
    run: Run,
    config: Config,
    checkpoints: CheckpointFolder,
    healing: HealingRecord | None,
    console: Console,
) -> None:
    """From the newest checkpoint, from the good state before a collapse, or from the start."""
    if loop.go_on() or (healing and go_on_healed(loop, checkpoints, healing, console)):
        say_changes(write_changes(run, config, loop.epochs_done), config, console)
        if run.metrics.exists():
            remove_end(run)
        return
    write_changes(run, config, 0)
    if run.metrics.exists():
        remove_end(run)
    remove_events(run.tensorboard)
    made = Made(run.inner)
    # Of what the list names only files that a training makes: a stranger's may name others.
    made.remove([*_what_a_training_makes(run), *([] if healing else _what_an_alarm_makes(run))])
    made.expect([*_what_a_training_makes(run), *_what_an_alarm_makes(run)])


def say_changes(changes: Sequence[Change], config: Config, console: Console) -> None:
    """Print under what a run goes on: as asked for, or as an alarm."""
    for change in changes:
        if change.key in CHANGEABLE:
            console.print(f"resumed with {change.text}")
        else:
            console.alarm(f"resumed under another condition: {change.text}")
        if change.key == EPOCHS and config.train.learning_rate_schedule == "cosine":
            console.print(
                f"train.learning_rate_schedule=cosine goes on along the curve for {change.now} "
                f"epochs, not the one for {change.was}: the learning rate jumps to it, and the "
                f"run is not the same as one begun with {change.now}"
            )


def _what_a_training_makes(run: Run) -> list[InnerPath]:
    """What may be left of a training that was cut off, but for event files and checkpoints."""
    return [
        run.best,
        run.last,
        run.history,
        *(run.tensorboard / "validation" / name for name in PROJECTION),
        *_what_an_export_makes(run),
    ]


def _what_an_alarm_makes(run: Run) -> list[InnerPath]:
    return [run.diagnosis / name for name in (PAGE, PICTURE, JSON)]


def _what_an_end_makes(run: Run) -> list[InnerPath]:
    pictures = ("train_batch", "curves", "confusion_matrix", "per_class")
    records = (run.metrics, run.predictions, run.calibration, run.report)
    return [*records, *(run.picture(name) for name in pictures)]


def _what_an_export_makes(run: Run) -> list[InnerPath]:
    return [
        *(run.export / name for name in SAVED_MODEL),
        run.litert,
        *(run.exports / name for name in CARD),
    ]


def _finish(
    config: Config,
    splits: Splits,
    setup: TrainingSetup,
    run: Run,
    run_callbacks: RunCallbacks,
    diagnosis: dict[str, Any] | None,
    console: Console,
    brief: bool,
) -> Outcome:
    """Evaluate, export and draw the best network; `metrics.json` comes last."""
    if not run.best.exists():
        raise RunError(
            f"{run.folder}: no epoch had a validation accuracy, so there is no best network; "
            "history.csv shows whether the loss was finite"
        )
    history = run_callbacks.history.frame()
    best_epoch = int(history["epoch"].iloc[history["val_accuracy"].argmax()])
    # From the configuration, with the file's numbers: a run that goes on may be a stranger's.
    environment = read_record(run.environment, EnvironmentRecord)
    with console.working("evaluating the best network"):
        model = load_network(config, environment, run.best)
        validation = predict(model, splits.validation)
        write_npz(run.predictions, probabilities=validation.probabilities, labels=validation.labels)
    metrics: dict[str, Any] = {
        "best_epoch": best_epoch,
        "epochs": len(history),
        "stopped": run_callbacks.collapse.stopped,
        "parameters": int(model.count_params()),
        "validation": validation.metrics(),
        "alarms": [alarm._asdict() for alarm in console.alarms],
        "diagnosis": diagnosis,
    }
    if not brief:
        with console.working("drawing curves and matrices"):
            _draw(config, splits, run, history, best_epoch, model, validation)
        with console.working("exporting the network"):
            metrics["export_difference"] = _export(config, splits, run, model, metrics)
        with console.working("writing the report"):
            batch = _first_batch(setup)
            write_run_report(
                run, config, metrics, history, model, splits.validation, validation, batch
            )
    write_json(run.metrics, metrics)
    return Outcome(run, best_epoch, validation, metrics, run_callbacks.collapse.stopped)


def _draw(
    config: Config,
    splits: Splits,
    run: Run,
    history: pd.DataFrame,
    best_epoch: int,
    model: keras.Model,
    validation: Predictions,
) -> None:
    """Curves and matrices as pictures, and what TensorBoard shows of the best network."""
    matrix = validation.matrix()
    draw_curves(
        history,
        run.picture("curves"),
        [(event.first, event.text) for event in events_of(history, config.schedule)],
        clip_norm=config.train.global_clip_norm,
    )
    draw_confusion_matrix(matrix, validation.classes.names, run.picture("confusion_matrix"))
    draw_per_class(matrix, validation.classes.names, run.picture("per_class"))
    if config.monitor.tensorboard:
        write_predictions(run.tensorboard, best_epoch, model, splits.validation, validation)
        healings = read_record(run.environment, EnvironmentRecord).get("healings", [])
        if healings:
            write_text(run.tensorboard, "healing", "\n\n".join(map(healing_text, healings)))


def _export(
    config: Config, splits: Splits, run: Run, model: keras.Model, metrics: dict[str, Any]
) -> float:
    """Write SavedModel, LiteRT file and model card; return the largest difference found."""
    # Parts of it are there if the run was cut off here.
    Made(run.inner).remove(_what_an_export_makes(run))
    finished = FinishedRun(
        run, config, read_record(run.environment, EnvironmentRecord), cast(MetricsRecord, metrics)
    )
    exported = export_network(
        model,
        ("saved_model", "litert"),
        run.exports,
        finished.about(),
        probe=Probe(splits.validation.images[:_PROBE]),
    )
    write_model_card(run.exports, finished, exported)
    return max(each.parity.largest_difference for each in exported)


def _named(splits: Splits) -> dict[str, Faces]:
    named = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: faces for name, faces in named.items() if faces is not None}


def _print_what_will_be_trained(
    config: Config, splits: Splits, setup: TrainingSetup, console: Console, found: LrRange | None
) -> None:
    network, train, image = config.network, config.train, setup.task.image
    described = network.describe(image.height, image.width)
    # Without a second head, which is none of its layers.
    parameters = sum(layer.count_params() for layer in setup.model.layers)
    rate = f"learning rate {train.first_learning_rate:g}"
    if found is not None:
        rate += f" (auto, by a range test: {describe_rules(found)})"
    facts = {"teachers": describe(setup.teachers, config.distill)} if setup.teachers else {}
    if setup.start is not None:
        facts["starts from"] = f"{setup.start.name}: {setup.transferred}"
    elif isinstance(network, Backbone) and network.has_learned:
        facts["starts from"] = network.trained_weights
    if isinstance(network, Backbone) and network.thawed(1) < 1:
        facts["backbone"] = f"frozen for {network.frozen_epochs} of {train.epochs} epochs"
        if network.unfreeze_over_epochs > 1:
            facts["backbone"] += f", then thawed over {network.unfreeze_over_epochs}"
    console.header(
        f"ferkeras: {config.name}",
        {
            "faces": f"{splits.source} ({splits.how()})",
            **({"read as": splits.recognised} if splits.recognised else {}),
            "pixels": f"mean {setup.mean:.3f}, standard deviation {setup.std:.3f} of pixel / 255"
            + ("" if isinstance(network, Backbone) else ", standardised in the network"),
            "network": f"{described}, {parameters:,} parameters",
            "training": f"{train.epochs} epochs of {setup.pipeline.steps_per_epoch} steps of "
            f"{train.batch_size} faces, {train.optimizer}, {rate}",
            **facts,
            "seed": str(config.seed),
        },
    )
    counts = {name: faces.counts() for name, faces in _named(splits).items()}
    names = splits.task.classes.names
    classes = range(len(names))
    weights, effective = setup.balance.weights, setup.balance.effective
    console.class_table(
        names,
        counts,
        class_weight=[weights[c] for c in classes],
        effective_weight=[effective[c] for c in classes],
        note=f"weight: class_weight.rule={config.class_weight.rule}; effective: with "
        f"train.sampler={train.sampler}, relative to unweighted, shuffled faces",
    )
    if setup.start is not None and was_trained_on_validation(setup.start, config, splits):
        console.alarm(
            f"network.start_from: {setup.start.name} was trained on these faces with another "
            "split, so on validation faces of this training; then its validation accuracy is too "
            "good"
        )
    if unknown := possibly_leaked(setup.teachers, config, splits):
        console.alarm(
            f"distill.teachers: {', '.join(unknown)} had another split or other faces, and may "
            "have been trained on validation faces of this training; then its validation "
            "accuracy is too good, and the epoch chosen by it a bad choice"
        )


def _draw_train_batch(run: Run, setup: TrainingSetup) -> None:
    batch = _first_batch(setup)
    draw_mosaic(
        batch.images[:_MOSAIC],
        [batch.classes[label] for label in batch.labels[:_MOSAIC]],
        run.picture("train_batch"),
        title="Training faces as the network sees them in its first step",
    )


def _first_batch(setup: TrainingSetup) -> Faces:
    images, targets = (each.numpy() for each in next(iter(setup.pipeline.dataset(1, 1))))
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return Faces(images, labels, setup.task.classes)
