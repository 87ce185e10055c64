"""A run that goes on: more epochs after its end, faces at another place; what is written of it."""

import contextlib
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, RunError
from ferkeras.config.file import dump_config, load_config, with_values
from ferkeras.data.load import load_splits
from ferkeras.export.folder import check_export_folder
from ferkeras.files.writing import temporary_name, write_json, write_text
from ferkeras.fit.__main__ import main
from ferkeras.fit.makes import but_an_edited_card, what_a_training_makes
from ferkeras.fit.outcome import print_outcome
from ferkeras.fit.page import environment_facts
from ferkeras.fit.run import say_changes, train
from ferkeras.runs import changes
from ferkeras.runs.changes import changes_asked, remove_end, write_changes
from ferkeras.runs.conditions import Change
from ferkeras.runs.finished import open_run
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, read_record
from ferkeras.runs.unfinished import reopened
from ferkeras.study.training import Trainer
from ferkeras.training.checkpoints import CheckpointFolder


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of a complete run of three epochs."""
    shutil.copytree(finished_run, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="module")
def splits(finished_run):
    return load_splits(load_config(finished_run / "config.yaml"), Console(io.StringIO()))


def content(run):
    return {
        str(path.relative_to(run.folder)): path.read_bytes()
        for path in run.folder.rglob("*")
        if path.is_file()
    }


def resumed(capsys, run, *overrides):
    code = main(["--resume", str(run.folder), *overrides])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_complete_run_keeps_one_state_to_go_on_from(finished_run):
    (kept,) = (finished_run / "checkpoints").iterdir()
    assert kept.suffix == ".npz"
    checkpoint = CheckpointFolder(Run(finished_run).checkpoints).newest(pytest.fail)
    assert (checkpoint.epoch, checkpoint.step) == (4, 0)


def test_neither_the_list_of_exports_nor_an_edited_card_goes_where_a_training_begins_anew(run):
    card, listed = run.exports / "README.md", run.exports / "exports.json"
    former = what_a_training_makes(run)
    assert set(former) - set(but_an_edited_card(run, former)) == {listed}
    card.path.write_text("Seen by Ann.")
    assert set(former) - set(but_an_edited_card(run, former)) == {card, listed}


def test_a_card_that_somebody_edited_outlives_more_epochs(run, splits):
    card = run.folder / "export" / "README.md"
    mine = card.read_text() + "Seen by Ann.\n"
    card.write_text(mine)
    said = io.StringIO()
    with reopened(run, {"train.epochs": 4}) as found:
        train(found.config, splits, Console(said), run)
    assert card.read_text() == mine
    assert "README.md was edited since ferkeras wrote it" in " ".join(said.getvalue().split())
    new = (card.parent / "README-new.md").read_text()
    assert "Article 5(1)(f)" in new
    assert "Seen by Ann" not in new


def test_a_complete_run_is_trained_for_another_epoch_and_says_so(run, splits):
    before = read_record(run.environment, EnvironmentRecord)
    run.calibration.path.write_text('{"temperature": 1.5, "test_time_augmentation": {}}')
    console = Console(said := io.StringIO())
    with reopened(run, {"train.epochs": 4}) as found:
        # Brief: without exports and report, which take most of the time.
        train(found.config, splits, console, run, brief=True)
    assert "resuming at epoch 4, 0 steps done" in said.getvalue()
    assert "resumed with train.epochs = 4, was 3" in said.getvalue()
    finished = open_run(run.folder)
    assert finished.metrics["epochs"] == finished.config.train.epochs == 4
    (change,) = finished.environment["changes"]
    assert change.pop("when").endswith("+00:00")
    assert change == {"epoch": 3, "key": "train.epochs", "was": 3, "now": 4}
    assert {**finished.environment, "changes": None} == {**before, "changes": None}
    facts = environment_facts(finished)
    assert facts["changed when it was resumed"] == "train.epochs: 3, from epoch 4 on 4"
    # It was fitted to the former best network.
    assert not run.calibration.exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.epochs=2"], "has trained 3 epochs already; name more"),
        (["train.epochs=0"], "train.epochs"),
        (["train.epochs=many"], "train.epochs"),
        (["train.batch_size=8"], "only train.epochs (more epochs), data.path and"),
        (["train.epochs=4", "train.epochs=5"], "given twice"),
        (["more"], "'more'"),
        (["data.path=nowhere.csv"], "nowhere.csv"),
        (["monitor.trackers=[mlflow]"], "is complete, so that there is nothing to tell"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_touched(
    overrides, words, run, capsys
):
    before = content(run)
    code, text = resumed(capsys, run, *overrides)
    assert code == 2
    assert words in text
    assert content(run) == before


def test_nothing_to_do_is_said_with_how_to_go_on(run, capsys):
    before = content(run)
    for overrides in ([], ["train.epochs=3"]):
        code, text = resumed(capsys, run, *overrides)
        assert code == 0
        assert "this run is complete" in text
        assert "train.epochs=N" in text
    assert content(run) == before


def test_fewer_epochs_than_the_one_that_it_was_cut_off_in_are_refused(run, capsys):
    folder = CheckpointFolder(run.checkpoints)
    folder.save(dataclasses.replace(folder.newest(pytest.fail), step=1))
    run.metrics.path.unlink()
    before = content(run)
    code, text = resumed(capsys, run, "train.epochs=3")
    assert code == 2
    assert "cut off inside a later epoch (epoch 4, 1 step done)" in " ".join(text.split())
    assert "name at least 4" in text
    assert content(run) == before


def test_more_epochs_after_an_export_name_the_saved_model_that_they_made(run, splits):
    shutil.copytree(run.export.path, run.exports.path / "2")
    with reopened(run, {"train.epochs": 4}) as found:
        outcome = train(found.config, splits, Console(io.StringIO()), run)
        print_outcome(outcome, found.config, Console(said := io.StringIO()))
    assert not run.export.exists()
    assert f"--dir {run.exports / '3'} --all" in said.getvalue()
    assert (run.exports / "3").is_dir()


def test_a_run_that_an_alarm_ended_is_not_gone_on_with(run, capsys):
    metrics = json.loads(run.metrics.read_bytes())
    run.metrics.path.write_text(json.dumps({**metrics, "stopped": "collapse", "epochs": 2}))
    code, text = resumed(capsys, run, "train.epochs=9")
    assert code == 2
    assert "this run was ended early (collapse), and would be again" in text


def test_without_the_state_of_its_end_it_names_another_way(run, capsys):
    shutil.rmtree(run.checkpoints)
    code, text = resumed(capsys, run, "train.epochs=9")
    assert code == 2
    assert f"network.start_from={run.folder}" in text


def test_faces_that_moved_must_be_the_same(run, tmp_path, capsys, monkeypatch):
    generator = np.random.default_rng(0)
    pixels = [" ".join(map(str, generator.integers(0, 256, 2304))) for _ in range(14)]
    lines = [f"{at % 7},{text}" for at, text in enumerate(pixels)]
    (tmp_path / "other.csv").write_text("\n".join(["emotion,pixels", *lines]))
    before = content(run)
    code, text = resumed(capsys, run, f"data.path={tmp_path}/other.csv")
    assert code == 2
    assert "holds other faces than when the run began" in text
    assert content(run) == before
    # The same faces, as far as the run can tell: its fingerprint is theirs, and its division.
    environment = json.loads(run.environment.read_bytes())
    config = with_values(load_config(run.config), {"data.path": f"{tmp_path}/other.csv"})
    splits = load_splits(config, Console(io.StringIO()))
    environment["data"] |= {"fingerprint": splits.fingerprint, "division": splits.division}
    run.environment.path.write_text(json.dumps(environment))
    # Nothing is trained, so what a training would need may be gone.
    config = run.config.path.read_text()
    run.config.path.write_text(config.replace("teachers: []", "teachers: [gone]"))
    code, text = resumed(capsys, run, f"data.path={tmp_path}/other.csv")
    dumped = run.config.read_text()
    run.config.path.write_text(re.sub(r"teachers:\s*- gone", "teachers: []", dumped))
    assert code == 0, text
    assert "its faces are the same, now at" in text
    assert open_run(run.folder).config.data.path == f"{tmp_path}/other.csv"
    (change,) = open_run(run.folder).environment["changes"]
    assert (change["key"], change["was"]) == ("data.path", "demo")
    (tmp_path / "other.csv").unlink()
    code, text = resumed(capsys, run, "train.epochs=4")
    assert code == 2
    assert "if the faces have moved: " in text


def test_a_cosine_for_the_new_length_and_what_nobody_asked_for_are_said():
    console = Console(said := io.StringIO())
    changes = [Change("train.epochs", 6, 12), Change("keras", "3.9", "3.15")]
    cosine = ("train.learning_rate_schedule=cosine", "schedule.plateau_from_epoch=null")
    say_changes(changes, load_config(None, cosine), console)
    assert "resumed with train.epochs = 12, was 6\n" in said.getvalue()
    assert "goes on along the curve for 12 epochs, not the one for 6" in said.getvalue()
    # Only what was not asked for is an alarm.
    (alarm,) = console.alarms
    assert alarm.text == "resumed under another condition: keras = '3.15', was '3.9'"


class Killed(BaseException):
    """Takes the place of SIGKILL."""


@pytest.mark.parametrize("after", range(7))
def test_a_kill_at_any_moment_leaves_a_run_that_opens_or_goes_on(after, run, monkeypatch):
    """After so many files were written or removed."""
    run.calibration.path.write_text('{"temperature": 1.5, "test_time_augmentation": {}}')
    left = after

    def counted(function):
        def step(*arguments, **keywords):
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            return function(*arguments, **keywords)

        return step

    config = with_values(load_config(run.config), {"train.epochs": 5})
    with monkeypatch.context() as patch:
        for name in ("write_text", "write_json"):
            patch.setattr(changes, name, counted(getattr(changes, name)))
        patch.setattr(type(run.metrics), "unlink", counted(type(run.metrics).unlink))
        with contextlib.suppress(Killed):
            write_changes(run, config, 3)
            remove_end(run)
            assert after == 6
    if after == 0:
        # Nothing has happened yet.
        with reopened(run) as found:
            assert found is None
        return
    if run.metrics.exists():
        assert open_run(run.folder).metrics["epochs"] == 3
    with reopened(run) as found:
        assert found.config.train.epochs == 5
        write_changes(run, found.config, 3)
    (change,) = read_record(run.environment, EnvironmentRecord)["changes"]
    assert (change["was"], change["now"]) == (3, 5)
    # No temperature of a former best network is ever in an unfinished run.
    assert run.metrics.exists() or not run.calibration.exists()


@pytest.mark.parametrize(
    ("schedule", "added", "taken"),
    [("constant", False, True), ("constant", True, True), ("cosine", False, True),
     ("cosine", True, False)],
)  # fmt: skip
def test_a_study_takes_no_run_for_one_whose_cosine_was_another(schedule, added, taken, run, splits):
    change = {"train.learning_rate_schedule": schedule, "schedule.plateau_from_epoch": None}
    config = with_values(open_run(run.folder).config, change)
    write_text(run.config, dump_config(config))
    environment = read_record(run.environment, EnvironmentRecord)
    record = {"when": "now", "epoch": 2, "key": "train.epochs", "was": 2, "now": 3}
    write_json(run.environment, {**environment, "changes": [record] * added})
    own = run.folder.parent / "study" / "runs"
    own.mkdir(parents=True)

    def train_one(*_, **__):
        raise RunError("trained anew")

    trainer = Trainer(own, [run.folder.parent], Console(io.StringIO()), train_one)
    trainer.splits = lambda config: splits
    with contextlib.nullcontext() if taken else pytest.raises(RunError, match="trained anew"):
        assert trainer.obtain(config, "one").run.folder == run.folder


def test_an_interrupted_run_goes_on_without_its_tracker(run):
    config = with_values(open_run(run.folder).config, {"monitor.trackers": ["mlflow"]})
    write_text(run.config, dump_config(config))
    environment = read_record(run.environment, EnvironmentRecord)
    settings = {**environment.get("settings", {}), "monitor.trackers": ["mlflow"]}
    write_json(run.environment, {**environment, "settings": settings})
    run.metrics.unlink()
    with reopened(run, {"monitor.trackers": []}) as found:
        assert found.config.monitor.trackers == ()
        (change,) = write_changes(run, found.config, 1)
    assert change.text == "monitor.trackers = [], was ['mlflow']"
    assert load_config(run.config).monitor.trackers == ()


def test_only_few_keys_may_be_given():
    asked = ["train.epochs=80", "data.path=a b.csv", "monitor.trackers=[]"]
    assert changes_asked(asked) == {
        "train.epochs": 80,
        "data.path": "a b.csv",
        "monitor.trackers": [],
    }
    with pytest.raises(InputError, match="begin a new run"):
        changes_asked(["seed=1"])


def test_a_point_is_the_folder_that_one_is_in(run, capsys, monkeypatch):
    monkeypatch.chdir(run.folder)
    assert main(["--resume", "."]) == 0
    assert "this run is complete" in capsys.readouterr().out


def test_exports_of_before_stay_exports_and_the_card_says_what_they_are(run, splits):
    (run.exports.path / "model.onnx").write_bytes(b"as it was")
    listed = json.loads((run.exports.path / "exports.json").read_text())
    record = {**listed["model.tflite"], "format": "onnx", "epoch": 9}
    listed["model.onnx"] = record
    # One of a former ferkeras, which did not say.
    (run.exports.path / "model.keras").write_bytes(b"as it was")
    listed["model.keras"] = {**record, "format": "keras"}
    del listed["model.keras"]["epoch"]
    (run.exports.path / "exports.json").write_text(json.dumps(listed))
    with reopened(run, {"train.epochs": 4}) as found:
        train(found.config, splits, Console(io.StringIO()), run)
    card = (run.exports.path / "README.md").read_text()
    assert "`model.onnx` is the network of epoch 9, before the training went on" in card
    assert "`model.keras`" not in card
    check_export_folder(run.exports, "model.onnx", open_run(run.folder))


def test_an_export_at_work_keeps_what_it_has_written(run):
    half = run.exports.path / temporary_name()
    half.mkdir()
    with exclusive_lock(run.exports.path), reopened(run):
        assert half.exists()
    with reopened(run):
        assert not half.exists()
