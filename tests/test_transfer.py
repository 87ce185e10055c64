"""Beginning with what another network has learnt: what fits is taken, the rest is new."""

import numpy as np
import pytest

from ferkeras.cli.bundled import bundled
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.config.networks.plain import Plain
from ferkeras.config.networks.residual import Residual
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import Classes, ImageSpec, Task
from ferkeras.network.model import build_network, dropout_layers
from ferkeras.runs.start import open_start
from ferkeras.training.transfer import demand_most, take_over

SMALL = {
    "filters": (4, 8),
    "stem_filters": 4,
    "residual_blocks": (1,),
}
OWN = Classes(("happy", "sleepy", "sad"))


def network(task: Task, **settings: object):
    return build_network(Residual(**{**SMALL, **settings}), task, mean=0.5, std=0.25)


def faces(task: Task, count: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *task.image.shape), dtype=np.uint8)


def test_the_same_network_answers_the_same():
    source, model = network(FER2013), network(FER2013)
    taken = take_over(model, FER2013.classes, source, FER2013.classes)
    images = faces(FER2013)
    np.testing.assert_array_equal(model(images), source(images))
    assert taken.left == ()
    assert taken.classes == FER2013.classes.names
    # All but the dropout rates, which are settings.
    assert taken.parameters == taken.of - len(dropout_layers(model)[0])


def test_classes_that_both_know_keep_their_outputs_and_others_begin_at_random():
    source, model = network(FER2013), network(Task(OWN, FER2013.image))
    before = model.layers[-1].get_weights()[0][:, 1]
    taken = take_over(model, OWN, source, FER2013.classes)
    assert taken.classes == ("happy", "sad")
    images = faces(FER2013)
    new, old = np.asarray(model(images)), np.asarray(source(images))
    np.testing.assert_allclose(new[:, 0], old[:, 3], atol=1e-6)
    np.testing.assert_allclose(new[:, 2], old[:, 4], atol=1e-6)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0][:, 1], before)


@pytest.mark.parametrize(("theirs", "ours"), [(1, 3), (3, 1)])
def test_grey_in_three_channels_is_seen_as_grey(theirs, ours):
    tasks = [Task(FER2013.classes, ImageSpec(48, 48, channels)) for channels in (theirs, ours)]
    source, model = (network(task) for task in tasks)
    assert take_over(model, FER2013.classes, source, FER2013.classes).left == ()
    grey = faces(FER2013)
    outputs = [
        np.asarray(each(np.repeat(grey, task.image.channels, axis=3)))
        for each, task in ((source, tasks[0]), (model, tasks[1]))
    ]
    np.testing.assert_allclose(*outputs, atol=1e-4)


def test_another_size_takes_all_of_a_residual_network():
    source = network(FER2013)
    model = network(Task(FER2013.classes, ImageSpec(64, 80, 1)))
    assert take_over(model, FER2013.classes, source, FER2013.classes).left == ()


def test_layers_that_do_not_fit_are_named_and_begin_at_random():
    source = network(FER2013)
    model = network(FER2013, filters=(4, 16))
    taken = take_over(model, FER2013.classes, source, FER2013.classes)
    assert any(name.startswith("block2") for name in taken.left)
    assert not any(name.startswith(("stem", "block1")) for name in taken.left)
    assert taken.classes == ()


def test_dropout_stays_as_configured():
    source, model = network(FER2013, conv_dropout=0.3), network(FER2013, conv_dropout=0.05)
    take_over(model, FER2013.classes, source, FER2013.classes)
    assert float(dropout_layers(model)[0][0].rate.numpy()) == pytest.approx(0.05)


def test_pictures_of_ones_own_begin_with_all_layers_of_the_network_that_comes_along():
    config = load_config(bundled("configs") / "photos.yaml")
    start = open_start(config.network.start_from)
    assert start is not None
    assert config.network.differs_in(start.config.network) == {}
    assert (config.data.size, config.data.color) == (start.task.image.height, False)


def taken_over(ours):
    """What is taken over of the small network, and what `fit` says of it."""
    theirs = Residual(**SMALL)
    models = [build_network(each, FER2013, mean=0.5, std=0.25) for each in (ours, theirs)]
    taken = take_over(models[0], FER2013.classes, models[1], FER2013.classes)
    demand_most(taken, ours, theirs, "theirs")
    return taken


def test_a_network_that_would_begin_at_random_for_the_most_part_is_refused():
    with pytest.raises(InputError, match=r"'network\.filters=\[4, 8\]'$"):
        taken_over(Residual(**{**SMALL, "filters": (6, 16)}))
    keys = Plain(filters=(3,)).differs_in(Residual(**SMALL))
    assert {"kind", "filters", "stem_filters", "residual_blocks"} <= keys.keys()


def test_rates_of_dropout_are_none_of_the_layers_of_which_half_must_fit():
    theirs, ours = Plain(filters=(4, 8)), Plain(filters=(4, 8, 16, 32), dense_units=(24, 24))
    models = [build_network(each, FER2013, mean=0.5, std=0.25) for each in (ours, theirs)]
    taken = take_over(models[0], FER2013.classes, models[1], FER2013.classes)
    learn = [layer.name for layer in models[1].layers[:-1] if layer.weights]
    learn = [name for name in learn if "dropout" not in name]
    fitting = len(set(learn) - set(taken.left))
    assert taken.layers == pytest.approx(fitting / len(learn))


def test_nothing_in_common_is_refused():
    with pytest.raises(InputError, match="no weights fit"):
        taken_over(Plain(filters=(3,), dense_units=(5,)))


@pytest.mark.parametrize("more", [{"dense_units": (5,)}, {"residual_blocks": (3, 3)}])
def test_a_network_that_has_all_of_the_other_and_more_is_not(more):
    assert taken_over(Residual(**{**SMALL, **more})).layers >= 0.5


def test_a_path_that_is_no_run_names_the_key(tmp_path):
    with pytest.raises(InputError, match=r"network\.start_from"):
        open_start(str(tmp_path / "nothing"))
    assert open_start(None) is None
