"""The report by class and the collapse alarm."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import classification_report

from callbacks import ConfusionMatrix
from callbacks.collapse_alarm import CollapseAlarm, describe, find_collapse
from callbacks.per_class_report import PerClassReport, format_table, score_classes

pytestmark = pytest.mark.usefixtures("eager")

NAMES = ("angry", "disgust", "fear")
matrices = arrays(np.int64, (3, 3), elements=st.integers(0, 30)).filter(np.any)


@settings(max_examples=40)
@given(matrices)
def test_scores_agree_with_a_report_on_the_single_samples(matrix):
    truths = np.repeat(np.arange(9) // 3, matrix.ravel())
    answers = np.repeat(np.arange(9) % 3, matrix.ravel())
    expected = classification_report(
        truths, answers, labels=range(3), output_dict=True, zero_division=0.0
    )
    scores = score_classes(matrix)
    for k in range(3):
        assert scores.recall[k] == pytest.approx(expected[str(k)]["recall"])
        assert scores.precision[k] == pytest.approx(expected[str(k)]["precision"])
        assert scores.f1[k] == pytest.approx(expected[str(k)]["f1-score"])
        assert scores.support[k] == expected[str(k)]["support"]
    assert scores.predicted.sum() == pytest.approx(1)
    assert scores.truth.sum() == pytest.approx(1)


def test_table_is_aligned_and_shows_answers_against_truth():
    table = format_table(score_classes(np.array([[3, 0, 1], [0, 0, 0], [1000, 0, 996]])), NAMES)
    lines = table.splitlines()
    assert lines[0].split() == [
        "class",
        "recall",
        "precision",
        "F1",
        "support",
        "predicted",
        "truth",
    ]
    assert lines[1].split() == ["angry", "75.0%", "0.3%", "0.6%", "4", "50.1%", "0.2%"]
    assert lines[2].split() == ["disgust", "0.0%", "0.0%", "0.0%", "0", "0.0%", "0.0%"]
    assert len({len(line) for line in lines[:4]}) == 1
    # A class that does not occur has no recall to average.
    assert lines[4].split()[:2] == ["mean", "62.4%"]


@pytest.mark.parametrize("matrix", [np.zeros((3, 3), int), np.ones((2, 3), int)])
def test_scores_refuse_what_is_no_confusion_matrix(matrix):
    with pytest.raises(ValueError, match="Received: "):
        score_classes(matrix)


@given(matrices, st.floats(0.05, 1))
def test_a_collapse_is_an_unearned_share_or_no_better_than_a_constant(matrix, share):
    found = find_collapse(matrix, share)
    shares = matrix.sum(axis=0) / matrix.sum()
    truth = matrix.sum(axis=1) / matrix.sum()
    accuracy = np.trace(matrix) / matrix.sum()
    recall = np.mean([row[k] / row.sum() for k, row in enumerate(matrix) if row.any()])
    constant = truth[shares.argmax()]
    if found is None:
        assert shares.max() < share or constant >= share or 1 - accuracy <= accuracy - constant
        recognised = 1 - recall <= recall - 1 / np.count_nonzero(truth) + 1e-12
        assert accuracy > truth.max() or recognised or np.allclose(shares, truth)
    elif found.complete:
        assert found.fraction == shares.max() >= share
        assert found.constant_accuracy == constant < 1
        assert shares.max() == 1 or accuracy - constant < 1 - accuracy
    else:
        assert 1 - recall > recall - 1 / np.count_nonzero(truth)
        assert found.accuracy <= found.majority_accuracy == truth.max()
        assert found.fraction > found.constant_accuracy


def test_a_model_that_leans_to_a_rare_class_is_told_before_the_collapse_is_complete():
    found = find_collapse(np.array([[20, 20, 10], [0, 4, 0], [16, 20, 10]]), 0.8)
    assert found is not None
    assert not found.complete
    text = describe(found, NAMES)
    assert (
        "NOT LEARNING: accuracy 34.0% is not above the 50.0% of always predicting 'angry'" in text
    )
    assert "the predictions lean to 'disgust', 44.0% of 100, which is 4.0% of the samples" in text


def test_a_rightly_dominant_class_is_no_collapse():
    assert find_collapse(np.array([[90, 0], [2, 8]]), 0.8) is None


@pytest.mark.parametrize(
    "matrix",
    [
        # The larger class, just below the fraction, is predicted a little too often.
        [[1568, 0], [42, 390]],
        # Weights for a class of 3 % cost accuracy, and both classes are recognised.
        [[1800, 136], [3, 61]],
    ],
)
def test_a_model_that_recognises_the_classes_has_not_collapsed(matrix):
    assert find_collapse(np.array(matrix), 0.8) is None


def test_always_one_answer_is_a_collapse_even_onto_a_dominant_class():
    found = find_collapse(np.array([[90, 0], [10, 0]]), 0.8)
    assert found is not None
    text = describe(found, ("many", "few"))
    assert "COLLAPSE onto 'many': 100.0% of the 100" in text
    assert "accuracy 90.00% is exactly the accuracy of always predicting 'many'" in text


def test_an_incomplete_collapse_names_the_classes_never_answered():
    found = find_collapse(np.array([[0, 10, 0], [0, 2, 0], [0, 80, 8]]), 0.8)
    assert found is not None
    text = describe(found, NAMES)
    assert "COLLAPSE onto 'disgust': 92.0%" in text
    assert "accuracy 10.00% where always predicting 'disgust' gives 2.00%" in text
    assert text.endswith("never predicted: angry")


class Validated:
    """A model whose validation has just filled the matrix."""

    def __init__(self, matrix):
        metric = ConfusionMatrix(len(matrix))
        metric.matrix.assign(matrix)
        self.metrics = [metric]
        self.stop_training = False


def epoch(callback, number, matrix):
    """One epoch as `fit` drives it; without validation where the matrix is None."""
    logs = {}
    callback.on_epoch_begin(number - 1)
    if matrix is not None:
        callback.set_model(Validated(np.array(matrix)))
        callback.on_test_end()
    callback.on_epoch_end(number - 1, logs)
    return logs


ONTO_0, ONTO_1, FINE = [[5, 0], [5, 0]], [[0, 5], [0, 5]], [[4, 1], [1, 4]]


def test_alarm_tells_beginning_change_and_end_but_does_not_repeat_itself():
    said, alarms = [], []
    alarm = CollapseAlarm(
        ("a", "b"), suspects=["sampler", "weights"], log=said.append, alarm=alarms.append
    )
    for number, matrix in enumerate([ONTO_0, ONTO_0, ONTO_1, FINE, ONTO_1], 1):
        epoch(alarm, number, matrix)
    assert [line.split(":")[0] for line in alarms] == ["epoch 1", "epoch 3", "epoch 5"]
    assert alarms[0].endswith("Suspected: sampler; weights")
    assert said == ["epoch 4: the collapse onto 'b' since epoch 3 is over"]


def test_a_model_that_is_no_better_than_a_constant_is_so_since_the_first_such_epoch():
    said, alarms = [], []
    alarm = CollapseAlarm(("a", "b", "c"), log=said.append, alarm=alarms.append)
    to_b, to_c = (
        np.array([[3, 2, 1], [1, 1, 0], [1, 1, 0]]),
        np.array([[3, 1, 2], [1, 0, 1], [1, 0, 1]]),
    )
    for number, matrix in enumerate([to_b, to_c, 5 * np.eye(3, dtype=int)], 1):
        epoch(alarm, number, matrix)
    assert ["NOT LEARNING" in line for line in alarms] == [True, True]
    assert said == ["epoch 3: predicting no better than a constant since epoch 1 is over"]


def test_alarm_stops_the_training_with_a_reason():
    alarm = CollapseAlarm(("a", "b"), action="stop", alarm=lambda line: None)
    epoch(alarm, 1, [[2, 3], [2, 3]])
    assert not alarm.model.stop_training  # it leans, but has not collapsed
    epoch(alarm, 1, FINE)
    assert (alarm.stopped, alarm.model.stop_training) == (None, False)
    epoch(alarm, 2, ONTO_0)
    assert alarm.model.stop_training
    assert "epoch 2: COLLAPSE onto 'a'" in alarm.stopped


@pytest.mark.parametrize(
    ("use_ema", "epochs", "stop", "first"),
    [(True, 4, 4, 3), (True, 2, 2, 2), (False, 4, 4, 1), (True, 4, 2, 2)],
)
def test_alarm_waits_for_the_average_that_is_kept_but_not_beyond_the_end(
    use_ema, epochs, stop, first
):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.layers[0].set_weights([np.zeros((1, 2)), np.array([5.0, 0.0])])
    # Of ten steps an epoch; 0.9 ** 29 is below a twentieth.
    optimizer = keras.optimizers.SGD(1e-9, use_ema=use_ema, ema_momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = np.zeros((20, 1)), np.arange(20) % 2
    alarms = []
    alarm = CollapseAlarm(("a", "b"), alarm=alarms.append)
    early = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch + 1 >= stop)
    )
    model.fit(x, y, 2, epochs, verbose=0, validation_data=(x, y), callbacks=[early, alarm])
    assert [line.split(":")[0] for line in alarms] == [f"epoch {first}"]


def test_alarm_says_in_its_state_whether_it_judged_a_validation_to_be_sound(monkeypatch):
    alarm = CollapseAlarm(("a", "b"), alarm=lambda line: None)
    found = []
    for number, matrix in enumerate([FINE, ONTO_0, None], 1):
        epoch(alarm, number, matrix)
        found.append(alarm.get_state()["sound"])
    monkeypatch.setattr(alarm, "_average_is_to_come", lambda: True)
    alarm.set_params({"epochs": 9})
    epoch(alarm, 4, FINE)
    found.append(alarm.get_state()["sound"])
    assert found == [True, False, False, False]


def test_alarm_goes_on_from_its_state():
    alarms = []
    first = CollapseAlarm(("a", "b"), alarm=alarms.append)
    epoch(first, 1, ONTO_0)
    second = CollapseAlarm(("a", "b"), alarm=alarms.append)
    second.set_state(first.get_state())
    epoch(second, 2, ONTO_0)
    assert len(alarms) == 1


def test_epochs_without_validation_publish_nothing_as_keras_does():
    for callback in (CollapseAlarm(("a", "b"), alarm=print), PerClassReport(("a", "b"))):
        measured, unmeasured = epoch(callback, 1, FINE), epoch(callback, 2, None)
        assert not np.isnan(list(measured.values())).any()
        assert unmeasured == {}


def test_report_publishes_every_epoch_and_says_a_table_every_few():
    tables = []
    report = PerClassReport(("a", "b"), every=2, log=tables.append)
    logs = [epoch(report, number, FINE) for number in (1, 2, 3)]
    assert logs[0] == pytest.approx(
        {
            f"val_{key}/{name}": 0.5 if key == "predicted" else 0.8
            for key in ("recall", "precision", "f1", "predicted")
            for name in ("a", "b")
        }
    )
    assert len(tables) == 1
    assert tables[0].startswith("epoch 2")
    np.testing.assert_array_equal(report.matrix, FINE)


def test_both_read_the_validation_of_a_real_fit_without_a_forward_pass_of_their_own():
    calls = []

    class Counted(keras.Model):
        def predict_step(self, data):
            calls.append(1)
            return super().predict_step(data)

        def test_step(self, data):
            calls.append(0)
            return super().test_step(data)

    inputs = keras.Input((2,))
    model = Counted(inputs, keras.layers.Dense(3)(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss=loss, metrics=[ConfusionMatrix(3)], run_eagerly=True)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)).astype(np.float32), rng.integers(0, 3, 30)
    report = PerClassReport(NAMES)
    alarm = CollapseAlarm(NAMES, alarm=lambda line: None)
    history = model.fit(
        x[:20],
        y[:20],
        validation_data=(x[20:], y[20:]),
        validation_batch_size=10,
        epochs=2,
        verbose=0,
        callbacks=[report, alarm],
    ).history
    answers = np.asarray(model(x[20:])).argmax(axis=1)
    np.testing.assert_array_equal(report.matrix.sum(axis=0), np.bincount(answers, minlength=3))
    assert history["val_predicted/fear"][-1] == pytest.approx(np.mean(answers == 2))
    assert history["val_collapse_fraction"][-1] == pytest.approx(np.bincount(answers).max() / 10)
    assert calls == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: PerClassReport(("a",)),
        lambda: PerClassReport(("a", "a")),
        lambda: PerClassReport(("a", "b"), every=0),
        lambda: CollapseAlarm(("a",)),
        lambda: CollapseAlarm(("a", "b"), fraction=0),
        lambda: CollapseAlarm(("a", "b"), fraction=1.1),
        lambda: CollapseAlarm(("a", "b"), action="shout"),
    ],
)
def test_misuse_is_refused(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_names_for_another_number_of_classes_are_refused():
    compiled = Validated(np.eye(2))
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    plain.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for callback in (PerClassReport(NAMES), CollapseAlarm(NAMES)):
        callback.set_model(compiled)
        with pytest.raises(ValueError, match=r"Received: balanced_accuracy.matrix with shape"):
            callback.on_test_end()
        with pytest.raises(ValueError, match="Expected predictions of 3 classes, one for each"):
            plain.fit(
                np.zeros((4, 2)), np.zeros(4), validation_data=(np.zeros((4, 2)), np.zeros(4)),
                verbose=0, callbacks=[callback],
            )  # fmt: skip


def test_a_test_step_of_its_own_that_counts_nothing_is_named():
    class Own(keras.Model):
        def test_step(self, data):
            return {"figure": 1.0}

    inputs = keras.Input((2,))
    model = Own(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="Does the model's `test_step` call `compute_metrics`"):
        model.evaluate(np.zeros((4, 2)), np.zeros(4), verbose=0, callbacks=[PerClassReport(NAMES)])
