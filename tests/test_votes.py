"""Votes of people on faces: labels by majority, soft targets, and a second head in training."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from untraced import untraced

import ferkeras
from ferkeras.check_data.__main__ import main as check_data
from ferkeras.check_data.material import gather
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.signals import StopRequest
from ferkeras.config.file import load_config, with_values
from ferkeras.config.schema import Config
from ferkeras.config.sections.augment import Augment
from ferkeras.data.classes import DROPPED
from ferkeras.data.digests import votes_fingerprint_of
from ferkeras.data.faces import USAGES, ReadFaces, Splits
from ferkeras.data.load import load_other_faces, load_splits
from ferkeras.data.pipeline import VOTES_WEIGHT, TrainingPipeline, training_targets
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.read import read_faces
from ferkeras.data.readers.votes import Votes
from ferkeras.data.votes import fractions, labelled_by_votes
from ferkeras.data.wanted import Wanted
from ferkeras.evaluate.subject import find_subject
from ferkeras.export.card.model_card import model_card
from ferkeras.export.probe import find_probe
from ferkeras.files.inner import InnerPath
from ferkeras.fit.__main__ import main as fit
from ferkeras.fit.run import train
from ferkeras.network.distillation import Distillation
from ferkeras.network.loss import SmoothedCrossentropy
from ferkeras.network.step import DistilledModel
from ferkeras.runs.finished import FinishedRun, open_run
from ferkeras.runs.network import load_trained
from ferkeras.runs.record import Run
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import build_setup, make_reproducible

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
EIGHT = (*EMOTIONS, "contempt")

# FER2013's label, its split, FER+'s ten votes; what the majority is.
ROWS = [
    (0, "Training", (0, 0, 0, 0, 10, 0, 0, 0, 0, 0), "angry"),
    (3, "Training", (2, 6, 0, 0, 0, 0, 0, 0, 2, 0), "happy"),
    (6, "Training", (6, 0, 4, 0, 0, 0, 0, 0, 0, 0), "neutral"),
    (6, "Training", (5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None),
    (2, "Training", (0, 0, 0, 0, 0, 0, 2, 0, 8, 0), None),
    (4, "Training", (0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),
    # Half of the votes is no majority, but single votes do not count: 5 of 8.
    (4, "PublicTest", (1, 0, 0, 5, 3, 0, 0, 0, 1, 0), "sad"),
    (1, "PublicTest", (0, 0, 0, 0, 0, 0, 0, 9, 0, 0), "contempt"),
    (5, "PublicTest", (4, 2, 4, 0, 0, 0, 0, 0, 0, 0), None),
]


def write_table(path: Path, rows=ROWS, header="emotion,pixels,Usage") -> Path:
    rng = np.random.default_rng(0)
    lines = [header]
    for label, usage, _, _ in rows:
        lines.append(f"{label},{' '.join(map(str, rng.integers(0, 256, 2304)))},{usage}")
    path.write_text("\n".join(lines))
    return path


def write_votes(path: Path, rows=ROWS) -> Path:
    lines = [f"{usage},fer.png,{','.join(map(str, votes))}" for _, usage, votes, _ in rows]
    path.write_text("\n".join([HEADER, *lines]))
    return path


@pytest.fixture
def sources(tmp_path, monkeypatch) -> tuple[Path, Path]:
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    return write_table(tmp_path / "fer2013.csv"), write_votes(tmp_path / "fer2013new.csv")


def read(sources, how, **more) -> ReadFaces:
    table, votes = sources
    return read_faces(table, Wanted(votes=str(votes), votes_as=how, **more))


def names_of(found: ReadFaces) -> list[str]:
    return [found.faces.classes[label] for label in found.faces.labels]


# Reading FER+'s table


def test_filter_labels_by_majority_and_says_what_is_left_out(sources):
    found = read(sources, "filter")
    assert found.faces.classes.names == EIGHT
    kept = [row for row, (*_, name) in enumerate(ROWS) if name]
    assert names_of(found) == [ROWS[row][3] for row in kept]
    assert found.rows.tolist() == kept
    assert [USAGES[each] for each in found.usage] == ["train"] * 3 + ["validation"] * 2
    assert found.faces.targets is found.faces.votes is None
    said = "4 of 9 faces left out: 1 without a face, 1 unknown, 2 without a majority"
    assert said in found.recognised
    whole = read_faces(sources[0])
    np.testing.assert_array_equal(found.faces.images, whole.faces.images[kept])


def test_soft_has_the_same_rows_with_the_distribution_of_votes(sources):
    found, filtered = read(sources, "soft"), read(sources, "filter")
    assert found.fingerprint == filtered.fingerprint
    np.testing.assert_array_equal(found.faces.labels, filtered.faces.labels)
    np.testing.assert_allclose(found.faces.targets.sum(axis=1), 1, rtol=1e-6)
    of = dict(zip(EIGHT, found.faces.targets[1], strict=True))
    assert (of["happy"], of["neutral"]) == (0.75, 0.25)
    assert dict(zip(EIGHT, found.faces.targets[3], strict=True))["sad"] == 0.625


def test_auxiliary_keeps_labels_and_rows(sources):
    found, plain = read(sources, "auxiliary"), read_faces(sources[0])
    assert found.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(found.faces.images, plain.faces.images)
    assert found.faces.classes.names == EMOTIONS
    np.testing.assert_allclose(found.faces.votes, [np.array(v) / sum(v) for _, _, v, _ in ROWS])
    few = read(sources, "auxiliary", classes=("happy", "sad"))
    assert few.faces.votes.tolist() == found.faces.votes[[1, 5, 6]].tolist()


def test_the_votes_split_a_table_that_has_no_split_of_its_own(sources, tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("\n".join(line.rpartition(",")[0] for line in sources[0].open()))
    found = read((table, sources[1]), "filter")
    np.testing.assert_array_equal(found.usage, read(sources, "filter").usage)


def test_classes_are_kept_renamed_and_merged_before_votes_are_counted(sources):
    found = read(sources, "soft", classes={"down": ("angry", "sad"), "calm": ("neutral",)})
    assert names_of(found) == ["down", "calm", "down"]
    assert found.faces.targets[2].tolist() == [1, 0]
    assert "2 of classes that are left out" in found.recognised
    assert names_of(read(sources, "filter", classes=("happy", "sad"))) == ["happy", "sad"]


votes_of_a_few = arrays(
    np.int64, st.tuples(st.integers(1, 6), st.just(5)), elements=st.integers(0, 6)
)


@given(votes_of_a_few, st.booleans())
def test_a_label_has_more_than_half_of_the_votes(counts, slips):
    names = ("happy", "sad", "neutral", "unknown", "NF")
    votes = Votes(names, counts.astype(np.float32), "here", slips=slips)
    found = labelled_by_votes("faces", votes, None, None, soft=True)
    for row, label, target in zip(counts.tolist(), found.labels, found.targets, strict=True):
        counted = [0 if slips and count == 1 else count for count in row]
        best = max(range(3), key=counted.__getitem__)
        if 2 * counted[best] > sum(counted):
            assert found.classes[label] == names[best]
            assert target.argmax() == label
            assert target.sum() == pytest.approx(1)
        else:
            assert label == DROPPED
    np.testing.assert_allclose(fractions(votes).sum(axis=1), counts.any(axis=1), rtol=1e-6)


def test_votes_for_a_name_with_accents_count_however_they_are_written():
    names = (unicodedata.normalize("NFD", "überrascht"), "happy")
    votes = Votes(names, np.array([[9, 1], [2, 8]], np.float32), "here")
    found = labelled_by_votes("faces", votes, None, None, soft=True)
    assert [found.classes[label] for label in found.labels] == ["überrascht", "happy"]
    assert found.targets.sum(axis=1).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.rpartition("\n")[0], "8 rows of votes for 9 faces"),
        (lambda text: text.replace("Training", "PublicTest", 1), "data row 1: its Usage is"),
        (lambda text: text.replace(",unknown,NF", ",,"), "no columns named unknown, nf; expected"),
        (lambda text: text.replace("anger", "angry"), "no column named anger; did you mean"),
        (lambda text: text.replace("fear", "anger"), "2 columns named anger"),
        (lambda text: HEADER, "no votes: nothing follows"),
        (lambda text: text.replace("10", "ten", 1), "'ten' is no number of votes"),
    ],
)
def test_another_file_is_refused(sources, change, message):
    sources[1].write_text(change(sources[1].read_text()))
    with pytest.raises(InputError, match=message):
        read(sources, "filter")


def test_votes_that_are_not_there_are_named_with_where_they_are_had(sources):
    with pytest.raises(InputError, match=r"ferplusnew.*no such file.*microsoft/FERPlus"):
        read((sources[0], sources[1].with_name("ferplusnew.csv")), "soft")


def test_pictures_have_no_rows_for_votes(sources, tmp_path):
    for name in ("happy", "sad"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        Image.new("L", (48, 48), 7).save(tmp_path / "faces" / name / "1.png")
    with pytest.raises(InputError, match="is of picture files; give the"):
        read((tmp_path / "faces", sources[1]), "soft")
    with pytest.raises(InputError, match="columns: it has one label a face"):
        read_faces(tmp_path / "faces", Wanted(votes="columns", votes_as="soft"))


@pytest.mark.parametrize("how", ["filter", "soft", "auxiliary"])
def test_what_is_kept_in_the_cache_is_what_was_read(sources, how, monkeypatch):
    first = read(sources, how)
    with monkeypatch.context() as patched:
        patched.setattr("ferkeras.data.read._read", lambda *_: pytest.fail("read anew"))
        again = read(sources, how)
    assert votes_fingerprint_of(again.faces) == votes_fingerprint_of(first.faces)
    for one, other in (
        (first.faces.labels, again.faces.labels),
        (first.faces.targets, again.faces.targets),
        (first.faces.votes, again.faces.votes),
        (first.usage, again.usage),
        (first.rows, again.rows),
    ):
        np.testing.assert_array_equal(one, other)
    assert again.recognised == first.recognised


def test_other_votes_are_read_anew(sources):
    before = read(sources, "soft")
    write_votes(sources[1], [(a, b, (7, 0, 0, 0, 0, 3, 0, 0, 0, 0), c) for a, b, _, c in ROWS])
    after = read(sources, "soft")
    assert names_of(after) == ["neutral"] * len(ROWS)
    assert votes_fingerprint_of(after.faces) != votes_fingerprint_of(before.faces)


# Columns of one's own

PROBABILITIES = "pixels,Usage,happy,Sadness,NF\n" + "\n".join(
    f"{' '.join(['7'] * 2303)} {row},{usage},{columns}"
    for row, (usage, columns) in enumerate(
        [
            ("train", "0.7,0.3,0"),
            ("train", "0.1,0.9,"),
            ("train", "30,70,0"),
            ("val", "0.5,0.5,0"),
            ("val", "1,2,0"),
            ("val", "0,1,2"),
        ]
    )
)


def columns(path, how="soft", **more) -> ReadFaces:
    return read_faces(path, Wanted(votes="columns", votes_as=how, **more), cache=False)


def test_columns_of_a_table_may_hold_votes_or_probabilities(tmp_path):
    table = tmp_path / "own.csv"
    table.write_text(PROBABILITIES)
    found = columns(table)
    assert names_of(found) == ["happy", "sad", "sad", "sad"]
    third = 1 / 3
    expected = [[0.7, 0.3], [0.1, 0.9], [0.3, 0.7], [third, 2 * third]]
    np.testing.assert_allclose(found.faces.targets, expected, rtol=1e-6)
    assert "2 of 6 faces left out: 1 without a face, 1 without a majority" in found.recognised
    with pytest.raises(InputError, match="no labels beside the votes; expected a column named"):
        columns(table, "auxiliary")
    with pytest.raises(InputError, match=r"line 2 .*'0.7' .*set data.votes=columns"):
        read_faces(table, cache=False)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("0.7,0.7,0", "come to 1.4; expected votes, which are whole numbers, or probabilities"),
        ("-1,0,0", "-1 in the column 'happy', expected a number of votes"),
        ("1,many,0", "nan in the column 'Sadness'"),
        ("1_0,0,0", "nan in the column 'happy'"),
    ],
)
def test_what_is_neither_votes_nor_probabilities_is_refused(tmp_path, cell, message):
    table = tmp_path / "own.csv"
    table.write_text(PROBABILITIES.replace("0.1,0.9,", cell))
    with pytest.raises(InputError, match=f"line 3 .*{message}"):
        columns(table)


def test_columns_beside_labels_serve_a_second_head(tmp_path):
    table = tmp_path / "own.csv"
    rows = [line.rpartition(",")[0] for line in sources_lines(tmp_path)]
    header, *rest = rows
    lines = [f"{header},happy,sad", *(f"{row},0.25,0.75" for row in rest)]
    table.write_text("\n".join(lines))
    found = columns(table, "auxiliary")
    assert found.faces.labels.tolist() == [label for label, *_ in ROWS]
    assert found.faces.votes.tolist() == [[0.25, 0.75]] * len(ROWS)


def sources_lines(tmp_path) -> list[str]:
    return write_table(tmp_path / "fer2013.csv").read_text().splitlines()


def test_a_table_without_columns_of_classes_is_refused(sources):
    with pytest.raises(InputError, match="0 columns are named after emotions, expected one"):
        columns(sources[0])


def test_a_list_of_pictures_may_have_such_columns(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    lines = ["image,happy,sad"]
    for number, cells in enumerate(("3,1", "1,1", "0,2")):
        Image.new("L", (24, 24), 50 * number).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{cells}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    wanted = Wanted(votes="columns", votes_as="soft")
    for _ in range(2):  # from the files, from the cache
        found = gather(str(tmp_path / "list.csv"), wanted)
        assert found.names == ("0.png", "2.png")
        assert found.faces.targets.tolist() == [[0.75, 0.25], [0, 1]]


def test_arrays_may_have_soft_labels(tmp_path):
    path = tmp_path / "faces.npz"
    images = np.arange(3 * 24 * 24, dtype=np.uint8).reshape(3, 24, 24)
    y = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    np.savez(path, images=images, labels=y, class_names=["smile", "other"])
    found = columns(path)
    assert names_of(found) == ["smile", "other"]
    assert found.faces.classes.names == ("other", "smile")
    np.testing.assert_allclose(found.faces.targets, [[0.1, 0.9], [0.8, 0.2]], rtol=1e-6)
    with pytest.raises(InputError, match=r"set data\.votes=columns"):
        read_faces(path, cache=False)
    np.savez(path, images=images, labels=y * 0.4, class_names=["smile", "other"])
    with pytest.raises(InputError, match=r"image 1: the columns of the classes come to 0\.4"):
        columns(path)
    np.savez(path, images=images, labels=[0, 1, 0])
    with pytest.raises(InputError, match="expected a column for each class"):
        columns(path)


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.votes_as=soft"], "votes_as .soft. needs data.votes"),
        (["data.path=a", "data.votes=b"], "votes needs data.votes_as: filter, soft or auxiliary"),
        (["data.votes=b", "data.votes_as=soft"], "votes: synthetic faces"),
        (
            ["data.path=a", "data.votes=b", "data.votes_as=soft", "data.classes=fer2013"],
            "classes=fer2013 says what class indices mean",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        load_config(None, settings)


# Training


def test_a_row_of_targets_is_largest_at_its_class(make_faces):
    faces = make_faces([2, 0, 6])
    assert training_targets(faces).tolist() == [2, 0, 6]
    votes = np.eye(10, dtype=np.float32)[[9, 0, 4]]
    rows = training_targets(replace(faces, votes=votes))
    assert rows.argmax(axis=1).tolist() == [2, 0, 6]
    np.testing.assert_array_equal(rows[:, 7:], VOTES_WEIGHT * votes)
    targets = np.full((3, 7), 0.05, np.float32)
    targets[range(3), faces.labels] = 0.7
    assert training_targets(replace(faces, targets=targets)) is targets


def test_each_face_keeps_its_targets_in_any_order(make_faces):
    faces = make_faces(np.arange(20) % 7)
    targets = np.random.default_rng(1).dirichlet(np.ones(7), 20).astype(np.float32)
    soft = replace(faces, targets=targets)
    still = dict.fromkeys(Augment.model_fields, 0)
    pipeline = TrainingPipeline(soft, batch_size=8, seed=3, augmentation=Augment(**still))
    order = pipeline.order(1).numpy()
    for step, (images, got) in enumerate(pipeline.dataset(1, 1).as_numpy_iterator()):
        which = order[8 * step :][: len(images)]
        np.testing.assert_array_equal(images, faces.images[which])
        np.testing.assert_array_equal(got, targets[which])
    np.testing.assert_array_equal(soft.take(order[:5]).targets, targets[order[:5]])


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
SOFT = np.random.default_rng(1).dirichlet(np.full(3, 0.4), 6).astype("float32")
WEIGHTS = {0: 1.0, 1: 3.0, 2: 0.5}


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_of_soft_labels_is_smoothed_as_that_of_labels(smoothing):
    loss, logits = SmoothedCrossentropy(smoothing), X[:, :3]
    expected = -(((1 - smoothing) * SOFT + smoothing / 3) * log_softmax(logits)).sum(axis=1).mean()
    assert float(loss(SOFT, logits)) == pytest.approx(expected, rel=1e-5)
    labels = np.array([0, 1, 2, 2, 1, 0])
    one_hot = np.eye(3, dtype="float32")[labels]
    assert float(loss(one_hot, logits)) == pytest.approx(float(loss(labels, logits)), rel=1e-6)


def network(seed: int, opinions: int = 0) -> DistilledModel:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    features = keras.layers.Dense(5, activation="relu")(inputs)
    model = DistilledModel(inputs, keras.layers.Dense(3, name="logits")(features))
    if opinions:
        model.predict_votes(opinions)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(keras.optimizers.SGD(0.1), SmoothedCrossentropy(), metrics=[accuracy])
    return model


def trained_once(model, targets) -> dict[str, float]:
    import tensorflow as tf

    batch = tf.data.Dataset.from_tensors((X, targets))
    history = model.fit(batch, class_weight=WEIGHTS, shuffle=False, verbose=0).history
    return {key: values[0] for key, values in history.items()}


def test_soft_labels_are_weighted_and_measured_by_their_largest(eager):
    model = network(0)
    own = log_softmax(model.predict(X, verbose=0))
    weights = [WEIGHTS[label] for label in SOFT.argmax(axis=1)]
    logs = trained_once(model, SOFT)
    assert logs["loss"] == pytest.approx(
        np.average(-(SOFT * own).sum(axis=1), weights=weights), rel=1e-5
    )
    assert logs["accuracy"] == pytest.approx((own.argmax(axis=1) == SOFT.argmax(axis=1)).mean())


@pytest.mark.parametrize("teachers", [0, 1])
def test_the_second_head_adds_its_loss_in_training_alone(eager, teachers):
    model = network(0, opinions=2)
    plain = network(0)
    np.testing.assert_array_equal(model.predict(X, verbose=0), plain.predict(X, verbose=0))
    own = log_softmax(model.predict(X, verbose=0))
    both = model(X, training=True).numpy()
    assert both.shape == (6, 5)
    labels = np.array([0, 1, 2, 2, 1, 0])
    votes = np.array([[1, 0], [0.5, 0.5], [0, 1], [1, 0], [0, 0], [0.2, 0.8]], "float32")
    weights = [WEIGHTS[label] for label in labels]
    of_labels = np.average(-own[np.arange(6), labels], weights=weights)
    if teachers:
        predicted = np.exp(log_softmax(network(1).predict(X, verbose=0)))
        model.distillation = Distillation([network(1)], 0.3)
        against = np.average(-(predicted * own).sum(axis=1), weights=weights)
        of_labels = 0.7 * of_labels + 0.3 * against
    of_votes = np.average(-(votes * log_softmax(both[:, 3:])).sum(axis=1), weights=weights)
    rows = np.concatenate([np.eye(3, dtype="float32")[labels], 0.5 * votes], axis=1)
    validation = model.evaluate(X, labels, verbose=0)
    assert validation == pytest.approx(plain.evaluate(X, labels, verbose=0))
    logs = trained_once(model, rows)
    assert logs["loss"] == pytest.approx(of_labels + 0.5 * of_votes, rel=1e-5)
    assert logs["accuracy"] == pytest.approx((own.argmax(axis=1) == labels).mean())


def test_the_second_head_teaches_the_features():
    model = network(0, opinions=2)
    before = [each.copy() for each in model.get_layer(index=1).get_weights()]
    nothing = np.concatenate(
        [np.zeros((6, 3), "float32"), np.eye(2, dtype="float32")[[0, 1] * 3]], 1
    )
    model.fit(X, nothing, epochs=1, verbose=0)
    assert any(
        (now != then).any()
        for now, then in zip(model.get_layer(index=1).get_weights(), before, strict=True)
    )


# Whole runs

TINY = (
    "network.filters=[4]",
    "network.dense_units=[4]",
    "train.epochs=1",
    "train.batch_size=32",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
    "class_weight.rule=inverse",
)


def sixty_four():
    """Rows with votes: each emotion has most votes of four or more of each split."""
    for number in range(64):
        votes = [0] * 10
        votes[number % 8], votes[(number + 1) % 8] = 7, 3
        usage = "Training" if number < 48 else "PublicTest"
        yield number % 7, usage, tuple(votes), None


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """A table of 64 faces and the votes on them."""
    folder, rows = tmp_path_factory.mktemp("voted"), list(sixty_four())
    return write_table(folder / "fer2013.csv", rows), write_votes(folder / "fer2013new.csv", rows)


@pytest.fixture(scope="module")
def runs(voted, tmp_path_factory):
    """The folder of a run for each of two ways to use the votes, without exports."""
    folder = tmp_path_factory.mktemp("saved_models")
    table, votes = voted
    made = {}
    for how in ("soft", "auxiliary"):
        given = (f"data.path={table}", f"data.votes={votes}", f"data.votes_as={how}")
        config = load_config(None, [*TINY, *given, f"name={how}", f"output.folder={folder}"])
        console = Console(io.StringIO())
        with untraced():
            outcome = train(config, load_splits(config, console), console, brief=True)
        made[how] = outcome.run.folder
    return made


@pytest.mark.parametrize(("how", "classes"), [("soft", 8), ("auxiliary", 7)])
def test_what_is_kept_is_a_plain_network_with_one_head(runs, how, classes, make_faces):
    finished, faces = open_run(runs[how]), make_faces([0, 1]).images
    saved = keras.saving.load_model(finished.run.best)
    assert type(saved).__module__.startswith("keras.")
    assert not [weight.path for weight in saved.weights if "votes" in weight.path]
    # Of which exports are made.
    logits = load_trained(finished).model.predict(faces, verbose=0)
    assert logits.shape == (2, classes)
    np.testing.assert_allclose(
        saved.predict(faces, verbose=0), np.exp(log_softmax(logits)), atol=1e-6
    )
    assert len(finished.environment["data"]["votes"]) == 64
    assert "| votes | fer2013new.csv; " in model_card(finished, {})


def test_a_run_with_votes_is_evaluated_where_its_data_are(runs, voted, tmp_path):
    console = Console(io.StringIO())
    table, _ = voted
    for finished in map(open_run, runs.values()):
        subject = find_subject(finished, None, None, console)
        assert subject.same_data
        moved = tmp_path / "moved.csv"
        moved.write_bytes(table.read_bytes())
        assert find_subject(finished, None, str(moved), console).same_data
        write_table(moved)
        other = find_subject(finished, None, str(moved), console)
        assert not other.same_data
        assert len(other.faces) == len(ROWS)
        assert ("judged by their own labels" in other.remark) == ("soft" in finished.name)


def test_what_a_second_head_learnt_from_is_not_needed_to_evaluate(runs, tmp_path):
    console = Console(io.StringIO())
    for name, kept in runs.items():
        whole = open_run(kept)
        data = whole.config.data.model_copy(update={"votes": str(tmp_path / "gone.csv")})
        finished = replace(whole, config=whole.config.model_copy(update={"data": data}))
        if name == "auxiliary":
            assert find_subject(finished, None, None, console).same_data
            assert find_probe(finished, None, console).kind == "validation faces"
        else:
            with pytest.raises(InputError, match=r"gone\.csv: no such file"):
                find_subject(finished, None, None, console)


@pytest.mark.parametrize("how", ["filter", "soft", "auxiliary"])
@pytest.mark.parametrize("where", ["there", "gone", "columns"])
def test_other_faces_need_no_votes(how, where, voted, make_faces, tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    places = {"there": str(voted[1]), "gone": str(tmp_path / "gone.csv"), "columns": "columns"}
    given = {"data.path": str(voted[0]), "data.votes": places[where], "data.votes_as": how}
    config = with_values(Config(), given)
    for each in make_faces([0, 3]).images[:1]:
        for name in ("angry", "happy"):
            (tmp_path / "other" / name).mkdir(parents=True)
            Image.fromarray(each[..., 0]).save(tmp_path / "other" / name / "a.png")
    other = with_values(config, {"data.path": str(tmp_path / "other")})
    read, without = load_other_faces(other, Console(io.StringIO()), FER2013)
    assert (len(read.faces), without) == (2, True)


def test_votes_that_said_what_training_faces_are_have_to_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    table = write_table(tmp_path / "faces.csv", sixty_four(), header="emotion,pixels,kind")
    votes = write_votes(tmp_path / "votes.csv", sixty_four())
    data = {"data.path": str(table), "data.votes": str(votes), "data.votes_as": "auxiliary"}
    config = with_values(Config(), data)
    splits = load_splits(config, Console(io.StringIO()))
    assert splits.official
    known = {"fingerprint": splits.fingerprint, "task": splits.task.as_json()}
    environment = {"data": {"official_split": True, **known}}
    finished = FinishedRun(Run(tmp_path), config, environment, {})
    votes.unlink()
    with pytest.raises(InputError, match=r"nothing else says which .* were training faces"):
        find_subject(finished, None, None, Console(io.StringIO()))


def test_a_run_goes_on_where_its_votes_are_and_with_no_others(runs, voted, tmp_path, capsys):
    _, votes = voted
    moved = tmp_path / "votes.csv"
    moved.write_bytes(votes.read_bytes())
    resume = ["--resume", str(runs["soft"])]
    text = votes.read_text()
    moved.write_text(text.replace(",7,3,", ",6,4,"))
    assert fit([*resume, f"data.votes={moved}"]) == 2
    assert "holds other votes than when the run began" in capsys.readouterr().err
    moved.write_text(text)
    assert fit([*resume, f"data.votes={moved}"]) == 0
    assert load_config(runs["soft"] / "config.yaml").data.votes == str(moved)
    assert fit([*resume, f"data.votes={votes}"]) == 0


def test_faces_that_were_read_without_votes_are_refused_in_python(voted):
    faces = ferkeras.load_data(voted[0], cache=False)
    settings = {"data.votes": str(voted[1]), "data.votes_as": "soft"}
    with pytest.raises(InputError, match=r"read with data\.votes=null; give their path as data"):
        ferkeras.train("demo", settings, data=faces)


def test_a_check_counts_rows_as_the_table_does(sources):
    table, votes = sources
    material = gather(str(table), Wanted(votes=str(votes), votes_as="filter"), cache=False)
    assert [material.place(index) for index in range(5)] == [1, 2, 3, 7, 8]
    assert material.short_place(3) == "row 7"


def test_check_data_takes_the_keys_of_votes(sources, tmp_path, capsys):
    arguments = [str(sources[0]), "--output", str(tmp_path / "out")]
    write_votes(sources[1], ROWS[:-1])
    assert check_data([*arguments, f"data.votes={sources[1]}", "data.votes_as=filter"]) == 2
    assert "8 rows of votes for 9 faces" in capsys.readouterr().err
    assert check_data([*arguments, "data.votes_as=filter"]) == 2
    assert "needs data.votes" in capsys.readouterr().err


def test_a_training_with_a_second_head_goes_on_bit_for_bit(eager, voted, tmp_path):
    table, votes = voted
    given = (f"data.path={table}", f"data.votes={votes}", "data.votes_as=auxiliary")
    more = ("train.epochs=2", "checkpoint.every_steps=1", "data.cache=false")
    config = load_config(None, [*TINY, *given, *more])
    splits = load_splits(config, Console(io.StringIO()))

    def part(folder, *callbacks):
        make_reproducible(config)
        setup = build_setup(config, splits)
        checkpoints = CheckpointFolder(InnerPath(folder))
        console = Console(io.StringIO())
        loop = TrainingLoop(config, setup, callbacks, checkpoints, console, StopRequest())
        loop.go_on()
        loop.run(ended=False)
        return [*setup.model.get_weights(), *map(np.array, setup.model.optimizer.variables)]

    class Killed(BaseException):
        pass

    def kill(batch, logs):
        if batch == 1:
            raise Killed

    whole = part(tmp_path / "whole")
    with pytest.raises(Killed):
        part(tmp_path / "cut", keras.callbacks.LambdaCallback(on_train_batch_begin=kill))
    for now, then in zip(part(tmp_path / "cut"), whole, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_split_is_that_of_the_votes(voted):
    table, votes = voted
    given = [f"data.path={table}", f"data.votes={votes}", "data.votes_as=soft", "data.cache=false"]
    splits = load_splits(load_config(None, given), Console(io.StringIO()))
    assert isinstance(splits, Splits)
    assert splits.official
    assert (len(splits.train), len(splits.validation)) == (48, 16)
    assert splits.train.targets.shape == (48, 8)
    assert splits.votes_fingerprint
