"""An interpreter without the packages, such as one beside an environment that is not active."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ferkeras.__main__ import verbs
from ferkeras.cli.command import verb
from ferkeras.cli.environment import without_package

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = {
    "compare": ["a", "b"],
    "export": ["a", "--format", "onnx"],
    "publish": ["a", "b"],
}


@pytest.mark.parametrize("name", verbs())
def test_every_verb_says_that_packages_are_missing_and_how_they_are_had(name):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-S", "-m", f"ferkeras.{name}", *ARGUMENTS.get(name, ["a"])],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith(f"error: {sys.executable} has no ")
    assert run.stderr.count("\n") == 1
    assert "-m pip install -r " in run.stderr


def test_where_it_is_installed_the_command_needs_no_list(monkeypatch, tmp_path):
    monkeypatch.setattr("ferkeras.cli.environment._CHECKOUT", tmp_path)
    assert "has no PIL, which" in without_package("PIL.Image")
    assert without_package("PIL.Image").endswith(" -m pip install ferkeras")


@pytest.mark.parametrize("name", ["ferkeras.fit.nothing", "callbacks", "unittest.nothing", None])
def test_a_module_of_our_own_that_is_missing_is_a_mistake_in_the_program(name):
    @verb
    def main(argv=None) -> int:
        raise ModuleNotFoundError("a bug", name=name)

    with pytest.raises(ModuleNotFoundError, match="a bug"):
        main([])
