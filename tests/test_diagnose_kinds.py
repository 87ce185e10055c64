"""What acts at the end of a ramp, what no yardstick reads, what cannot be measured."""

import warnings
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from brief_training import QUICK, synthetic_splits
from untraced import untraced

from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.neighbours import neighbour_correlation
from ferkeras.diagnose.case import Case, train_briefly
from ferkeras.diagnose.causes.balance import class_imbalance
from ferkeras.diagnose.causes.classes import validation_cannot_measure
from ferkeras.diagnose.causes.images import blank_images, scrambled_images
from ferkeras.diagnose.causes.labels import noisy_labels, random_labels
from ferkeras.diagnose.causes.regularisation import suspected, too_much_regularisation
from ferkeras.diagnose.diagnosis import Diagnosis
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.treatment import treat

pytestmark = pytest.mark.usefixtures("told_apart_once")


@pytest.fixture(scope="module")
def synthetic() -> Splits:
    return synthetic_splits(900, halved=True)


@pytest.fixture(scope="module")
def whole() -> Splits:
    """Where something is to be read in spite of a defect, all pixels are needed."""
    return synthetic_splits(1300)


@pytest.fixture(scope="module")
def healthy(synthetic) -> Measurements:
    return measured(synthetic, 20)


def measured(splits, steps=2, **overrides) -> Measurements:
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    config = with_values(Config(), QUICK | values)
    # Tracing takes longer than a few steps.
    with untraced() if steps < 10 else nullcontext():
        return Measurements(train_briefly(config, splits, steps))


def replace_config(m, values) -> Measurements:
    return Measurements(replace(m.case, config=with_values(m.case.config, values)))


def images_changed(faces, change) -> Faces:
    return Faces(change(faces.images), faces.labels, faces.classes)


def scrambled(images):
    order = np.random.default_rng(0).permutation(images[0].size)
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


def test_validation_of_one_class_is_said_not_to_measure_and_no_label_is_blamed(synthetic, healthy):
    happy = synthetic.validation.take(synthetic.validation.labels == 3)
    m = measured(replace(synthetic, validation=happy))
    finding = validation_cannot_measure(m)
    assert "every face in it is happy" in finding.verdict
    assert random_labels(m) is None
    few = np.flatnonzero(synthetic.validation.labels != 3)[:5]
    rows = np.concatenate([np.flatnonzero(synthetic.validation.labels == 3), few])
    m = measured(replace(synthetic, validation=synthetic.validation.take(rows)))
    assert "all but 5 faces in it are happy" in validation_cannot_measure(m).verdict
    # Few faces, half of them of one class, are few and not of one class.
    sad = np.flatnonzero(synthetic.validation.labels == 4)[:12]
    rows = np.concatenate([np.flatnonzero(synthetic.validation.labels == 3)[:12], sad])
    m = measured(replace(synthetic, validation=synthetic.validation.take(rows), official=False))
    finding = validation_cannot_measure(m)
    assert f"it has {len(rows)} faces in all" in finding.verdict
    assert "data.validation_fraction" in finding.remedies[0].what
    assert validation_cannot_measure(healthy) is None


