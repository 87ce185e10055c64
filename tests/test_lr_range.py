"""The learning-rate range test: its rules, what it finds, and that it leaves no trace."""

import io
import json
import math

import numpy as np
import pytest
from brief_training import synthetic_splits
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkeras.cli.console import Console
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config
from ferkeras.lr_find.range_test import LrRange, conclude, lr_range_test
from ferkeras.lr_find.report import print_lr_range
from ferkeras.lr_find.rules import RunningSmooth, noise, smooth, steepest, suggest, valley
from ferkeras.training.setup import build_setup, make_reproducible

TINY = (
    "data.demo_faces=200",
    "network.filters=[2]",
    "network.dense_units=[4]",
    "train.batch_size=32",
    "train.label_smoothing=0.1",
)
CURVES = st.lists(st.floats(0.01, 10), min_size=2, max_size=60).map(np.array)


def rates_for(losses, lowest=1e-6, highest=1.0):
    return np.geomspace(lowest, highest, len(losses))


def course(middle=1e-2, broken=1e-1, spread=0.05, steps=100, seed=0):
    """Losses that fall around `middle` and rise from `broken` on, with the noise of batches."""
    rates = np.geomspace(1e-6, 1.0, steps)
    place = np.log10(rates)
    falling = 2.0 - 0.6 / (1 + np.exp(-6 * (place - math.log10(middle))))
    rising = np.maximum(0, place - math.log10(broken)) ** 2
    return rates, falling + rising + np.random.default_rng(seed).normal(0, spread, steps)


# The rules


@settings(deadline=None)
@given(CURVES)
def test_smoothing_stays_within_the_losses_and_keeps_what_is_level(losses):
    rates = rates_for(losses)
    smoothed = smooth(rates, losses)
    assert losses.min() - 1e-9 <= smoothed.min() <= smoothed.max() <= losses.max() + 1e-9
    np.testing.assert_allclose(smooth(rates, np.full(len(losses), 3.0)), 3.0)


@settings(deadline=None)
@given(CURVES)
def test_smoothing_one_loss_at_a_time_is_smoothing_them_all(losses):
    rates = rates_for(losses)
    running = RunningSmooth(rates)
    for count, loss in enumerate(losses, start=1):
        smoothed = running.add(float(loss))
        np.testing.assert_allclose(smoothed, smooth(rates[:count], losses[:count]), rtol=1e-12)


@settings(deadline=None)
@given(CURVES, st.integers(-5, 5))
def test_the_rules_do_not_depend_on_the_unit_of_the_loss(losses, power):
    rates = rates_for(losses)
    for rule in (steepest, valley):
        assert rule(rates, losses * 2.0**power) == rule(rates, losses)


@settings(deadline=None)
@given(CURVES)
def test_both_rules_name_a_rate_of_the_test(losses):
    rates = rates_for(losses)
    for rule in (steepest, valley):
        assert rates[0] <= rule(rates, losses) <= rates[-1]
        assert rule(rates, np.sort(losses)) == rates[0]


@settings(deadline=None)
@given(CURVES)
def test_the_suggestion_is_below_the_lowest_loss_and_keeps_room(losses):
    rates = rates_for(losses)
    suggestion = suggest(rates, losses)
    assert 0.94 * rates[0] <= suggestion
    assert suggestion <= 1.06 * max(rates[0], rates[losses.argmin()] / 5)


def test_the_suggestion_keeps_to_steps_that_last():
    rates = np.geomspace(1e-6, 1.0, 61)
    falling = np.linspace(2.0, 1.0, 61)
    assert suggest(rates, falling) > 0.04
    assert suggest(rates, falling, longest=4e-3) == pytest.approx(4e-3)
    found = conclude(rates, falling, None, longest=4e-3)
    assert found.suggestion == found.longest == found.to_json()["longest"]


def test_nothing_is_suggested_where_even_the_lowest_rate_is_too_long():
    rates = np.geomspace(1e-2, 1.0, 61)
    falling = np.linspace(2.0, 1.0, 61)
    found = conclude(rates, falling, None, longest=4e-3)
    assert found.suggestion is None
    assert found.steepest is not None
    assert "even the lowest rate, 0.01, is above the longest, 0.004" in found.reason
    assert suggest(rates, falling, longest=4e-3) == pytest.approx(4e-3)


