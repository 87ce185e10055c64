"""How certain a cause is, and which of several is the first."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from brief_training import QUICK, synthetic_splits
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.diagnose import diagnosis, ranking, treatment
from ferkeras.diagnose.case import train_briefly
from ferkeras.diagnose.diagnosis import Diagnosis
from ferkeras.diagnose.finding import Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.ranking import contestants, ranked
from ferkeras.diagnose.track_record import Count, TrackRecord, track_record
from ferkeras.diagnose.treatment import what_remains
from ferkeras.diagnose.trial import Trial

RECORD = TrackRecord(
    200,
    {"sure": Count(60, 60), "doubtful": Count(10, 5)},
    {"doubtful": Count(10, 5), "sure": Count(10, 9), "follows": Count(30, 1)},
    Count(50, 45),
    Count(30, 10),
)

counts = st.integers(0, 500).flatmap(
    lambda said: st.integers(0, said).map(lambda right: Count(said, right))
)


@given(counts, counts, counts, counts, st.sampled_from([None, True, False]))
def test_a_confidence_is_a_probability_whatever_was_counted(own, other, works, fails, tried):
    record = TrackRecord(1, {"own": own, "other": other}, {}, works, fails)
    for cause in ("own", "never named"):
        assert 0 < record.confidence(cause, True, tried) < 1


def test_what_was_right_more_often_is_more_certain_and_few_verdicts_are_not_certain():
    assert RECORD.confidence("sure", True) > 0.95
    assert 0.4 < RECORD.confidence("doubtful", True) < 0.7
    assert RECORD.confidence("doubtful", False) < RECORD.confidence("doubtful", True)
    once = replace(RECORD, first={"lucky": Count(1, 1), "usual": Count(99, 50)})
    assert once.confidence("lucky", True) < 0.75


def test_a_trial_that_works_makes_a_cause_more_certain():
    plain = RECORD.confidence("doubtful", True)
    assert RECORD.confidence("doubtful", True, works=True) > plain
    assert RECORD.confidence("doubtful", True, works=False) < plain


def test_the_record_that_comes_along_can_be_read_and_written():
    record = track_record()
    assert record.trainings > 0
    assert all(0 < each.right + 1 <= each.said + 1 for each in record.first.values())
    assert set(record.as_json()) == {"trainings", "first", "also", "works", "fails"}


def finding(cause: str, **overrides) -> Finding:
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    return Finding(cause, f"It is {cause}.", (), (Remedy("do", "it helps", values),), "", "")


RATE = finding("doubtful", train__learning_rate=0.1)
SMOOTHING = finding("sure", train__label_smoothing=0.0)
FACES = finding("faces")


def measurements(skills: dict[str, float], steps: int = 100, **settings) -> SimpleNamespace:
    def trial(values, steps):
        skill = skills[next(iter(values), "")]
        return Trial(values, steps, skill, skill, skill, skill)

    case = SimpleNamespace(config=with_values(Config(), settings))
    return SimpleNamespace(trial=trial, trial_steps=steps, ramped={}, case=case)


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(ranking, "track_record", lambda: RECORD)
    monkeypatch.setattr(ranking, "is_not_learning", lambda m: True)


def test_a_remedy_that_works_goes_before_one_that_does_not():
    m = measurements({"": 0.1, "train.learning_rate": 0.1, "train.label_smoothing": 0.4})
    first, second = ranked(m, [RATE, SMOOTHING])
    assert (first.cause, second.cause) == ("sure", "doubtful")
    assert first.confidence > 0.9 > second.confidence
    assert "0.40" in first.evidence[-1].measured
    assert first.severity == "broken"


@pytest.mark.parametrize(
    ("batch_size", "steps", "with_it", "without"),
    # A long training of batches of 1,024, a short one, and one of batches that become larger.
    [(1024, 150, 150, 9), (1024, 4, 64, 4), (16, 150, 150, 150)],
)
def test_smaller_batches_are_tried_against_as_many_faces(batch_size, steps, with_it, without):
    skills = {"": 0.1, "train.batch_size": 0.4}
    m = measurements(skills, steps, **{"train.batch_size": batch_size})
    smaller = finding("doubtful", train__batch_size=64)
    ((before, after),) = ranking.tried(m, [smaller]).values()
    assert (after.steps, before.steps) == (with_it, without)
    (said,) = ranked(m, [smaller])[0].evidence
    assert f"after {with_it} steps with the first remedy" in said.what
    assert ("as many steps" in said.expected) == (with_it == without)


def test_remedies_that_are_tried_for_somebody_are_so_too_each_with_its_own_comparison(monkeypatch):
    monkeypatch.setattr(
        treatment, "try_out", lambda case, values, steps: Trial(values, steps, 0, 0, 0, 0)
    )
    case = SimpleNamespace(config=with_values(Config(), {"train.batch_size": 1024}), steps=4)
    smaller = finding("few", train__batch_size=64)
    told = []
    unramped = SimpleNamespace(ramped={})
    both = SimpleNamespace(case=case, findings=(RATE, smaller), measurements=unramped)
    tried = treatment.treat(both, told.append)
    assert [(each.untreated.steps, each.treated.steps) for each in tried] == [(150, 150), (9, 150)]
    assert told == [150, 150, 9, 150]
    assert sum(told) == treatment.steps_of_all(both)


def test_where_both_work_or_neither_the_order_stays():
    for skill in (0.1, 0.5):
        m = measurements({"": 0.1, "train.learning_rate": skill, "train.label_smoothing": skill})
        assert [each.cause for each in ranked(m, [RATE, SMOOTHING])] == ["doubtful", "sure"]


def test_faces_that_are_wrong_stay_first_whatever_settings_teach():
    m = measurements({"": 0.1, "train.learning_rate": 0.1, "train.label_smoothing": 0.4})
    assert ranked(m, [FACES, RATE, SMOOTHING])[0].cause == "faces"


@pytest.mark.usefixtures("eager")
def test_what_mostly_follows_from_another_cause_is_not_said_beside_it(monkeypatch):
    case = train_briefly(with_values(Config(), QUICK), synthetic_splits(300, halved=True), 2)
    follows = finding("follows")
    monkeypatch.setattr(diagnosis, "measured", lambda m: [FACES, follows])
    found = diagnosis.diagnose(case)
    assert [each.cause for each in found.findings] == ["faces"]
    assert [each["cause"] for each in found.as_json()["unlikely"]] == ["follows"]
    monkeypatch.setattr(diagnosis, "measured", lambda m: [follows])
    assert [each.cause for each in diagnosis.diagnose(case).findings] == ["follows"]


def test_what_is_certain_is_not_tried():
    def trial(values):
        raise AssertionError("no trial was needed")

    (only,) = ranked(SimpleNamespace(trial=trial, ramped={}), [SMOOTHING])
    assert not only.evidence
    assert only.confidence > 0.95


def test_more_epochs_are_no_setting_that_a_brief_trial_shows():
    assert contestants([finding("few", train__epochs=50), RATE]) == [RATE]


@pytest.mark.usefixtures("eager")
def test_what_remains_is_measured_with_the_first_remedy_applied(monkeypatch):
    splits = synthetic_splits(300, halved=True)
    config = with_values(Config(), QUICK | {"train.learning_rate": 1e-6})
    case = train_briefly(config, splits, 2)
    seen = []

    def measured(m):
        seen.append(m.case.config.train.learning_rate)
        return [SMOOTHING]

    monkeypatch.setattr(treatment, "measured", measured)
    monkeypatch.setattr(treatment, "STEPS", 4)

    def found(*findings):
        return Diagnosis(case, Measurements(case), findings, False)

    remaining = what_remains(found(RATE, SMOOTHING))
    assert [each.cause for each in remaining] == ["sure"]
    assert seen == [0.1]
    # One cause alone leaves nothing to ask for, and faces are put right by no setting.
    assert what_remains(found(RATE)) == what_remains(found(FACES, RATE)) == ()


@pytest.mark.usefixtures("eager")
def test_what_was_often_wrong_is_not_the_last_word_and_a_trial_goes_before_it(monkeypatch):
    case = train_briefly(with_values(Config(), QUICK), synthetic_splits(300, halved=True), 2)
    asked = []

    def shows(m):
        asked.append(m)
        return FACES

    monkeypatch.setattr(diagnosis, "TRIED", (shows,))
    monkeypatch.setattr(diagnosis, "measured", lambda m: [finding("sure")])
    assert [each.cause for each in diagnosis.diagnose(case).findings] == ["sure"]
    assert not asked
    doubted = replace(RECORD, first={"doubtful": Count(10, 5)})
    monkeypatch.setattr(ranking, "track_record", lambda: doubted)
    monkeypatch.setattr(diagnosis, "measured", lambda m: [finding("doubtful")])
    # Of labels that nothing tells, a trial may know by heart what it knows.
    monkeypatch.setattr(diagnosis, "can_be_learned", lambda m: False)
    assert diagnosis.diagnose(case).findings[0].cause == "doubtful"
    monkeypatch.setattr(diagnosis, "can_be_learned", lambda m: True)
    assert diagnosis.diagnose(case).findings[0].cause == "faces"
    monkeypatch.setattr(diagnosis, "TRIED", ())
    assert diagnosis.diagnose(case).findings[0].cause == "doubtful"