def test_training_of_nearly_one_class_is_imbalance_not_wrong_labels(synthetic, healthy):
    labels = synthetic.train.labels
    of_it, others = np.flatnonzero(labels == 3), np.flatnonzero(labels != 3)
    rows = np.concatenate([of_it, others[: len(of_it) // 19]])
    m = measured(replace(synthetic, train=synthetic.train.take(rows)), steps=60)
    assert random_labels(m) is None
    finding = class_imbalance(m)
    assert "95% of the training faces are happy" in finding.verdict
    assert {"balanced", None} == {r.overrides.get("train.sampler") for r in finding.remedies}
    assert class_imbalance(healthy) is None


@pytest.mark.parametrize("which", ["train", "validation"])
def test_pixels_in_a_wrong_order_are_no_pictures_whatever_the_labels(synthetic, healthy, which):
    broken = replace(synthetic, **{which: images_changed(getattr(synthetic, which), scrambled)})
    m = measured(broken)
    name = {"train": "training", "validation": "validation"}[which]
    assert f"The {name} images are no pictures" in scrambled_images(m).verdict
    assert random_labels(m) is None
    assert scrambled_images(healthy) is None


def test_neighbouring_pixels_are_alike_in_faces_and_not_in_noise(synthetic):
    faces = neighbour_correlation(synthetic.train.images[:100])
    assert (faces > 0.7).all()
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)
    assert (np.abs(neighbour_correlation(noise)) < 0.1).all()
    assert np.isnan(neighbour_correlation(np.full((1, 48, 48, 1), 7, np.uint8))).all()
    with warnings.catch_warnings(action="error"):
        for narrow in (noise[:, :, :1], noise[:, :1], noise[:, :1, :1]):
            assert np.isnan(neighbour_correlation(narrow)).all()


def test_pale_images_that_can_be_read_show_something_and_augmentation_is_suspected(whole):
    def pale(images):
        return (124 + images // 64).astype(np.uint8)

    faint = replace(
        whole,
        train=images_changed(whole.train, pale),
        validation=images_changed(whole.validation, pale),
    )
    m = measured(faint, augment__brightness=0.1)
    assert blank_images(m) is None
    assert suspected(m) == ["augmentation"]
    assert suspected(replace_config(m, {"augment.brightness": 0.0})) == []
    m = measured(whole, augment__brightness=0.1)
    assert suspected(m) == []
    binary = replace(whole, train=images_changed(whole.train, lambda x: x // 255))
    assert blank_images(measured(binary)) is not None


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_a_fraction_of_wrong_labels_is_estimated(whole, fraction):
    rng = np.random.default_rng(0)
    labels = whole.train.labels.copy()
    wrong = rng.random(len(labels)) < fraction
    labels[wrong] = (labels[wrong] + rng.integers(1, 7, wrong.sum())) % 7
    train = Faces(whole.train.images, labels, whole.train.classes)
    finding = noisy_labels(measured(replace(whole, train=train)))
    if not fraction:
        assert finding is None
    else:
        said = int(finding.verdict.split("%")[0].split()[-1]) / 100
        assert said == pytest.approx(fraction, abs=0.2)


def test_labels_are_not_wrong_where_more_faces_were_learned_from():
    """Fitted to all training faces, linear regression knows these validation faces far better than
    training faces that two thirds of the others were fitted to."""
    m = measured(synthetic_splits(1500))
    assert m.reference.skill > 1.35 * m.reference_within_train.skill
    assert noisy_labels(m) is None


@pytest.fixture(scope="module")
def ignorant(synthetic) -> Case:
    """A network that has learned nothing, and whose ramps end far up."""
    overrides = {
        "network.dense_units": [64],
        "schedule.dense_dropout_end": 0.97,
        "schedule.smoothing_end": 0.97,
        "train.learning_rate": 1e-7,
    }
    with untraced():
        return train_briefly(with_values(Config(), QUICK | overrides), synthetic, 2)


@pytest.mark.parametrize(
    ("column", "kind", "key"),
    [
        ("dense_dropout", "dropout", "schedule.dense_dropout_end"),
        ("label_smoothing", "label_smoothing", "schedule.smoothing_end"),
    ],
)
def test_what_a_ramp_came_to_is_blamed_with_the_keys_of_the_ramp(column, kind, key, ignorant):
    section = "train" if kind == "label_smoothing" else "network"
    case = ignorant
    # What the network of such a run would be: one that knows nothing; trials learn as configured.
    learns = with_values(case.config, {"train.learning_rate": 0.003})
    history = pd.DataFrame({"epoch": [1, 2, 3], column: [0.0, 0.5, 0.97]})
    m = Measurements(replace(case, config=learns, history=history, steps=60))
    finding = too_much_regularisation(m)
    assert finding.cause == f"too_much_{kind}"
    assert f"at the end of its ramp ({column} 0.97)" in finding.verdict
    assert key in finding.remedies[0].overrides
    changed = finding.remedies[0].applied_to(learns)
    assert getattr(changed.schedule, key.partition(".")[2]) < 0.5
    # A trial of so few steps begins where the ramp ends, as configured and with the remedies.
    diagnosis = Diagnosis(m.case, m, (finding,), learns=False)
    tried = treat(diagnosis)
    assert len(tried) == 2
    assert {each.untreated.overrides[f"{section}.{column}"] for each in tried} == {0.97}
    assert max(each.treated.overrides[f"{section}.{column}"] for each in tried) < 0.5
    assert all(each.works for each in tried)
