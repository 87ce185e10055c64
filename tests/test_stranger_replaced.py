"""What a verb writes to is looked at before its work: nothing is replaced, and there is room."""

import errno
import importlib
import os
import shutil
import zipfile

import pytest

from ferkeras.cli.errors import InputError
from ferkeras.compare import __main__ as compare
from ferkeras.compare.comparison import load_compared
from ferkeras.compare.page import compare_page
from ferkeras.export.exporting import _alone_in
from ferkeras.export.folder import check_export_folder, write_model_card
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import demand_room, temporary_name, write_json
from ferkeras.runs.finished import open_run
from ferkeras.runs.record import FILES
from ferkeras.runs.records import ExportsRecord, read_record

RECORD = {
    "format": "onnx",
    "size": 3,
    "temperature": 1.0,
    "compared_on": "synthetic faces",
    "faces": 5,
    "largest_difference": 0.0,
    "label_agreement": 1.0,
}


@pytest.mark.parametrize("name", sorted(FILES.values()))
def test_an_export_does_not_replace_a_file_of_somebody_else(name, tmp_path):
    check_export_folder(tmp_path, name)
    (tmp_path / name).write_text("theirs")
    with pytest.raises(InputError, match=f"{name}: not made by"):
        check_export_folder(tmp_path, name)
    write_json(tmp_path / "exports.json", {"other.onnx": RECORD})
    with pytest.raises(InputError, match=f"{name}: not made by"):
        check_export_folder(tmp_path, name)
    write_json(tmp_path / "exports.json", {name: RECORD})
    check_export_folder(tmp_path, name)


def test_an_export_replaces_a_file_that_says_how_it_came_about(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.tflite", "w") as archive:
        archive.writestr("labels.txt", "happy\nsad\n")
        archive.writestr("about.json", "{}")
    check_export_folder(tmp_path, "model.tflite")


def test_an_export_does_not_replace_that_of_another_run(finished_run, tmp_path):
    finished = open_run(finished_run)
    own = {key: finished.about().provenance[key] for key in ("run", "fingerprint", "seed")}
    (tmp_path / "model.onnx").write_text("a network")
    for change in ({}, {"run": "other-001"}, {"fingerprint": "f" * 64}, {"seed": 77}):
        write_json(tmp_path / "exports.json", {"model.onnx": {**RECORD, **own, **change}})
        if change:
            with pytest.raises(InputError, match=r"model\.onnx: the network of .* would replace"):
                check_export_folder(tmp_path, "model.onnx", finished)
        else:
            check_export_folder(tmp_path, "model.onnx", finished)
        # Nothing is replaced: a SavedModel gets a number, another format another name.
        check_export_folder(tmp_path, None, finished)
        check_export_folder(tmp_path, "model.tflite", finished)


def test_a_model_card_says_of_which_run_a_file_is(finished_run, tmp_path):
    finished = open_run(finished_run)
    (tmp_path / "1").mkdir()
    other = {**RECORD, "format": "saved_model", "run": "other-001", "size": 7_654_321}
    write_json(tmp_path / "exports.json", {"1": other})
    card = write_model_card(tmp_path, finished, []).read_text()
    assert "`1` is the network of another run, other-001." in card
    assert "7.65 MB" not in card
    assert read_record(InnerPath(tmp_path) / "exports.json", ExportsRecord) == {"1": other}


def test_a_run_that_was_renamed_still_owns_its_exports(finished_run, tmp_path):
    run = tmp_path / "renamed-001"
    run.mkdir()
    for each in ("config.yaml", "environment.json", "metrics.json", "predictions.npz"):
        (run / each).write_bytes((finished_run / each).read_bytes())
    (run / "export").mkdir()
    (run / "export" / "model.onnx").write_text("a network")
    write_json(run / "export" / "exports.json", {"model.onnx": {**RECORD, "run": "before-001"}})
    finished = open_run(run)
    check_export_folder(finished.run.exports, "model.onnx", finished)
    assert "another run" not in write_model_card(finished.run.exports, finished, []).read_text()


@pytest.mark.parametrize("theirs", ["notes", "<title>a page</title>", "a report of ferkeras"])
def test_a_comparison_replaces_only_a_comparison(theirs, finished_run, tmp_path, capsys):
    page = tmp_path / "page.html"
    other = shutil.copytree(finished_run, tmp_path / "other")
    arguments = [str(finished_run), str(other), "--output", str(page)]
    text = (finished_run / "report.html").read_text() if "report" in theirs else theirs
    page.write_text(text)
    assert compare.main(arguments) == 2
    assert "page.html: not a page that python -m ferkeras.compare" in capsys.readouterr().err
    assert page.read_text() == text


def test_a_comparison_replaces_an_earlier_one(finished_run, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(compare_page(load_compared([open_run(finished_run)] * 2)).replace("Fig", "gif"))
    other = shutil.copytree(finished_run, tmp_path / "other")
    assert compare.main([str(finished_run), str(other), "--output", str(page)]) == 0
    assert "gifures" not in page.read_text()


def test_two_exports_into_one_folder_at_once_are_refused(tmp_path):
    folder = InnerPath(tmp_path / "phone")
    with (
        _alone_in(folder),
        pytest.raises(InputError, match=f"process {os.getpid()} is at work in this folder"),
        _alone_in(folder),
    ):
        pytest.fail("two at once")
    assert not (tmp_path / "phone").exists()
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / temporary_name(".tflite")).write_text("half")
    (tmp_path / "phone" / "model.tflite").write_text("whole")
    with _alone_in(folder):
        pass
    assert [path.name for path in (tmp_path / "phone").iterdir()] == ["model.tflite"]


@pytest.mark.parametrize("name", ["here", "not/there/yet"])
def test_room_is_demanded_where_it_will_be_needed_and_nothing_stays(name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    demand_room(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]
    monkeypatch.setattr(InnerPath, "create", no_room)
    with pytest.raises(OSError, match="No space left") as raised:
        demand_room(tmp_path / name)
    assert raised.value.filename == str(tmp_path / "here" if name == "here" else tmp_path)


def no_room(self: InnerPath, mode: int = 0o666) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))


