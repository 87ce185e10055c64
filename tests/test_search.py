"""`python -m ferkeras.search`: trials that are shared, ended, limited, taken over; the best."""

import csv
import errno
import itertools
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import replace

import optuna
import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from ferkeras.ablate.ablation import Ablation
from ferkeras.cli.console import Console
from ferkeras.cli.endings import words_for
from ferkeras.cli.errors import InputError, MachineError
from ferkeras.config.file import load_config
from ferkeras.runs.create import create_run
from ferkeras.runs.finished import open_run
from ferkeras.runs.lock import exclusive_lock
from ferkeras.search.__main__ import main
from ferkeras.search.confirm import confirm
from ferkeras.search.space import read_space
from ferkeras.search.study import Search, Task
from ferkeras.study import storage
from ferkeras.study.endings import going_on
from ferkeras.study.training import Trainer

TINY = (
    "data.demo_faces=200",
    "network.filters=[4]",
    "network.dense_units=[]",
    "train.epochs=1",
    "train.batch_size=64",
    "schedule.dropout_from_epoch=null",
    "schedule.smoothing_from_epoch=null",
    "schedule.plateau_from_epoch=null",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
)


def task(tmp_path, **changes):
    base = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    space, _ = read_space(
        ["train.learning_rate=log(1e-4,1e-1)", "network.conv_dropout=[0,0.1,0.2]"], None
    )
    return replace(Task.of(base, space, ["accuracy"], {}, 6, "none", 0), **changes)


def pretend(patch, result, epochs=()):
    """Let `obtain` return what `result(config)` says, without training; return what was asked."""
    asked = []

    class Finished:
        def __init__(self, config):
            accuracy, parameters = result(config)
            self.name = f"run-{len(asked)}"
            self.metrics = {
                "parameters": parameters,
                "validation": {
                    "accuracy": accuracy,
                    "balanced_accuracy": accuracy,
                    "log_loss": 1.0,
                },
            }

    def obtain(self, config, title, watch=lambda run: ()):
        for callback in watch(None):
            callback.on_train_begin()
            for epoch, value in enumerate(epochs):
                callback.on_epoch_end(epoch, {"val_accuracy": value * result(config)[0]})
        asked.append(config)
        return Finished(config)

    patch.setattr(Trainer, "obtain", obtain)
    return asked


def peak(config):
    """Best at a learning rate of 0.01 and without dropout."""
    distance = abs(math.log10(config.train.learning_rate) + 2)
    return 0.9 - 0.2 * distance - config.network.conv_dropout, 1000


def test_a_search_from_end_to_end(tmp_path, capsys, eager):
    arguments = [*TINY, f"output.folder={tmp_path}", "--name=tiny", "--trials=2", "--confirm=2",
                 "network.conv_dropout=linear(0,0.5)"]  # fmt: skip
    assert main(arguments) == 0
    folder = tmp_path / "search-tiny"
    text = (folder / "best.yaml").read_text()
    best = load_config(folder / "best.yaml")
    with (folder / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 2
    top = max(trials, key=lambda row: float(row["accuracy"]))
    assert f"network.conv_dropout={best.network.conv_dropout}" in top["settings"]
    run = open_run(folder / "runs" / top["run"])
    assert run.metrics["validation"]["accuracy"] == float(top["accuracy"])
    assert "2 seeds that the search did not use" in text
    assert f"with seed 0: accuracy {float(top['accuracy']):.1%}." in text
    confirmed = [open_run(p) for p in sorted((folder / "confirmation" / "runs").iterdir())]
    assert sorted(run.config.seed for run in confirmed) == [1, 1, 2, 2]
    assert (folder / "history.png").stat().st_size > 1000
    before = sorted(p.name for p in (folder / "runs").iterdir())
    assert main(["--join", str(folder)]) == 0
    assert sorted(p.name for p in (folder / "runs").iterdir()) == before
    assert "Traceback" not in capsys.readouterr().err


def test_the_same_search_again_goes_on_and_another_one_is_refused(tmp_path):
    base = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    space, _ = read_space(["network.filters=[[4],[4,8]]", "network.conv_dropout=[0,0.1]"], None)

    def begin(trials, goals=("accuracy",)):
        wanted = Task.of(base, space, list(goals), {"parameters": 1e6}, trials, "none", 0)
        return Search.begin(tmp_path / "s", None, wanted)

    # As long as nothing was trained, what was begun by mistake gives way.
    assert begin(4, ("accuracy", "minutes")).task.trials == 4
    assert begin(3).task.goals == ["accuracy"]
    begun = tmp_path / "s" / "runs" / "trial-0-seed0-001"
    begun.mkdir(parents=True)
    (begun / "config.yaml").touch()
    assert begin(3).task.trials == 3
    with pytest.raises(InputError, match="of another task"):
        begin(5)


def test_the_best_values_are_found(tmp_path, monkeypatch):
    asked = pretend(monkeypatch, peak)
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=25))
    search.work(Console())
    assert len(asked) == len(search.done) == 25
    best = search.config(search.best()[0])
    assert best.network.conv_dropout == 0
    assert 2e-3 < best.train.learning_rate < 5e-2
    assert set(search.importances()) == {"train.learning_rate", "network.conv_dropout"}


