"""A run that goes on under other conditions says under which."""

import pytest

from ferkeras.config.file import load_config
from ferkeras.runs.conditions import changed_conditions
from ferkeras.runs.create import create_run, record_start
from ferkeras.runs.records import EnvironmentRecord, read_record

DATA = {
    "source": "demo",
    "fingerprint": "0" * 64,
    "official_split": False,
    "faces": {"train": 3},
    "mean": 0.5,
    "std": 0.2,
}


@pytest.fixture
def environment(tmp_path):
    config = load_config(None, ["name=a", f"output.folder={tmp_path}"])
    run = create_run(config)
    record_start(run, config, DATA)
    return read_record(run.environment, EnvironmentRecord)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.batch_size=8", "train.batch_size = 8, was 64"),
        ("train.precision=mixed_bfloat16", "train.precision = 'mixed_bfloat16', was 'float32'"),
        ("train.epochs=99", "train.epochs = 99, was "),
        ("train.learning_rate=0.5", "train.learning_rate = 0.5, was "),
        ("network.filters=[3]", "network.filters = [3], was None"),
        ("seed=7", "seed = 7, was 0"),
    ],
)
def test_a_setting_that_was_edited_is_said(environment, override, said):
    (change,) = changed_conditions(environment, load_config(None, [override]))
    assert said in change.text


def test_as_it_was_nothing_is_said_and_no_path_is_kept(environment):
    moved = ["name=b", "data.path=elsewhere.csv", "output.folder=/x"]
    assert changed_conditions(environment, load_config(None, moved)) == []
    assert not {"data.path", "output.folder", "distill.teachers"} & set(environment["settings"])


def test_a_mapping_of_classes_is_as_it_was(tmp_path):
    classes = "data.classes={smile: [happy], other: [sad, fear]}"
    config = load_config(None, ["name=b", "data.path=faces", f"output.folder={tmp_path}", classes])
    run = create_run(config)
    record_start(run, config, DATA)
    assert changed_conditions(read_record(run.environment, EnvironmentRecord), config) == []
    other = load_config(None, ["data.path=faces", classes.replace("fear", "angry")])
    (change,) = changed_conditions(read_record(run.environment, EnvironmentRecord), other)
    assert change.key == "data.classes"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("processor_cores", 999, "processor cores"),
        ("python", "3.9.1", "Python"),
        ("platform", "Plan9 vax", "machine"),
        ("packages", {"keras": "3.0.0"}, "keras"),
    ],
)
def test_another_machine_or_version_is_said(environment, key, value, said):
    (change,) = changed_conditions({**environment, key: value}, load_config(None))
    assert change.text.startswith(said)
    assert "was" in change.text


def test_a_run_from_before_settings_were_recorded_goes_on(environment):
    del environment["settings"]
    assert changed_conditions(environment, load_config(None, ["seed=7"])) == []
