"""A training that heals itself: what it does at an alarm; cut off, it ends the same."""

import io
import json
import shutil
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_resume import Kill, Killed, best
from untraced import untraced

import ferkeras
from ferkeras.callbacks import CollapseAlarm
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, RunError
from ferkeras.config.file import load_config, with_values
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.diagnose import diagnosis as probes
from ferkeras.diagnose import treatment
from ferkeras.diagnose.causes.step_size import learning_rate_too_low
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.treatment import Treatment
from ferkeras.diagnose.trial import Trial
from ferkeras.export.card.model_card import model_card
from ferkeras.fit import heal
from ferkeras.fit.good_state import checkpoints_of
from ferkeras.fit.page import run_page
from ferkeras.fit.run import train
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.create import create_run, record_start
from ferkeras.runs.finished import open_run
from ferkeras.runs.healings import healing_text, healings_to_come, record_new_start
from ferkeras.runs.history import read_history
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, read_record
from ferkeras.runs.unfinished import reopened
from ferkeras.tensorboard.writer import write_text
from ferkeras.training import callbacks as run_callbacks
from ferkeras.training import setup
from ferkeras.training.checkpoints import Checkpoint, CheckpointFolder

HIGH, LOWER, LOWEST = 0.05, 0.01, 0.002
"""Learning rates: those above `Planned.sound` collapse."""

SETTINGS = (
    "name=heals",
    "network.filters=[2]",
    "network.dense_units=[]",
    "train.epochs=3",
    "train.batch_size=24",
    f"train.learning_rate={HIGH}",
    # Computes little in a step, and remembers the last ones.
    "train.optimizer=sgd",
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=2",
    "schedule.smoothing_from_epoch=null",
    "schedule.plateau_from_epoch=null",
    "monitor.collapse_action=heal",
    "monitor.overfit_every=9",
    "monitor.tensorboard=false",
    "checkpoint.every_steps=1",
)