def test_trainings_that_fall_behind_are_ended(tmp_path, monkeypatch):
    pretend(monkeypatch, peak, epochs=(0.2, 0.4, 0.6, 0.8, 1.0))
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=20, pruner="median"))
    search.work(Console())
    ended = [t for t in search.done if t.state.name == "PRUNED"]
    assert ended
    assert all(len(t.intermediate_values) < 5 for t in ended)
    assert search.best()[0].value == max(t.value for t in search.done if t.value is not None)


def test_what_is_above_a_limit_is_not_trained(tmp_path, monkeypatch):
    asked = pretend(monkeypatch, peak)
    monkeypatch.setattr(
        "ferkeras.search.study.cost_of",
        lambda config, splits, wanted: {"parameters": 1e6 if config.network.conv_dropout else 1e3},
    )
    search = Search.begin(
        tmp_path / "s", None, task(tmp_path, trials=8, limits={"parameters": 1e4})
    )
    search.work(Console())
    assert len(search.done) == 8
    assert {config.network.conv_dropout for config in asked} == {0}
    assert all(t.state.name == "PRUNED" for t in search.done if len(asked) < 8 and not t.values)


def test_the_cost_of_a_network_is_measured_before_it_is_trained(tmp_path):
    from ferkeras.data.load import load_splits
    from ferkeras.search.cost import cost_of

    small = load_config(None, TINY)
    wide = load_config(None, [*TINY, "network.filters=[64,64]"])
    splits = load_splits(small, Console())
    wanted = ["accuracy", "parameters", "litert_ms"]
    costs = [cost_of(config, splits, wanted) for config in (small, wide)]
    assert costs[0]["parameters"] < costs[1]["parameters"]
    assert 0 < costs[0]["litert_ms"] < costs[1]["litert_ms"]
    assert cost_of(small, splits, ["accuracy"]) == {}


def test_two_goals_give_the_front(tmp_path, monkeypatch):
    # The more parameters, the more accurate: but for one pair of values, which is worse in both.
    figures = {0: (0.5, 300), 0.1: (0.4, 200), 0.2: (0.3, 250)}
    pretend(monkeypatch, lambda config: figures[config.network.conv_dropout])
    monkeypatch.setattr(
        "ferkeras.search.study.cost_of",
        lambda c, splits, wanted: {"parameters": float(figures[c.network.conv_dropout][1])},
    )
    search = Search.begin(
        tmp_path / "s", None, task(tmp_path, trials=12, goals=["accuracy", "parameters"])
    )
    search.work(Console())
    front = {tuple(trial.values) for trial in search.best()}
    assert (0.3, 250.0) not in front
    assert front <= {(0.5, 300.0), (0.4, 200.0)}


