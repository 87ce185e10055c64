"""Planted faults are named, healthy trainings are left alone, and nothing examined is changed."""

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from brief_training import QUICK, synthetic_splits

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.load import load_splits
from ferkeras.diagnose import measurements
from ferkeras.diagnose.__main__ import main
from ferkeras.diagnose.case import Case, train_briefly
from ferkeras.diagnose.causes.one_batch import cannot_learn_one_batch
from ferkeras.diagnose.causes.overfitting import overfitting
from ferkeras.diagnose.diagnosis import LEFT, MEASURED, TRIED, diagnose
from ferkeras.diagnose.finding import Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.treatment import can_be_tried, treat
from ferkeras.diagnose.trial import learn_one_batch, try_out
from ferkeras.fit.run import train
from ferkeras.lr_find.range_test import lr_range_test
from ferkeras.training.movement import weights_of
from ferkeras.training.setup import build_setup

pytestmark = pytest.mark.usefixtures("short_range_tests", "told_apart_once")


@pytest.fixture(scope="module")
def synthetic() -> Splits:
    return synthetic_splits(900, halved=True)


def config(**overrides):
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    return with_values(Config(), QUICK | values)


def named(splits, steps=60, **overrides):
    """Names of the causes that are found, the first one first."""
    return [f.cause for f in diagnose(train_briefly(config(**overrides), splits, steps)).findings]


def relabelled(splits, train=None, validation=None):
    """The faces with other labels."""
    faces = [
        each if labels is None else replace(each, labels=labels.astype(np.int32))
        for each, labels in ((splits.train, train), (splits.validation, validation))
    ]
    return Splits(*faces, None, splits.source, splits.fingerprint, True)


@pytest.mark.parametrize(
    ("cause", "overrides"),
    [
        ("learning_rate_too_high", {"train__learning_rate": 3.0}),
        (
            "gradients_clipped_away",
            {
                "train__optimizer": "sgd",
                "train__learning_rate": 0.05,
                "train__global_clip_norm": 1e-6,
            },
        ),
        (
            "weight_decay_too_strong",
            {
                "train__optimizer": "sgd",
                "train__learning_rate": 0.1,
                "train__weight_decay": 0.99,
            },
        ),
        ("too_few_steps", {"train__batch_size": 512}),
    ],
)
def test_wrong_settings_are_named_first(cause, overrides, synthetic):
    assert named(synthetic, **overrides)[:1] == [cause]


def test_jumping_statistics_of_tiny_batches_are_fixed_by_larger_ones(synthetic):
    tiny = config(train__batch_size=4)
    setup = build_setup(tiny, synthetic)
    for layer in setup.model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.1
    case = train_briefly(tiny, synthetic, 60, lambda *_: setup)
    found = diagnose(case).findings[0]
    assert found.cause == "batchnorm_too_fast"
    fixed = found.remedies[0].applied_to(tiny)
    remembered = fixed.train.batch_size / (1 - fixed.network.batchnorm_momentum)
    assert fixed.train.batch_size >= 32
    assert remembered >= 320 - 1e-6


def test_a_loss_that_ignores_the_labels_cannot_learn_one_batch(synthetic):
    def begin(config, splits):
        setup = build_setup(config, splits)
        setup.model.loss.smoothing.assign(1.0)
        return setup

    m = Measurements(train_briefly(config(), synthetic, 60, begin))
    assert [probe.__name__ for probe in MEASURED if probe(m)] == []
    assert cannot_learn_one_batch(m).evidence[0].value < 0.5


@pytest.fixture(scope="module")
def begun(synthetic) -> Case:
    """A training that goes well so far; whoever examines it leaves it as it was."""
    return train_briefly(config(network__conv_dropout=0.1), synthetic, 20)


