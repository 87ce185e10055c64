"""Temperatures: fitted, stored with a run, and read back or refused."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import log_loss

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.evaluate.report import print_calibration
from ferkeras.metrics.calibration import (
    calibrate,
    calibrate_views,
    log_mean,
    reliability,
    store_calibration,
    temperature_of,
    temperatures_of,
    tempered,
)
from ferkeras.metrics.predictions import Predictions
from ferkeras.runs.record import Run


def calibrated_logits(count, seed):
    """Logits whose softmax is the true probability of their labels."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(count, 7))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random(count)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return logits, labels


@settings(max_examples=10)
@given(temperature=st.floats(0.3, 5.0))
def test_the_temperature_that_was_put_in_is_found(temperature):
    logits, labels = calibrated_logits(20_000, 0)
    found = calibrate(logits * temperature, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.log_loss_after <= found.log_loss_before
    assert found.ece_after < 0.02


def test_a_network_that_is_always_right_gets_a_temperature_in_range():
    found = calibrate(10 * np.eye(7), np.arange(7))
    assert 0.05 <= found.temperature < 1


def test_however_large_logits_are_what_was_fitted_is_what_is_measured():
    logits, labels = calibrated_logits(2000, 3)
    views = [18 * logits, 18 * logits[:, ::-1]]
    for seen in (views[:1], views):
        found = calibrate(log_mean(seen), labels)
        after = softmax(log_mean(seen) / found.temperature, axis=1).astype(np.float32)
        after = Predictions(after, labels, FER2013.classes).float64_probabilities
        measured = log_loss(labels, after, labels=range(7))
        assert found.log_loss_after == pytest.approx(measured, rel=1e-3)
        plain = np.mean([softmax(each, axis=1) for each in seen], axis=0)
        assert found.log_loss_before == pytest.approx(
            log_loss(labels, plain, labels=range(7)), rel=1e-3
        )


def test_each_bin_has_its_upper_edge():
    probabilities = np.zeros((3, 7))
    for row, confidence in enumerate((3 / 15, 0.2001, 1.0)):
        probabilities[row] = (1 - confidence) / 6
        probabilities[row, 0] = confidence
    counts = reliability(probabilities, np.zeros(3, int)).counts
    assert np.flatnonzero(counts).tolist() == [2, 3, 14]


def test_a_calibrated_network_has_almost_no_calibration_error():
    logits, labels = calibrated_logits(50_000, 1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert reliability(probabilities, labels).expected_error < 0.01
    assert (
        reliability(
            np.sqrt(probabilities) / np.sqrt(probabilities).sum(1, keepdims=True), labels
        ).expected_error
        > 0.1
    )


def test_a_stored_temperature_is_read_back(tmp_path):
    run = Run(tmp_path)
    assert temperature_of(run) == 1.0
    logits, labels = calibrated_logits(500, 0)
    found = calibrate_views([2 * logits] * 6, labels)
    store_calibration(run, found)
    assert temperature_of(run) == found["none"].temperature
    assert temperatures_of(run) == {tta: each.temperature for tta, each in found.items()}


@settings(max_examples=10)
@given(scale=st.floats(0.4, 3.0), seed=st.integers(0, 99))
def test_the_mean_of_several_views_gets_a_temperature_of_its_own(scale, seed):
    """Views that differ agree less than each is sure, so their mean is to be sharpened."""
    rng = np.random.default_rng(seed)
    logits, labels = calibrated_logits(4_000, seed)
    views = [scale * (logits + rng.normal(size=logits.shape)) for _ in range(6)]
    found = calibrate_views(views, labels)
    assert list(found) == ["none", "flip", "multiscale"]
    assert found["none"] == calibrate(views[0], labels)
    fitted = [found[tta].temperature for tta in ("none", "flip", "multiscale")]
    assert fitted == sorted(fitted, reverse=True)
    assert all(each.log_loss_after <= each.log_loss_before for each in found.values())
    alike = calibrate_views([views[0]] * 6, labels)
    assert alike["multiscale"].temperature == pytest.approx(fitted[0], rel=1e-3)


def test_tempering_by_any_ratio_leaves_probabilities():
    """Of an export with the highest temperature and a run with the lowest."""
    found = tempered(np.full((2, 7), 1 / 7, np.float32), 0.05 / 20)
    np.testing.assert_allclose(found, 1 / 7, rtol=1e-6)


@given(temperature=st.floats(0.05, 20))
def test_tempering_divides_logits_and_changes_no_prediction(temperature):
    logits, _ = calibrated_logits(50, 0)
    probabilities = softmax(logits, axis=1)
    found = tempered(probabilities, temperature)
    np.testing.assert_allclose(found, softmax(logits / temperature, axis=1), atol=1e-9)
    assert (found.argmax(axis=1) == probabilities.argmax(axis=1)).all()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"temperature": 1}',
        '{"temperature": 1, "test_time_augmentation": {"x": {"temperature": 1}}}',
        '{"temperature": 1, "test_time_augmentation": {"flip": {"temperature": 0}}}',
        *(
            f'{{"temperature": {each}, "test_time_augmentation": {{}}}}'
            for each in ("0", "NaN", '"1"', "-2", "1e9", "null")
        ),
    ],
)
def test_a_damaged_calibration_is_named_with_the_command_that_fixes_it(tmp_path, content):
    run = Run(tmp_path)
    run.calibration.path.write_text(content)
    with pytest.raises(InputError, match=r"calibration.json: damaged.*--calibrate"):
        temperature_of(run)


def test_a_temperature_at_its_limit_is_told_as_answers_without_information():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 200)
    blind = calibrate(rng.normal(0, 40, (200, 7)), labels)
    seeing = calibrate(np.eye(7)[labels] * 2 + rng.normal(0, 1, (200, 7)), labels)
    assert (blind.at_limit, seeing.at_limit) == (True, False)
    said = io.StringIO()
    print_calibration({"none": blind, "flip": seeing}, Console(said))
    assert "warning: at the upper limit (none): the network's answers carry no" in said.getvalue()
    said = io.StringIO()
    print_calibration({"none": seeing}, Console(said))
    assert "warning" not in said.getvalue()
