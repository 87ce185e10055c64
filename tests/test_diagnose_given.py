"""What a training is given: teachers, weights to begin with, a rate that falls, faces that repeat,
labels of validation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from brief_training import QUICK, synthetic_splits
from untraced import untraced

from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.diagnose import diagnosis
from ferkeras.diagnose.case import Case, train_briefly
from ferkeras.diagnose.causes.balance import class_imbalance
from ferkeras.diagnose.causes.batchnorm import batchnorm_gap
from ferkeras.diagnose.causes.begun_broken import starts_from_a_broken_network
from ferkeras.diagnose.causes.capacity import WIDER
from ferkeras.diagnose.causes.classes import (
    missing_class,
    missing_class_beside,
    validation_cannot_measure,
)
from ferkeras.diagnose.causes.decayed_rate import learning_rate_fell_too_early
from ferkeras.diagnose.causes.held_back import held_back
from ferkeras.diagnose.causes.labels import noisy_labels, noisy_validation_labels
from ferkeras.diagnose.causes.one_batch import regularised_beyond_one_batch
from ferkeras.diagnose.causes.repeated import repeated_faces
from ferkeras.diagnose.causes.signal import dead_units, vanishing_gradients
from ferkeras.diagnose.causes.step_size import (
    gradients_clipped_away,
    learning_rate_too_high,
    learning_rate_too_low,
    too_few_steps,
)
from ferkeras.diagnose.causes.teacher import teacher_knows_nothing
from ferkeras.diagnose.measurements import ClassPredictions, FirstSteps, Measurements
from ferkeras.diagnose.trial import Trial

pytestmark = pytest.mark.usefixtures("short_range_tests", "told_apart_once")


@pytest.fixture(scope="module")
def faces() -> Splits:
    return synthetic_splits(700, halved=True)


@pytest.fixture(scope="module")
def many() -> Splits:
    return synthetic_splits(2400, halved=True)


def measured(splits: Splits, **overrides) -> Measurements:
    """A network that has taken a step or two."""
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    with untraced():
        return Measurements(train_briefly(with_values(Config(), QUICK | values), splits, 2))


def configured(m: Measurements, **overrides) -> Measurements:
    """The same, as if it had been configured otherwise."""
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    return Measurements(replace(m.case, config=with_values(m.case.config, values)))


@pytest.fixture(scope="module")
def trained(faces) -> Case:
    return measured(faces).case


@pytest.fixture
def m(trained) -> Measurements:
    """Nothing of it measured yet; what is measured leaves the network as it was."""
    return Measurements(trained)


def trial(skill: float) -> Trial:
    return Trial({}, 100, skill, skill, skill, skill)


def saying(m: Measurements, label: int | None = None) -> ClassPredictions:
    """Predictions on training faces: one class, or the truth."""
    truth = m.train.labels
    return ClassPredictions(
        truth, truth if label is None else np.full_like(truth, label), m.classes
    )


def test_a_teacher_that_says_one_class_is_named_with_the_key_that_leaves_it_out(m):
    m = configured(m, distill__teachers=("runs/bad", "runs/good"), distill__weight=0.8)
    m.teachers = {"runs/bad": saying(m, 3), "runs/good": saying(m)}
    finding = teacher_knows_nothing(m)
    assert "The teacher runs/bad does not know these faces, and 80% of the loss" in finding.verdict
    assert finding.remedies[0].overrides == {"distill.teachers": ("runs/good",)}
    m.teachers = {"runs/good": saying(m)}
    assert teacher_knows_nothing(m) is None
    # A teacher whose run is gone says nothing.
    assert configured(m, distill__teachers=("runs/gone",)).teachers == {}


def test_weights_of_another_run_are_blamed_where_random_ones_learn(m):
    m = configured(m, network__start_from="runs/bad")
    m.trial = lambda values: trial(0.4)
    finding = starts_from_a_broken_network(m)
    assert "begins with the weights of runs/bad" in finding.verdict
    assert finding.remedies[0].overrides == {"network.start_from": None}
    m.trial = lambda values: trial(0.0)
    assert starts_from_a_broken_network(m) is None
    m.silent_units = {"a_relu": 1.0}
    assert dead_units(m).remedies[0].overrides == {"network.start_from": None}


def history(*rates: float) -> pd.DataFrame:
    return pd.DataFrame({"epoch": range(1, len(rates) + 1), "learning_rate": rates})


@pytest.mark.parametrize(
    ("rates", "gained", "named"),
    [
        ((3e-3, 3e-5, 3e-7, 3e-7), 0.4, True),
        ((3e-3, 3e-5, 3e-7, 3e-7), 0.02, False),
        ((3e-3, 3e-3, 3e-3, 3e-5), 0.4, False),
        ((3e-3, 2e-3, 2e-3, 1e-3), 0.4, False),
    ],
)
def test_a_rate_that_fell_is_blamed_where_more_steps_at_the_first_one_teach(
    m, rates, gained, named
):
    m = configured(m, schedule__plateau_from_epoch=1, schedule__plateau_factor=0.01)
    m = Measurements(replace(m.case, history=history(*rates)))
    m.went_on = trial(gained)
    finding = learning_rate_fell_too_early(m)
    assert (finding is not None) == named
    if finding:
        assert "fell to 3e-05 in epoch 2" in finding.verdict
        assert finding.remedies[0].overrides == {"schedule.plateau_from_epoch": None}
        assert all(remedy.changes(m.case.config) for remedy in finding.remedies)


def test_going_on_leaves_the_network_as_it_was(m):
    before = [np.array(v) for v in m.case.setup.model.variables]
    rate = float(m.case.setup.model.optimizer.learning_rate)
    with untraced():
        assert m.went_on.steps == m.case.steps
    for variable, array in zip(m.case.setup.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, array)
    assert float(m.case.setup.model.optimizer.learning_rate) == rate


def test_a_first_layer_that_is_slow_by_its_rate_is_told_from_one_that_no_gradient_reaches(m):
    slow = configured(m, network__first_layer_rate=1e-6)
    slow.first_steps = FirstSteps({"first": 1e-8, "mid": 1e-3, "last": 1e-2}, 0, 1, 1)
    finding = vanishing_gradients(slow)
    assert finding.cause == "first_layers_too_slow"
    assert finding.remedies[0].overrides == {"network.first_layer_rate": 1.0}
    m.first_steps = slow.first_steps
    assert vanishing_gradients(m).cause == "vanishing_gradients"


def test_a_first_layer_s_rate_is_taken_away_in_a_trial(m):
    m = configured(m, network__first_layer_rate=1e-3)
    m.trial = lambda values: trial(0.4 if values.get("network.first_layer_rate") == 1 else 0.1)
    assert held_back(m).cause == "first_layers_too_slow"
    # What has learned elsewhere is kept by lower rates.
    begun = configured(m, network__start_from="runs/good")
    begun.trial = m.trial
    assert held_back(begun) is None or held_back(begun).cause != "first_layers_too_slow"


def test_what_gains_from_one_start_alone_is_not_named(m):
    m = configured(m, network__first_layer_rate=1e-3)

    def lucky(values):
        first = values.get("seed") is None
        return trial(0.4 if values.get("network.first_layer_rate") == 1 and first else 0.1)

    m.trial = lucky
    assert held_back(m) is None


@pytest.mark.parametrize(("recall_without", "named"), [(0.5, True), (0.3, False)])
def test_a_correction_for_rare_classes_is_named_unless_it_is_what_helps_them(
    m, monkeypatch, recall_without, named
):
    m = configured(m, class_weight__rule="inverse")
    heavy = dict.fromkeys(range(7), 1.0) | {1: 16.0}
    setup = replace(m.case.setup, balance=replace(m.case.setup.balance, effective=heavy))
    m = Measurements(replace(m.case, setup=setup))
    monkeypatch.setattr("ferkeras.diagnose.causes.held_back.is_behind", lambda _: False)
    m.trial = lambda values: (
        replace(trial(0.5), balanced=recall_without)
        if values.get("class_weight.rule") == "none"
        else replace(trial(0.3), balanced=0.4)
    )
    finding = held_back(m)
    assert (finding is not None) == named
    if finding:
        assert finding.cause == "rare_classes_overweighted"


@pytest.mark.parametrize(
    ("filters", "dense", "wider"),
    [
        ([8, 1, 32], [], {"network.filters": [8, 32, 32]}),
        ([8, 16], [2], {"network.dense_units": [128]}),
        ([1, 1], [], WIDER),
        ([8, 16], [64], None),
    ],
)
def test_a_narrow_layer_alone_is_widened_also_where_the_network_learns(
    m, monkeypatch, filters, dense, wider
):
    monkeypatch.setattr("ferkeras.diagnose.causes.held_back.is_behind", lambda _: False)
    m = configured(
        m,
        network__filters=filters,
        network__dense_units=dense,
        network__dense_dropout=0.0,
        schedule__dropout_from_epoch=None,
        class_weight__rule="none",
    )
    m.trial = lambda values: trial(0.3 if wider and wider.items() <= values.items() else 0.2)
    finding = held_back(m)
    assert (finding and finding.cause) == (wider and "network_too_small")
    if finding:
        assert finding.remedies[0].overrides == wider


def test_weights_far_from_usual_are_tried_for_longer_where_the_network_learns(m, monkeypatch):
    asked = []
    monkeypatch.setattr(
        diagnosis, "TRIED", (lambda measured: asked.append(measured.trial_steps) or None,)
    )
    monkeypatch.setattr(diagnosis, "is_not_learning", lambda _: False)
    m = Measurements(replace(m.case, steps=1000))
    diagnosis._tried(m)
    assert len(asked) == 1
    monkeypatch.setattr(diagnosis.held_back, "is_far_from_usual", lambda _: True)
    diagnosis._tried(m)
    assert asked[1:] == [asked[0], 3 * asked[0]]


@pytest.mark.parametrize(
    ("others_wrong", "first"), [(20, missing_class), (60, missing_class_beside)]
)
def test_a_missing_class_is_first_where_it_explains_what_is_misclassified(others_wrong, first):
    names = ("happy", "sad", "disgust")
    truth = np.repeat([0, 1, 2], [40, 60, 5])
    predicted = np.repeat([0, 1, 0], [40, 60 - others_wrong, others_wrong + 5])

    def faces(labels):
        images = np.zeros((len(labels), 2, 2, 1), np.uint8)
        return Faces(images, labels.astype(np.int32), names)

    splits = Splits(faces(truth[:100]), faces(truth), None, "", "", True)
    m = SimpleNamespace(
        case=SimpleNamespace(splits=splits),
        on_validation=ClassPredictions(truth, predicted, names),
        classes=names,
    )
    found = {probe: probe(m) for probe in (missing_class, missing_class_beside)}
    assert [probe for probe, finding in found.items() if finding] == [first]
    assert "no face that is disgust" in found[first].verdict


@pytest.mark.parametrize(
    ("missing", "cause"), [([1], "class_imbalance"), ([0, 1, 2, 4, 5], "missing_class")]
)
def test_a_class_that_is_missing_among_few_others_is_for_want_of_others(faces, m, missing, cause):
    labels = faces.train.labels
    happy = np.flatnonzero(labels == 3)
    others = np.flatnonzero(~np.isin(labels, [3, *missing]))[: len(happy) // 9]
    train = faces.train.take(np.concatenate([happy, others]))
    m = Measurements(replace(m.case, splits=replace(faces, train=train)))
    truth = m.validation.labels
    m.on_validation = ClassPredictions(truth, np.full_like(truth, 3), m.classes)
    m.trial = lambda values: trial(0.0)
    probes = [p for p in diagnosis.MEASURED if p in (class_imbalance, missing_class)]
    assert next(found.cause for probe in probes if (found := probe(m))) == cause


def with_images(splits: Splits, images: np.ndarray) -> Splits:
    train = splits.train
    return replace(splits, train=Faces(images, train.labels, train.classes))


def knowing(m: Measurements, validation: float) -> Measurements:
    """As a network that knows every training face, and such a part of each validation class."""
    m.on_train = saying(m)
    labels, rng = m.validation.labels, np.random.default_rng(0)
    known = rng.random(len(labels)) < validation
    m.on_validation = ClassPredictions(labels, np.where(known, labels, (labels + 1) % 7), m.classes)
    return m


def test_a_few_pictures_many_times_are_told_unless_they_teach(faces):
    rows = np.resize(np.arange(30), len(faces.train))
    few = replace(faces, train=faces.train.take(rows))
    m = knowing(measured(few), 0.1)
    finding = repeated_faces(m)
    assert f"The {len(rows):,} training faces are copies of" in finding.verdict
    assert repeated_faces(knowing(Measurements(m.case), 0.9)) is None
    assert repeated_faces(knowing(measured(faces), 0.1)) is None


def test_a_placeholder_for_a_class_is_told(faces):
    images = np.array(faces.train.images)
    images[faces.train.labels == 3] = images[0]
    m = knowing(measured(with_images(faces, images)), 0.1)
    finding = repeated_faces(m)
    assert "training faces that are happy are copies of 1 image:" in finding.verdict


def test_wrong_validation_labels_are_told_from_wrong_training_labels(many):
    labels, rng = many.validation.labels.copy(), np.random.default_rng(0)
    wrong = rng.random(len(labels)) < 0.6
    labels[wrong] = (labels[wrong] + rng.integers(1, 7, wrong.sum())) % 7
    validation = Faces(many.validation.images, labels, many.validation.classes)
    m = measured(replace(many, validation=validation))
    finding = noisy_validation_labels(m)
    said = int(finding.verdict.split("%")[0].split()[-1]) / 100
    assert said == pytest.approx(0.6, abs=0.2)
    assert noisy_labels(m) is None
    # People who are seen on one side alone, copies of what is learned from, or validation faces
    # that are known from within, say why training faces are known better.
    by_person = replace(m.case, splits=replace(m.case.splits, by_person=True))
    assert noisy_validation_labels(Measurements(by_person)) is None
    within = m.reference_within_validation
    m.reference_within_validation = m.reference_within_train
    assert noisy_validation_labels(m) is None
    m.reference_within_validation = within
    assert noisy_validation_labels(m) is not None
    # Faces that look otherwise say so as well.
    m.splits_told_apart = 0.9
    assert noisy_validation_labels(m) is None
    assert noisy_validation_labels(measured(many)) is None


def test_a_class_that_validation_lacks_by_no_accident_is_named(many):
    labels = many.validation.labels
    without = replace(many, validation=many.validation.take(labels != 3))
    finding = validation_cannot_measure(measured(without))
    assert "Validation has no face that is happy" in finding.verdict
    # Of the rarest class few were to be expected.
    rarest = int(np.bincount(labels).argmin())
    few = many.validation.take(labels != rarest)
    few = replace(many, validation=few.take(np.arange(min(len(few), 100))))
    assert validation_cannot_measure(measured(few)) is None


@pytest.mark.parametrize(
    ("with_it", "without", "named"),
    [
        (0.33, {"label_smoothing": 1.0, "dropout": 0.4}, "too_much_label_smoothing"),
        (0.33, {"label_smoothing": 0.4, "dropout": 0.95}, "too_much_dropout"),
        (0.33, {"label_smoothing": 0.6, "dropout": 0.6}, None),
        (0.6, {"label_smoothing": 1.0, "dropout": 1.0}, None),
    ],
)
def test_what_keeps_a_single_batch_from_being_memorised_is_too_much(m, with_it, without, named):
    m = configured(
        m,
        network__dense_dropout=0.9,
        schedule__dropout_from_epoch=None,
        train__label_smoothing=0.98,
        schedule__smoothing_from_epoch=None,
    )
    m.one_batch = lambda values: (
        with_it
        if not values
        else without["label_smoothing" if "train.label_smoothing" in values else "dropout"]
    )
    finding = regularised_beyond_one_batch(m)
    assert (finding and finding.cause) == named


@pytest.mark.parametrize(
    ("moved", "norm", "named"),
    [
        # So far below what a weight can hold that it hardly moves, whatever the rate.
        (4e-14, 10.0, True),
        (1e-6, 10.0, True),
        # Three times as long, and still a thousandth of the usual.
        (1e-6, 3e-9, False),
    ],
)
def test_short_steps_are_clipping_s_where_it_shortens_them_more_than_the_rate(
    m, moved, norm, named
):
    m = configured(m, train__global_clip_norm=1e-9)
    m.first_steps = FirstSteps({"kernel": moved}, 1.0, norm / 1e-9, norm)
    finding = gradients_clipped_away(m)
    assert (finding is not None) == named
    if finding:
        assert finding.remedies[0].overrides == {"train.global_clip_norm": 20.0}


@pytest.mark.parametrize(
    ("batch_size", "epochs", "becomes"),
    [(512, 3, (64, 50)), (512, 90, (64, 90)), (32, 3, (32, 15))],
)
def test_smaller_batches_come_with_epochs_for_some_hundred_steps(m, batch_size, epochs, becomes):
    m = configured(m, train__batch_size=batch_size, train__epochs=epochs)
    m.first_steps = FirstSteps({"kernel": 2e-3}, 0.0, 1.0, 1.0)
    config = too_few_steps(m).remedies[0].applied_to(m.case.config)
    assert (config.train.batch_size, config.train.epochs) == becomes


@pytest.mark.parametrize(("rate", "named"), [(1e-12, True), (0.005, False)])
def test_a_rate_is_too_low_only_where_a_usual_one_is_higher(m, rate, named):
    m = configured(m, train__learning_rate=rate)
    m.first_steps = FirstSteps({"kernel": 0.0}, 0.0, 1.0, 1.0)
    assert (learning_rate_too_low(m) is not None) == named


def test_a_network_of_dead_units_is_not_only_said_to_learn_no_batch(m, monkeypatch):
    m.silent_units = {"a_relu": 1.0}
    found = dead_units(m)
    monkeypatch.setattr(diagnosis, "MEASURED", (lambda _: found,))
    monkeypatch.setattr(diagnosis, "TRIED", ())
    monkeypatch.setattr(
        diagnosis, "LEFT", (lambda _: pytest.fail("asked, though something was found"),)
    )
    assert diagnosis.diagnose(m.case).findings[0].cause == "dead_units"


@pytest.mark.parametrize(("share", "with_batches", "named"), [(5, 12, False), (10, 50, True)])
def test_a_gap_of_statistics_is_more_than_two_samples_of_little_skill(
    m, share, with_batches, named
):
    def knowing(percent):
        truth = m.train.labels
        known = np.arange(len(truth)) % 100 < percent
        return ClassPredictions(truth, np.where(known, truth, 3), m.classes)

    m.on_train, m.with_batch_statistics = knowing(share), knowing(with_batches)
    assert (batchnorm_gap(m) is not None) == named


@pytest.mark.parametrize(
    ("rate", "moved", "suggested", "taken"),
    [
        (1.0, 5.0, 0.004, 0.004),
        # Not what lies on the other side, and no rate of steps that are not finite.
        (1.0, 5.0, 2.0, 0.001),
        (1e-4, np.inf, None, 1e-5),
        (1e-7, 1e-7, 0.004, 0.004),
        (1e-7, 1e-7, 1e-8, 0.005),
    ],
)
def test_another_rate_is_that_of_a_range_test_where_it_lies_on_the_right_side(
    m, rate, moved, suggested, taken
):
    m = configured(m, train__learning_rate=rate)
    m.first_steps = FirstSteps({"kernel": moved}, 0.0, 1.0, 1.0)
    m.range_test = SimpleNamespace(suggestion=suggested)
    named = learning_rate_too_high if moved > 0.1 else learning_rate_too_low
    (remedy,) = named(m).remedies
    assert remedy.overrides == {"train.learning_rate": pytest.approx(taken)}
    assert ("range test" in remedy.expected) == (taken == suggested)
    assert remedy.what.startswith("lower" if taken < rate else "raise")
