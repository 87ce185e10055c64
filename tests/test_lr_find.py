"""python -m ferkeras.lr_find, and train.learning_rate=auto in python -m ferkeras.fit."""

import json
import shlex
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image

from ferkeras.cli.invocation import command_line
from ferkeras.config.file import load_config
from ferkeras.config.hints import CONFIGS
from ferkeras.fit import __main__ as fit
from ferkeras.fit import automatic_learning_rate
from ferkeras.lr_find.__main__ import main
from ferkeras.lr_find.range_test import conclude
from ferkeras.lr_find.report import describe_difference, lr_range_figure
from ferkeras.report.palette import as_array

SMALL = (
    "data.demo_faces=300",
    "network.filters=[4]",
    "network.dense_units=[8]",
    "train.epochs=2",
    "train.batch_size=32",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
)
NEVER_LEARNS = ("--lowest", "1e-12", "--highest", "1e-10", "--steps", "60")


def test_it_suggests_draws_writes_and_names_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [*SMALL, "train.learning_rate=auto", "--name", "my.try", "--steps", "60"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    folder = tmp_path / "lr_find-my.try"
    assert sorted(p.name for p in folder.iterdir()) == ["lr_range.json", "lr_range.png"]
    found = json.loads((folder / "lr_range.json").read_text())
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"]) <= 60
    assert found["rates"][0] == pytest.approx(1e-6)
    for name in ("steepest", "valley", "suggestion"):
        assert f"{found[name]:.2g}" in printed.out
    assert "a fifth of the rate at which the loss is down" in printed.out
    assert np.asarray(Image.open(folder / "lr_range.png")).std() > 10

    line = next(line for line in printed.out.splitlines() if "ferkeras.fit" in line)
    start = shlex.split(command_line("fit"))
    assert shlex.split(line)[: len(start)] == start
    rest = shlex.split(line)[len(start) :]
    assert rest[:4] == ["--config", "demo", "--name", "my.try"]
    config = load_config(CONFIGS / "demo.yaml", rest[4:])
    assert config.train.learning_rate == found["suggestion"]
    assert config.network.filters == (4,)

    assert main(arguments) == 0
    again = json.loads((tmp_path / "lr_find-my.try-2" / "lr_range.json").read_text())
    assert again == found


def test_no_suggestion_ends_with_1_and_says_why(tmp_path, capsys):
    output = tmp_path / "new" / "folder"
    assert main([*SMALL, *NEVER_LEARNS, "--output", str(output)]) == 1
    printed = capsys.readouterr().out
    assert "No rate can be suggested: the loss fell by" in printed
    assert "ferkeras.fit" not in printed
    assert json.loads((output / "lr_range.json").read_text())["suggestion"] is None
    assert (output / "lr_range.png").exists()


WRONG = (
    (["train.epocs=3"], "did you mean train.epochs?"),
    (["--lowest", "1"], "the lowest below the highest"),
    (["--highest", "nan"], "the lowest below the highest"),
    (["--steps", "3"], "at least 10"),
    (["--steps", "2001"], "--steps 2,001: expected at most 2,000"),
    (["--output", "/dev/null/x"], "/dev/null is no folder"),
    (["data.path=nowhere.csv"], "no such file"),
)


def test_wrong_usage_ends_with_2_before_tensorflow(tmp_path):
    code = (
        "import sys\nfrom ferkeras.lr_find.__main__ import main\n"
        f"for arguments in {[arguments for arguments, _ in WRONG]!r}:\n"
        "    assert main(arguments) == 2, arguments\n"
        "    print('---', file=sys.stderr)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'imported too early'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(CONFIGS.parent)},
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.split("---\n")[:-1]
    for each, (_, message) in zip(said, WRONG, strict=True):
        assert message in each
        assert "Traceback" not in each
    assert list(tmp_path.iterdir()) == []


def test_results_never_replace_anything(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("")
    assert main(["--output", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_auto_is_the_run_with_the_number_that_the_range_test_finds(
    tmp_path, capsys, brief, monkeypatch
):
    short = partial(automatic_learning_rate.lr_range_test, steps=40)
    monkeypatch.setattr(automatic_learning_rate, "lr_range_test", short)
    small = (each for each in SMALL if not each.startswith("train.epochs"))
    arguments = [*small, "train.epochs=1", f"output.folder={tmp_path}"]
    assert fit.main([*arguments, "train.learning_rate=auto", "--name", "auto"]) == 0
    auto = tmp_path / "auto-001"
    rate = load_config(auto / "config.yaml").train.learning_rate
    found = json.loads((auto / "lr_range.json").read_text())
    assert rate == found["suggestion"]
    assert (auto / "lr_range.png").exists()
    printed = capsys.readouterr().out
    assert f"learning rate {rate:g} (auto, by a range test: steepest " in printed

    assert fit.main([*arguments, f"train.learning_rate={rate}", "--name", "number"]) == 0
    number = tmp_path / "number-001"
    assert (auto / "history.csv").read_bytes() == (number / "history.csv").read_bytes()
    assert not (number / "lr_range.json").exists()


def test_auto_that_finds_nothing_is_a_failure_without_a_folder(tmp_path, monkeypatch, capsys):
    nothing = conclude(np.geomspace(1e-6, 1, 50), np.full(50, 2.0), None)
    monkeypatch.setattr(automatic_learning_rate, "lr_range_test", lambda setup, progress: nothing)
    arguments = [*SMALL, f"output.folder={tmp_path / 'models'}", "train.learning_rate=auto"]
    assert fit.main(arguments) == 1
    assert "train.learning_rate=auto: the loss fell by 0 at most" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_the_difference_of_the_rules_is_explained():
    rates = np.geomspace(1e-6, 1, 100)
    place = np.log10(rates)
    short = conclude(rates, 2 - 1 / (1 + np.exp(-8 * (place + 3))), None)
    assert "steepest and valley agree" in describe_difference(short)
    early = 2 - 0.3 / (1 + np.exp(-20 * (place + 5))) - 0.1 * (place + 6)
    assert "valley is" in describe_difference(conclude(rates, early, None))
    level = conclude(rates, np.full(100, 2.0), None)
    assert "neither rule names a rate" in describe_difference(level)


def test_a_test_of_no_steps_can_be_drawn():
    empty = conclude(np.array([]), np.array([]), stopped_at=1e-6)
    assert as_array(lr_range_figure(empty, "broken")).std() > 5
