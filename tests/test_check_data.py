import io
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferkeras.check_data import thumbnails as thumbnails_module
from ferkeras.check_data.__main__ import main
from ferkeras.check_data.check import check_material
from ferkeras.check_data.checks import near as near_module
from ferkeras.check_data.checks.copies import check_contradictions, check_copies, find_copies
from ferkeras.check_data.checks.counts import check_classes
from ferkeras.check_data.checks.empty import check_empty, stds
from ferkeras.check_data.checks.folders import check_folders
from ferkeras.check_data.checks.label_order import (
    SURE,
    alphabetical,
    alphabetical_fractions,
    best_order,
    check_label_order,
)
from ferkeras.check_data.checks.leaked import check_leaks
from ferkeras.check_data.checks.near import SIMILAR, check_near_copies, find_near_copies
from ferkeras.check_data.checks.normalisation import check_normalisation
from ferkeras.check_data.checks.strips import REPEATED, check_strips, repeated
from ferkeras.check_data.checks.votes import check_votes, read_votes
from ferkeras.check_data.finding import Finding, Level
from ferkeras.check_data.material import Material, gather
from ferkeras.check_data.thumbnails import correlations
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.data.faces import USAGES, Faces, ReadFaces
from ferkeras.data.load import load_splits
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013, SIZE, TRAINING_COUNTS
from ferkeras.data.split import usage_as_split
from ferkeras.data.wanted import Wanted

TRAIN, VALIDATION, TEST = (USAGES.index(name) for name in ("train", "validation", "test"))
ALPHABETICAL = list(alphabetical(FER2013.classes))
IN_ALPHABET = np.argsort(ALPHABETICAL)


def material_of(faces: Faces, usage=None) -> Material:
    usage = np.zeros(len(faces), np.int8) if usage is None else np.array(usage, np.int8)
    read = ReadFaces(faces, usage, "faces.csv", "0" * 32)
    return Material(read, usage_as_split(read, seed=0, validation_fraction=0.3))


def patterned(count: int, seed: int = 0) -> Faces:
    """Faces whose class a linear classifier can tell: a bright bar at a place of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % len(EMOTIONS)
    images = rng.integers(60, 160, (count, SIZE, SIZE, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[6 * label + 3 : 6 * label + 8, 8:40] += 60
    return Faces(images, labels, FER2013.classes)


def relabelled(faces: Faces, where, new) -> Faces:
    labels = np.where(where, new[faces.labels], faces.labels).astype(np.int32)
    return replace(faces, labels=labels)


def write_csv(path, faces: Faces, usage) -> None:
    names = {TRAIN: "Training", VALIDATION: "PublicTest", TEST: "PrivateTest"}
    lines = ["emotion,pixels,Usage"]
    for image, label, split in zip(faces.images, faces.labels, usage, strict=True):
        lines.append(f"{label},{' '.join(map(str, image.ravel()))},{names[int(split)]}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def split_of_140():
    return np.where(np.arange(140) < 105, TRAIN, VALIDATION)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))


# Images with nothing on them


def test_flat_and_blank_images_are_counted_apart_and_named(make_faces):
    faces = make_faces([0] * 40)
    faces.images[3] = 77
    faces.images[5] = 120 + np.random.default_rng(0).integers(0, 3, (SIZE, SIZE, 1))
    faces.images[7] = 100 + 30 * (np.arange(SIZE)[:, None, None] % 2)  # pale, but a picture
    finding = check_empty(material_of(faces), stds(faces.images))
    assert finding.numbers["flat"] == 1
    assert finding.numbers["blank"] == 1
    assert finding.numbers["places"] == [4, 6]
    assert finding.level is Level.LOOK


@given(value=st.integers(0, 255), pixel=st.integers(0, SIZE * SIZE - 1))
def test_an_image_is_flat_only_if_every_pixel_is_the_same(value, pixel):
    images = np.full((2, SIZE, SIZE, 1), value, np.uint8)
    images[1].reshape(-1)[pixel] = value + 1 if value < 255 else 254
    flat, other = stds(images)
    assert flat == 0
    assert other > 0
    assert other == pytest.approx(images[1].std(), rel=1e-6)


def test_many_empty_images_make_training_wrong(make_faces):
    faces = make_faces([0] * 40)
    faces.images[:3] = 0
    assert check_empty(material_of(faces), stds(faces.images)).level is Level.WRONG


@pytest.mark.parametrize(
    ("size", "strip"), [((112, 4), True), ((20, 70), True), ((96, 48), False), ((48, 48), False)]
)
def test_pictures_like_a_ribbon_are_named(tmp_path, size, strip):
    rng = np.random.default_rng(0)
    for name, shape in (("happy/1", size), ("happy/2", (48, 48)), ("sad/3", (50, 48))):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape[::-1], dtype=np.uint8)).save(path)
    material = gather(str(tmp_path), Wanted(size=(48, 48)))
    finding = check_strips(material, stds(material.faces.images))
    assert finding.level is (Level.LOOK if strip else Level.OK)
    assert finding.numbers["places"] == (["happy/1.png"] if strip else [])
    assert ("happy/1.png" in finding.found) == strip


@pytest.mark.parametrize("turned", [False, True])
def test_edges_are_measured_on_every_picture_whatever_stands_beside_it(turned):
    images = np.random.default_rng(0).integers(0, 256, (24, 48, 48, 3), dtype=np.uint8)
    for margin, image in enumerate(images):
        image[:margin], image[48 - margin :] = image[0], image[-1]
    images = images.transpose(0, 2, 1, 3) if turned else images
    part = np.arange(24) / 48
    np.testing.assert_allclose(repeated(images), np.where(part >= REPEATED, part, 0))


# Copies


@given(
    shown=st.lists(st.integers(0, 9), min_size=3, max_size=30),
    splits=st.lists(st.sampled_from([TRAIN, VALIDATION, TEST]), min_size=30, max_size=30),
    labels_of=st.lists(st.integers(0, 6), min_size=30, max_size=30),
)
@settings(max_examples=50)
def test_copies_and_contradictions_are_counted_as_by_hand(shown, splits, labels_of):
    usage, labels = np.array(splits[: len(shown)]), labels_of[: len(shown)]
    usage[0] = VALIDATION
    images = np.random.default_rng(0).integers(0, 256, (10, SIZE, SIZE, 1), dtype=np.uint8)
    material = material_of(Faces(images[shown], np.array(labels, np.int32), FER2013.classes), usage)
    copies = find_copies(material.faces)

    found = check_copies(material, copies).numbers
    assert found["count"] == len(shown) - len(set(shown))
    for split in set(usage.tolist()):
        of_split = [s for s, u in zip(shown, usage, strict=True) if u == split]
        assert found["within"][USAGES[split]] == len(of_split) - len(set(of_split))
    across = [
        s for s in set(shown) if len({u for t, u in zip(shown, usage, strict=True) if s == t}) > 1
    ]
    assert found["images_in_several_splits"] == len(across)

    contradicted = check_contradictions(material, copies).numbers
    of_image = [[c for s, c in zip(shown, labels, strict=True) if s == one] for one in set(shown)]
    differing = [each for each in of_image if len(set(each)) > 1]
    assert contradicted["images"] == len(differing)
    assert contradicted["faces"] == sum(map(len, differing))
    errors = sum(len(each) - max(map(each.count, each)) for each in differing)
    assert contradicted["unavoidable_errors"] == errors


def test_contradicting_pairs_are_shown_with_both_labels(make_faces):
    faces = make_faces([0, 1, 2, 3, 4, 5] * 10)
    faces.images[9] = faces.images[2]
    finding = check_contradictions(material_of(faces), find_copies(faces))
    (exhibit,) = finding.exhibits
    assert exhibit.faces.tolist() == [[2, 9]]
    assert exhibit.captions[0].startswith("fear / happy")
    assert finding.level is Level.LOOK


# Near-duplicates


def changed(image, rng, noise):
    lighter = image * 0.8 + 40 + rng.normal(0, noise, image.shape)
    return np.clip(lighter, 0, 255).astype(np.uint8)


def test_no_near_pair_is_missed():
    rng = np.random.default_rng(0)
    blocks = rng.integers(30, 200, (60, 12, 12, 1)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    noises = np.linspace(2, 30, 60)
    images = np.concatenate(
        [blocks, [changed(b, rng, n) for b, n in zip(blocks, noises, strict=True)]]
    )
    faces = Faces(images.astype(np.uint8), np.zeros(len(images), np.int32), FER2013.classes)
    copies = find_copies(faces)
    near = find_near_copies(material_of(faces), copies, stds(faces.images))
    every = np.corrcoef(faces.images[copies.first].reshape(len(images), -1))
    expected = np.argwhere(np.triu(every >= SIMILAR, 1))
    assert 20 < len(expected) < 60
    assert {tuple(pair) for pair in near.pairs} == {tuple(pair) for pair in expected}
    assert (np.diff(near.similarity) <= 0).all()


@pytest.mark.parametrize("tile", [1, 3, 256])
def test_correlations_of_pairs_do_not_depend_on_how_they_are_read(monkeypatch, tile):
    monkeypatch.setattr(thumbnails_module, "_TILE", tile)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    pairs = np.stack(np.triu_indices(20, 1), axis=1)[rng.permutation(190)[:80]]
    pairs[::2] = pairs[::2, ::-1]
    expected = np.corrcoef(images.reshape(20, -1))[tuple(pairs.T)]
    np.testing.assert_allclose(correlations(images, pairs), expected, atol=1e-6)


def test_labels_of_near_pairs_are_those_of_their_faces(make_faces):
    faces = make_faces([3, 3, 0, 5, 1, 6])
    faces.images[1] = faces.images[0]  # so that images are counted otherwise than faces
    faces.images[5] = faces.images[3]
    faces.images[5, 0, 0] ^= 3
    copies = find_copies(faces)
    near = find_near_copies(material_of(faces), copies, stds(faces.images))
    (listed,) = check_near_copies(material_of(faces), copies, near).numbers["listed"]
    assert dict(zip(listed["places"], listed["labels"], strict=True)) == {
        4: "surprise",
        6: "neutral",
    }


def test_empty_images_and_different_faces_are_not_near(make_faces):
    faces = make_faces([0] * 30)
    faces.images[:3] = [[[[1]]], [[[2]]], [[[3]]]]
    near = find_near_copies(material_of(faces), find_copies(faces), stds(faces.images))
    assert not len(near.pairs)


@pytest.fixture
def alike(monkeypatch) -> Faces:
    """Frames of one film, too many to compare pair by pair."""
    monkeypatch.setattr(near_module, "_MOST_CANDIDATES", 100)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 200, (SIZE, SIZE, 1))
    images = (frame + rng.integers(0, 5, (60, SIZE, SIZE, 1))).astype(np.uint8)
    return Faces(images, np.arange(60, dtype=np.int32) % 7, FER2013.classes)


def test_near_copies_that_were_not_compared_are_no_all_clear(alike):
    checked = check_material(material_of(alike))
    assert checked.near.too_many
    near, leaks = (
        next(each for each in checked.findings if name in each.check)
        for name in ("near-duplicates", "leaks")
    )
    assert near.found == "too many images are alike to compare pair by pair"
    assert leaks.level is Level.LOOK
    assert leaks.found.startswith("no exact copies; near copies were not compared")
    assert "split by person or by film" in leaks.advice
    assert leaks.numbers["splits"]["validation"]["near"] is None


def test_exact_leaks_are_counted_where_near_ones_were_not(alike):
    usage = np.where(np.arange(60) < 40, TRAIN, VALIDATION)
    alike.images[40], alike.labels[40] = alike.images[0], alike.labels[0]
    checked = check_material(material_of(alike, usage))
    leaks = next(each for each in checked.findings if "leaks" in each.check)
    assert leaks.found.startswith("validation: 1 of 20 faces (5.0%) are in training; label the")
    assert "near copies were not compared" in leaks.found
    assert leaks.numbers["splits"]["validation"]["exact"] == 1


def test_label_errors_say_that_folds_may_share_near_copies(alike, monkeypatch):
    from ferkeras.check_data.checks import label_errors

    nothing = Finding("label errors", Level.OK, "0 of 60 labels")
    monkeypatch.setattr(label_errors, "check_label_errors", lambda *_: nothing)
    checked = label_errors.with_label_errors(check_material(material_of(alike)), 0, print)
    assert checked.findings[-1].level is Level.LOOK
    assert "folds may share them" in checked.findings[-1].found


# Leaks


def test_leaks_are_counted_with_what_they_are_worth(make_faces):
    faces = make_faces([k % 7 for k in range(200)])
    usage = np.where(np.arange(200) < 100, TRAIN, VALIDATION)
    faces.images[100:104] = faces.images[0:4]  # four exact copies ...
    faces.labels[100:103] = faces.labels[0:3]
    faces.labels[103] = (faces.labels[3] + 1) % 7  # ... one with another label
    faces.images[104] = faces.images[4]
    faces.images[104, 0, 0] ^= 3  # one nearly
    faces.labels[104] = faces.labels[4]
    material = material_of(faces, usage)
    copies = find_copies(faces)
    near = find_near_copies(material, copies, stds(faces.images))
    finding = check_leaks(material, copies, near)
    found = finding.numbers["splits"]["validation"]
    assert (found["exact"], found["exact_label_agrees"]) == (4, 3)
    assert (found["near"], found["near_label_agrees"]) == (1, 1)
    assert found["accuracy_at_most"] == pytest.approx(0.04)
    assert found["accuracy_gain"] == pytest.approx((4 - 0.65 * 5) / 100)
    assert found["places"] == [101, 102, 103, 104, 105]
    assert finding.level is Level.LOOK


def test_a_validation_split_full_of_training_faces_is_wrong(make_faces):
    faces = make_faces([k % 7 for k in range(140)])
    faces.images[70:], faces.labels[70:] = faces.images[:70], faces.labels[:70]
    material = material_of(faces, [TRAIN] * 70 + [VALIDATION] * 70)
    finding = next(f for f in check_material(material).findings if "leaks" in f.check)
    assert finding.level is Level.WRONG


@pytest.mark.usefixtures("without_pictures")
def test_test_faces_that_are_in_validation_are_told_of(tmp_path):
    path, output = tmp_path / "fer.csv", tmp_path / "found"
    faces = patterned(84)
    faces.images[70:75], faces.labels[70:75] = faces.images[56:61], faces.labels[56:61]
    write_csv(path, faces, np.repeat([TRAIN, VALIDATION, TEST], (56, 14, 14)))
    assert main([str(path), "--output", str(output)]) == 0
    record = json.loads((output / "check_data.json").read_text())
    leaks = next(each for each in record["findings"] if "leaks" in each["check"])
    assert leaks["test_in_validation"] == 5
    assert leaks["level"] == "look"
    assert leaks["found"].startswith("test: 5 of 14 faces are in validation")
    assert leaks["advice"] == "take out of test what is in validation, or out of validation"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.drop_leakd=true"], "did you mean data.drop_leaked?"),
        (["elsewhere"], "one source is checked at a time"),
    ],
)
def test_a_word_too_many_is_told_what_it_may_be(words, said, capsys):
    assert main(["demo", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("without_pictures")
def test_what_the_training_drops_leaks_no_more(tmp_path):
    path = tmp_path / "fer.csv"
    faces = patterned(140)
    faces.images[70:80], faces.labels[70:80] = faces.images[:10], faces.labels[:10]
    write_csv(path, faces, np.repeat([TRAIN, VALIDATION], 70))
    found = []
    for keys in ([], ["data.drop_leaked=true"]):
        output = tmp_path / f"found{len(keys)}"
        main([str(path), *keys, "--output", str(output)])
        found.append(json.loads((output / "check_data.json").read_text()))
    leaks = [
        next(each for each in record["findings"] if "leaks" in each["check"]) for record in found
    ]
    assert "10 of 70 faces (14.3%) are in training" in leaks[0]["found"]
    assert "data.drop_leaked=true" in leaks[0]["advice"]
    assert leaks[1]["found"] == "none"
    assert [sum(record["counts"]["train"].values()) for record in found] == [70, 60]


@pytest.mark.usefixtures("without_pictures")
def test_what_is_dropped_is_not_checked(tmp_path):
    path, output = tmp_path / "fer.csv", tmp_path / "found"
    faces = patterned(140)
    # Copies under other labels, between the splits alone.
    faces.images[70:90], faces.labels[70:90] = faces.images[:20], (faces.labels[:20] + 1) % 7
    write_csv(path, faces, np.repeat([TRAIN, VALIDATION], 70))
    assert main([str(path), "--output", str(tmp_path / "with")]) == 1
    assert main([str(path), "data.drop_leaked=true", "--output", str(output)]) == 0
    record = json.loads((output / "check_data.json").read_text())
    assert (record["faces"], record["leaked"]) == (120, 20)
    found = {each["check"]: each["found"] for each in record["findings"]}
    assert {found[name] for name in ("contradicting copies", "exact copies")} == {"none"}


@pytest.mark.usefixtures("without_pictures")
def test_where_all_of_training_leaked_that_is_said(tmp_path, capsys):
    path = tmp_path / "fer.csv"
    faces = patterned(28)
    faces.images[14:] = faces.images[:14]
    write_csv(path, faces, np.repeat([TRAIN, VALIDATION], 14))
    assert main([str(path), "data.drop_leaked=true", "--output", str(tmp_path / "found")]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "there are no train faces" in said
    assert "set data.drop_leaked=false, or add faces" in said


def test_a_class_that_only_leaked_is_told_with_the_way_out(tmp_path, capsys):
    path, output = tmp_path / "fer.csv", tmp_path / "found"
    faces = patterned(28)
    # One face of the last class, whose copy is held out under another label.
    faces.labels[[6, 13, 27]] = 0
    faces.images[27] = faces.images[20]
    write_csv(path, faces, np.repeat([TRAIN, VALIDATION], (21, 7)))
    assert main([str(path), "data.drop_leaked=true", "--output", str(output)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "1 left out of training as leaked" in said
    assert "set data.drop_leaked=false, or add faces" in said
    assert json.loads((output / "check_data.json").read_text())["leaked"] == 1


def test_a_drawn_split_leaks_no_copies(make_faces):
    faces = make_faces([k % 7 for k in range(140)])
    faces.images[70:], faces.labels[70:] = faces.images[:70], faces.labels[:70]
    finding = next(f for f in check_material(material_of(faces)).findings if "leaks" in f.check)
    assert finding.level is Level.OK


# Classes and grey values


def test_missing_classes_are_wrong_in_training_and_worth_a_look_elsewhere(make_faces):
    faces = make_faces([*range(7), *range(6)])
    assert check_classes(material_of(faces, [TRAIN] * 7 + [VALIDATION] * 6)).level is Level.LOOK
    finding = check_classes(material_of(faces, [VALIDATION] * 7 + [TRAIN] * 6))
    assert finding.level is Level.WRONG
    assert finding.numbers["lacking"]["train"] == ["neutral"]
    assert "data.classes" in finding.advice


def test_classes_are_not_to_be_left_out_where_only_validation_faces_are_missing(make_faces):
    usage = np.full(7, TRAIN, np.int8)
    read = ReadFaces(make_faces(range(7)), usage, "faces.csv", "0" * 32)
    finding = check_classes(Material(read, usage))
    assert finding.level is Level.WRONG
    assert "add faces" in finding.advice
    assert "data.classes" not in finding.advice


def test_normalisation_is_what_the_network_will_see(split_of_140):
    faces = patterned(140)
    finding = check_normalisation(material_of(faces, split_of_140))
    train = faces.images[:105] / 255
    assert finding.numbers["training_mean"] == pytest.approx(train.mean())
    assert finding.numbers["training_std"] == pytest.approx(train.std())
    assert finding.numbers["splits"]["train"]["seen_mean"] == pytest.approx(0, abs=1e-6)
    assert finding.numbers["splits"]["train"]["seen_std"] == pytest.approx(1)
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("change", "level", "word"),
    [
        (lambda x: x + 2, Level.LOOK, "brighter"),
        (lambda x: x // 4, Level.WRONG, "stored otherwise"),
        (lambda x: 96 + x // 8, Level.WRONG, "stored otherwise"),
    ],
)
def test_a_held_out_split_with_other_grey_values_is_named(split_of_140, change, level, word):
    faces = patterned(140)
    faces.images[105:] = change(faces.images[105:])
    finding = check_normalisation(material_of(faces, split_of_140))
    assert finding.level is level
    assert word in finding.advice


def test_pixels_that_were_divided_by_255_are_recognised(split_of_140):
    faces = patterned(140)
    faces = replace(faces, images=(faces.images > 128).astype(np.uint8))
    finding = check_normalisation(material_of(faces, split_of_140))
    assert finding.level is Level.WRONG
    assert "divided by 255" in finding.advice


# Order of labels


@pytest.mark.parametrize("split", [TRAIN, VALIDATION])
def test_one_split_in_alphabetical_order_is_recognised(split):
    faces = patterned(700)
    usage = np.where(np.arange(700) < 350, TRAIN, VALIDATION)
    healthy = check_label_order(material_of(faces, usage))
    assert healthy.level is Level.OK
    assert healthy.numbers["splits"]["validation"]["recall"] > 0.9
    mixed = relabelled(faces, usage == split, IN_ALPHABET)
    finding = check_label_order(material_of(mixed, usage))
    assert finding.level is Level.WRONG
    whose = "training is" if split == TRAIN else "it is"
    assert f"{whose} in alphabetical order" in finding.found


@given(
    seed=st.integers(0, 10_000),
    faces=st.integers(1, 2000),
    skew=st.floats(0.2, 5),
    knows=st.floats(0, 0.5),
)
@settings(max_examples=60)
def test_skewed_classes_and_poor_predictions_raise_no_alarm(seed, faces, skew, knows):
    rng = np.random.default_rng(seed)
    labels = rng.choice(7, faces, p=rng.dirichlet(np.full(7, skew)))
    liked = rng.choice(7, faces, p=rng.dirichlet(np.full(7, skew)))
    predicted = np.where(rng.random(faces) < knows, labels, liked)
    assert best_order(labels, predicted, 7).errors < SURE


@given(order=st.permutations(range(7)), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_any_other_order_is_found(order, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 7, 2000)
    predicted = np.where(rng.random(2000) < 0.4, truth, rng.integers(0, 7, 2000))
    found = best_order(np.argsort(order)[truth], predicted, 7)
    assert found.truth_of == tuple(order)
    assert (found.errors > SURE) == (list(order) != list(range(7)))


def test_class_fractions_of_fer2013_in_alphabetical_order_are_found():
    counts = np.array(TRAINING_COUNTS)
    assert alphabetical_fractions(counts[ALPHABETICAL], FER2013.classes)
    assert not alphabetical_fractions(counts, FER2013.classes)
    assert not alphabetical_fractions(np.full(7, 1000), FER2013.classes)
    assert not alphabetical_fractions(
        counts[ALPHABETICAL] // 100, FER2013.classes
    )  # too few to tell


def test_shuffled_labels_are_worth_a_look(split_of_140):
    faces = patterned(2100)
    usage = np.where(np.arange(2100) < 1000, TRAIN, VALIDATION)
    rng = np.random.default_rng(0)
    shuffled = replace(faces, labels=rng.permutation(faces.labels))
    finding = check_label_order(material_of(shuffled, usage))
    assert finding.level is Level.LOOK
    assert "shuffled" in finding.advice


# Votes of FER+

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
COLUMN_OF = (4, 5, 6, 1, 3, 2, 0)


def vote_lines(labels, usage, no_faces=()):
    lines = [HEADER]
    for row, (label, split) in enumerate(zip(labels, usage, strict=True)):
        votes = [0] * 10
        votes[9 if row in no_faces else COLUMN_OF[label]] = 10
        name = {TRAIN: "Training", VALIDATION: "PublicTest"}[int(split)]
        lines.append(f"{name},,{','.join(map(str, votes))}")
    return "\n".join(lines) + "\n"


def test_votes_name_what_is_no_face_and_agree_with_the_labels(tmp_path, split_of_140):
    faces = patterned(140)
    path = tmp_path / "fer2013new.csv"
    path.write_text(vote_lines(faces.labels, split_of_140, no_faces=(4, 90)))
    material = material_of(faces, split_of_140)
    none, opinions = check_votes(material, read_votes(path, material))
    assert none.numbers == {"count": 2, "places": [5, 91]}
    assert opinions.level is Level.OK
    assert opinions.numbers["agreement"] == 1

    mixed = material_of(relabelled(faces, True, IN_ALPHABET), split_of_140)
    _, opinions = check_votes(mixed, read_votes(path, mixed))
    assert opinions.level is Level.WRONG
    assert "surprise means sad" in opinions.found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "139 rows of votes for 140 faces"),
        (lambda text: text.replace("Training", "PublicTest", 1), "data row 1"),
        (lambda text: text.replace(",NF", ",", 1), "no column named nf"),
        (lambda text: text.replace("10", "-1", 1), "no number of votes"),
        (lambda text: text.replace(",10", ",10,10", 1), "13 fields, expected 12"),
        (lambda text: text.replace("Training", "train", 1), "unknown Usage"),
    ],
)
def test_votes_of_other_rows_are_refused(tmp_path, split_of_140, change, message):
    faces = patterned(140)
    path = tmp_path / "votes.csv"
    path.write_text(change(vote_lines(faces.labels, split_of_140)))
    with pytest.raises(InputError, match=message):
        read_votes(path, material_of(faces, split_of_140))


# Folders and the command


@pytest.fixture
def folder(tmp_path):
    faces = patterned(70)
    root = tmp_path / "faces"
    for number, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        path = root / EMOTIONS[label] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    return root


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures of all classes take most of the time of a check; they are tested with the table."""
    monkeypatch.setattr("ferkeras.check_data.report.draw_pictures", lambda checked, folder: [])


@pytest.mark.usefixtures("without_pictures")
def test_every_unreadable_picture_is_listed(folder, tmp_path, capsys):
    whole = (folder / "happy" / "003.png").read_bytes()
    (folder / "happy" / "003.png").write_bytes(whole[:-200])
    (folder / "sad" / "004.png").write_text("no picture")
    assert main([str(folder), "--output", str(tmp_path / "found")]) == 1
    printed = capsys.readouterr().out
    assert "003.png" in printed
    assert "004.png" in printed
    found = json.loads((tmp_path / "found" / "check_data.json").read_text())
    assert found["faces"] == 68
    unreadable = next(each for each in found["findings"] if each["check"] == "unreadable")
    assert unreadable["count"] == 2
    assert found["level"] == "wrong"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_no_text_is_drawn_and_written(folder, tmp_path):
    flat = Image.new("L", (SIZE, SIZE), 7)
    path = folder / "happy" / os.fsdecode(b"fl\xff.png")
    flat.save(tmp_path / "flat.png")
    (tmp_path / "flat.png").rename(path)
    output = tmp_path / "found"
    assert main([str(folder), "--output", str(output)]) == 0
    found = json.loads((output / "check_data.json").read_text())
    empty = next(each for each in found["findings"] if each["check"] == "flat and blank")
    assert [folder / place for place in empty["places"]] == [path]
    assert (output / "empty.png").exists()


def test_a_class_folder_without_pictures_is_worth_a_look(folder):
    (folder / "contempt").mkdir()
    found = check_folders(gather(str(folder)))
    assert found.level is Level.LOOK
    assert found.found == "contempt/ holds no pictures"
    (folder / "contempt").rmdir()
    assert check_folders(gather(str(folder))).level is Level.OK


def test_places_in_a_folder_are_the_paths_of_its_readable_pictures(folder):
    (folder / "angry" / "000.png").write_text("no picture")
    material = gather(str(folder))
    rows = [material.place(i) for i in range(len(material.faces))]
    assert rows == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))[1:]
    image = np.asarray(Image.open(folder / rows[10]))
    assert (material.faces.images[10, :, :, 0] == image).all()
    assert EMOTIONS[material.faces.labels[10]] == rows[10].split("/")[0]


def test_a_folder_without_a_readable_picture_is_wrong_input(folder, tmp_path, capsys):
    for path in folder.rglob("*.png"):
        path.write_text("no picture")
    assert main([str(folder), "--output", str(tmp_path / "found")]) == 2
    assert "none of its 70 pictures can be read" in capsys.readouterr().err
    assert not (tmp_path / "found").exists()


def test_a_healthy_table_ends_well_and_everything_is_written(
    tmp_path, monkeypatch, split_of_140, capsys
):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "fer.csv", patterned(140), split_of_140)
    assert main(["fer.csv"]) == 0
    assert "Nothing speaks against training" in capsys.readouterr().out
    written = tmp_path / "check_data-fer"
    found = json.loads((written / "check_data.json").read_text())
    assert found["level"] == "ok"
    assert found["counts"]["validation"] == dict.fromkeys(EMOTIONS, 5)
    assert sorted(found["pictures"]) == sorted(p.name for p in written.glob("*.png"))
    assert {f"class_{label}_{name}.png" for label, name in enumerate(EMOTIONS)} < set(
        found["pictures"]
    )

    before = (written / "check_data.json").read_bytes()
    assert main(["fer.csv"]) == 0
    assert (tmp_path / "check_data-fer-2" / "check_data.json").read_bytes() == before


def test_wrong_labels_end_with_1_and_pictures_of_copies(tmp_path, split_of_140):
    faces = patterned(140)
    faces.images[0] = faces.images[1]
    faces.images[105] = faces.images[2]
    faces = relabelled(faces, split_of_140 == VALIDATION, np.array([6, 0, 1, 2, 3, 4, 5]))
    faces.images[3] = 0
    write_csv(tmp_path / "fer.csv", faces, split_of_140)
    assert main([str(tmp_path / "fer.csv"), "--output", str(tmp_path / "found")]) == 1
    names = {path.stem for path in (tmp_path / "found").glob("*.png")}
    assert {"contradictions", "leaks_validation", "empty", "mean_faces"} <= names


def test_results_never_replace_anything(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    assert main([str(tmp_path / "nowhere.csv"), "--output", str(tmp_path / "mine")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "no such file"),
        (["demo", "--seed", "-1"], "seed -1"),
        (["demo", "--output", "/dev/null/x"], "/dev/null is no folder"),
    ],
)
def test_wrong_input_ends_with_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("check_data-*"))


def test_votes_for_a_folder_are_refused(folder, tmp_path, capsys):
    votes = tmp_path / "votes.csv"
    votes.write_text(HEADER + "\n")
    assert main([str(folder), "--votes", str(votes)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_tensorflow_is_not_imported(folder, tmp_path):
    program = (
        "import sys; from ferkeras.check_data.__main__ import main; "
        f"main([{str(folder)!r}, '--output', {str(tmp_path / 'found')!r}]); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_planted_label_errors_lead_the_list_of_suspects(tmp_path, monkeypatch):
    from ferkeras.check_data.checks import label_errors

    small = ("network.filters=[4]", "network.dense_units=[16]", "train.batch_size=16")
    monkeypatch.setattr(label_errors, "_FOLDS", 2)
    monkeypatch.setattr(label_errors, "_NETWORK", (*label_errors._NETWORK, *small))
    faces = patterned(280)
    planted = np.arange(280) % 40 == 5
    faces = relabelled(faces, planted, np.array([3, 4, 5, 6, 0, 1, 2]))
    usage = np.where(np.arange(280) < 210, TRAIN, VALIDATION)
    write_csv(tmp_path / "fer.csv", faces, usage)
    assert main([str(tmp_path / "fer.csv"), "--label-errors", "--output", str(tmp_path / "o")]) == 0
    found = json.loads((tmp_path / "o" / "check_data.json").read_text())["findings"][-1]
    assert found["check"] == "label errors"
    first = [each["place"] - 1 for each in found["suspects"][: planted.sum()]]
    assert planted[first].mean() > 0.7
    assert (tmp_path / "o" / "label_errors.png").exists()


def test_label_errors_without_faces_of_a_class_are_those_of_the_others(monkeypatch):
    from ferkeras.check_data.checks import label_errors

    labels = np.repeat([0, 2, 6], 10).astype(np.int32)
    looks = labels.copy()
    looks[[3, 15]] = 2, 6
    probabilities = np.full((30, len(EMOTIONS)), 0.02)
    probabilities[range(30), looks] = 0.88
    monkeypatch.setattr(label_errors, "out_of_fold_probabilities", lambda *_: probabilities)
    images = np.zeros((30, SIZE, SIZE, 1), np.uint8)
    material = material_of(Faces(images, labels, FER2013.classes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finding = label_errors.check_label_errors(material, np.arange(30), 0, print)
    assert {each["place"] for each in finding.numbers["suspects"]} == {4, 16}
    assert {each["prediction"] for each in finding.numbers["suspects"]} == {"fear", "neutral"}


def test_label_errors_need_several_photographs_of_a_class(folder, tmp_path, capsys):
    for path in sorted((folder / "disgust").glob("*.png"))[3:]:
        path.unlink()
    assert main([str(folder), "--label-errors", "--output", str(tmp_path / "o")]) == 2
    assert "3 different photographs of disgust" in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["train.epochs=3", "data.demo_faces=9", "seed=1"])
def test_a_key_that_changes_nothing_of_the_check_is_refused(setting, capsys):
    assert main(["demo", setting]) == 2
    assert "changes nothing of what is checked" in capsys.readouterr().err


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("settings", "held_out"),
    [(["data.validation_fraction=0.5"], 70), (["data.folds=4", "data.fold=2"], 35)],
)
def test_the_split_that_is_checked_is_the_one_that_is_trained_on(settings, held_out, tmp_path):
    path, output = tmp_path / "fer.csv", tmp_path / "found"
    write_csv(path, patterned(140), np.ones(140, np.int8))
    main([str(path), *settings, "--output", str(output)])
    record = json.loads((output / "check_data.json").read_text())
    splits = load_splits(
        load_config(None, [f"data.path={path}", *settings]), Console(io.StringIO())
    )
    assert list(record["counts"]["validation"].values()) == splits.validation.counts().tolist()
    assert sum(record["counts"]["validation"].values()) == held_out
    assert not record["official_split"]


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("name", ["\U0001f600 é.csv", "a #1.csv", "'x'.csv", "12"])
def test_a_table_may_have_any_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / name, patterned(28), np.repeat([TRAIN, VALIDATION], 14))
    main([name, "--output", "found"])
    assert json.loads((tmp_path / "found" / "check_data.json").read_text())["source"] == name