def test_one_batch_is_memorised_and_the_case_stays_as_it_was(begun):
    before = weights_of(begun.setup.model)
    assert learn_one_batch(begun, {}) > 0.9
    for now, then in zip(weights_of(begun.setup.model), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.usefixtures("eager")
def test_what_reaches_the_network_is_measured_alike_in_half_precision(synthetic):
    found = []
    for precision in ("float32", "mixed_bfloat16"):
        case = train_briefly(config(train__precision=precision), synthetic, 4)
        found.append(Measurements(case).network_input)
    keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(found[1], found[0], atol=0.01)


@pytest.fixture(scope="module")
def memorised(synthetic) -> Case:
    """A network that has memorised 150 faces."""
    few = replace(synthetic, train=synthetic.train.take(np.arange(150)))
    return train_briefly(config(train__epochs=30), few, 150)


def had(case, losses):
    """The case, said to have had these validation losses."""
    history = pd.DataFrame({"epoch": range(1, len(losses) + 1), "val_cross_entropy": losses})
    return replace(case, history=history)


def test_memorising_is_named_once_the_validation_loss_rises(memorised):
    finding = diagnose(had(memorised, [1.9, 1.7, 2.5])).findings[0]
    assert finding.cause == "overfitting"
    assert "1.700 in epoch 2, then 2.500" in [each.measured for each in finding.evidence]
    assert finding.evidence[-1].value == pytest.approx(0.8)


def test_a_gap_is_no_overfitting_while_the_validation_loss_falls(memorised):
    assert overfitting(Measurements(had(memorised, [1.9, 1.8, 1.7]))) is None


@pytest.mark.usefixtures("eager")
def test_shuffled_training_labels_are_named_first(synthetic):
    labels = np.random.default_rng(0).permutation(synthetic.train.labels)
    assert named(relabelled(synthetic, train=labels), 4)[0] == "random_labels"


@pytest.mark.usefixtures("eager")
def test_other_names_in_validation_are_named_first_with_the_names(synthetic):
    order = np.array([0, 1, 2, 3, 5, 6, 4])
    other = relabelled(synthetic, validation=order[synthetic.validation.labels])
    finding = diagnose(train_briefly(config(), other, 4)).findings[0]
    assert finding.cause == "permuted_labels"
    assert "neutral there is surprise here" in finding.verdict


@pytest.mark.usefixtures("eager")
def test_a_class_that_training_lacks_and_blank_images_are_named(synthetic):
    without = synthetic.train.take(synthetic.train.labels != 3)
    splits = Splits(without, synthetic.validation, None, "synthetic", "", True)
    assert named(splits, 4)[0] == "missing_class"
    black = Faces(
        synthetic.train.images * (np.arange(len(synthetic.train)) % 3 == 0)[:, None, None, None],
        synthetic.train.labels,
        synthetic.train.classes,
    )
    splits = Splits(black, synthetic.validation, None, "synthetic", "", True)
    assert named(splits, 4)[0] == "blank_images"


@pytest.mark.parametrize(
    "overrides", [{}, {"train.learning_rate": 0.01, "class_weight.rule": "none"}]
)
def test_a_trial_on_the_network_that_is_there_is_one_on_a_new_network(
    begun, monkeypatch, overrides
):
    there = try_out(begun, overrides, 20)
    monkeypatch.setattr("ferkeras.diagnose.case.same_variables", lambda *models: False)
    assert try_out(begun, overrides, 20) == there


def test_what_is_examined_stays_as_it_was(begun):
    model = begun.setup.model
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(variable.numpy()) for variable in variables]
    state = np.random.get_state()[1].copy()
    diagnose(begun)
    assert all(
        np.array_equal(variable.numpy(), value)
        for variable, value in zip(variables, before, strict=True)
    )
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_training_continues_after_a_diagnosis_as_if_there_were_none(tmp_path):
    console = Console(io.StringIO())
    runs = []
    for wanted in (True, False):
        settings = config(
            name=f"diagnosed-{wanted}".lower(),
            output__folder=str(tmp_path),
            data__demo_faces=200,
            train__learning_rate=1e-6,
            train__epochs=2,
            train__batch_size=64,
            network__dense_dropout=0.3,
            monitor__tensorboard=False,
            monitor__diagnose=wanted,
        )
        splits = load_splits(settings, console)
        runs.append(train(settings, splits, console, brief=True).run)
    with_, without = runs
    assert (with_.diagnosis / "diagnosis.json").exists()
    assert not without.diagnosis.exists()
    assert with_.history.read_bytes() == without.history.read_bytes()