def test_the_suggestion_is_a_fifth_of_where_nine_tenths_of_the_fall_are_done():
    rates = np.geomspace(1e-6, 1.0, 61)
    falling = np.interp(np.log10(rates), [-4, -2], [2.0, 1.0])
    # Flat behind the fall, with its lowest point anywhere.
    falling[-3] -= 1e-3
    assert suggest(rates, falling) == pytest.approx(10**-2.2 / 5, rel=0.3)


@settings(deadline=None)
@given(CURVES)
def test_valley_lies_half_way_down_the_longest_fall(losses):
    length = [1] * len(losses)
    for at in range(len(losses)):
        for before in range(at):
            if losses[before] > losses[at]:
                length[at] = max(length[at], length[before] + 1)
    end = length.index(max(length))
    rates = rates_for(losses)
    place = int(np.flatnonzero(rates == valley(rates, losses))[0])
    # Two roundings down, of a third and of a sixth of the fall, as fastai makes them.
    assert end - max(length) / 2 - 2 < place <= max(0, end - max(length) / 2)


def test_valley_skips_bumps():
    falling = np.array([9.0, 8.0, 7.0, 7.5, 6.0, 5.0, 4.0, 4.5, 3.0, 2.0, 9.0, 8.0])
    rates = rates_for(falling)
    assert valley(rates, falling) == rates[4]


def test_steepest_is_where_the_fall_is_steepest_and_not_behind_the_lowest_loss():
    rates = np.geomspace(1e-4, 1e-1, 7)
    falling = np.array([2.0, 1.9, 1.4, 1.3, 1.2, 9.0, 2.0])
    assert steepest(rates, falling) == pytest.approx(math.sqrt(rates[1] * rates[2]))


def test_noise_is_that_of_the_smoothed_curve():
    errors = []
    for seed in range(40):
        losses = np.random.default_rng(seed).normal(2, 0.1, 100)
        rates = rates_for(losses)
        errors.append([noise(rates, losses), np.std(smooth(rates, losses)[20:-20])])
    found, true = np.mean(errors, axis=0)
    assert found == pytest.approx(true, rel=0.15)


# What is concluded


