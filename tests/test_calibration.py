"""Temperatures: fitted, stored with a run, and read back or refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkeras.cli.errors import InputError
from ferkeras.metrics.calibration import (
    calibrate,
    reliability,
    store_calibration,
    temperature_of,
)
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
    found = calibrate(2 * logits, labels)
    store_calibration(run, found)
    assert temperature_of(run) == found.temperature


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"temperature": 0}', '{"temperature": NaN}', '{"temperature": "1"}',
     '{"temperature": -2}', '{"temperature": 1e9}', '{"temperature": null}'],
)  # fmt: skip
def test_a_damaged_calibration_is_named_with_the_command_that_fixes_it(tmp_path, content):
    run = Run(tmp_path)
    run.calibration.path.write_text(content)
    with pytest.raises(InputError, match=r"calibration.json: damaged.*--calibrate"):
        temperature_of(run)
