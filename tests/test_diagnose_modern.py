"""Diagnoses of residual networks in half precision with averaged weights and a cosine."""

import dataclasses
import io
import json
from types import SimpleNamespace

import pandas as pd
import pytest
from brief_training import synthetic_splits
from untraced import untraced

from ferkeras.cli.console import Console
from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.load import load_splits
from ferkeras.diagnose.__main__ import main
from ferkeras.diagnose.case import train_briefly
from ferkeras.diagnose.causes.batchnorm import batchnorm_gap
from ferkeras.diagnose.causes.capacity import network_too_small
from ferkeras.diagnose.causes.dropout import dropout_overrides
from ferkeras.diagnose.causes.one_batch import cannot_learn_one_batch
from ferkeras.diagnose.causes.overfitting import overfitting
from ferkeras.diagnose.causes.regularisation import too_much_regularisation
from ferkeras.diagnose.causes.signal import vanishing_gradients
from ferkeras.diagnose.causes.step_size import learning_rate_too_high
from ferkeras.diagnose.causes.unfinished import unexplained
from ferkeras.diagnose.measurements import FirstSteps, Measurements
from ferkeras.diagnose.trial import Trial
from ferkeras.fit.run import train
from ferkeras.publish.__main__ import main as publish
from ferkeras.runs.finished import open_run
from ferkeras.runs.network import load_network
from ferkeras.training.divergence import diagnose_divergence
from ferkeras.training.setup import build_setup

pytestmark = pytest.mark.usefixtures("short_range_tests", "told_apart_once")

MODERN = {
    "network.kind": "residual",
    "network.filters": [4, 8],
    "network.residual_blocks": [1, 2],
    "network.stem_filters": 4,
    "network.dense_units": [],
    "network.conv_dropout": 0.0,
    "network.batchnorm_momentum": 0.9,
    "train.optimizer": "adamw",
    "train.weight_decay": 0.05,
    "train.learning_rate": 0.003,
    "train.learning_rate_schedule": "cosine",
    "train.warmup_epochs": 1,
    "train.ema_momentum": 0.9,
    "train.batch_size": 32,
    "train.epochs": 3,
    "class_weight.rule": "none",
    "schedule.dropout_from_epoch": None,
    "schedule.smoothing_from_epoch": None,
    "schedule.plateau_from_epoch": None,
}


def config(**overrides):
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    return with_values(Config(), MODERN | values)


@pytest.fixture(scope="module")
def synthetic() -> Splits:
    return synthetic_splits(700, halved=True)


@pytest.fixture(scope="module")
def ignorant(synthetic) -> Measurements:
    """A network that has learned nothing yet; what the trials find, they find at once."""
    with untraced():
        m = Measurements(train_briefly(config(network__conv_dropout=0.5), synthetic, 1))
    m.trial = lambda values: Trial(values, 1, on_train=0.9, on_validation=0.9, **SURE)
    m.one_batch = lambda values: 0.1
    return m


SURE = {"train_accuracy": 0.9, "validation_accuracy": 0.9}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    settings = config(
        name="modern",
        train__precision="mixed_bfloat16",
        output__folder=str(folder),
        data__demo_faces=200,
        train__batch_size=64,
        train__ema_momentum=0.4,
        monitor__tensorboard=False,
        monitor__diagnose=False,
    )
    console = Console(io.StringIO())
    return train(settings, load_splits(settings, console), console, brief=True).run


@pytest.fixture
def without_trials(monkeypatch):
    """What is measured and no more: what trials find is tested with them."""
    monkeypatch.setattr("ferkeras.diagnose.diagnosis.TRIED", ())
    monkeypatch.setattr("ferkeras.diagnose.diagnosis.LEFT", ())


@pytest.mark.usefixtures("without_trials")
def test_a_run_with_averaged_weights_is_examined(run):
    assert main([str(run.folder)]) in (0, 1)
    found = json.loads((run.folder / "diagnosis" / "diagnosis.json").read_text())
    assert found["cause"] != "wrong_normalisation"
    finished = open_run(run.folder)
    ended_with = load_network(finished.config, finished.environment, run.last)
    faces = load_splits(open_run(run.folder).config, Console(io.StringIO())).validation
    predicted = ended_with.predict(faces.images, verbose=0).argmax(axis=1)
    assert found["accuracy"]["validation"] == pytest.approx((predicted == faces.labels).mean())


@pytest.mark.usefixtures("without_trials")
def test_a_published_run_is_examined(run, tmp_path, monkeypatch):
    monkeypatch.setattr("ferkeras.diagnose.diagnosis.MEASURED", (vanishing_gradients,))
    monkeypatch.setattr("ferkeras.publish.publication.export_network", lambda *_, **__: [])
    assert publish([str(run.folder), str(tmp_path / "given")]) == 0
    assert main([str(tmp_path / "given")]) in (0, 1)
    assert (tmp_path / "given" / "diagnosis" / "diagnosis.json").exists()


def test_a_short_training_follows_the_configured_schedule(synthetic):
    settings = config(train__batch_size=64)
    setup = build_setup(settings, synthetic)

    def rate_after(steps):
        train_briefly(settings, synthetic, steps, lambda *_: setup)
        return setup.model.optimizer.learning_rate.numpy()

    whole, part = rate_after(10_000), rate_after(6)
    assert part == pytest.approx(0.003 * 6 / (setup.pipeline.steps_per_epoch + 1))
    assert 0 < whole < 3e-5


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "probe", [too_much_regularisation, network_too_small, cannot_learn_one_batch, unexplained]
)
def test_remedies_can_be_trained_with_and_name_no_layer_that_is_not_there(probe, ignorant):
    finding = probe(ignorant)
    assert finding is not None
    for remedy in finding.remedies:
        assert "network.dense_dropout" not in remedy.overrides
        remedy.applied_to(ignorant.case.config)


