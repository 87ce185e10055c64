"""Studies that somebody else has written, in whole or in part, and folders with other files."""

import json
import shutil
import sqlite3
import struct
from contextlib import closing
from dataclasses import replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ferkeras.ablate.ablation import Ablation
from ferkeras.ablate.plan import plan_variants
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import dump_config, load_config
from ferkeras.search.confirm import FOLDER, confirm
from ferkeras.search.space import Choices, Range, read_space
from ferkeras.search.study import Search, Task
from ferkeras.study.storage import RUNS, STORE, join_study
from ferkeras.study.training import Trainer

RATE, DROPOUT = "train.learning_rate", "network.conv_dropout"


@pytest.fixture(scope="module")
def sound_ablation(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("ablation")
    plan = plan_variants(load_config(None), {"slow": {"train.learning_rate": 1e-5}}, 2, None)
    Ablation.begin(tmp_path / "study", plan)
    trial = optuna.create_trial(
        params={"arm": 0, "seed": 1},
        distributions={"arm": IntDistribution(0, 1), "seed": IntDistribution(0, 1000)},
        user_attrs={"run": "gone-001", "failed": "no face"},
        value=0.5,
    )
    join_study(tmp_path / "study").add_trial(trial)
    return tmp_path / "study"


@pytest.fixture(scope="module")
def sound_search(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("search")
    space, _ = read_space([f"{RATE}=log(1e-4,1e-2)", f"{DROPOUT}=[0.0,0.1]"], None)
    task = Task.of(load_config(None), space, ["accuracy"], {"parameters": 1e6}, 3, "median", 0)
    Search.begin(tmp_path / "study", None, task)
    trial = optuna.create_trial(
        params={RATE: 1e-3, DROPOUT: "0.1"},
        distributions={
            RATE: FloatDistribution(1e-4, 1e-2, log=True),
            DROPOUT: CategoricalDistribution(["0.0", "0.1"]),
        },
        user_attrs={"run": "gone-001", "figures": {"minutes": 1.0}},
        system_attrs={"constraints:parameters": -0.5},
        value=0.5,
    )
    join_study(tmp_path / "study").add_trial(trial)
    return tmp_path / "study"


@pytest.fixture
def ablation(sound_ablation, tmp_path):
    """The folder of one with a training that is done."""
    return shutil.copytree(sound_ablation, tmp_path / "ablation")


@pytest.fixture
def search(sound_search, tmp_path):
    """The folder of one with a trial that is done."""
    return shutil.copytree(sound_search, tmp_path / "study")


def alter(folder, table, column, value, where="1"):
    with closing(sqlite3.connect(folder / STORE)) as base:
        changed = base.execute(f"update {table} set {column} = ? where {where}", (value,)).rowcount
        base.commit()
    assert changed


ALTERED = {
    "an arm that there is not": ("trial_params", "param_value", 99, "param_name = 'arm'"),
    "a parameter of another name": ("trial_params", "param_name", "leg", "param_name = 'arm'"),
    "a distribution that is none": ("trial_params", "distribution_json", "[]", "1"),
    "a name in place of a state": ("trials", "state", "DONE", "1"),
    "no beginning": ("trials", "datetime_start", b"\xff", "1"),
    "a reason that is no text": ("trial_user_attributes", "value_json", "[1]", "key = 'failed'"),
    "an attribute that is no JSON": ("trial_user_attributes", "value_json", "{", "1"),
    "a direction that is none": ("study_directions", "direction", "UP", "1"),
    "a plan that is no JSON": ("study_user_attributes", "value_json", "", "1"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_ablation_is_refused_in_a_sentence(what, ablation):
    assert len(Ablation.join(ablation).failures()) == 1
    alter(ablation, *ALTERED[what])
    with pytest.raises(InputError, match=r"study") as refused:
        Ablation.join(ablation).failures()
    assert str(refused.value).isprintable()


def test_the_folder_of_a_training_that_no_system_could_have_is_refused_in_a_sentence(ablation):
    assert len(Ablation.join(ablation).failures()) == 1
    alter(ablation, "trial_user_attributes", "value_json", f'"{"a" * 5000}"', "key = 'run'")
    with pytest.raises(InputError, match="aaa"):
        Ablation.join(ablation).runs()


def test_a_training_that_runs_and_was_never_begun_is_refused(ablation):
    alter(ablation, "trials", "state", "RUNNING")
    Ablation.join(ablation)._next()
    alter(ablation, "trials", "datetime_start", None)
    with pytest.raises(InputError, match="trial 0"):
        Ablation.join(ablation)._next()


ALTERED_TRIALS = {
    "a rate out of range": ("trial_params", "param_value", 5.0, f"param_name = '{RATE}'"),
    "a choice that there is not": ("trial_params", "param_value", 9, f"param_name = '{DROPOUT}'"),
    "a key that is not searched": ("trial_params", "param_name", "seed", f"param_name = '{RATE}'"),
    "figures that are none": ("trial_user_attributes", "value_json", "[]", "key = 'figures'"),
    "a run that is none": ("trial_user_attributes", "value_json", "7", "key = 'run'"),
    "a limit that is none": ("trial_system_attributes", "value_json", '"x"', "1"),
    "two results of one goal": ("trial_values", "objective", 1, "1"),
    "a result that is text": ("trial_values", "value", "x", "1"),
    "a result that is bytes": ("trial_values", "value", b"\xff", "1"),
    "an infinite result": ("trial_values", "value_type", "INF_POS", "1"),
    "no direction": ("study_directions", "study_id", 99, "1"),
    "the other direction": ("study_directions", "direction", "MINIMIZE", "1"),
    "an accuracy above 1": ("trial_values", "value", 1e308, "1"),
    "an accuracy below 0": ("trial_values", "value", -1.0, "1"),
    "a choice that is a list": (
        "trial_params",
        "distribution_json",
        '{"name": "CategoricalDistribution", "attributes": {"choices": [[[]], "0.1"]}}',
        f"param_name = '{DROPOUT}'",
    ),
}


@pytest.mark.parametrize("what", ALTERED_TRIALS)
def test_an_altered_search_is_refused_in_a_sentence(what, search):
    assert Search.join(str(search)).best()
    alter(search, *ALTERED_TRIALS[what])
    with pytest.raises(InputError, match=r"study") as refused:
        Search.join(str(search)).best()
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("trials",), 0),
        (("goals",), ["speed"]),
        (("limits",), {"colour": 1.0}),
        (("limits", "parameters"), -1.0),
        (("pruner",), "shears"),
        (("space",), {}),
        (("space", RATE, "low"), 0.0),
        (("space", RATE, "high"), -1.0),
        (("space", DROPOUT, "values"), [0.1]),
        (("space", DROPOUT, "values"), [0.1, "much"]),
        (("space", "data.path"), {"kind": "Choices", "values": ["a", "b"]}),
        (("base", "train"), None),
    ],
)
def test_an_altered_task_is_refused_in_a_sentence(path, value, search):
    study = join_study(search)
    task = json.loads(json.dumps(study.user_attrs["search"]))
    place = task
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    study.set_user_attr("search", task)
    with pytest.raises(InputError, match=r"study study: damaged: search"):
        Search.join(str(search))


def test_no_study_is_begun_among_files_of_something_else(search, ablation, tmp_path):
    task, plan = Search.join(str(search)).task, Ablation.join(ablation).plan
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "trials.csv").write_text("mine")
    (folder / RUNS / "Nov27_host").mkdir(parents=True)
    for begin in (
        lambda: Ablation.begin(folder, plan),
        lambda: Search.begin(folder, None, task),
        lambda: Search.begin(folder, "sqlite://", task),
    ):
        with pytest.raises(InputError, match=r"holds '(runs|trials\.csv)', and no study was"):
            begin()
    assert {path.name for path in folder.iterdir()} == {"trials.csv", RUNS}


