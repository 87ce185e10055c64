"""Where a step's time goes: what is counted twice, and what is counted as what."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def epoch_time():
    spec = importlib.util.spec_from_file_location("epoch_time", ROOT / "benchmarks/epoch_time.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_time_inside_another_operation_is_not_counted_twice(epoch_time):
    events = [(0, 100, "Call"), (10, 40, "Conv2D"), (20, 30, "Cast"), (50, 60, "Cast")]
    assert epoch_time.own_time(events) == {"Call": 60, "Conv2D": 20, "Cast": 20}
    assert epoch_time.own_time([(0, 5, "Mul"), (5, 9, "Mul")]) == {"Mul": 9}


def test_fractions_are_of_kinds_and_add_up(epoch_time):
    operations = Counter(
        {"_MklNativeConv2DBackpropFilter": 50, "_MklNativeFusedBatchNormV3": 30, "Nothing": 20}
    )
    fractions = epoch_time.fractions_of(operations)
    assert fractions == {"convolutions": 0.5, "batch normalisation": 0.3, "other": 0.2}
