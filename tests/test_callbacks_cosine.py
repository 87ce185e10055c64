"""The cosine learning rate: its curve, what it refuses, and a fit that it drives."""

import json

import keras
import numpy as np
import pytest

from callbacks.cosine import CosineLearningRate, cosine_rate
from callbacks.publish import PublishVariables

pytestmark = pytest.mark.usefixtures("eager")

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 24)


def test_it_rises_to_the_peak_and_falls_to_nothing():
    rates = [cosine_rate(step, 1.0, 4, 24) for step in range(25)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(rates) == rates[4]
    assert rates[14] == pytest.approx(0.5)
    assert np.all(np.diff(rates[4:]) < 0)
    assert 0 < rates[23] < 0.01
    assert rates[24] == pytest.approx(0, abs=1e-12)


def test_without_warm_up_it_begins_at_the_peak_and_never_rises_again():
    assert cosine_rate(0, 0.3, 0, 10) == 0.3
    assert cosine_rate(99, 0.3, 0, 10) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"peak": 0.0}, "`peak` above 0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
        ({"epochs": 0}, "epochs=0"),
        ({"warmup_epochs": 3}, "fewer than epochs=3. Received: warmup_epochs=3"),
        ({"warmup_epochs": -1}, "at least 0"),
    ],
)
def test_what_it_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        CosineLearningRate(**({"peak": 0.1, "steps_per_epoch": 3, "epochs": 3} | arguments))


def fit(callback, optimizer="sgd", published=True, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callbacks = [callback]
    if published:
        callbacks.append(PublishVariables({"learning_rate": model.optimizer.learning_rate}))
    return model.fit(X, Y, batch_size=8, verbose=0, callbacks=callbacks, **options)


def test_a_rate_that_is_no_variable_is_not_published_for_ever():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 9)
    optimizer = keras.optimizers.SGD(schedule)
    with pytest.raises(ValueError, match=r"variable for 'learning_rate'.*schedule"):
        PublishVariables({"learning_rate": optimizer.learning_rate})


def test_what_is_no_single_number_is_refused_before_a_training():
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    with pytest.raises(ValueError, match=r"scalar variable for 'kernel'.*\(2, 3\)"):
        PublishVariables({"kernel": layer.kernel})


def test_the_rate_of_an_epochs_last_step_reaches_the_history():
    history = fit(CosineLearningRate(0.1, 3, 3, warmup_epochs=1), epochs=3).history
    expected = [cosine_rate(step, 0.1, 3, 9) for step in (2, 5, 8)]
    assert history["learning_rate"] == pytest.approx(expected)


def test_a_training_that_goes_on_has_the_rates_it_would_have_had():
    first = CosineLearningRate(0.1, 3, 3)
    first.lower(0.5)
    second = CosineLearningRate(0.1, 3, 3)
    second.set_state(json.loads(json.dumps(first.get_state())))
    history = fit(second, initial_epoch=1, epochs=3).history
    expected = [cosine_rate(step, 0.05, 0, 9) for step in (5, 8)]
    assert history["learning_rate"] == pytest.approx(expected)


def test_an_optimizer_with_a_schedule_is_refused():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(
        ValueError, match=r"a schedule, or none of its own. Give the optimizer a number"
    ):
        fit(
            CosineLearningRate(0.1, 3, 3), optimizer=keras.optimizers.SGD(schedule), published=False
        )
