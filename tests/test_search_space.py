"""Ranges, goals and limits of `python -m ferkeras.search`."""

import optuna
import pytest

from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.search.goals import excess, read_goals, read_limits
from ferkeras.search.space import (
    Choices,
    Range,
    check_space,
    from_json,
    read_space,
    to_json,
    values_of,
)

BASE = load_config(None)


def space_of(*texts, file=None):
    return read_space(texts, file)


def test_ranges_and_choices_are_told_from_plain_values():
    space, plain = space_of(
        "train.learning_rate=log(1e-4,1e-2)",
        "network.conv_dropout=[0, 0.1]",
        "network.filters=[8,16]",
        "network.dense_units=[[],[64]]",
        "train.batch_size=linear(32,128,32)",
        "train.epochs=3",
    )
    assert space == {
        "train.learning_rate": Range(1e-4, 1e-2, True, None, False),
        "network.conv_dropout": Choices((0, 0.1)),
        "network.dense_units": Choices(([], [64])),
        "train.batch_size": Range(32, 128, False, 32, True),
    }
    assert plain == ["network.filters=[8,16]", "train.epochs=3"]
    assert from_json(to_json(space)) == space


def test_what_a_key_takes_is_known_of_every_kind_of_network_and_where_its_default_is_null():
    space, plain = space_of(
        "network.stem_stride=linear(1,4)",
        "network.residual_blocks=[1,2]",
        "network.unfreeze_after_epochs=[0,2]",
    )
    assert space == {
        "network.stem_stride": Range(1, 4, False, None, True),
        "network.unfreeze_after_epochs": Choices((0, 2)),
    }
    assert plain == ["network.residual_blocks=[1,2]"]


def test_a_file_of_ranges_by_key_or_by_section(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(
        "train.learning_rate: log(1e-4, 1e-2)\nnetwork:\n  conv_dropout: [0, 0.1, 0.2]\n"
    )
    space, _ = space_of(file=path)
    assert list(space) == ["train.learning_rate", "network.conv_dropout"]
    path.write_text("train.learning_rate: 0.1\n")
    with pytest.raises(InputError, match="expected log"):
        space_of(file=path)


def test_every_suggestion_lies_in_the_space_and_is_a_configuration():
    space, _ = space_of(
        "train.learning_rate=log(1e-4,1e-2)",
        "network.dense_units=[[],[64,32]]",
        "train.batch_size=linear(32,128,32)",
    )
    check_space(BASE, space)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        values = {key: each.suggest(trial, key) for key, each in space.items()}
        assert 1e-4 <= values["train.learning_rate"] <= 1e-2
        assert values["train.batch_size"] in (32, 64, 96, 128)
        assert values["network.dense_units"] in ([], [64, 32])
        assert values_of(space, trial.params) == values


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "nothing to search"),
        (["train.learning_rate=log(0,1)"], "above 0"),
        (["train.learning_rate=log(1e-2,1e-4)"], "LOW below HIGH"),
        (["train.batch_size=linear(1.5,3)"], "whole numbers"),
        (["train.learning_rate=log(1e-4,100)"], "expected number"),
        (["train.learning_rat=log(1e-4,1)"], "did you mean train.learning_rate"),
        (["network.conv_dropout=[0]"], "2 to 100 choices"),
        (["network.conv_dropout=[0,2]"], "expected number"),
        (["seed=linear(0,5)"], "no part of the recipe"),
        (["train.learning_rate=[auto, 0.01]"], "give a number"),
        (["monitor.collapse_action=[warn, heal]"], "changes its own settings"),
    ],
)
def test_a_wrong_space_is_refused(texts, words):
    with pytest.raises(InputError, match=words):
        check_space(BASE, space_of(*texts)[0])


def test_goals_and_limits():
    assert read_goals(["accuracy", "litert_ms"]) == ["accuracy", "litert_ms"]
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        read_goals(["acuracy"])
    with pytest.raises(InputError, match="two different"):
        read_goals(["accuracy", "accuracy"])
    limits = read_limits(["parameters=1_000_000", "minutes=2.5"])
    assert limits == {"parameters": 1e6, "minutes": 2.5}
    assert excess({"parameters": 2e6}, limits) == {"parameters": 1.0, "minutes": 0.0}
    for wrong in ("parameter=3", "minutes=-1", "minutes=x", "minutes=nan"):
        with pytest.raises(InputError, match="--limit"):
            read_limits([wrong])


def test_a_list_of_texts_is_a_choice_too():
    space, plain = read_space(["network.weights=[imagenet,none]", "data.path=[x].csv"], None)
    assert space["network.weights"].values == ("imagenet", "none")
    assert plain == ["data.path=[x].csv"]