def no_right(self: InnerPath, mode: int = 0o666) -> int:
    raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(self))


VERBS = {
    "fit": ["output.folder={new}"],
    "fit, resumed": ["--resume", "{cut}"],
    "evaluate": ["{run}"],
    "export": ["{run}", "--format", "litert"],
    "export, elsewhere": ["{run}", "--format", "onnx", "--output", "{new}"],
    "publish": ["{run}", "{new}"],
    "diagnose": ["{run}"],
    "diagnose, a configuration": [],
    "check_data": ["demo"],
    "check_data, elsewhere": ["demo", "--output", "{new}"],
    "lr_find": [],
    "compare": ["{run}", "{other}", "--output", "{new}.html"],
    "predict": ["{run}", "{picture}", "--draw", "{new}"],
}


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("refusal", [no_room, no_right])
def test_without_room_a_verb_ends_before_its_work(
    name, refusal, finished_run, tmp_path, monkeypatch, capsys
):
    verb = importlib.import_module(f"ferkeras.{name.partition(',')[0]}.__main__")
    cut = tmp_path / "cut"
    cut.mkdir()
    for each in ("config.yaml", "environment.json"):
        (cut / each).write_bytes((finished_run / each).read_bytes())
    picture, other = finished_run / "curves.png", tmp_path / "other"
    if name == "compare":
        shutil.copytree(finished_run, other)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    arguments = [
        each.format(run=finished_run, other=other, new=tmp_path / "new", cut=cut, picture=picture)
        for each in VERBS[name]
    ]

    def worked(*given: object, **more: object) -> None:
        raise AssertionError("it has begun to work")

    for place in ("ferkeras.data.load.load_faces", "ferkeras.data.read.read_faces"):
        monkeypatch.setattr(place, worked)
    monkeypatch.setattr("ferkeras.check_data.material.gather", worked)
    monkeypatch.setattr("ferkeras.predict.predictions.predict_views", worked)
    monkeypatch.setattr(InnerPath, "create", refusal)
    assert verb.main(arguments) in ((1, 2) if refusal is no_room else (2,))
    said = capsys.readouterr().err
    *notes, error = said.splitlines()
    assert error.startswith("error: ")
    if refusal is no_room:
        assert "No space left on device" in error
    else:
        written_to = finished_run if str(finished_run) in error else tmp_path
        assert f"error: {written_to}" in error
        assert ": this folder cannot be written to (Permission denied); " in error
    assert all(note.startswith("note: ") for note in notes)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name != "new") == before
