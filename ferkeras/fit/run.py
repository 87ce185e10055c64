"""One run: from a configuration and faces to a folder with a trained, exported network."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from ferkeras.callbacks import CollapseAlarm
from ferkeras.cli.console import Console
from ferkeras.cli.signals import Stopped, stop_requests
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.warp import BACKEND
from ferkeras.files.made import Made
from ferkeras.fit.alarm_diagnosis import DiagnosisOnAlarm, report_diagnosis
from ferkeras.fit.automatic_learning_rate import with_automatic_learning_rate
from ferkeras.fit.ending import Outcome, finish
from ferkeras.fit.first_batch import draw_first_batch
from ferkeras.fit.good_state import checkpoints_of, go_on_healed
from ferkeras.fit.header import faces_by_split, print_what_will_be_trained
from ferkeras.fit.heal import Healed, HealOnAlarm, healed_after_divergence
from ferkeras.fit.makes import (
    but_an_edited_card,
    what_a_training_makes,
    what_an_alarm_makes,
    what_an_end_makes,
)
from ferkeras.lr_find.report import write_lr_range
from ferkeras.network.precision import precision_restored
from ferkeras.runs.changes import CHANGEABLE, EPOCHS, remove_end, write_changes
from ferkeras.runs.conditions import Change
from ferkeras.runs.create import create_run, record_start
from ferkeras.runs.finished import about_training
from ferkeras.runs.healings import START, healed_settings, last_change, record_new_start
from ferkeras.runs.keras_file import save_network
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, HealingRecord, read_record
from ferkeras.runs.teachers import record_of
from ferkeras.tensorboard.writer import remove_events
from ferkeras.trackers.opening import open_trackers
from ferkeras.trackers.tracker import Tracker
from ferkeras.trackers.tracking import Tracking
from ferkeras.training.callbacks import build_callbacks
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.endings import resumable
from ferkeras.training.history import CSVHistory
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import TrainingSetup, build_setup, make_reproducible
from ferkeras.training.transfer import demand_most


@precision_restored()
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

    The epoch is chosen by validation accuracy; a test split is not touched,
    but for what `data.drop_leaked` leaves out.

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
        InputError: the run folder cannot be made, its checkpoints cannot be used, a run of
            `distill.teachers` is none, or that of `network.start_from` has little in common with
            the network.
        RunError: `train.learning_rate` is auto and no rate lowers the loss, not one step could
            be applied, the training diverged, the export predicts otherwise than the network, or
            something could not be written.
        Interrupted: SIGINT or SIGTERM came; the run can be resumed.
    """
    trackers = open_trackers(config.monitor, console)
    with console.working("building the network"):
        make_reproducible(config)
        setup = build_setup(config, splits)
    if run is None and setup.start is not None and setup.transferred is not None:
        source = setup.start
        demand_most(setup.transferred, config.network, source.config.network, source.name)
    found = None
    if config.train.learning_rate == "auto":
        config, found = with_automatic_learning_rate(config, setup, console)
    print_what_will_be_trained(config, splits, setup, console, found)
    if run is not None:
        with resumable(run):
            return _train(config, splits, setup, run, console, watch, trackers, brief)
    run = create_run(config)
    with exclusive_lock(run.folder), resumable(run):
        if found is not None:
            write_lr_range(found, run.folder)
        return _train(config, splits, setup, run, console, watch, trackers, brief)


def _train(
    config: Config,
    splits: Splits,
    setup: TrainingSetup,
    run: Run,
    console: Console,
    watch: Sequence[keras.callbacks.Callback],
    trackers: Sequence[Tracker],
    brief: bool,
) -> Outcome:
    """Write down how the run begins, and train it until no alarm changes its settings."""
    if not run.environment.exists():
        # Before the first file is made, in a folder that may be somebody else's.
        Made(run.inner).expect(
            [
                *what_a_training_makes(run),
                *what_an_alarm_makes(run),
                *what_an_end_makes(run),
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
                "division": splits.division,
                "task": splits.task.as_json(),
                "recognised": splits.recognised,
                "by_person": splits.by_person,
                "leaked": splits.leaked,
                "faces": {name: len(faces) for name, faces in faces_by_split(splits).items()},
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
            draw_first_batch(run, setup)
    while True:
        if START in healed_settings(read_record(run.environment, EnvironmentRecord)):
            record_new_start(run, setup.mean, setup.std)
        try:
            return _train_as_configured(config, splits, setup, run, console, watch, trackers, brief)
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
    trackers: Sequence[Tracker],
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
    tracking = Tracking(trackers, run, config, environment, run_callbacks.history, console)
    with tracking.ending():
        with stop_requests() as request:
            callbacks = [*run_callbacks.callbacks, tracking, *watch]
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
        outcome = finish(
            config, splits, setup, run, run_callbacks, diagnosis, tracking, console, brief
        )
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
    former = [*what_a_training_makes(run), *([] if healing else what_an_alarm_makes(run))]
    made.remove(but_an_edited_card(run, former))
    made.expect([*what_a_training_makes(run), *what_an_alarm_makes(run)])


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
