"""The class-weight rule, and what a sampler adds to it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.config.sections.class_weight import ClassWeight
from ferkeras.training.class_weights import class_balance, class_weights

COUNTS = st.lists(st.integers(1, 400), min_size=2, max_size=7)
RULES = st.sampled_from(["cube_root", "square_root", "inverse", "none"])


def labels_of(counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_fer2013_by_hand():
    counts = [3995, 436, 4097, 7215, 4830, 3171, 4965]
    weights = class_weights(labels_of(counts), ClassWeight(rule="cube_root", min=0.01, max=99))
    expected = [(sum(counts) / (7 * count)) ** (1 / 3) for count in counts]
    assert list(weights.values()) == pytest.approx(expected)
    capped = class_weights(labels_of(counts), ClassWeight())
    assert capped[1] == 1.3
    assert capped[3] == pytest.approx(0.8284, abs=1e-4)


@given(COUNTS, RULES, st.floats(0.1, 1), st.floats(1, 10))
def test_weights_stay_in_their_caps_and_rarer_never_weighs_less(counts, rule, low, high):
    weights = class_weights(labels_of(counts), ClassWeight(rule=rule, min=low, max=high))
    assert set(weights) == set(range(len(counts)))
    assert all(low <= weight <= high for weight in weights.values())
    by_count = sorted(range(len(counts)), key=lambda c: counts[c])
    ordered = [weights[c] for c in by_count]
    assert all(a >= b - 1e-12 for a, b in pairwise(ordered))


@given(COUNTS, st.floats(0.1, 1), st.floats(1, 10))
def test_a_higher_power_spreads_more(counts, low, high):
    spreads = []
    for rule in ("none", "cube_root", "square_root", "inverse"):
        weights = class_weights(labels_of(counts), ClassWeight(rule=rule, min=low, max=high))
        spreads.append(max(weights.values()) / min(weights.values()))
    assert spreads == sorted(spreads)


@given(COUNTS, RULES, st.booleans())
def test_effective_weights_average_to_one_over_the_faces(counts, rule, balanced):
    labels = labels_of(counts)
    balance = class_balance(labels, ClassWeight(rule=rule), balanced=balanced)
    fractions = np.array(counts) / sum(counts)
    assert sum(fractions * list(balance.effective.values())) == pytest.approx(1)


def test_sampler_and_weights_together_correct_twice():
    labels = labels_of([160, 10])
    inverse = ClassWeight(rule="inverse", min=0.01, max=99)
    once = class_balance(labels, ClassWeight(rule="none"), balanced=True).effective
    twice = class_balance(labels, inverse, balanced=True).effective
    assert once[1] / once[0] == pytest.approx(16)
    assert twice[1] / twice[0] == pytest.approx(256)
