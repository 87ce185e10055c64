"""What a verb writes to is looked at before its work: nothing is replaced, and there is room."""

import errno
import importlib
import os
import zipfile

import pytest

from ferkeras.cli.errors import InputError
from ferkeras.export.exporting import _alone_in
from ferkeras.export.model_card import check_export_folder
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import demand_room, temporary_name, write_json
from ferkeras.runs.record import FILES

RECORD = {
    "format": "onnx",
    "size": 3,
    "temperature": 1.0,
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
    "compare": ["{run}", "{run}", "--output", "{new}.html"],
    "predict": ["{run}", "{picture}", "--draw", "{new}"],
}


@pytest.mark.parametrize("name", VERBS)
def test_without_room_a_verb_ends_before_its_work(
    name, finished_run, tmp_path, monkeypatch, capsys
):
    verb = importlib.import_module(f"ferkeras.{name.partition(',')[0]}.__main__")
    cut = tmp_path / "cut"
    cut.mkdir()
    for each in ("config.yaml", "environment.json"):
        (cut / each).write_bytes((finished_run / each).read_bytes())
    picture = finished_run / "curves.png"
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    arguments = [
        each.format(run=finished_run, new=tmp_path / "new", cut=cut, picture=picture)
        for each in VERBS[name]
    ]

    def worked(*given: object, **more: object) -> None:
        raise AssertionError("it has begun to work")

    for place in ("ferkeras.data.load.load_faces", "ferkeras.data.read.read_faces"):
        monkeypatch.setattr(place, worked)
    monkeypatch.setattr("ferkeras.check_data.material.gather", worked)
    monkeypatch.setattr("ferkeras.predict.predictions.predict_views", worked)
    monkeypatch.setattr(InnerPath, "create", no_room)
    assert verb.main(arguments) in (1, 2)
    said = capsys.readouterr().err
    *notes, error = said.splitlines()
    assert error.startswith("error: ")
    assert "No space left on device" in error
    assert all(note.startswith("note: ") for note in notes)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name != "new") == before