def test_the_trial_of_a_process_that_died_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(storage, "GRACE_SECONDS", 1)
    Search.begin(tmp_path / "s", None, task(tmp_path, trials=3))
    # Another process begins a trial and dies in the middle of it.
    died = subprocess.run(
        [sys.executable, "-c",
         "import os, sys\n"
         "from ferkeras.cli.console import Console\n"
         "from ferkeras.search.study import Search\n"
         "from ferkeras.study.training import Trainer\n"
         "Trainer.obtain = lambda *a, **k: os._exit(9)\n"
         "Search.join(sys.argv[1]).work(Console())\n",
         str(tmp_path / "s")],
        env={**os.environ}, check=False, capture_output=True,
    )  # fmt: skip
    assert died.returncode == 9, died.stderr
    search = Search.join(str(tmp_path / "s"))
    (lost,) = search.trials
    asked = pretend(monkeypatch, peak)
    search.work(Console())
    assert len(search.done) == 3
    assert len(asked) == 3
    assert lost.params in [trial.params for trial in search.done]


def test_a_training_that_is_stopped_is_back_in_the_queue(tmp_path, monkeypatch):
    from ferkeras.cli.errors import Interrupted

    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=2))

    def stop(self, config, title, watch=lambda run: ()):
        raise Interrupted("stopped", 15)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "obtain", stop)
        with pytest.raises(Interrupted):
            search.work(Console())
    (waiting,) = search.trials
    assert waiting.state == optuna.trial.TrialState.WAITING
    asked = pretend(monkeypatch, peak)
    search.work(Console())
    assert len(asked) == len(search.done) == 2
    assert asked[0].train.learning_rate == waiting.params["train.learning_rate"]


def of_dead_processes(search):
    """Let an hour go by since the last sign of life of what is at work."""
    storage.take_from_the_dead(search._study)
    with closing(sqlite3.connect(search.folder / storage.STORE)) as base:
        base.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-1 hour')")
        base.commit()


@pytest.mark.parametrize("number", [0, 3, 7])
def test_a_store_that_is_full_ends_a_search_in_a_sentence_and_loses_nothing(
    number, tmp_path, monkeypatch
):
    """At a commit of a trial that is begun, of its values, of figures, of its result."""
    asked = pretend(monkeypatch, peak)
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=1))
    commit, count = SQLiteDialect_pysqlite.do_commit, itertools.count()

    def full(self, connection):
        if connection.in_transaction and next(count) >= number:
            raise sqlite3.OperationalError("database or disk is full")
        return commit(self, connection)

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteDialect_pysqlite, "do_commit", full)
        patch.setattr(time, "sleep", lambda seconds: None)  # Optuna's, before it asks again
        with pytest.raises(optuna.exceptions.StorageInternalError) as error:
            search.work(Console())
    assert words_for(error.value).endswith("cannot be written to (database or disk is full)")
    before = [trial.params for trial in search.trials if trial.params]
    of_dead_processes(search)
    Search.join(str(search.folder)).work(Console())
    assert len(search.done) == 1
    done = [trial.params.items() for trial in search.done]
    assert all(any(params.items() <= each for each in done) for params in before)
    assert len(asked) <= 2


def test_a_trial_whose_process_died_before_its_first_sign_of_life_is_taken_over(
    tmp_path, monkeypatch
):
    asked = pretend(monkeypatch, peak)
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=1))
    storage.begin_trial(search._study)
    assert search._next() == "wait"
    of_dead_processes(search)
    search.work(Console())
    assert len(asked) == len(search.done) == 1


def test_a_sign_of_life_that_cannot_be_written_ends_nothing(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(storage, "HEARTBEAT_SECONDS", 0.001)
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=1))
    trial = storage.begin_trial(search._study)
    store, calls, enough = search._study._storage, itertools.count(), threading.Event()

    def record(number):
        if next(calls) > 3:
            enough.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with storage.sign_of_life(search._study, trial):
        monkeypatch.setattr(store, "record_heartbeat", record)
        assert enough.wait(60)
    assert not recwarn


