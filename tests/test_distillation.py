"""Learning from trained networks besides the labels: what the loss is, and whole runs."""

import io
import json
import shutil
import signal

import keras
import numpy as np
import pytest
from scipy.special import softmax
from untraced import untraced

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.signals import StopRequest
from ferkeras.config.file import load_config
from ferkeras.config.sections.distill import Distill
from ferkeras.data.load import load_splits
from ferkeras.export.card.model_card import model_card
from ferkeras.fit.__main__ import main
from ferkeras.fit.run import train
from ferkeras.network.distillation import Distillation
from ferkeras.network.loss import SmoothedCrossentropy
from ferkeras.network.step import DistilledModel
from ferkeras.runs.finished import open_run
from ferkeras.runs.network import load_trained
from ferkeras.runs.teachers import open_teachers, possibly_leaked, record_of
from ferkeras.runs.unfinished import UnfinishedRun
from ferkeras.training.checkpointing import StoppedBetweenSteps
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import build_setup, make_reproducible

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype("float32")
Y = np.array([0, 1, 2, 2, 1, 0])


def network(seed: int) -> DistilledModel:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    model = DistilledModel(inputs, keras.layers.Dense(3)(inputs))
    model.compile(keras.optimizers.SGD(0.1), SmoothedCrossentropy())
    return model


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("weights", [None, np.array([1, 2, 0, 1, 3, 1], "float32")])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_the_loss_is_a_mean_of_those_against_labels_and_against_teachers(fraction, weights):
    model, teachers = network(0), [network(1), network(2)]
    model.distillation = Distillation(teachers, fraction)
    predicted = np.mean([np.exp(log_softmax(t.predict(X, verbose=0))) for t in teachers], axis=0)
    own = log_softmax(model.predict(X, verbose=0))
    labels = np.average(-own[np.arange(6), Y], weights=weights)
    against_teachers = np.average(-(predicted * own).sum(axis=1), weights=weights)
    loss = model.train_on_batch(X, Y, sample_weight=weights)
    assert loss[0] == pytest.approx((1 - fraction) * labels + fraction * against_teachers, rel=1e-5)


def test_teachers_are_not_trained_nor_counted_nor_part_of_validation():
    model, teacher = network(0), network(1)
    untaught = model.evaluate(X, Y, verbose=0)
    parameters, before = model.count_params(), teacher.get_weights()
    model.distillation = Distillation([teacher], 0.5)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(untaught)
    model.fit(X, Y, epochs=3, verbose=0)
    for now, then in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert model.count_params() == parameters


def test_with_all_weight_on_the_teachers_the_labels_do_not_matter():
    model, teacher = network(0), network(1)
    predicted = teacher.predict(X, verbose=0)
    wrong = (predicted.argmax(axis=1) + 1) % 3
    model.distillation = Distillation([teacher], 1.0)
    model.fit(np.tile(X, (300, 1)), np.tile(wrong, 300), batch_size=6, shuffle=False, verbose=0)
    np.testing.assert_array_equal(
        model.predict(X, verbose=0).argmax(axis=1), predicted.argmax(axis=1)
    )


@pytest.mark.parametrize(("models", "weight"), [([], 0.5), ([network(0)], -0.1)])
def test_no_teacher_or_a_weight_out_of_range_is_refused(models, weight):
    with pytest.raises(ValueError, match="Received"):
        Distillation(models, weight)


@pytest.fixture(scope="module")
def pupil(finished_run, tmp_path_factory):
    """A run that was distilled from `finished_run`."""
    out, stream = tmp_path_factory.mktemp("saved_models"), io.StringIO()
    teaching = (f"distill.teachers=[{finished_run}]", "distill.weight=0.7", "train.epochs=1")
    config = load_config(
        finished_run / "config.yaml", ["name=pupil", f"output.folder={out}", *teaching]
    )
    console = Console(stream)
    with untraced():
        run = train(config, load_splits(config, console), console, brief=True).run
    return run, stream.getvalue()


def test_a_run_records_its_teachers(pupil, finished_run):
    run, said = pupil
    assert "tiny-001 (" in said
    assert "0.7 of the loss is of their soft targets" in said
    assert "other faces" not in said
    environment = json.loads(run.environment.read_text())
    assert environment["teachers"] == record_of([open_run(finished_run)])
    card = model_card(open_run(run.folder), {})
    assert "| teachers | tiny-001; 0.7 of the loss is of their soft targets |" in card