def bars(count: int, seed: int) -> Faces:
    """Small faces that a bright bar tells apart: a few steps are enough to learn them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 7).astype(np.int32)
    images = rng.integers(0, 60, (count, 16, 16, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 150
    return Faces(images, labels, FER2013.classes)


SPLITS = Splits(bars(48, 0), bars(35, 1), None, "bars", "0" * 64, True)


class Planned(CollapseAlarm):
    """Sees a collapse from an epoch on, as long as the learning rate is above what is sound."""

    first, sound = 1, 0.02

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch + 1

    def on_test_end(self, logs=None):
        rate = float(self.model.optimizer.learning_rate.numpy())
        self._matrix = np.eye(7, dtype=int)
        if self._epoch >= self.first and rate > self.sound:
            self._matrix = np.zeros((7, 7), int)
            self._matrix[:, 3] = 1


class Planted:
    """An examination that finds what it is told to, and counts how often it is asked."""

    def __init__(self, *remedies, works=True):
        self.remedies, self.works, self.cases = list(remedies), works, []

    def diagnose(self, case):
        self.cases.append(case)
        remedy = Remedy("take another", "it learns", self.remedies[len(self.cases) - 1])
        evidence = Evidence("steps", "4 times the weights", "about 0.001", 4.0)
        finding = Finding("learning_rate_too_high", "Too high.", (evidence,), (remedy,), "", "")
        return probes.Diagnosis(case, None, (finding,), learns=False)

    def treat(self, diagnosis, advance):
        bad, good = (Trial({}, 5, kappa, kappa, 0.5, 0.5 + kappa / 2) for kappa in (0.0, 0.4))
        (finding,) = diagnosis.findings
        trial = good if self.works else bad
        return [Treatment(finding.cause, finding.remedies[0], bad, trial)]


# Checkpoints know callbacks by the names of their classes.
Planned.__name__ = CollapseAlarm.__name__


class Plain:
    """The faces without augmentation, in another order each epoch: nothing to be traced."""

    def __init__(self, faces, *, batch_size, seed, **_):
        self.faces, self.batch_size, self.seed = faces, batch_size, seed
        self.steps_per_epoch = len(faces) // batch_size

    def dataset(self, first, last, skip=0):
        orders = [
            np.random.default_rng((self.seed, epoch)).permutation(len(self.faces))
            for epoch in range(first, last + 1)
        ]
        faces = self.faces.take(np.concatenate(orders))
        batches = tf.data.Dataset.from_tensor_slices((faces.images, faces.labels))
        return batches.batch(self.batch_size).skip(skip)


@pytest.fixture
def planted(monkeypatch):
    """Put an examination, and from which epoch on there is a collapse, in place of the real one."""
    return partial(plant, monkeypatch)


def plant(patch, *remedies, first=1, sound=0.02, works=True):
    found = Planted(*remedies, works=works)
    patch.setattr(heal, "diagnose", found.diagnose)
    patch.setattr(heal, "treat", found.treat)
    patch.setattr(heal, "write_diagnosis", lambda *_: None)
    patch.setattr(Planned, "first", first)
    patch.setattr(Planned, "sound", sound)
    patch.setattr(run_callbacks, "CollapseAlarm", Planned)
    patch.setattr(setup, "TrainingPipeline", Plain)
    return found


@pytest.fixture(scope="module")
def from_the_start(tmp_path_factory):
    """A training of two epochs that is healed in the first, and what was said."""
    with pytest.MonkeyPatch.context() as patch:
        plant(patch, {"train.learning_rate": LOWER})
        return begin(tmp_path_factory.mktemp("healed"), "train.epochs=2")


def begin(folder, *overrides, watch=()):
    """Train in this process; return the run and what was said."""
    config = load_config(None, [*SETTINGS, f"output.folder={folder}", *overrides])
    return go(config, None, watch)


def resume(folder, watch=()):
    """Go on with the run in a folder, as another process would."""
    with reopened(Run(folder)) as found:
        return go(found.config, found.run, watch)


def go(config, run, watch):
    keras.utils.clear_session()
    console = Console(said := io.StringIO())
    with untraced():
        run = train(config, SPLITS, console, run, watch=watch, brief=True).run
    return run, said.getvalue()


def healings(run):
    return [
        {key: value for key, value in each.items() if key != "when"}
        for each in read_record(run.environment, EnvironmentRecord).get("healings", [])
    ]


def left(run):
    """All that a run comes to, without the time."""
    metrics = json.loads(run.metrics.read_bytes())
    return (
        run.history.read_bytes(),
        best(run.folder),
        run.config.read_bytes().replace(run.folder.parent.as_posix().encode(), b""),
        metrics,
        [{**each, "checkpoint": 0} for each in healings(run)],
    )


def test_from_the_start_it_ends_as_a_run_that_was_begun_with_what_helped(
    from_the_start, planted, tmp_path
):
    run, said = from_the_start
    assert "epoch 1: healed (1 of at most 2): Too high." in said
    assert (
        f"train.learning_rate from {HIGH} to {LOWER}: 5 steps with it come to 70.0% right" in said
    )
    assert "without it to 50.0%; goes on from the start, 1 epoch lost" in said
    (healing,) = open_run(run.folder).healings
    assert healing["changes"] == [{"key": "train.learning_rate", "was": HIGH, "now": LOWER}]
    assert (healing["epoch"], healing["restored"], healing["lost"]) == (1, 0, 1)
    assert healing["alarm"].startswith("COLLAPSE onto 'happy'")
    assert open_run(run.folder).config.train.learning_rate == LOWER
    planted()
    other, said = begin(tmp_path, "train.epochs=2", f"train.learning_rate={LOWER}")
    assert "healed" not in said
    assert run.history.read_bytes() == other.history.read_bytes()
    assert best(run.folder) == best(other.folder)


def test_of_two_causes_the_one_is_written_down_whose_remedy_is_taken(
    planted, tmp_path, monkeypatch
):
    found = planted({"train.learning_rate": LOWER})
    in_vain = Finding("too_few_steps", "Too few.", (), (Remedy("more", "", {}),), "", "")

    def diagnose(case):
        diagnosis = found.diagnose(case)
        return replace(diagnosis, findings=(in_vain, *diagnosis.findings))

    def treat(diagnosis, advance):
        (helps,) = found.treat(replace(diagnosis, findings=diagnosis.findings[1:]), advance)
        without = helps.untreated
        return [Treatment(in_vain.cause, in_vain.remedies[0], without, without), helps]

    monkeypatch.setattr(heal, "diagnose", diagnose)
    monkeypatch.setattr(heal, "treat", treat)
    run, said = begin(tmp_path, "train.epochs=1")
    assert "epoch 1: healed (1 of at most 2): Too high." in said
    (healing,) = open_run(run.folder).healings
    assert (healing["cause"], healing["verdict"]) == ("learning_rate_too_high", "Too high.")
    assert [each["works"] for each in healing["tried"]] == [False, True]


def test_from_the_good_state_before_the_collapse_no_good_epoch_is_lost(planted, tmp_path):
    found = planted({"train.learning_rate": LOWER}, first=3)
    run, said = begin(tmp_path)
    assert "goes on from the end of epoch 2, 1 epoch lost" in said
    history = read_history(open_run(run.folder))
    assert history["learning_rate"].tolist() == pytest.approx([HIGH, HIGH, LOWER])
    assert history["epoch"].tolist() == [1, 2, 3]
    # The ramp, which had begun, goes on.
    assert history["conv_dropout"].iloc[2] > history["conv_dropout"].iloc[1]
    assert len(found.cases[0].history) == 3
    assert found.cases[0].steps == 6


def kill(*_):
    raise Killed


def cut_off(patch, place, found):
    """Let a training be killed at a place, once a cause has been found."""

    def kill_late(function):
        return lambda *arguments: kill() if found.cases else function(*arguments)

    if place == "tried":
        patch.setattr(heal, "treat", kill)
    elif place == "written":
        # It goes on with other settings.
        patch.setattr(keras.utils, "clear_session", kill_late(keras.utils.clear_session))
    elif place == "changed":
        patch.setattr(CheckpointFolder, "save", kill_late(CheckpointFolder.save))


@pytest.mark.parametrize(
    ("first", "places"),
    [
        pytest.param(1, ("written", "after"), id="from the start"),
        pytest.param(2, ("tried", "changed"), id="from the good state"),
    ],
)
def test_cut_off_and_resumed_it_ends_the_same(
    first, places, from_the_start, planted, tmp_path, monkeypatch
):
    remedy = {"train.learning_rate": LOWER}
    whole, _ = from_the_start
    if first == 2:
        planted(remedy, first=first)
        whole, _ = begin(tmp_path / "whole", "train.epochs=2")
    for place in places:
        found = planted(remedy, first=first)
        watch = [KillHealed("train_batch_begin", 2, 1)] if place == "after" else []
        with monkeypatch.context() as patch:
            cut_off(patch, place, found)
            with pytest.raises(Killed):
                begin(tmp_path / place, "train.epochs=2", watch=watch)
        planted(remedy, first=first)
        run, said = resume(tmp_path / place / "heals-001")
        assert ("healed (1 of" in said) == (place == "tried")
        assert left(run) == left(whole)


def test_a_moving_average_of_the_start_is_no_alarm(planted, tmp_path):
    found = planted({"train.learning_rate": LOWER})
    _, said = begin(tmp_path, "train.ema_momentum=0.999", "train.epochs=2")
    # The alarm speaks at the end, when the average of the start is what is kept.
    assert [case.history["epoch"].iloc[-1] for case in found.cases] == [2]
    assert "epoch 1: healed" not in said


def test_what_leaves_out_a_ramp_is_not_taken_from_a_good_state_that_has_it(planted, tmp_path):
    found = planted({"schedule.dropout_from_epoch": None}, first=3)
    run, said = begin(tmp_path)
    assert len(found.cases) == 1
    assert "epoch 3: not healed" in said
    assert open_run(run.folder).metrics["epochs"] == 3


def test_where_the_last_network_is_kept_the_good_state_stays_one(planted, tmp_path, monkeypatch):
    found = planted({"train.learning_rate": LOWER}, {"train.learning_rate": LOWER}, first=2)
    monkeypatch.setattr(found, "works", False)
    monkeypatch.setattr(heal.HealOnAlarm, "_go_on", then_helping(heal.HealOnAlarm._go_on, found))
    run, said = begin(tmp_path, "train.keep=last", "train.epochs=4")
    assert "epoch 3: healed" in said
    assert "goes on from the end of epoch 1" in said
    assert open_run(run.folder).best_epoch == 4


def then_helping(go_on, found):
    """Let the next remedy help."""

    def helping(self, healing):
        found.works = True
        go_on(self, healing)

    return helping


def test_epochs_that_are_asked_for_after_a_healing_stay_asked_for(planted, tmp_path):
    planted({"train.learning_rate": LOWER, "train.epochs": 2})
    with pytest.raises(Killed):
        begin(tmp_path, "train.epochs=1", watch=[Kill("train_batch_begin", 2, 1)])
    run = Run(tmp_path / "heals-001")
    planted()
    with reopened(run, {"train.epochs": 4}) as found, pytest.raises(Killed):
        go(found.config, found.run, [Kill("train_batch_begin", 3, 1)])
    again, said = resume(run.folder)
    assert open_run(again.folder).metrics["epochs"] == 4
    assert "another condition" not in said
    # What somebody has written into the file since goes before what healing had.
    environment = read_record(run.environment, EnvironmentRecord)
    config = open_run(run.folder).config
    assert healings_to_come(environment, config) == {}
    before = with_values(config, {"train.learning_rate": HIGH})
    assert healings_to_come(environment, before) == {"train.learning_rate": LOWER}
    own = with_values(config, {"train.learning_rate": LOWEST})
    assert healings_to_come(environment, own) == {}


def test_a_run_that_begins_anew_is_recorded_as_one(tmp_path):
    config = load_config(None, [*SETTINGS, f"output.folder={tmp_path}"])
    run = create_run(config)
    data = {"source": "demo", "official_split": False, "faces": {}, "fingerprint": "0" * 64}
    start = {"run": "x", "sha256": "0" * 64}
    record_start(run, config, {**data, "mean": 0.3, "std": 0.1}, (), start)
    record_new_start(run, 0.5, 0.25)
    environment = read_record(run.environment, EnvironmentRecord)
    assert (environment["data"]["mean"], environment["data"]["std"]) == (0.5, 0.25)
    assert environment["start_from"] is None


class KillHealed(Kill):
    """Kills a training that has been healed."""

    def kill(self, *place, **logs):
        if float(self.model.optimizer.learning_rate.numpy()) < Planned.sound:
            super().kill(*place, **logs)


def test_it_is_tried_as_often_as_configured_and_then_goes_on(planted, tmp_path):
    remedies = [{"train.learning_rate": rate} for rate in (0.04, 0.03, 0.025)]
    found = planted(*remedies)
    run, said = begin(tmp_path, "monitor.heal_at_most=2", "train.epochs=1")
    assert len(found.cases) == 2
    assert "healed (1 of at most 2)" in said
    assert "healed (2 of at most 2)" in said
    finished = open_run(run.folder)
    assert finished.config.train.learning_rate == 0.03
    assert finished.metrics["epochs"] == 1
    # Those of the epochs that are lost, too.
    assert [alarm["epoch"] for alarm in finished.metrics["alarms"]] == [1, 1, 1]
    assert finished.metrics["diagnosis"]["epoch"] == 1


def test_what_does_not_help_changes_nothing(planted, tmp_path):
    found = planted(*[{"train.learning_rate": LOWER}] * 2, works=False)
    run, said = begin(tmp_path, "train.epochs=2")
    assert [len(case.history) for case in found.cases] == [1, 2]
    assert "none of 1 remedies helped: goes on as it was" in said
    finished = open_run(run.folder)
    assert finished.config.train.learning_rate == HIGH
    assert [each["changes"] for each in finished.healings] == [[], []]
    assert read_history(finished)["epoch"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("done", "epoch", "due"),
    [
        ([], 1, True),
        # Done before the training was cut off.
        ([(1, False)], 1, False),
        ([(3, False)], 5, False),
        ([(3, False)], 6, True),
        # From another start, or of other settings.
        ([(3, True)], 3, True),
        ([(3, False), (6, True)], 3, True),
        ([(1, False), (2, False), (4, False)], 8, False),
        # Young after a restart.
        ([(1, True)], 2, False),
        ([(1, True)], 3, True),
    ],
)
def test_a_collapse_that_lasts_is_examined_in_the_first_second_fourth_epoch(done, epoch, due):
    healings = [{"epoch": each, "changes": ["one"] * changed} for each, changed in done]
    assert heal.is_due(healings, epoch, at_most=3) == due
    if due:
        assert heal.is_due(healings, epoch, at_most=3, last=True)


@pytest.mark.parametrize(
    ("done", "since", "epoch", "due"),
    [
        # It has lasted for one epoch, for two, for three, for six.
        ([30], 30, 30, False),
        ([30], 30, 31, True),
        ([32], 30, 34, False),
        ([32], 30, 35, True),
        # Another one.
        ([30], 40, 40, True),
    ],
)
def test_how_long_a_collapse_has_lasted_is_counted_from_its_beginning(done, since, epoch, due):
    healings = [{"epoch": each, "changes": []} for each in done]
    assert heal.is_due(healings, epoch, at_most=3, since=since) == due


@pytest.mark.parametrize("change", [{"network.filters": [3]}, {"train.optimizer": "adam"}])
def test_for_another_network_or_optimizer_no_good_state_is_given_up(change, planted, tmp_path):
    planted(change, first=2)
    run, said = begin(tmp_path, "train.epochs=2", "monitor.heal_at_most=1")
    assert "not healed" in said
    assert "helps, but does not fit the good state: goes on as it was" in said
    config = open_run(run.folder).config
    assert (config.network.filters, config.train.optimizer) == ((2,), "sgd")


def test_without_an_alarm_nothing_is_examined_and_nothing_is_written(planted, tmp_path):
    found = planted(first=99)
    run, said = begin(tmp_path / "a", "train.epochs=1")
    other, _ = begin(tmp_path / "b", "train.epochs=1", "monitor.collapse_action=warn")
    assert not found.cases
    assert "healed" not in said
    assert not healings(run)
    assert run.history.read_bytes() == other.history.read_bytes()
    assert best(run.folder) == best(other.folder)


class Break(keras.callbacks.Callback):
    """Make a weight NaN in epoch 2, as long as the learning rate is high."""

    def on_epoch_begin(self, epoch, logs=None):
        rate = float(self.model.optimizer.learning_rate.numpy())
        if epoch == 1 and rate > Planned.sound:
            weight = self.model.trainable_weights[0]
            weight.assign(weight * np.nan)


def test_what_has_diverged_for_good_is_healed_too(planted, tmp_path):
    planted({"train.learning_rate": LOWER}, first=99)
    often = ("train.epochs=2", "recovery.after_skipped_steps=1", "recovery.at_most=1")
    stays = "recovery.learning_rate_factor=1"
    run, said = begin(tmp_path / "a", *often, stays, watch=[Break()])
    assert "goes on from the end of epoch 1, 1 epoch lost" in said
    (healing,) = open_run(run.folder).healings
    assert "loss or gradient that was not finite" in healing["alarm"]
    assert read_history(open_run(run.folder))["learning_rate"].iloc[1] == pytest.approx(LOWER)
    planted({"train.learning_rate": LOWER}, first=99, works=False)
    with pytest.raises(RunError, match="after restoring a checkpoint 1 times"):
        begin(tmp_path / "b", *often, stays, watch=[Break()])


def test_a_planted_fault_is_found_and_healed(tmp_path, monkeypatch):
    """The cause measured, its remedy tried, and both right: nothing here is planned."""
    monkeypatch.setattr(probes, "MEASURED", (learning_rate_too_low,))
    monkeypatch.setattr(treatment, "STEPS", 40)
    config = load_config(
        None,
        [
            *SETTINGS,
            f"output.folder={tmp_path}",
            "train.optimizer=adam",
            "train.learning_rate=1e-7",
            "train.epochs=1",
            "monitor.heal_at_most=1",
            "augment.flip=false",
        ],
    )
    config = with_values(
        config,
        {
            f"augment.{key}": 0.0
            for key in ("shift", "rotate_degrees", "zoom", "brightness", "contrast", "erase")
        },
    )
    console = Console(io.StringIO())
    run = train(config, SPLITS, console, brief=True).run
    finished = open_run(run.folder)
    healing = finished.healings[0]
    assert healing["cause"] == "learning_rate_too_low"
    assert finished.config.train.first_learning_rate > 1e-5
    (tried,) = healing["tried"]
    assert tried["works"]
    assert tried["accuracy"] > tried["accuracy_without"] + 0.2


HEALING = {
    "when": "2026-01-01T00:00:00+00:00",
    "epoch": 2,
    "alarm": "COLLAPSE onto 'happy'",
    "cause": "learning_rate_too_high",
    "verdict": "The learning rate 1 is too high.",
    "evidence": [{"what": "change in one step", "measured": "4", "expected": "about <0.001>"}],
    "tried": [
        {
            "cause": "learning_rate_too_high",
            "remedy": "lower the learning rate",
            "arguments": "train.learning_rate=0.002",
            "steps": 150,
            "accuracy": 0.377,
            "accuracy_without": 0.25,
            "works": True,
        }
    ],
    "changes": [{"key": "train.learning_rate", "was": 1.0, "now": 0.002}],
    "restored": 1,
    "lost": 1,
    "checkpoint": 3,
    "alarms": [{"epoch": 2, "text": "COLLAPSE onto 'happy'"}],
}


@pytest.fixture
def told(finished_run, tmp_path):
    """A finished run that says that it was healed, and once that nothing helped."""
    shutil.copytree(finished_run, tmp_path / "run")
    run = Run(tmp_path / "run")
    in_vain = {**HEALING, "epoch": 3, "cause": None, "tried": [], "changes": []}
    environment = json.loads(run.environment.read_bytes())
    run.environment.path.write_text(
        json.dumps({**environment, "healings": [HEALING, in_vain]}), "utf-8"
    )
    return open_run(run.folder)


def test_from_python_it_is_a_list_of_records(told):
    assert [each["changes"] for each in ferkeras.open_run(told.run.folder).healings] == [
        HEALING["changes"],
        [],
    ]


def test_tensorboard_has_it_as_text(tmp_path):
    folder = Run(tmp_path).tensorboard
    write_text(folder, "healing", healing_text(HEALING))
    read = EventAccumulator(str(tmp_path / "tensorboard" / "validation"))
    read.Reload()
    (event,) = read.Tensors("healing")
    assert event.tensor_proto.string_val[0].decode().startswith("epoch 2: The learning rate 1")


def test_page_and_card_tell_what_was_done(told):
    validation = read_predictions(told.run.predictions, told.task.classes)
    page = run_page(told, read_history(told), validation, [])
    for text in (
        "Healing (2)",
        "learning rate too high",
        "change in one step: 4 (expected: about &lt;0.001&gt;)",
        "<code>train.learning_rate</code> 1.0 → 0.002",
        "from the end of epoch 1, 1 epoch lost",
        "37.7%",
        "25.0% without, after 150 steps",
        "no cause found",
        "no setting is a remedy",
    ):
        assert text in page
    card = model_card(told, {})
    assert "epoch 2: The learning rate 1 is too high. Changed train.learning" in card.replace(
        "\\", ""
    )
    assert "Nothing helped; went on as it was" in card


def test_a_run_without_healing_says_nothing_of_it(finished_run):
    finished = open_run(finished_run)
    assert finished.healings == []
    assert "alarms by itself" not in model_card(finished, {})


def test_a_damaged_record_is_refused_with_its_place(told):
    environment = {**told.environment, "healings": [{**HEALING, "epoch": 0}]}
    told.run.environment.path.write_text(json.dumps(environment), "utf-8")
    with pytest.raises(InputError, match=r"environment.json: damaged: healings.0.epoch"):
        open_run(told.run.folder)


def test_it_cannot_be_asked_for_without_a_diagnosis():
    with pytest.raises(InputError, match=r"set monitor\.diagnose=true"):
        load_config(None, ["monitor.collapse_action=heal", "monitor.diagnose=false"])


@pytest.mark.parametrize(
    ("alarm", "good"),
    [
        ({"sound": True, "since": None}, True),
        # A validation that was not judged: the average is still of its start.
        ({"sound": False, "since": None}, False),
        ({"sound": False, "since": 2}, False),
        # Of a run that was begun before this was told apart.
        ({"since": None}, True),
    ],
)
def test_a_good_state_is_the_end_of_an_epoch_that_was_judged(alarm, good, tmp_path):
    config = load_config(None, ["monitor.collapse_action=heal"])
    folder = checkpoints_of(Run(tmp_path), config, {})
    folder.save(Checkpoint(3, 0, {"callbacks": [["CollapseAlarm", alarm]]}, [np.zeros(1)]))
    assert (folder.newest_kept() is not None) == good


def test_what_is_to_be_kept_is_kept_besides_the_newest_two(tmp_path):
    def state(epoch):
        return Checkpoint(epoch, 0, {}, [np.zeros(1)])

    folder = CheckpointFolder(Run(tmp_path).checkpoints, keep=lambda each: each.epoch == 2)
    for epoch in range(1, 6):
        folder.save(state(epoch))
    assert folder.newest_kept().epoch == 2
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    later = CheckpointFolder(folder.folder, after=folder.last_number)
    assert later.newest(pytest.fail) is None
    assert later.newest_kept() is None
    assert later.newest_kept(former=True).epoch == 2
    later.save(state(9))
    assert later.newest(pytest.fail).epoch == 9
