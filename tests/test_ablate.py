"""`python -m ferkeras.ablate`: plans, trainings that are done once, tables and page."""

import csv
import math
import shutil
import sqlite3
from contextlib import closing
from typing import ClassVar

import numpy as np
import pytest
from untraced import untraced

from ferkeras.ablate.__main__ import main
from ferkeras.ablate.ablation import Ablation, Cell, widest
from ferkeras.ablate.page import verdict
from ferkeras.ablate.plan import (
    BASE,
    Plan,
    differing,
    grouped,
    left_as_first,
    plan_between,
    plan_variants,
)
from ferkeras.ablate.report import report
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, Interrupted, RunError
from ferkeras.config.file import load_config
from ferkeras.runs.finished import open_run
from ferkeras.runs.record import Run
from ferkeras.study import storage
from ferkeras.study.effects import Comparison, Effect, what_is_compared
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


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    """The folder of an ablation of two variants with two seeds, and what was called."""
    saved = tmp_path_factory.mktemp("saved")
    arguments = [
        *TINY,
        f"output.folder={saved}",
        "--name=tiny",
        "--seeds=2",
        "--variant", "no steps", "train.learning_rate=1e-9",
        "--variant", "wider", "network.filters=[8]",
    ]  # fmt: skip
    with untraced():
        assert main(arguments) == 0
    return saved / "ablate-tiny", arguments


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_arm_is_trained_with_every_seed_and_all_is_written(ablated):
    folder, _ = ablated
    runs = rows(folder / "runs.csv")
    assert {(r["arm"], r["seed"]) for r in runs} == {
        (arm, seed) for arm in (BASE, "no steps", "wider") for seed in ("0", "1")
    }
    for row in runs:
        run = open_run(folder / "runs" / row["run"])
        assert run.metrics["validation"]["accuracy"] == pytest.approx(float(row["accuracy"]))
        assert run.config.seed == int(row["seed"])
    effects = rows(folder / "effects.csv")
    by_arm = {(r["arm"], r["seed"]): float(r["log_loss"]) for r in runs}
    expected = np.mean([by_arm["wider", s] - by_arm[BASE, s] for s in "01"])
    found = next(r for r in effects if (r["change"], r["measure"]) == ("wider", "log_loss"))
    assert float(found["difference"]) == pytest.approx(expected)
    assert float(found["low"]) < expected < float(found["high"])
    page = (folder / "ablation.html").read_text()
    assert "no steps" in page
    assert "Holm" in page
    assert page.count("<svg") > 3
    assert "<script" not in page
    assert (folder / "forest.png").stat().st_size > 1000


def test_what_is_done_is_not_done_again(ablated, capsys):
    folder, arguments = ablated
    before = sorted(path.name for path in (folder / "runs").iterdir())
    assert main(arguments) == 0
    assert main(["--join", str(folder)]) == 0
    assert sorted(path.name for path in (folder / "runs").iterdir()) == before
    assert "accuracy" in capsys.readouterr().out


def test_runs_that_lie_elsewhere_are_found_by_configuration_and_faces(ablated, tmp_path, capsys):
    folder, arguments = ablated
    elsewhere = tmp_path / "another"
    arguments = [
        *(a for a in arguments if not a.startswith("output.folder")),
        f"--output={elsewhere}",
    ]
    index = arguments.index("--name=tiny")
    assert main([*arguments[:index], f"output.folder={folder / 'runs'}", *arguments[index:]]) == 0
    assert not (elsewhere / "runs").exists()
    assert len(rows(elsewhere / "runs.csv")) == 6


def test_an_ablation_that_was_moved_is_gone_on_with(ablated, tmp_path, capsys):
    folder, _ = ablated
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert all(run.run.folder.is_relative_to(moved) for run in Ablation.join(moved).runs().values())
    assert main(["--join", str(moved)]) == 0
    assert rows(moved / "effects.csv") == rows(folder / "effects.csv")


def test_another_ablation_does_not_go_into_the_same_folder(ablated, capsys):
    _, arguments = ablated
    changed = [a.replace("--seeds=2", "--seeds=3") for a in arguments]
    assert main(changed) == 2
    assert "--join" in capsys.readouterr().err