def test_what_a_range_and_choices_stand_for_are_values_that_they_can_have_given():
    rate, kinds = Range(1e-4, 1e-2, True, None, False), Choices((1, True, [2, 3]))
    assert rate.value(1e-3) == 1e-3
    assert [kinds.value(text) for text in ("1", "true", "[2, 3]")] == [1, True, [2, 3]]
    for each, stored in ((rate, 1), (rate, 0.5), (rate, float("nan")), (kinds, "2"), (kinds, 1)):
        with pytest.raises(ValueError, match="is "):
            each.value(stored)


@pytest.fixture
def mine(tmp_path):
    """A file of somebody else, elsewhere."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    yield folder / "thesis.tex"
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    assert (folder / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_store_leads_to_no_file_elsewhere(suffix, link, search, mine):
    with closing(sqlite3.connect(search / STORE)) as base:
        base.execute(f"PRAGMA journal_mode = {'wal' if suffix in ('-wal', '-shm') else 'persist'}")
    path = search / (STORE + suffix)
    path.unlink(missing_ok=True)
    getattr(path, link)(mine)
    with pytest.raises(InputError, match=r"a link|a second name"):
        Search.join(str(search))


def test_a_journal_removes_no_file_elsewhere(search, mine):
    """SQLite removes what is named as the journal over several databases once it is done with."""
    name, magic = str(mine).encode(), bytes.fromhex("d9d505f920a163d7")
    pages = (search / STORE).stat().st_size // 4096
    head = magic + struct.pack(">IIIII", 0, 1, pages, 512, 4096)
    tail = struct.pack(">I", 1) + name + struct.pack(">II", len(name), sum(name)) + magic
    journal = search / f"{STORE}-journal"
    journal.write_bytes(head.ljust(512, b"\0") + tail)
    for store in (str(search), f"sqlite:///{search / STORE}"):
        with pytest.raises(InputError, match="names another file"):
            Search.join(store)


def test_a_study_of_a_database_has_a_folder_of_its_own(search, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = f"sqlite:///{search / STORE}"
    assert Search.join(store).folder.name == "study"
    alter(search, "studies", "study_name", "../../mine")
    with pytest.raises(InputError, match=r"'?\.\./\.\./mine'?: its name is no folder's"):
        Search.join(store)


def test_a_store_runs_nothing_of_its_own(search):
    """A view may be endless, and a trigger is run when a trial is written."""
    with closing(sqlite3.connect(search / STORE)) as base:
        base.execute("ALTER TABLE version_info RENAME TO version")
        base.execute(
            "CREATE VIEW version_info AS WITH RECURSIVE n(x) AS "
            "(SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS version_info_id FROM n"
        )
    with pytest.raises(InputError, match="it has the view 'version_info'"):
        Search.join(str(search))


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TRIGGER more AFTER INSERT ON trials BEGIN DELETE FROM trial_values; END",
        "CREATE TABLE more (a, b GENERATED ALWAYS AS (zeroblob(1000000000)))",
        "CREATE TABLE more (a, b as(zeroblob(1000000000)) STORED)",
    ],
)
def test_a_store_has_plain_tables_alone(made, search):
    with closing(sqlite3.connect(search / STORE)) as base:
        base.execute(made)
    with pytest.raises(InputError, match=r"no study: it has the \w+ 'more"):
        Search.join(str(search))


def test_what_a_killed_process_had_half_written_is_taken_back(search):
    """By the journal that it left, which is as the stranger's but names no other file."""
    before = (search / STORE).read_bytes()
    with closing(sqlite3.connect(search / STORE, isolation_level=None)) as base:
        base.execute("PRAGMA cache_size = 1")
        base.execute("BEGIN")
        base.execute("UPDATE trial_user_attributes SET value_json = randomblob(90000)")
        killed = shutil.copytree(search, search.parent / "killed")
        base.execute("ROLLBACK")
    assert (killed / STORE).read_bytes() != before
    assert (killed / f"{STORE}-journal").exists()
    assert Search.join(str(killed)).best()


