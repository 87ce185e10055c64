"""Faces divided otherwise than a run had them: teachers, starts, resumed and evaluated runs."""

import io
from dataclasses import replace

import numpy as np
import pytest

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.data.load import load_splits
from ferkeras.data.split import Fold, split_faces
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.evaluate.subject import find_subject
from ferkeras.runs.finished import open_run
from ferkeras.runs.shipped import SHIPPED
from ferkeras.runs.start import was_trained_on_validation
from ferkeras.runs.teachers import possibly_leaked
from ferkeras.runs.unfinished import UnfinishedRun

DIVISIONS = {
    "official": {},
    "fold 1": {"fold": Fold(1, 3)},
    "fold 2": {"fold": Fold(2, 3)},
    "fold 2 by seed 1": {"fold": Fold(2, 3), "seed": 1},
}


@pytest.fixture(scope="module")
def divided():
    read = synthetic_faces(200, 0)
    return {
        name: split_faces(read, **{"seed": 0, "validation_fraction": 0.2, **how})
        for name, how in DIVISIONS.items()
    }


def trained_on(splits, config=None):
    """The run that comes along, as if it had been trained on these faces."""
    run = open_run(SHIPPED)
    data = {
        **run.environment["data"],
        "fingerprint": splits.fingerprint,
        "official_split": splits.official,
        "division": splits.division,
        "task": splits.task.as_json(),
    }
    del data["votes"]
    environment = {**run.environment, "data": data}
    return replace(run, environment=environment, config=config or run.config)


@pytest.mark.parametrize("here", DIVISIONS)
@pytest.mark.parametrize("then", DIVISIONS)
def test_who_had_other_faces_held_out_may_know_those_that_are_held_out_here(then, here, divided):
    run = trained_on(divided[then])
    assert was_trained_on_validation(run, divided[here]) == (then != here)
    assert possibly_leaked([run], divided[here]) == ([] if then == here else [run.name])
    other = replace(divided[here], fingerprint="0" * 64)
    assert not was_trained_on_validation(run, other)
    assert possibly_leaked([run], other) == [run.name]


def test_a_run_that_recorded_no_division_had_the_one_that_its_source_has(divided):
    run = trained_on(divided["official"])
    del run.environment["data"]["division"]
    assert possibly_leaked([run], divided["official"]) == []
    assert possibly_leaked([run], divided["fold 1"]) == [run.name]


def test_who_has_seen_what_is_left_out_here_may_know_what_is_held_out():
    read = synthetic_faces(200, 0)
    held_out = np.flatnonzero(read.usage == 2)[:3]
    read.faces.images[np.flatnonzero(read.usage == 1)[:3]] = read.faces.images[held_out]
    how = {"seed": 0, "validation_fraction": 0.2}
    whole, clean = split_faces(read, **how), split_faces(read, **how, drop_leaked=True)
    assert (whole.leaked, clean.leaked) == (0, 3)
    run = trained_on(whole)
    assert possibly_leaked([run], clean) == [run.name]
    assert was_trained_on_validation(run, clean)
    run = trained_on(clean)
    assert possibly_leaked([run], clean) == possibly_leaked([run], whole) == []


def write_table(path, person, names=("calm", "cross")):
    """Forty faces of two classes, whose fingerprint does not depend on who is seen."""
    rows = [
        f"{names[at % 2]},{person(at)},{' '.join(map(str, image.ravel()))}\n"
        for at, image in enumerate(synthetic_faces(200, 0).faces.images[:40])
    ]
    path.write_text("emotion,person,pixels\n" + "".join(rows))


@pytest.fixture
def table(tmp_path):
    """A table, and a run that was trained on it."""
    path = tmp_path / "faces.csv"
    write_table(path, lambda at: at // 4)
    config = load_config(None, [f"data.path={path}", "data.cache=false"])
    return path, trained_on(load_splits(config, Console(io.StringIO())), config)


def resumed_on_what_is_there(run):
    splits = load_splits(run.config, Console(io.StringIO()))
    assert splits.fingerprint == run.fingerprint
    UnfinishedRun(run.run, run.config, run.environment).check_faces(splits)


def test_a_run_is_not_resumed_when_faces_are_said_to_be_of_other_people(table):
    path, run = table
    resumed_on_what_is_there(run)
    write_table(path, lambda at: at % 10)
    with pytest.raises(InputError, match="divided otherwise than when the run began"):
        resumed_on_what_is_there(run)


def test_a_run_is_not_resumed_on_classes_of_other_names(table):
    path, run = table
    write_table(path, lambda at: at // 4, ("calm", "dull"))
    with pytest.raises(InputError, match="faces of calm, dull, and of calm, cross when the run"):
        resumed_on_what_is_there(run)


@pytest.mark.parametrize("named", [False, True])
def test_an_evaluation_says_that_faces_are_divided_otherwise(named, table):
    path, run = table
    where = str(path) if named else None
    as_then = find_subject(run, None, where, Console(io.StringIO()))
    assert (as_then.same_data, as_then.remark) == (True, "")
    write_table(path, lambda at: at % 10)
    found = find_subject(run, None, where, Console(io.StringIO()))
    assert not found.same_data
    assert "its validation faces may have been training faces" in found.remark


@pytest.mark.parametrize("then", [False, True])
def test_a_run_is_not_resumed_when_other_training_faces_leak(then, table):
    path, run = table
    faces = synthetic_faces(200, 0).faces.images[:40, ..., 0].reshape(40, -1)
    faces[10:14] = faces[30:34]
    rows = [
        f"{('calm', 'cross')[at % 2]},{('Training', 'PublicTest')[at >= 30]},"
        f"{' '.join(map(str, face))}\n"
        for at, face in enumerate(faces)
    ]
    path.write_text("emotion,Usage,pixels\n" + "".join(rows))
    keys = [f"data.path={path}", "data.cache=false"]
    configs = [load_config(None, [*keys, f"data.drop_leaked={each}"]) for each in (False, True)]
    run = trained_on(load_splits(configs[then], Console(io.StringIO())), configs[then])
    run.environment["data"]["leaked"] = 4 * then
    resumed_on_what_is_there(run)
    with pytest.raises(InputError, match=f"leaves {4 * (not then)} .* out, and {4 * then} were"):
        resumed_on_what_is_there(replace(run, config=configs[not then]))
