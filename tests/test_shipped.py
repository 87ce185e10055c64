"""The network that comes along is left as it came: what is made of it goes elsewhere."""

import json
import shutil
from pathlib import Path

import pytest

from ferkeras.compare.__main__ import main as compare
from ferkeras.export.__main__ import main as export
from ferkeras.metrics.calibration import Calibration, store_calibration, temperature_of
from ferkeras.runs import shipped
from ferkeras.runs.finished import open_run


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def installed(finished_run, tmp_path_factory):
    """A run in the place of the network that comes along, in another folder than the current."""
    site = tmp_path_factory.mktemp("site-packages") / "saved_models"
    folder = shutil.copytree(finished_run, site / "fer2013")
    current = tmp_path_factory.mktemp("current")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "SHIPPED", folder)
        patch.chdir(current)
        yield folder


@pytest.fixture(scope="module")
def used(installed, finished_run):
    """It was calibrated, exported and compared; what its folder held before."""
    before = contents(installed.parent)
    calibration = Calibration(1.5, 30, 1.0, 0.9, 0.1, 0.05)
    store_calibration(open_run("fer2013").run, {"none": calibration})
    assert export(["saved_models/fer2013", "--format", "keras"]) == 0
    other = shutil.copytree(finished_run, Path("saved_models", "other"))
    assert compare(["fer2013", str(other)]) == 0
    return before


def test_nothing_of_it_changes(used, installed):
    assert contents(installed.parent) == used


def test_all_of_it_is_below_the_current_folder(used):
    results = Path("saved_models", "fer2013-results")
    assert sorted(path.name for path in Path("saved_models").iterdir()) == [
        "compare-fer2013-other.html", results.name, "other",
    ]  # fmt: skip
    assert sorted(path.name for path in results.iterdir()) == [
        "calibration.json", "export",
    ]  # fmt: skip
    assert (results / "export" / "model.keras").is_file()
    run = open_run("fer2013").run
    assert run.evaluation("test") == results / "evaluation" / "test"
    assert run.diagnosis == results / "diagnosis"


def test_it_is_found_there_again(used, installed):
    finished = open_run("fer2013")
    assert finished.run.folder == installed
    assert temperature_of(finished.run) == 1.5
    inside = json.loads(Path("saved_models/fer2013-results/export/exports.json").read_text())
    assert inside["model.keras"]["temperature"] == 1.5


def test_elsewhere_it_is_as_it_came(used, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    finished = open_run("fer2013")
    assert temperature_of(finished.run) == 1
    assert not finished.run.figures("validation").exists()


def test_figures_that_came_along_count_until_there_are_newer(installed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = open_run("fer2013").run
    name = "evaluation/validation/evaluation-validation.json"
    came, added = installed / name, Path("saved_models/fer2013-results") / name
    came.parent.mkdir(parents=True)
    came.write_text("{}")
    try:
        assert run.figures("validation") == came
        added.parent.mkdir(parents=True)
        added.write_text("{}")
        assert run.figures("validation") == added
    finally:
        shutil.rmtree(installed / "evaluation")


def test_any_other_run_keeps_its_results(installed, finished_run):
    run = open_run(finished_run).run
    assert run.results == run.inner
    assert run.evaluation("test") == finished_run / "evaluation" / "test"
