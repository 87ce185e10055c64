"""A run that was cut off: its best network so far predicts, is exported, and says what it is."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import ferkeras
from ferkeras.cli.errors import InputError
from ferkeras.evaluate.__main__ import main as evaluate
from ferkeras.export.__main__ import main as export
from ferkeras.predict.__main__ import main as predict
from ferkeras.predict.network import load_network
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.finished import open_run
from ferkeras.runs.record import Run
from ferkeras.runs.so_far import open_trained


@pytest.fixture(scope="module")
def cut(finished_run, tmp_path_factory):
    """A run of three epochs as a kill after the second may leave it; `export/` is of another."""
    run = Run(tmp_path_factory.mktemp("runs") / "cut-001")
    shutil.copytree(finished_run, run.folder)
    for path in (run.metrics, run.report, run.predictions):
        path.unlink()
    lines = run.history.path.read_text().splitlines(keepends=True)
    run.history.path.write_text("".join(lines[:3]))
    run.litert.path.write_bytes(b"of a former end")
    return run


@pytest.fixture
def said(cut):
    """What is said of it: the network's own epoch counts, where it is beyond the history."""
    epoch = enclosed_in(cut.best.read_bytes(1 << 24), cut.best).provenance["epoch"]
    return f"unfinished after epoch {max(2, epoch)} of 3"


def test_it_is_opened_with_what_it_has(cut, said, finished_run):
    found = open_trained(cut.folder)
    assert found.unfinished == said
    finished = open_trained(finished_run)
    assert finished.unfinished == ""
    assert (found.best_epoch, found.fingerprint) == (finished.best_epoch, finished.fingerprint)
    assert found.accuracy == pytest.approx(finished.accuracy, abs=1e-6)
    assert found.about().provenance["unfinished"] == said
    assert "unfinished" not in finished.about().provenance
    # Who needs a run with an end is told how to get one.
    with pytest.raises(InputError, match=r"not finished.*--resume"):
        open_run(cut.folder)


def test_from_python_it_is_a_run_without_results(cut, said):
    run = ferkeras.open_run(cut.folder)
    assert run.unfinished == said
    assert said in repr(run)
    assert run.stopped is None
    assert len(run.history) == 2
    with pytest.raises(InputError, match="it has no metrics"):
        _ = run.metrics


def test_its_best_network_predicts_and_not_what_lies_in_export(
    cut, said, finished_run, make_faces, tmp_path, capsys
):
    faces = make_faces(range(5)).images
    network = load_network(cut.folder)
    assert network.about.provenance["unfinished"] == said
    np.testing.assert_allclose(network(faces), load_network(finished_run)(faces), atol=1e-5)
    Image.fromarray(faces[0, :, :, 0]).save(tmp_path / "face.png")
    assert predict([str(cut.folder), str(tmp_path / "face.png"), "--json"]) == 0
    captured = capsys.readouterr()
    assert f"{said}: its network so far predicts\n" in captured.err
    assert len(captured.out.splitlines()) == 1


def test_it_is_evaluated_and_the_figures_say_so(cut, said, capsys):
    assert evaluate([str(cut.folder)]) == 0
    assert f"note: {said}: this is the best network so far\n" in capsys.readouterr().out
    record = json.loads(
        (cut.evaluation("validation") / "evaluation-validation.json").read_bytes(1 << 20)
    )
    assert record["unfinished"] == said
    assert evaluate([str(cut.folder), "--calibrate"]) == 2
    assert "leave out --calibrate, or resume the run first" in capsys.readouterr().err
    assert not cut.calibration.exists()


def test_it_is_exported_and_the_card_says_so(cut, said, tmp_path, capsys):
    assert export([str(cut.folder), "--format", "keras", "--output", str(tmp_path / "out")]) == 0
    assert f"note: {said}" in capsys.readouterr().out
    card = (tmp_path / "out/README.md").read_text()
    assert f"**The training is {said}**" in card
    (path,) = (tmp_path / "out").glob("*.keras")
    assert enclosed_in(path.read_bytes(), path).provenance["unfinished"] == said


@pytest.mark.parametrize("name", ["best", "environment"])
def test_a_run_that_has_no_network_yet_is_refused(cut, tmp_path, name):
    run = Run(shutil.copytree(cut.folder, tmp_path / "run"))
    getattr(run, name).unlink()
    with pytest.raises(InputError, match="not finished"):
        open_trained(run.folder)


def test_a_damaged_network_is_named(cut, tmp_path):
    run = Run(shutil.copytree(cut.folder, tmp_path / "run"))
    run.best.path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"best\.keras"):
        open_trained(run.folder)