@pytest.mark.usefixtures("eager")
def test_dense_dropout_without_dense_layers_is_suspected_of_nothing(synthetic):
    m = Measurements(train_briefly(config(network__dense_dropout=0.8), synthetic, 1))
    assert too_much_regularisation(m) is None


@pytest.mark.usefixtures("eager")
def test_light_regularisation_is_never_more_than_there_was(synthetic):
    settings = config(network__dense_units=[8], network__dense_dropout=0.1, augment__shift=0.4)
    settings = with_values(settings, {"network.conv_dropout": 0.5, "augment.zoom": 0.0})
    m = Measurements(train_briefly(settings, synthetic, 1))
    m.trial = lambda values: Trial(
        values, 1, on_train=0.9 if "augment.shift" in values else 0.8, on_validation=0.9, **SURE
    )
    light = too_much_regularisation(m).remedies[0].overrides
    assert light["augment.zoom"] == 0.0
    assert light["augment.shift"] == Config().augment.shift
    m.trial = lambda values: Trial(
        values, 1, on_train=0.8 if "augment.shift" in values else 0.9, on_validation=0.9, **SURE
    )
    assert too_much_regularisation(m).remedies[0].overrides == {
        "network.conv_dropout": Config().network.conv_dropout,
        "network.dense_dropout": 0.1,
    }


@pytest.mark.usefixtures("eager")
def test_the_remedy_for_overfitting_takes_no_regularisation_away(synthetic):
    settings = config(network__conv_dropout=0.3, augment__shift=0.3, augment__zoom=0.0)
    case = dataclasses.replace(train_briefly(settings, synthetic, 1), history=pd.DataFrame())
    m = Measurements(case)
    truth = m.train.labels
    m.on_train = dataclasses.replace(m.on_train, labels=truth, predicted=truth)
    overrides = overfitting(m).remedies[0].overrides
    assert overrides["network.conv_dropout"] == 0.3
    assert overrides["augment.shift"] == 0.3
    assert overrides["augment.zoom"] == Config().augment.zoom
    assert "network.dense_dropout" not in overrides


def test_dropout_stays_below_the_end_of_a_ramp():
    ramp = with_values(
        Config(),
        {
            "schedule.dropout_from_epoch": 2,
            "schedule.conv_dropout_end": 0.15,
            "schedule.dense_dropout_end": 0.35,
        },
    )
    assert dropout_overrides(ramp, conv=0.2, dense=0.3) == {
        "network.conv_dropout": 0.15,
        "network.dense_dropout": 0.3,
    }


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("average", "expected"), [(0.99, 0.99), (None, 0.9)])
def test_statistics_that_lag_behind_the_average_are_to_remember_what_it_does(
    average, expected, synthetic
):
    m = Measurements(train_briefly(config(train__ema_momentum=average), synthetic, 1))
    truth = m.train.labels
    m.with_batch_statistics = dataclasses.replace(m.on_train, labels=truth, predicted=truth)
    remedies = batchnorm_gap(m).remedies
    assert remedies[0].overrides["network.batchnorm_momentum"] == expected
    assert all(remedy.overrides != {"network.conv_dropout": 0.0} for remedy in remedies)


@pytest.mark.usefixtures("eager")
def test_a_layer_that_only_decay_moves_gets_no_gradient(ignorant):
    decay = 0.003 * 0.05
    moves = {"a/kernel": decay, "b/kernel": 0.02, "c/kernel": 0.03}
    ignorant.first_steps = FirstSteps(moves, 0.0, 1.0, 1.0)
    assert "a/kernel" in vanishing_gradients(ignorant).verdict
    ignorant.first_steps = FirstSteps(moves | {"a/kernel": 0.01}, 0.0, 1.0, 1.0)
    assert vanishing_gradients(ignorant) is None


@pytest.mark.usefixtures("eager")
def test_a_peak_after_a_warm_up_is_too_high_where_a_lower_one_learns_or_units_died(synthetic):
    m = Measurements(train_briefly(config(train__learning_rate=0.5), synthetic, 1))
    assert m.first_steps.typical > 0.1
    m.range_test = SimpleNamespace(suggestion=None)
    for learns_with_less, silent, named in ((0.9, 0.1, True), (0.0, 0.1, False), (0.0, 1.0, True)):
        skills = {True: learns_with_less, False: 0.0}
        m.silent_units = {"a_relu": silent}
        m.trial = lambda values, skills=skills: Trial(
            values, 1, skills[bool(values)], skills[bool(values)], **SURE
        )
        assert (learning_rate_too_high(m) is not None) is named


@pytest.mark.usefixtures("eager")
def test_what_is_suggested_after_a_divergence_is_below_the_peak_and_not_below_the_moment(synthetic):
    settings = config(train__learning_rate=0.01)
    model = train_briefly(settings, synthetic, 1).setup.model
    model.optimizer.learning_rate.assign(1e-5)
    assert "high for adamw; try train.learning_rate=0.001" in diagnose_divergence(settings, model)