def test_of_a_path_that_was_mistyped_nothing_is_kept(tmp_path, capsys):
    for path in ("typo.csv", "again.csv"):
        command = [f"data.path={path}", "--output", str(tmp_path / "a")]
        assert main([*command, "--variant", "wide", "network.filters=[16]"]) == 2
        assert f"{path}: no such" in capsys.readouterr().err


def test_a_variant_that_diverges_is_told_and_the_others_are_compared(tmp_path, eager):
    base = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    plan = plan_variants(base, {"bad": {"train.learning_rate": 9.0}}, 2, None)
    ablation = Ablation.begin(tmp_path / "it", plan)
    obtain = Trainer.obtain

    def fail(self, config, title, watch=lambda run: ()):
        if config.train.learning_rate == 9.0:
            raise RunError("the loss is not finite")
        return obtain(self, config, title, watch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "obtain", fail)
        ablation.work(Console())
    assert {cell.arm for cell in ablation.failures()} == {"bad"}
    assert len(ablation.runs()) == 2
    accuracy = next(e for e in ablation.effects() if e.key == "accuracy")
    assert math.isnan(accuracy.value)
    assert accuracy.verdict == "open"
    report(ablation, Console())
    failed = [row for row in rows(tmp_path / "it" / "runs.csv") if row["failed"]]
    assert [(row["arm"], row["seed"]) for row in failed] == [("bad", "0"), ("bad", "1")]
    page = (tmp_path / "it" / "ablation.html").read_text()
    assert "which a training failed have no interval" in page


def pretended(monkeypatch, folder, done=lambda: None):
    """Trainings that take no time and are all alike."""

    class Trained:
        metrics: ClassVar = {"validation": {"accuracy": 0.5}}
        run = Run(folder)

    def obtain(self, config, title, watch=lambda run: ()):
        done()
        return Trained

    monkeypatch.setattr(Trainer, "obtain", obtain)


def let_go_by(folder, hours):
    """Let hours pass since whatever is at work began, and since its last sign of life."""
    with closing(sqlite3.connect(folder / storage.STORE)) as base:
        for table, column in (("trials", "datetime_start"), ("trial_heartbeats", "heartbeat")):
            base.execute(f"UPDATE {table} SET {column} = datetime({column}, '-{hours} hour')")
        base.commit()


def two_arms(tmp_path, hours=None):
    base = load_config(None, [*TINY, f"output.folder={tmp_path}"])
    plan = plan_variants(base, {"other": {"train.learning_rate": 0.01}}, 2, hours)
    return Ablation.begin(tmp_path / "it", plan)


def test_a_process_that_was_suspended_leaves_its_training_to_whoever_took_it(tmp_path, monkeypatch):
    ablation, taken = two_arms(tmp_path), []

    def asleep():
        if not taken:
            let_go_by(ablation.folder, 1)
            storage.take_from_the_dead(Ablation.join(ablation.folder)._study)
            taken.append(True)

    pretended(monkeypatch, tmp_path, asleep)
    ablation.work(Console())
    states = [trial.state.name for trial in ablation._trials()]
    assert sorted(states) == ["COMPLETE"] * 4 + ["FAIL"]
    assert not ablation.failures()


def test_one_that_is_stopped_after_it_was_suspended_puts_nothing_back_twice(tmp_path, monkeypatch):
    ablation = two_arms(tmp_path)

    def asleep_and_stopped():
        let_go_by(ablation.folder, 1)
        storage.take_from_the_dead(Ablation.join(ablation.folder)._study)
        raise Interrupted("stopped", 15)

    pretended(monkeypatch, tmp_path, asleep_and_stopped)
    with pytest.raises(Interrupted):
        ablation.work(Console())
    assert [t.state.name for t in ablation._all()].count("WAITING") == 4


def test_the_night_after_a_process_was_killed_is_not_counted_as_training(tmp_path):
    ablation = two_arms(tmp_path, hours=6.0)
    assert ablation._next() == "trial"
    trial = storage.begin_trial(ablation._study)
    trial.suggest_int("arm", 0, 1)
    trial.suggest_int("seed", 0, 1000)
    with storage.sign_of_life(ablation._study, trial):
        pass
    let_go_by(ablation.folder, 14)
    storage.take_from_the_dead(ablation._study)
    assert ablation.hours() < 0.1
    assert ablation._wanted(others_train=False)