@pytest.mark.parametrize("error", [MachineError("full", "make room"), OSError(28, "full")])
def test_what_the_disk_refuses_is_no_result_of_a_trial(error, tmp_path, monkeypatch):
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=2))

    def fail(self, config, title, watch=lambda run: ()):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "obtain", fail)
        with (
            pytest.raises(MachineError, match=r"full(?s:.*)goes on with\n  ferkeras search"),
            going_on("search", "ferkeras search --join s"),
        ):
            search.work(Console())
    (waiting,) = search.trials
    assert waiting.state == optuna.trial.TrialState.WAITING
    pretend(monkeypatch, peak)
    search.work(Console())
    assert waiting.params in [trial.params for trial in search.done]


def test_one_too_many_begun_in_one_moment_does_not_count(tmp_path, monkeypatch):
    asked = pretend(monkeypatch, peak)
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=2))
    other = Search.join(str(tmp_path / "s"))
    search.work(Console())
    monkeypatch.setattr(other, "_next", iter(["trial", "done"]).__next__)
    other.work(Console())
    assert len(asked) == len(other.done) == 2


def test_two_processes_that_begin_in_one_moment_try_different_values(tmp_path, monkeypatch):
    both_are_here = threading.Barrier(2)

    def result(config):
        both_are_here.wait(60)
        return peak(config)

    asked = pretend(monkeypatch, result)
    searches = [Search.begin(tmp_path / "s", None, task(tmp_path, trials=2))]
    searches.append(Search.join(str(tmp_path / "s")))
    workers = [threading.Thread(target=each.work, args=(Console(),)) for each in searches]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    first, second = (config.train.learning_rate for config in asked)
    assert first != second


def test_a_trial_s_values_are_the_same_whichever_process_tries_them(tmp_path, monkeypatch):
    tried = []
    for name, joined in (("alone", False), ("helped", True)):
        asked = pretend(monkeypatch, peak)
        search = Search.begin(tmp_path / name, None, task(tmp_path, trials=6))
        if joined:
            monkeypatch.setattr(search, "_next", iter(["trial"] * 4 + ["done"]).__next__)
        search.work(Console())
        if joined:
            Search.join(str(tmp_path / name)).work(Console())
        tried.append([config.train.learning_rate for config in asked])
    assert tried[0] == tried[1]


def test_a_training_of_another_process_is_waited_for_and_never_removed(tmp_path, monkeypatch):
    config = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    folder = tmp_path / "s" / "runs"
    looks, trained = [], []

    def train_one(config, splits, console, run, *, watch, epoch_done):
        trained.append(run.folder)
        raise MachineError("trained", "here")

    trainer = Trainer(folder, [], Console(), train_one)
    own = config.model_copy(
        update={"output": config.output.model_copy(update={"folder": str(folder)})}
    )
    theirs = create_run(own)
    # What is told here is told of a process that ends after the second look.
    lock = ExitStack()
    lock.enter_context(exclusive_lock(theirs.folder))

    def look(seconds):
        looks.append(seconds)
        trainer.discard(config)
        assert theirs.config.is_file()
        if len(looks) == 2:
            lock.close()

    monkeypatch.setattr("ferkeras.study.training.time.sleep", look)
    with pytest.raises(MachineError, match="trained"):
        trainer.obtain(config, "trial 0")
    assert len(looks) == 2
    assert trained == [theirs.folder]
    trainer.discard(config)
    assert not theirs.folder.exists()


@pytest.mark.parametrize("timed", [True, False])
def test_how_long_a_training_took_that_was_no_trial_is_not_known(timed, tmp_path, monkeypatch):
    pretend(monkeypatch, peak)
    folders = []
    begun = Trainer.__init__

    def noted(self, folder, others, console, train):
        folders.extend(others)
        begun(self, folder, others, console, train)

    monkeypatch.setattr(Trainer, "__init__", noted)
    limits = {"minutes": 5.0} if timed else {}
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=1, limits=limits))
    search.work(Console())
    assert folders == ([] if timed else [tmp_path])
    (trial,) = search.done
    assert "minutes" not in trial.user_attrs["figures"]
    # Where they are wanted, no minutes at all would win.
    assert trial.state.name == ("PRUNED" if timed else "COMPLETE")
    assert ("nobody knows" in trial.user_attrs.get("failed", "")) == timed


