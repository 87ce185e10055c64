"""Intervals of figures hold at their rate, with few faces too, or are not given."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.compare.comparison import load_compared, ranking
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.evaluate.__main__ import main as evaluate
from ferkeras.metrics.bootstrap import resample
from ferkeras.metrics.intervals import FEWEST, LEAST, intervals_of, wilson
from ferkeras.metrics.predictions import Predictions
from ferkeras.report.verdict import verdict_on
from ferkeras.runs.finished import open_run

CLASSES = 7
PRIOR = np.array([0.13, 0.016, 0.14, 0.25, 0.17, 0.12, 0.174])


def draw(count: int, rng: np.random.Generator) -> Predictions:
    """Faces of a network that is right on about 70 % of them."""
    labels = rng.choice(CLASSES, count, p=PRIOR / PRIOR.sum())
    logits = rng.normal(size=(count, CLASSES))
    logits[np.arange(count), labels] += 2.2
    odds = np.exp(1.4 * logits)
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(probabilities, labels.astype(np.int32), FER2013.classes)


@pytest.mark.parametrize("trials", [5, 10, 20, 50, 200])
def test_wilson_holds_at_its_rate_on_average_and_nearly_everywhere(trials):
    rates = np.linspace(0.02, 0.98, 97)
    ends = np.array([wilson(k, trials) for k in range(trials + 1)])
    chances = np.array(
        [
            [math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
            for p in rates
        ]
    )
    holds = (ends[:, 0] <= rates[:, None]) & (rates[:, None] <= ends[:, 1])
    covered = (chances * holds).sum(axis=1)
    assert 0.94 < covered.mean() < 0.98
    assert covered.min() > 0.82


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_rate_and_stays_between_0_and_1(trials, data):
    hits = data.draw(st.integers(0, trials))
    low, high = wilson(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1
    assert low < high
    mirrored = wilson(trials - hits, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("right", [True, False])
def test_one_face_tells_next_to_nothing(right):
    probabilities = np.full((1, CLASSES), 0.05, np.float32)
    probabilities[0, 3] = 0.7
    label = np.array([3 if right else 0], np.int32)
    found = intervals_of(Predictions(probabilities, label, FER2013.classes))
    low, high = found["accuracy"]
    assert (low > 0.15, high) == (True, 1) if right else (low, high < 0.85) == (0, True)
    assert high - low > 0.75
    assert set(found) <= {
        "accuracy", "top2_accuracy",
        "recall/happy", "precision/happy", "recall/angry",
    }  # fmt: skip


def test_what_is_known_too_badly_has_no_interval():
    rng = np.random.default_rng(0)
    few, some, many = (intervals_of(draw(n, rng)) for n in (FEWEST - 1, FEWEST, LEAST["ece"]))
    assert not {"log_loss", "cohen_kappa", "macro_f1", "ece"} & set(few)
    assert {"log_loss", "cohen_kappa", "macro_f1", "accuracy"} <= set(some)
    assert "ece" not in some
    assert "f1/disgust" not in some
    assert {"ece", "f1/happy"} <= set(many)


@pytest.mark.parametrize("all_right", [True, False])
@pytest.mark.parametrize("count", [30, 600])
def test_an_interval_holds_its_figure(count, all_right):
    predictions = draw(count, np.random.default_rng(3))
    if all_right:
        sure = np.eye(CLASSES, dtype=np.float32)[predictions.labels]
        predictions = replace(predictions, probabilities=sure)
    figures = predictions.metrics()
    for name, table in figures["emotions"].items():
        figures |= {f"{key}/{name}": table[key] for key in ("precision", "recall", "f1")}
    for name, (low, high) in intervals_of(predictions).items():
        assert low - 1e-12 <= figures[name] <= high + 1e-12, name


def test_a_figure_that_is_not_defined_has_no_interval():
    rng = np.random.default_rng(0)
    odds = rng.random((40, CLASSES)).astype(np.float32)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    of_one_class = Predictions(probabilities, np.zeros(40, np.int32), FER2013.classes)
    assert of_one_class.metrics()["cohen_kappa"] is None
    assert "cohen_kappa" not in intervals_of(of_one_class)


@pytest.mark.parametrize("count", [30, 150])
def test_intervals_hold_the_truth_at_their_rate(count):
    rng = np.random.default_rng(1)
    whole = draw(100_000, rng).metrics()
    names = "accuracy balanced_accuracy top2_accuracy macro_f1 cohen_kappa log_loss brier".split()
    truth = {name: whole[name] for name in names}
    for emotion, figures in whole["emotions"].items():
        truth |= {f"{name}/{emotion}": figures[name] for name in ("precision", "recall", "f1")}
    given, held = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    recalls = np.array([figures["recall"] for figures in whole["emotions"].values()])
    for _ in range(120):
        predictions = draw(count, rng)
        # Balanced accuracy is of the classes that there are.
        truth["balanced_accuracy"] = recalls[np.unique(predictions.labels)].mean()
        samples = resample(predictions, 400)
        for name, (low, high) in intervals_of(predictions, samples).items():
            if name in truth:
                given[name] += 1
                held[name] += low <= truth[name] <= high
    # 95 % less four standard errors of 120 trials, and what the bootstrap lacks with few faces.
    rates = {name: held[name] / given[name] for name in truth if given[name] > 100}
    assert len(rates) > 15
    assert min(rates.values()) > 0.85, rates
    assert 0.92 < np.mean(list(rates.values())) < 0.99


def test_a_few_faces_and_a_tie_name_no_better_network(finished_run):
    first, second = load_compared([open_run(finished_run)] * 2)
    assert f"{first.name}, {second.name} are equally accurate" in ranking([first, second])
    few = draw(3, np.random.default_rng(0))
    better = replace(second, validation=few, results={**few.metrics(), "accuracy": 1.0})
    assert f"most accurate on its validation faces is {second.name}: 100.0%" in ranking(
        [first, better]
    )
    assert ranking([first, better]).endswith("3 faces cannot tell which is better.")


def test_faces_of_one_class_do_not_tell_that_every_class_is_recognised():
    one = Predictions(np.eye(7, dtype=np.float32)[[3]], np.array([3], np.int32), FER2013.classes)
    assert verdict_on(one.metrics()).endswith("there are faces of happy alone")


def test_no_temperature_is_fitted_on_a_few_faces(finished_run, tmp_path, monkeypatch, capsys):
    copied = tmp_path / finished_run.name
    shutil.copytree(finished_run, copied)
    monkeypatch.setattr("ferkeras.metrics.measures.FEWEST", 10_000)
    assert evaluate([str(copied), "--calibrate"]) == 2
    assert "faces would be a guess; at least 10000 are needed" in capsys.readouterr().err
    assert not (copied / "calibration.json").exists()