def test_remedies_are_settings_that_can_be_trained_with_and_tried(synthetic, monkeypatch):
    monkeypatch.setattr(measurements, "lr_range_test", lr_range_test)
    diagnosis = diagnose(train_briefly(config(train__learning_rate=1e-7), synthetic, 40))
    assert diagnosis.findings[0].cause == "learning_rate_too_low"
    configured = next(e for e in diagnosis.findings[0].evidence if e.what == "learning rate")
    assert configured.value == 1e-7
    suggested = float(re.search(r"about (\S+),", configured.expected).group(1))
    assert 1e-4 < suggested < 0.1
    remedy = diagnosis.findings[0].remedies[0]
    changed = remedy.applied_to(diagnosis.case.config)
    assert 1e-5 < changed.train.learning_rate < 1e-1
    assert re.fullmatch(r"train\.learning_rate=\S+", remedy.arguments)
    assert can_be_tried(diagnosis) == [("learning_rate_too_low", remedy)]
    treated = treat(diagnosis)
    assert [each.remedy for each in treated] == [remedy]
    assert treated[0].treated.on_train > treated[0].untreated.on_train


def test_a_list_goes_onto_a_command_line_without_blanks_and_quoted():
    remedy = Remedy("wider", "more", {"network.filters": [16, 32], "train.learning_rate": 1e-5})
    assert remedy.arguments == "'network.filters=[16,32]' train.learning_rate=1.0e-05"


def test_every_probe_has_a_name_of_its_own():
    names = [probe.__name__ for probe in (*MEASURED, *TRIED, *LEFT)]
    assert len(set(names)) == len(names) >= 20
    assert all(probe.__doc__ for probe in (*MEASURED, *TRIED, *LEFT))


def test_the_verb_examines_a_run(finished_run, tmp_path, capsys):
    run = tmp_path / "tiny-001"
    shutil.copytree(finished_run, run)
    code = main([str(run), "--try"])
    said = capsys.readouterr().out
    found = json.loads((run / "diagnosis" / "diagnosis.json").read_text())
    assert code == (1 if found["cause"] else 0)
    assert f"Verdict: {found['verdict']}" in said
    page = (run / "diagnosis" / "diagnosis.html").read_text()
    assert "://" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    assert '<svg class="drawing"' in page
    assert (run / "diagnosis" / "diagnosis.png").stat().st_size > 10_000
    for finding in found["findings"]:
        assert finding["evidence"]
        assert finding["remedies"]
        assert finding["source"]


def test_what_is_examined_is_said_first_and_how_to_examine_the_newest_run(
    finished_run, tmp_path, capsys, monkeypatch
):
    def no_faces(*given):
        raise InputError("no faces")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ferkeras.data.load.load_splits", no_faces)
    first = "Examined: no run, but 240 steps of a training with --config demo, on synthetic faces\n"
    assert main([]) == 2
    assert capsys.readouterr().out == f"{first}\n"
    shutil.copytree(finished_run, tmp_path / "saved_models" / "tiny-001")
    assert main([]) == 2
    _, newest = capsys.readouterr().out.split(first)
    assert newest.rstrip().endswith(f"diagnose {Path('saved_models', 'tiny-001')}")


def test_faces_of_a_run_may_have_moved_but_must_be_the_same(
    finished_run, tmp_path, capsys, monkeypatch
):
    for kind in ("MEASURED", "TRIED", "LEFT"):
        monkeypatch.setattr(f"ferkeras.diagnose.diagnosis.{kind}", ())
    run, gone = tmp_path / "tiny-001", tmp_path / "gone.csv"
    shutil.copytree(finished_run, run)
    settings = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(re.sub("path: demo", f"path: {gone}", settings))
    assert main([str(run)]) == 2
    message = capsys.readouterr().err
    assert "no such file" in message
    assert f"diagnose {run} data.path=PATH" in message
    rows = [f"{at % 7},{' '.join([str(at)] * 2304)}" for at in range(14)]
    gone.write_text("\n".join(["emotion,pixels", *rows]))
    assert main([str(run)]) == 2
    assert "other faces than the run was trained on" in capsys.readouterr().err
    assert main([str(run), "data.path=demo"]) == 0
    assert capsys.readouterr().out.startswith(f"Examined: the run {run}, on synthetic faces\n")
    assert (run / "config.yaml").read_text().count(str(gone)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such run folder"),
        (["nowhere", "train.epochs=3"], "leave out"),
        (["train.epochs=none"], "train.epochs"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_error(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []
