"""Splitting: the source's own split to the face, else a fair draw that keeps copies together."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.data.faces import USAGES, Faces, ReadFaces, Splits
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.split import Fold, split_faces, usage_as_split
from ferkeras.data.task import Classes
from ferkeras.fit import fitting
from ferkeras.fit.notes import note_on_average, notes_on

RAMPS = ("dropout", "smoothing", "plateau")


def reading(identities, labels, usage=None) -> ReadFaces:
    """Faces whose pixels spell their identity: equal identities are copies of one image."""
    identities = np.asarray(identities)
    images = np.zeros((len(identities), 48, 48, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 47, 47, 0] = identities % 256, identities // 256
    return ReadFaces(
        Faces(images, np.asarray(labels, np.int32), FER2013.classes),
        np.zeros(len(identities), np.int8) if usage is None else np.asarray(usage, np.int8),
        "somewhere/faces.csv",
        "f00d",
    )


def spelt(faces: Faces) -> list[tuple[int, int]]:
    low, high = faces.images[:, 0, 0, 0].astype(int), faces.images[:, 47, 47, 0].astype(int)
    identity = low + 256 * high
    return sorted(zip(identity.tolist(), faces.labels.tolist(), strict=True))


def identities_of(faces: Faces) -> set[int]:
    return {identity for identity, _ in spelt(faces)}


def assert_equal(one: Splits, other: Splits) -> None:
    for name in ("train", "validation"):
        np.testing.assert_array_equal(getattr(one, name).images, getattr(other, name).images)
        np.testing.assert_array_equal(getattr(one, name).labels, getattr(other, name).labels)


def test_an_official_split_is_honoured_to_the_face_copies_included():
    usage = [1, 2, 3] * 7
    identities = [number // 3 for number in range(21)]
    read = reading(identities, identities, usage)
    splits = split_faces(read, seed=1, validation_fraction=0.5)
    assert splits.official
    assert spelt(splits.train) == spelt(splits.validation) == [(each, each) for each in range(7)]
    assert splits.test is not None
    assert spelt(splits.test) == [(each, each) for each in range(7)]
    assert (splits.source, splits.fingerprint) == (read.source, read.fingerprint)
    assert_equal(splits, split_faces(read, seed=2, validation_fraction=0.1))


def test_validation_is_drawn_from_train_where_only_test_is_official():
    labels = np.arange(700) % 7
    usage = np.where(np.arange(700) < 490, 1, 3)
    splits = split_faces(reading(np.arange(700), labels, usage), seed=0, validation_fraction=0.2)
    assert not splits.official
    assert identities_of(splits.test) == set(range(490, 700))
    np.testing.assert_array_equal(np.bincount(splits.validation.labels), [14] * 7)
    np.testing.assert_array_equal(np.bincount(splits.train.labels), [56] * 7)


def test_no_test_split_is_no_test_split():
    splits = split_faces(reading(np.arange(70), np.arange(70) % 7), seed=0, validation_fraction=0.3)
    assert splits.test is None
    assert not splits.official


def test_another_seed_draws_another_split():
    read = reading(np.arange(700), np.arange(700) % 7)
    held_out = [
        spelt(split_faces(read, seed=seed, validation_fraction=0.5).validation) for seed in (0, 1)
    ]
    assert held_out[0] != held_out[1]


def test_a_class_without_training_faces_is_named_with_counts():
    labels = np.arange(60) % 6
    with pytest.raises(InputError) as caught:
        split_faces(reading(np.arange(60), labels), seed=0, validation_fraction=0.2)
    for part in (
        "somewhere/faces.csv",
        "no training images of neutral;",
        "neutral 0",
        "angry 8",
        "data.classes=[angry, disgust, fear, happy, sad, surprise]",
        "data.classes={angry: [NUMBER], disgust: [NUMBER], ...}",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([f"class{number}" for number in range(12)], "class9, class10, class11]'"),
        (["yes", "no", "c: d"], "\"data.classes=['yes', 'no', 'c: d']\""),
        ([f"a rather long name {number}" for number in range(12)], None),
    ],
)
def test_the_classes_that_are_there_are_proposed_as_they_can_be_given(names, said):
    labels = np.arange(60, dtype=np.int32) % len(names)
    read = reading(np.arange(60), labels)
    faces = replace(read.faces, classes=Classes((*names, "missing")))
    with pytest.raises(InputError, match="no training images of missing") as caught:
        split_faces(replace(read, faces=faces), seed=0, validation_fraction=0.2)
    assert ("data.classes=" in str(caught.value)) == (said is not None)
    assert (said or "add faces of the missing ones") in str(caught.value)


def test_only_test_faces_are_nothing_to_train_on():
    with pytest.raises(InputError, match="no training images of angry, disgust"):
        split_faces(reading(range(7), range(7), [3] * 7), seed=0, validation_fraction=0.2)


def test_nothing_left_for_validation_is_said():
    with pytest.raises(InputError, match="no validation images"):
        split_faces(reading(range(7), range(7)), seed=0, validation_fraction=0.5)


def test_one_person_alone_is_not_spoken_of_as_folds():
    read = replace(reading(range(14), np.arange(14) % 7), groups=np.zeros(14, np.int32))
    with pytest.raises(InputError, match=r"faces\.csv: nobody can be held out"):
        split_faces(read, seed=0, validation_fraction=0.5)
    with pytest.raises(InputError, match=r"faces\.csv: 1 person cannot be divided into 3"):
        split_faces(read, seed=0, validation_fraction=0.5, fold=Fold(1, 3))


@st.composite
def crowds(draw: st.DrawFn) -> tuple[ReadFaces, int]:
    """Faces of all emotions with copies, a few of which carry another label."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    distinct = draw(st.integers(8, 120))
    most_copies = draw(st.integers(1, 6))
    label_of = np.concatenate([np.arange(7), rng.integers(0, 7, distinct - 7)])
    identities = np.repeat(np.arange(distinct), rng.integers(1, most_copies + 1, distinct))
    rng.shuffle(identities)
    return reading(identities, label_of[identities]), most_copies


fractions = st.floats(0.01, 0.89)
seeds = st.integers(0, 2**31 - 1)


@settings(max_examples=60)
@given(crowds(), seeds, fractions)
def test_a_drawn_split_is_whole_fair_and_keeps_copies_together(crowd, seed, fraction):
    read, most_copies = crowd
    splits = split_faces(read, seed=seed, validation_fraction=fraction)
    assert sorted(spelt(splits.train) + spelt(splits.validation)) == spelt(read.faces)
    assert not identities_of(splits.train) & identities_of(splits.validation)
    totals = np.bincount(read.faces.labels, minlength=7)
    held_out = np.bincount(splits.validation.labels, minlength=7)
    assert (np.abs(held_out - fraction * totals) <= most_copies).all()
    assert (held_out < totals).all()
    distinct = np.bincount([label for _, label in set(spelt(read.faces))], minlength=7)
    assert (held_out[distinct > 1] > 0).all()


@settings(max_examples=50)
@given(crowds(), seeds, fractions, st.randoms(use_true_random=False))
def test_a_drawn_split_depends_on_seed_and_content_and_not_on_order(crowd, seed, fraction, random):
    read, _ = crowd
    splits = split_faces(read, seed=seed, validation_fraction=fraction)
    assert_equal(splits, split_faces(read, seed=seed, validation_fraction=fraction))
    order = list(range(len(read.faces)))
    random.shuffle(order)
    shuffled = ReadFaces(read.faces.take(np.array(order)), read.usage, "elsewhere", "beef")
    again = split_faces(shuffled, seed=seed, validation_fraction=fraction)
    assert spelt(again.validation) == spelt(splits.validation)


@settings(max_examples=50)
@given(st.integers(0, 2**32), seeds)
def test_copies_with_different_labels_still_stay_together(source_seed, seed):
    rng = np.random.default_rng(source_seed)
    identities = np.concatenate([np.arange(70), rng.integers(0, 70, 100)])
    labels = np.concatenate([np.arange(70) % 7, rng.integers(0, 7, 100)])
    splits = split_faces(reading(identities, labels), seed=seed, validation_fraction=0.25)
    assert not identities_of(splits.train) & identities_of(splits.validation)
    assert len(splits.train) + len(splits.validation) == 170


@settings(max_examples=25, deadline=None)
@given(
    people=st.lists(st.integers(0, 12), min_size=24, max_size=60),
    seed=st.integers(0, 1000),
    copies=st.integers(0, 5),
)
def test_nobody_is_on_both_sides_and_every_face_is_held_out_once(people, seed, copies):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (len(people), 16, 16, 1), dtype=np.uint8)
    images[:copies] = images[-1]
    labels = rng.integers(0, 2, len(people)).astype(np.int32)
    groups = np.unique(people, return_inverse=True)[1].astype(np.int32)
    if len(set(groups.tolist())) < 8:
        return
    usage = np.zeros(len(people), np.int8)
    read = ReadFaces(Faces(images, labels, Classes(("a", "b"))), usage, "people", "0" * 32, groups)
    held_out = np.zeros(len(people), int)
    for number in (1, 2, 3):
        split = usage_as_split(read, seed=seed, validation_fraction=0.2, fold=Fold(number, 3))
        inside = split == USAGES.index("validation")
        held_out += inside
        assert not set(groups[inside]) & set(groups[~inside])
        pictures = [image.tobytes() for image in images]
        assert not {pictures[i] for i in np.flatnonzero(inside)} & {
            pictures[i] for i in np.flatnonzero(~inside)
        }
    assert (held_out == 1).all()
    order = rng.permutation(len(people))
    shuffled = ReadFaces(read.faces.take(order), usage, "people", "0" * 32, groups[order])
    drawn = []
    for each in (read, shuffled):
        inside = usage_as_split(each, seed=seed, validation_fraction=0.2) == 2
        assert inside.any()
        assert not inside.all()
        drawn.append({image.tobytes() for image in each.faces.images[inside]})
    assert drawn[0] == drawn[1]


@settings(max_examples=50)
@given(crowds(), seeds)
def test_dropping_leaked_faces_leaves_out_those_that_are_held_out_and_no_others(crowd, seed):
    read, _ = crowd
    # Nothing of the first face of each class is held out, so that none is emptied.
    usage = np.random.default_rng(seed).integers(1, 4, len(read.faces)).astype(np.int8)
    identity = read.faces.images[:, 0, 0, 0] + 256 * read.faces.images[:, 47, 47, 0].astype(int)
    usage[np.isin(identity, [identity[read.faces.labels == each][0] for each in range(7)])] = 1
    if not (usage == 2).any():
        return
    read = replace(read, usage=usage)
    kept = split_faces(read, seed=seed, validation_fraction=0.2)
    clean = split_faces(read, seed=seed, validation_fraction=0.2, drop_leaked=True)
    held_out = identities_of(kept.validation) | (identities_of(kept.test) if kept.test else set())
    assert spelt(clean.train) == [each for each in spelt(kept.train) if each[0] not in held_out]
    assert spelt(clean.validation) == spelt(kept.validation)
    assert (clean.test is None) == (kept.test is None)
    assert clean.leaked == len(kept.train) - len(clean.train)
    assert (clean.division == kept.division) == (clean.leaked == 0)
    assert clean.fingerprint == kept.fingerprint


def test_a_class_that_only_leaked_is_missed_with_the_reason():
    read = reading([*range(7), *range(7), *range(6)], [*range(7)] * 2 + [*range(6)])
    read = replace(read, usage=np.repeat([1, 2, 1], (7, 7, 6)).astype(np.int8))
    identities = np.arange(14, 20)
    read.faces.images[14:, 0, 0, 0] = identities
    expected = r"no training images of neutral.* after 7 that are held out too were left out"
    with pytest.raises(InputError, match=expected):
        split_faces(read, seed=0, validation_fraction=0.2, drop_leaked=True)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            ["train.epochs=25"],
            "schedule.smoothing_from_epoch=30, schedule.plateau_from_epoch=40",
        ),
        (["train.epochs=40"], ""),
        (["train.epochs=2", *(f"schedule.{what}_from_epoch=null" for what in RAMPS)], ""),
    ],
)
def test_what_would_set_in_after_the_end_is_said(keys, said):
    splits = split_faces(reading(range(70), np.arange(70) % 7), seed=0, validation_fraction=0.3)
    notes = notes_on(load_config(None, keys), splits)
    expected = f"nothing sets in at {said}: the training ends with epoch 25"
    assert notes == ([expected] if said else [])


@pytest.mark.parametrize(("epochs", "said"), [(3, True), (4, False)])
def test_an_average_that_is_never_of_the_training_is_said(epochs, said):
    splits = split_faces(reading(range(70), np.arange(70) % 7), seed=0, validation_fraction=0.3)
    assert len(splits.train) == 49
    # Of batches of 16: 0.8 ** 11 is above a twentieth, 0.8 ** 15 is not.
    keys = ["train.ema_momentum=0.8", "train.batch_size=16", f"train.epochs={epochs}"]
    note = note_on_average(load_config(None, keys), splits)
    assert ("train.ema_momentum=0.8 is not used" in note) == said
    assert not note_on_average(load_config(None, keys[1:]), splits)