@pytest.mark.parametrize("p", [0.0001, 0.9])
def test_a_budget_goes_to_the_widest_interval_whatever_it_says(p):
    found = [
        Effect(Comparison(arm, arm, BASE, "variant"), "accuracy", value, 0.0, high, p, p, 2)
        for arm, value, high in (("narrow", 0.05, 0.1), ("wide", 0.1, 0.2), ("fails", 0.2, 0.4))
    ]
    there = {Cell(arm, seed) for arm in (BASE, "narrow", "wide", "fails") for seed in (0, 1)}
    assert widest(found, there, {"fails"}) == [Cell(BASE, 2), Cell("wide", 2)]
    assert widest(found, there | {Cell(BASE, 2)}, {"fails"}) == [Cell("wide", 2)]


def test_what_stands_in_two_parts_of_the_page_is_one_test():
    first = load_config(None, ["network.conv_dropout=0.05"])
    plan = plan_between(first, load_config(None, []), {}, seeds=2, hours=None)
    found = [
        Effect(each, "accuracy", 0.1, 0.05, 0.15, 0.001, 0.001, 2) for each in plan.comparisons
    ]
    # One change: all of them, it alone, it as the last, it as the only step.
    assert len(found) == 4
    assert len({what_is_compared(effect) for effect in found}) == 1
    assert verdict(found) == "helps: all changes; 0 of 1 comparisons of accuracy are not decided."


def test_faces_and_seed_that_differ_are_told_and_trackers_are_no_change():
    first = load_config(None, [])
    second = load_config(
        None,
        ["seed=3", "data.demo_label_noise=0.3", "monitor.trackers=[mlflow]", "train.epochs=5",
         "output.folder=x", "data.cache=false"],
    )  # fmt: skip
    assert left_as_first(first, second) == ["seed", "data.demo_label_noise"]
    assert differing(first, second) == {"train.epochs": 5}
    with pytest.raises(InputError, match="do not differ"):
        differing(first, load_config(None, ["monitor.trackers=[mlflow]"]))


def test_both_directions_and_the_stairs_between_two_configurations():
    first = load_config(None, ["network.conv_dropout=0.25", "train.learning_rate=0.0005",
                               "class_weight.rule=none", "seed=4",
                               "schedule.dropout_from_epoch=null"])  # fmt: skip
    second = load_config(None, ["train.label_smoothing=0.1", "seed=9",
                                "schedule.dropout_from_epoch=null"])  # fmt: skip
    groups = {"rate and smoothing": ["train.*"]}
    plan = plan_between(first, second, groups, seeds=3, hours=None)
    kinds = {}
    for each in plan.comparisons:
        kinds.setdefault(each.kind, []).append(each)
    assert [len(kinds[k]) for k in ("all", "alone", "last", "stairs")] == [1, 3, 3, 3]
    alone = {c.name: plan.arms[c.arm] for c in kinds["alone"]}
    assert alone["rate and smoothing"].train.label_smoothing == 0.1
    assert alone["rate and smoothing"].network.conv_dropout == 0.25
    without = {c.name: plan.arms[c.reference] for c in kinds["last"]}
    assert without["network"].network.conv_dropout == 0.25
    assert without["network"].class_weight.rule == "cube_root"
    stairs = kinds["stairs"]
    assert [s.reference for s in stairs[1:]] == [s.arm for s in stairs[:-1]]
    # The first step is the change alone, the last is where the way ends: neither is trained twice.
    assert stairs[0].reference == kinds["all"][0].reference
    assert stairs[0].arm == kinds["alone"][0].arm
    assert stairs[-1].arm == kinds["all"][0].arm
    assert len(plan.arms) == 2 + 3 + 3 + 3 - 3
    assert {config.seed for config in plan.arms.values()} == {4}
    assert Plan.from_json(plan.as_json()) == plan


