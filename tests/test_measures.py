"""Every measure is written in one way."""

import math

import pytest

from ferkeras.metrics.measures import (
    DASH,
    MEASURES,
    formatted,
    formatted_difference,
    formatted_interval,
    measure_of,
)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("accuracy", 0.7111, "71.1%"),
        ("recall/happy", 1.0, "100.0%"),
        ("log_loss", 0.8337, "0.834"),
        ("cohen_kappa", -0.01, "-0.010"),
        ("cohen_kappa", None, DASH),
        ("accuracy", math.nan, DASH),
    ],
)
def test_a_figure_is_written_by_its_measure(key, value, text):
    assert formatted(key, value) == text


def test_differences_of_fractions_are_points():
    assert formatted_difference("accuracy", 0.012) == "+1.2 points"
    assert formatted_difference("f1/sad", -0.012, unit=False) == "-1.2"
    assert formatted_difference("log_loss", 0.0004) == "+0.000"


def test_an_interval_is_written_without_unit():
    assert formatted_interval("accuracy", (0.696, 0.725)) == "69.6 to 72.5"
    assert formatted_interval("brier", (0.4, 0.5)) == "0.400 to 0.500"
    assert formatted_interval("brier", None) == ""


def test_a_figure_of_a_class_is_named_after_both():
    assert measure_of("f1/sad").name == "F1 of sad"
    with pytest.raises(KeyError):
        measure_of("accuracy/sad")


def test_what_is_an_error_or_a_loss_is_better_lower():
    assert {key for key, each in MEASURES.items() if each.lower_is_better} == {
        "log_loss",
        "brier",
        "ece",
    }