@pytest.mark.parametrize("middle", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("seed", range(5))
def test_the_suggestion_lies_in_the_fall(middle, seed):
    found = conclude(*course(middle, broken=30 * middle, seed=seed), stopped_at=None)
    assert found.reason is None
    assert middle / 10 < found.suggestion < middle * 10


def test_pure_noise_teaches_nothing():
    for seed in range(60):
        losses = np.random.default_rng(seed).normal(2, 0.1, 100)
        found = conclude(rates_for(losses), losses, None)
        assert found.suggestion is None
        assert "no rate lowers the loss from 1e-06 to 1" in found.reason


def test_a_last_loss_of_thousands_moves_little():
    rates, losses = course()
    calm = conclude(rates[:85], losses[:85], None)
    losses[84] = 5e4
    wild = conclude(rates[:85], losses[:85], stopped_at=rates[84])
    # A rate that diverges makes the rates just below it suspect too, and no other.
    assert calm.suggestion / 5 < wild.suggestion <= calm.suggestion
    assert wild.smoothed.max() < 10


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_steps_say_that_the_rate_is_not_to_blame(count):
    found = conclude(np.geomspace(1e-6, 1e-5, 9)[:count], np.full(count, 2.0), stopped_at=2e-5)
    assert found.suggestion is None
    assert f"within {count + 1} steps, at a learning rate of 2e-05" in found.reason
    json.dumps(found.to_json(), allow_nan=False)


# The test itself


@pytest.fixture(scope="module")
def splits():
    return synthetic_splits(200)


@pytest.fixture
def make_learner(splits):
    def make(*settings):
        config = load_config(None, [*TINY, *settings])
        make_reproducible(config)
        return build_setup(config, splits)

    return make


def everything(setup):
    model = setup.model
    variables = (*model.variables, *model.optimizer.variables, *model.metrics_variables)
    return [np.array(v) for v in (*variables, model.loss.smoothing)]


def train(setup):
    pipeline = setup.pipeline
    return setup.model.fit(
        pipeline.dataset(1, 2),
        steps_per_epoch=pipeline.steps_per_epoch,
        epochs=2,
        class_weight=setup.balance.weights,
        validation_data=setup.validation,
        shuffle=False,
        verbose=0,
    ).history


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_training_after_it_is_the_training_without_it(make_learner, optimizer):
    learner = make_learner(f"train.optimizer={optimizer}")
    model = learner.model
    variables = (*model.variables, *model.optimizer.variables)
    new = [np.array(v) for v in variables]
    expected, ended = train(learner), everything(learner)
    # As it was; that a range test may come first is tested with `train.learning_rate=auto`.
    for variable, value in zip(variables, new, strict=True):
        variable.assign(value)
    model.reset_metrics()
    found = lr_range_test(learner, steps=20)
    assert len(found.rates) == 20  # more than the 6 steps of an epoch
    assert train(learner) == expected
    for a, b in zip(everything(learner), ended, strict=True):
        np.testing.assert_array_equal(a, b)


def test_in_the_middle_of_a_training_it_puts_everything_back(make_learner):
    setup = make_learner()
    train(setup)
    traces = count_traces(setup.model)
    before = everything(setup)
    lr_range_test(setup, steps=15)
    for a, b in zip(everything(setup), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert traces() == 0
    assert setup.model.stop_training is False


def count_traces(model):
    original, count = model.train_step, [0]

    def counted(data):
        count[0] += 1
        return original(data)

    model.train_step = counted
    return lambda: count[0]


def test_an_error_within_it_puts_everything_back_too(make_learner):
    setup = make_learner()
    train(setup)
    before = everything(setup)

    def interrupt(steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lr_range_test(setup, progress=interrupt)
    for a, b in zip(everything(setup), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_loss_is_that_of_its_own_batch(make_learner):
    setup, other = make_learner(), make_learner()
    found = lr_range_test(setup, lowest=1e-12, highest=1e-11, steps=10)
    steps = iter(other.pipeline.dataset(1, 2))
    weights = np.array([other.balance.weights[c] for c in range(7)])
    for loss in found.losses:
        images, labels = next(steps)
        logits = other.model(images, training=True)
        own = float(other.model.loss(labels, logits, sample_weight=weights[labels.numpy()]))
        assert loss == pytest.approx(own, rel=1e-5)
    assert list(found.rates) == pytest.approx(np.geomspace(1e-12, 1e-11, 10))


def test_it_learns_and_ends_where_the_loss_diverges(make_learner):
    setup = make_learner(
        "train.optimizer=sgd", "train.global_clip_norm=null", "network.filters=[4]"
    )
    counted = []
    found = lr_range_test(setup, lowest=1e-3, highest=1e6, steps=90, progress=counted.append)
    assert found.stopped_at is not None
    assert found.rates[-1] <= found.stopped_at < 1e6
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 90
    assert sum(counted) in (len(found.rates), len(found.rates) + 1)
    assert np.isfinite(found.losses).all()
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["stopped_at"] == found.stopped_at


def test_broken_weights_are_reported_and_stay_as_they_were(make_learner):
    setup = make_learner()
    kernel = setup.model.trainable_weights[0]
    kernel.assign(kernel * np.nan)
    found = lr_range_test(setup)
    assert found.suggestion is None
    assert "not the learning rate's doing" in found.reason
    assert found.stopped_at == pytest.approx(1e-6)
    assert len(found.rates) == 0
    assert np.isnan(kernel.numpy()).all()


@pytest.mark.parametrize(
    "bad",
    [{"lowest": 0}, {"lowest": 1, "highest": 1}, {"steps": 9}, {"steps": 2001}, {"highest": 1e-9}],
)
def test_bad_arguments_are_refused(make_learner, bad):
    with pytest.raises(ValueError, match="Received: lowest="):
        lr_range_test(make_learner(), **bad)


def test_a_loss_that_is_lowest_at_the_end_is_said_once():
    rates, losses = np.array([0.1, 1.0]), np.array([1.9, 1.81])
    found = LrRange(rates, losses, losses, None, None, None, None, "no rate lowers it", None)
    said = io.StringIO()
    print_lr_range(found, Config(), Console(said))
    assert "1.900 at 0.1, lowest 1.810 at the end, 1\n" in said.getvalue()