def test_its_network_is_loaded_without_its_teachers(pupil, make_faces):
    run, _ = pupil
    faces = make_faces([1, 2, 3]).images
    saved = keras.saving.load_model(run.best)
    trained = load_trained(run.folder).model
    assert trained.distillation is None
    np.testing.assert_allclose(
        saved.predict(faces, verbose=0),
        softmax(trained.predict(faces, verbose=0), axis=1),
        atol=1e-6,
    )


def test_a_teacher_that_is_no_run_is_one_clear_error(tmp_path, capsys):
    assert main([f"distill.teachers=[{tmp_path}/none]", f"output.folder={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: distill.teachers: {tmp_path}/none: no such run folder")
    assert "distill.teachers=[] for the labels alone" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("data.size=24", "tiny-001 was trained on faces of 48 x 48 grey, and these are 24 x 24"),
        ("data.classes=[happy,sad]", "neutral, and the faces have happy, sad; a teacher has"),
    ],
)
def test_a_teacher_of_another_task_is_one_clear_error(
    setting, words, finished_run, tmp_path, capsys
):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 48 * 48))
    rows = [
        f"{place % 7},{' '.join(map(str, face))},{'Training' if place < 14 else 'PublicTest'}"
        for place, face in enumerate(pixels)
    ]
    faces = tmp_path / "fer2013.csv"
    faces.write_text("\n".join(["emotion,pixels,Usage", *rows]))
    given = [f"data.path={faces}", f"distill.teachers=[{finished_run}]", "data.cache=false"]
    folder = f"output.folder={tmp_path / 'out'}"
    assert main(["--config", "fer2013-tiny", *given, folder, setting]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "distill.teachers=[] for the labels alone" in error
    assert not list(tmp_path.glob("out/*"))


def test_a_run_is_not_resumed_with_another_network_for_a_teacher(pupil, finished_run, tmp_path):
    run, _ = pupil
    config = open_run(run.folder).config
    environment = json.loads(run.environment.read_text())
    unfinished = UnfinishedRun(run, config, environment)
    unfinished.check_teachers(open_teachers(config.distill))
    other = shutil.copytree(finished_run, tmp_path / "tiny-001")
    shutil.copyfile(other / "last.keras", other / "best.keras")
    with (other / "best.keras").open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match="do not have the networks that they had"):
        unfinished.check_teachers([open_run(other)])
    (other / "best.keras").unlink()
    with pytest.raises(InputError, match=r"distill.teachers: .*best.keras: no such file"):
        open_teachers(Distill(teachers=(str(other),)))


def test_a_teacher_that_may_have_seen_validation_faces_is_an_alarm(finished_run, split_anew):
    teachers = [open_run(finished_run)]
    same = load_splits(teachers[0].config, Console(io.StringIO()))
    assert possibly_leaked(teachers, same) == []
    assert possibly_leaked(teachers, split_anew) == ["tiny-001"]


@pytest.fixture
def split_anew():
    return load_splits(load_config(None, ["seed=7", "data.demo_faces=200"]), Console(io.StringIO()))


class Leave(keras.callbacks.Callback):
    """Ask to leave after so many steps."""

    def __init__(self, request, steps):
        super().__init__()
        self.request, self.left = request, steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.request.signal = signal.SIGINT


def test_an_interrupted_distillation_ends_bit_for_bit_the_same(finished_run, tmp_path, eager):
    settings = (
        f"distill.teachers=[{finished_run}]", "data.demo_faces=200", "train.epochs=2",
        "train.batch_size=32", "network.filters=[4]", "network.dense_units=[]",
        "class_weight.rule=inverse", "schedule.dropout_from_epoch=null",
        "schedule.smoothing_from_epoch=null",
    )  # fmt: skip
    config = load_config(None, settings)
    splits = load_splits(config, Console(io.StringIO()))

    def train_from(folder, *stops):
        for stop in (*stops, 0):
            make_reproducible(config)
            setup, request = build_setup(config, splits), StopRequest()
            keeper = CheckpointFolder(tmp_path / folder)
            console = Console(io.StringIO())
            loop = TrainingLoop(config, setup, [Leave(request, stop)], keeper, console, request)
            loop.go_on()
            if stop:
                with pytest.raises(StoppedBetweenSteps):
                    loop.run(ended=False)
            else:
                loop.run(ended=False)
        return setup.model.get_weights()

    for whole, pieced in zip(train_from("whole"), train_from("pieced", 3, 4), strict=True):
        np.testing.assert_array_equal(whole, pieced)
