"""A remedy always changes something, and --try always says what it did."""

import pytest

from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.diagnose.causes.batchnorm import _enough_steps, _momentum_remedy
from ferkeras.diagnose.finding import Finding, Remedy


def finding(*remedies: Remedy) -> Finding:
    return Finding("some_cause", "verdict", (), remedies, "reason", "source")


def test_a_remedy_that_holds_already_is_no_remedy():
    config = with_values(Config(), {"network.batchnorm_momentum": 0.9})
    same = Remedy("what", "why", {"network.batchnorm_momentum": 0.9})
    other = Remedy("what", "why", {"network.batchnorm_momentum": 0.8})
    look = Remedy("look at the labels", "why")
    assert finding(same, other, look).for_config(config).remedies == (other, look)


@pytest.mark.parametrize(("momentum", "steps_per_epoch"), [(0.9, 3), (0.99, 10), (0.999, 500)])
def test_statistics_that_are_too_slow_always_have_a_remedy_left(momentum, steps_per_epoch):
    config = with_values(Config(), {"network.batchnorm_momentum": momentum, "train.epochs": 2})
    remedies = (
        _momentum_remedy(config.train.batch_size),
        _enough_steps(config, momentum, steps_per_epoch),
    )
    left = finding(*remedies).for_config(config).remedies
    assert left
    assert all(remedy.applied_to(config) != config for remedy in left)
    epochs = left[-1].overrides["train.epochs"]
    assert epochs > 2
    assert momentum ** (epochs * steps_per_epoch) <= 0.1
