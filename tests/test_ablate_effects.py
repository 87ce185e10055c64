"""What is called a difference, over seeds and faces: `ferkeras.study.effects`."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.metrics.predictions import Predictions
from ferkeras.study.effects import (
    Comparison,
    Effect,
    Measured,
    effects,
    holm,
    spread_of_runs,
)

FACES = 300


def run(rng, labels, skill=1.5, faces="faces", epochs=5.0):
    logits = rng.normal(0, 1, (len(labels), 7))
    logits[np.arange(len(labels)), labels] += skill
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    return Measured(
        Predictions(shares.astype(np.float32), labels, FER2013.classes), faces, epochs, False
    )


def ablation(rng, arms, seeds=3, skills=None, faces=lambda seed: "faces"):
    skills = skills or {}
    labels = {}
    for seed in range(seeds):
        labels.setdefault(faces(seed), rng.integers(0, 7, FACES, dtype=np.int32))
    return {
        arm: {
            seed: run(
                rng,
                labels[faces(seed)],
                skills.get(arm, 1.5) + rng.normal(0, 0.03),
                faces(seed),
                float(rng.integers(4, 7)),
            )
            for seed in range(seeds)
        }
        for arm in arms
    }


def against_base(arms):
    return [Comparison(arm, arm, "base", "variant") for arm in arms if arm != "base"]


def test_where_nothing_differs_hardly_anything_is_claimed():
    rng = np.random.default_rng(0)
    names = ["base", "a", "b", "c"]
    claimed = sum(
        any(
            each.verdict in ("better", "worse")
            for each in effects(ablation(rng, names), against_base(names), resamples=100)
        )
        for _ in range(40)
    )
    # 5 % of 40 is 2; six or more come in 1.4 % of all series of an honest 5 %.
    assert claimed <= 5


def test_a_large_difference_is_found_in_the_right_direction():
    rng = np.random.default_rng(1)
    names = ["base", "good", "bad", "same"]
    arms = ablation(rng, names, skills={"good": 2.5, "bad": 0.8})
    verdicts = {
        (each.comparison.name, each.key): each.verdict
        for each in effects(arms, against_base(names), resamples=200)
    }
    assert verdicts["good", "accuracy"] == "better"
    assert verdicts["good", "log_loss"] == "better"
    assert verdicts["bad", "balanced_accuracy"] == "worse"
    assert verdicts["same", "accuracy"] in ("open", "same")


def test_faces_of_their_own_for_each_seed_add_nothing_in_common():
    rng = np.random.default_rng(2)
    names = ["base", "a"]
    arms = ablation(rng, names, faces=lambda seed: f"faces {seed}")
    accuracy = effects(arms, against_base(names), resamples=200)[0]
    values = {(arm, s): m.predictions.metrics()["accuracy"] for arm in names
              for s, m in arms[arm].items()}  # fmt: skip
    differences = [values["a", seed] - values["base", seed] for seed in range(3)]
    # Then it is the paired t test over the seeds.
    assert accuracy.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert accuracy.value == pytest.approx(np.mean(differences))


def test_a_run_against_itself_is_no_difference():
    arms = ablation(np.random.default_rng(3), ["base"])
    arms["copy"] = arms["base"]
    for each in effects(arms, against_base(["base", "copy"]), resamples=50):
        assert each.value == 0
        assert each.verdict in ("open", "same")


def test_arms_without_a_common_seed_are_not_compared():
    arms = ablation(np.random.default_rng(4), ["base", "a"])
    arms["a"] = {7: arms["a"][0]}
    for each in effects(arms, against_base(["base", "a"]), resamples=50):
        assert math.isnan(each.value)
        assert each.seeds == 0
        assert each.verdict == "open"


def test_an_arm_that_mostly_fails_is_not_praised_for_the_seeds_that_are_left():
    arms = ablation(np.random.default_rng(7), ["base", "good", "fails"], skills={"fails": 2.5})
    del arms["fails"][2]
    for each in effects(arms, against_base(arms), resamples=50, failed={"fails"}):
        if each.comparison.arm == "fails":
            assert each.seeds == 2
            assert math.isfinite(each.value)
            assert math.isnan(each.low)
            assert each.verdict == "open"
        else:
            assert math.isfinite(each.low)


def test_an_arm_that_mostly_never_gets_there_is_not_praised_for_the_seed_that_does():
    arms = ablation(np.random.default_rng(6), ["base", "quick", "fails"])
    early = {seed: 3.0 if seed == 0 else math.nan for seed in range(3)}
    arms["fails"] = {
        seed: replace(run, epochs_to_half=early[seed]) for seed, run in arms["fails"].items()
    }
    found = {
        each.comparison.name: each
        for each in effects(arms, against_base(arms), resamples=50)
        if each.key == "epochs_to_half"
    }
    assert math.isnan(found["fails"].value)
    assert found["fails"].verdict == "open"
    assert found["quick"].seeds == 3


def test_the_spread_of_runs_is_that_of_a_two_way_table():
    rng = np.random.default_rng(5)
    table = rng.normal(size=(4, 3))
    values = {(f"arm {a}", s): table[a, s] for a in range(4) for s in range(3)}
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    spread, freedom = spread_of_runs(values)
    assert freedom == 6
    assert spread == pytest.approx((left**2).sum() / 6)


def test_holm_is_holm():
    ps = [0.01, 0.04, 0.03, math.nan, 0.005]
    tested = [
        Effect(Comparison(arm, arm, "base", "alone"), "accuracy", 1.0, 0.0, 2.0, p, math.nan, 3)
        for arm, p in zip("abcde", ps, strict=True)
    ]
    found = holm(tested)
    # As R's p.adjust(c(.01, .04, .03, .005), "holm").
    assert [e.adjusted for e in found][:3] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(found[3].adjusted)
    assert found[4].adjusted == pytest.approx(0.02)
    # What stands in two parts of the table was tested once.
    again = replace(tested[0], comparison=Comparison("a", "a", "base", "stairs"))
    twice = holm([*tested, again])
    assert [e.adjusted for e in twice[:3]] == [e.adjusted for e in found[:3]]
    assert twice[5].adjusted == twice[0].adjusted
