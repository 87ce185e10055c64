"""The recipes of FER2013 keep to the sizes that they name."""

import pytest

from ferkeras.config.file import load_config
from ferkeras.config.hints import CONFIGS
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.network.model import build_network

LIMITS = {
    "fer2013-tiny": 60_000,
    "fer2013-small": 1_000_000,
    "fer2013-fast": 2_000_000,
    "fer2013-teacher": 2_000_000,
    "fer2013-best": 2_000_000,
    "fer2013-large": 6_000_000,
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_recipe_is_smaller_than_its_limit_and_not_half_of_it(name):
    network = load_config(CONFIGS / f"{name}.yaml").network
    parameters = build_network(network, FER2013, mean=0.5, std=0.25).count_params()
    assert LIMITS[name] / 2 < parameters < LIMITS[name]


def test_fast_and_teacher_are_one_network():
    fast, teacher = (load_config(CONFIGS / f"fer2013-{name}.yaml") for name in ("fast", "teacher"))
    changed = {"batchnorm_momentum": teacher.network.batchnorm_momentum}
    assert fast.network.model_copy(update=changed) == teacher.network