@pytest.mark.parametrize(("identities", "leaked"), [(range(21), 0), ([*range(14), *range(7)], 7)])
def test_that_nothing_leaked_is_said_where_leaks_were_to_be_dropped(identities, leaked):
    read = reading(identities, np.arange(21) % 7, np.repeat([1, 2], (14, 7)))
    splits = split_faces(read, seed=0, validation_fraction=0.2, drop_leaked=True)
    notes = notes_on(load_config(None, ["data.drop_leaked=true", "train.epochs=40"]), splits)
    assert splits.leaked == leaked
    assert ("7 left out of training as leaked" in splits.how()) == bool(leaked)
    assert [note for note in notes if "leaves nothing out" in note] == notes
    assert len(notes) == (not leaked)


def test_a_fraction_beside_an_official_split_is_said_to_do_nothing(monkeypatch, tmp_path):
    class Reached(Exception):
        pass

    def reached():
        raise Reached

    monkeypatch.setattr(fitting, "import_tensorflow", reached)
    usage = np.repeat([USAGES.index("train"), USAGES.index("validation")], (14, 7))
    official = split_faces(
        reading(range(21), np.arange(21) % 7, usage), seed=0, validation_fraction=0.3
    )
    for fraction, noted in ((0.3, True), (0.15, False)):
        config = load_config(
            None, [f"data.validation_fraction={fraction}", f"output.folder={tmp_path}"]
        )
        with pytest.raises(Reached):
            fitting.fit(config, Console(said := io.StringIO()), splits=official)
        assert ("is not used: somewhere/faces.csv has a split" in said.getvalue()) == noted


def with_people(people, labels, usage=None) -> ReadFaces:
    numbers = np.unique(np.asarray(people), return_inverse=True)[1].astype(np.int32)
    return replace(reading(np.arange(len(numbers)), labels, usage), groups=numbers)


@pytest.mark.parametrize("seed", range(4))
def test_whoever_has_most_pictures_is_not_the_validation(seed):
    people = [0] * 400 + [1 + number // 20 for number in range(600)]
    labels = np.random.default_rng(seed).integers(0, 7, 1000)
    usage = usage_as_split(with_people(people, labels), seed=seed, validation_fraction=0.15)
    held_out = np.mean([USAGES[each] == "validation" for each in usage.tolist()])
    assert 0.05 < held_out < 0.2


def test_the_classes_of_one_person_alone_stay_in_training():
    people = [number // 10 for number in range(100)]
    labels = [number % 6 for number in range(90)] + [6] * 10
    for seed in range(8):
        found = split_faces(with_people(people, labels), seed=seed, validation_fraction=0.15)
        assert (found.train.counts() > 0).all()


def test_few_faces_of_people_are_divided_as_far_as_they_go():
    labels = [number % 7 for number in range(42)]
    people = [number // 4 for number in range(42)]
    found = split_faces(with_people(people, labels), seed=0, validation_fraction=0.15)
    assert len(found.validation)
    with pytest.raises(InputError, match="no class has more than 6 faces"):
        split_faces(with_people(people, labels), seed=0, validation_fraction=0.15, fold=Fold(1, 8))
    with pytest.raises(InputError, match="no class has two faces"):
        split_faces(with_people(range(7), range(7)), seed=0, validation_fraction=0.15)


def test_a_source_of_test_faces_alone_has_nothing_to_train_on():
    source = with_people([0, 0, 1, 2], [0, 1, 2, 3], [USAGES.index("test")] * 4)
    usage = usage_as_split(source, seed=0, validation_fraction=0.15)
    assert {USAGES[each] for each in usage.tolist()} == {"test"}
    with pytest.raises(InputError, match="no training images"):
        split_faces(source, seed=0, validation_fraction=0.15)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["data.folds=5", "data.validation_fraction=0.1"], "data.folds=5 says how many faces"),
        (["train.label_smoothing=0.3"], "below train.label_smoothing=0.3"),
        (["train.label_smoothing=0.3", "schedule.smoothing_from_epoch=null"], ""),
        ([], ""),
    ],
)
def test_settings_that_others_undo_are_said(keys, said):
    splits = split_faces(reading(range(70), np.arange(70) % 7), seed=0, validation_fraction=0.3)
    notes = " ".join(notes_on(load_config(None, ["train.epochs=40", *keys]), splits))
    assert said in notes
    assert bool(notes) == bool(said)
