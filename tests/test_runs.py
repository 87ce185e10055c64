"""Run folders: numbered, never overwritten, written whole."""

import json
import shutil

import pytest

from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config
from ferkeras.files.writing import write_json
from ferkeras.runs.create import create_run, record_start


@pytest.fixture
def config(tmp_path):
    return Config(name="a.b", output={"folder": str(tmp_path / "models")})


def test_folders_count_up_and_are_never_reused(config):
    first = create_run(config)
    second = create_run(config)
    assert (first.folder.name, second.folder.name) == ("a.b-001", "a.b-002")
    shutil.rmtree(first.folder)
    assert create_run(config).folder.name == "a.b-003"


def test_names_are_taken_literally(config):
    create_run(config)
    (create_run(config).folder.parent / "aXb-007").mkdir()
    assert create_run(config).folder.name == "a.b-003"


def test_a_folder_that_is_a_file_is_named(config, tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(InputError, match="no run folder can be made"):
        create_run(config)


def test_a_run_records_what_it_came_from(config):
    run = create_run(config)
    record_start(run, config, {"fingerprint": "abc"})
    assert load_config(run.config) == config
    environment = json.loads(run.environment.read_text())
    assert environment["packages"]["keras"].startswith("3.")
    assert environment["data"] == {"fingerprint": "abc"}
    assert not run.metrics.exists()


def test_a_failed_write_leaves_the_old_file_and_no_temporary_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