def test_folders_of_a_study_lead_nowhere_else(search, mine):
    alter(search, "trial_params", "param_value", 2e-3, f"param_name = '{RATE}'")
    found = Search.join(str(search))
    found.task = replace(found.task, confirm=2)
    trainer = Trainer(search / RUNS, [], Console(), lambda *all, **more: None)
    config = found.config(found.best()[0]).model_copy(update={"name": "trial-1-seed0"})
    for name, use in (
        (RUNS, lambda: trainer.discard(config)),
        ("logs", lambda: trainer._train(config, None, "trial 1", (), None)),
        (FOLDER, lambda: confirm(found, Console())),
    ):
        (search / name).symlink_to(mine.parent)
        with pytest.raises(InputError, match="a link"):
            use()
        (search / name).unlink()
    (search / "logs").mkdir()
    (search / "logs" / "trial-1-seed0.txt").symlink_to(mine)
    with pytest.raises(InputError, match="a link"):
        trainer._train(config, None, "trial 1", (), None)


def test_a_training_that_is_given_up_removes_no_run_that_a_link_leads_to(search, tmp_path):
    found = Search.join(str(search))
    config = found.config(found.best()[0])
    run = tmp_path / "saved" / "mine-001"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(dump_config(config))
    (search / RUNS).mkdir()
    (search / RUNS / "trial-1-seed0-001").symlink_to(run)
    with pytest.raises(InputError, match="a link"):
        Trainer(search / RUNS, [], Console(), lambda *all, **more: None).discard(config)
    assert (run / "config.yaml").exists()