def test_keys_are_grouped_as_told_and_the_rest_by_section():
    values = {"train.epochs": 3, "train.label_smoothing": 0.1, "network.conv_dropout": 0.2}
    assert grouped(values, {"regularisation": ["*smoothing", "network.*"]}) == {
        "regularisation": {"train.label_smoothing": 0.1, "network.conv_dropout": 0.2},
        "train": {"train.epochs": 3},
    }
    with pytest.raises(InputError, match=r"name of a section too, of which train\.epochs differs"):
        grouped(values, {"train": ["*smoothing", "network.*"]})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to compare"),
        (["--variant", "a"], "expected a name and settings"),
        (["--variant", "a", "train.learning_rat=1"], "did you mean train.learning_rate"),
        (["--variant", "a", "train.learning_rate=0.001"], "the configuration as it is"),
        (["--variant", BASE, "train.learning_rate=0.1"], "give the variant another name"),
        (["--variant", "a", "seed=3"], "the same for all arms"),
        (["--variant", "a", "data.path=x"], "the same for all arms"),
        (["--variant", "a", "train.learning_rate=auto"], "give a number"),
        (["train.learning_rate=auto", "--variant", "a", "train.learning_rate=0.1"],
         "give a number"),
        (["--variant", "a", "monitor.collapse_action=heal"], "changes its own settings"),
        (["--seeds", "1", "--variant", "a", "train.epochs=3"], "expected 2 to 1000"),
        (["--seeds", "0", "--variant", "a", "train.epochs=3"], "expected 2 to 1000"),
        (["--seeds", "1001", "--variant", "a", "train.epochs=3"], "expected 2 to 1000"),
        (["--hours", "inf", "--variant", "a", "train.epochs=3"], "expected a number above 0"),
        (["--variant", "a", "train.epochs=3", "train.epochs=4"], "given twice"),
        (["--variant", "a", "monitor.trackers=[mlflow]"], "the same for all arms"),
        (["--group", "g", "augment.*", "--variant", "a", "train.epochs=3"], "--between"),
        (["--seeds", "3", "--hours", "1", "--variant", "a", "train.epochs=3"], "one of them"),
        (["--between", "configs/demo.yaml", "configs/demo.yaml"], "do not differ"),
        (["--between", "configs/stuck.yaml", "configs/fer2013.yaml", "--group", "g", "augmnt.*"],
         "these differ"),
        (["--between", "stuck", "fer2013", "--config", "demo2"], "give one of them"),
        (["--between", "fer2013-fast", "fer2013-teacher", "distill.weight=0.3"], "has no effect"),
        (["--variant", "a", "distill.weight=0.3"], "variant 'a': distill.weight: has no effect"),
        (["seed=2147483647", "--seeds", "2", "--variant", "a", "train.epochs=3"],
         "seed 2147483647: up to 2 seeds are counted from it on"),
        (["seed=2147483000", "--hours", "1", "--variant", "a", "train.epochs=3"],
         "give one that is at most 2147482648"),
        (["--join", "no-such-folder"], "no study"),
        *((["--join", "x", *each], "takes nothing else")
          for each in (["--seeds", "2"], ["--seeds", "0"], ["--hours", "0"], ["--config=demo"])),
    ],
)  # fmt: skip
def test_wrong_usage_is_answered_for_people(arguments, words, tmp_path, capsys):
    assert main([*arguments, "--output", str(tmp_path / "new")] if "--join" not in arguments
                else arguments) == 2  # fmt: skip
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "new").exists()


def test_variants_are_read_from_a_file(tmp_path):
    from ferkeras.ablate.variants import read_variants

    path = tmp_path / "variants.yaml"
    path.write_text(
        "lr 5e-4: {train.learning_rate: 0.0005}\nnarrow:\n  network:\n    filters: [8]\n"
    )
    assert read_variants([], path) == {
        "lr 5e-4": {"train.learning_rate": 0.0005},
        "narrow": {"network.filters": [8]},
    }
    path.write_text("a: 3\n")
    with pytest.raises(InputError, match="expected settings"):
        read_variants([], path)


def test_faces_that_are_not_there_are_named_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data.path=nowhere", "--variant", "a", "train.epochs=5"]) == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