def test_a_training_took_what_the_trial_noted_whose_process_died_after_it(tmp_path, monkeypatch):
    pretend(monkeypatch, peak)
    search = Search.begin(tmp_path / "s", None, task(tmp_path, trials=1, goals=["minutes"]))
    values = {"train.learning_rate": 0.01, "network.conv_dropout": "0.1"}
    for _ in range(2):
        search._study.enqueue_trial(values)
    died = storage.begin_trial(search._study)
    for key, each in search.space.items():
        each.suggest(died, key)
    died.set_user_attr("figures", {"minutes": 2.5})
    storage.give_up(search._study, died)
    search.work(Console())
    (trial,) = search.done
    assert trial.params == values
    assert trial.values == [2.5]


def test_what_has_no_effect_in_the_best_is_left_out_of_its_confirmation(tmp_path, monkeypatch):
    base = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    space, _ = read_space(
        ["class_weight.rule=[none,cube_root]", "class_weight.max=linear(1.1,2)"], None
    )
    pretend(monkeypatch, lambda config: (0.9 if config.class_weight.rule == "none" else 0.1, 9))
    search = Search.begin(
        tmp_path / "s", None, Task.of(base, space, ["accuracy"], {}, 6, "none", 2)
    )
    search.work(Console())
    planned = []
    monkeypatch.setattr(Ablation, "begin", lambda folder, plan: planned.append(plan))
    with pytest.raises(AttributeError):  # there is nothing to be worked at
        confirm(search, Console())
    (plan,) = planned
    assert plan.arms["best"].class_weight.rule == "none"
    assert plan.arms["best"].class_weight.max == base.class_weight.max


def test_a_search_in_a_database_is_joined_with_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    space, _ = read_space(["network.conv_dropout=[0,0.1]"], None)
    address = f"sqlite:///{tmp_path}/shared.db"
    wanted = Task.of(base, space, ["accuracy"], {}, 2, "none", 0)
    Search.begin(tmp_path / "s", address, wanted)
    for folder in (None, tmp_path / "of" / "mine"):
        joined = Search.join(f"{address}#s", folder)
        assert joined.folder == folder or joined.folder == tmp_path / "s"
        assert joined.folder.is_dir()
        assert joined.task.goals == wanted.goals


@pytest.mark.parametrize(
    ("address", "joined"),
    [
        ("sqlite:///x.db", "sqlite:///x.db#search-demo"),
        ("postgresql://me:secret@host/base", "postgresql://me:***@host/base#search-demo"),
        ("postgresql://me@host/base#search-demo", "postgresql://me@host/base#search-demo"),
    ],
)
def test_a_search_in_a_database_is_joined_there_and_no_password_is_printed(address, joined):
    assert storage.without_password(address, "search-demo") == joined


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to search"),
        (["train.learning_rate=log(1e-4,1e-2)", "--trials=0"], "at least 1"),
        (["train.learning_rate=log(1e-4,1e-2)", "--confirm=1"], "at least 2"),
        (["train.learning_rate=log(1e-4,1e-2)", "seed=2147483646"], "up to 4 seeds"),
        (["train.learning_rate=log(1e-4,1e-2)", "--store=nonsense://x"], "cannot be used"),
        (["distill.weight=linear(0.1,0.9)"], "has no effect"),
        (["train.epochs=1", "train.epochs=2", "train.learning_rate=log(1e-4,1e-2)"], "twice"),
        (["--join", "no-such-folder"], "no study"),
        (["train.learning_rate=auto", "network.conv_dropout=[0,0.1]"], "give a number"),
        (["--join", "x", "--output=y"], "takes nothing else"),
        *((["--join", "x", each], "takes nothing else")
          for each in ("--trials=3", "--trials=40", "--confirm=0", "--pruner=median",
                       "--config=demo", "train.epochs=3")),
    ],
)  # fmt: skip
def test_wrong_usage_is_answered_for_people(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_faces_that_are_not_there_are_named_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data.path=nowhere", "train.learning_rate=log(1e-4,1e-2)"]) == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
