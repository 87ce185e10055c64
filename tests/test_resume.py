"""A training that is interrupted anywhere and resumed ends exactly the same."""

import io
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, Interrupted, RunError
from ferkeras.cli.invocation import command_line
from ferkeras.cli.signals import StopRequest
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.fit.__main__ import main
from ferkeras.runs.create import create_run, record_start
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.record import Run
from ferkeras.runs.unfinished import find_run
from ferkeras.training.callbacks import build_callbacks
from ferkeras.training.checkpointing import StoppedBetweenSteps, TrainingCheckpoint
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.endings import resumable
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import TrainingSetup, build_setup, make_reproducible

EPOCHS, STEPS = 3, 4

SETTINGS = (
    "network.filters=[2]",
    "network.dense_units=[4]",
    f"train.epochs={EPOCHS}",
    "train.batch_size=48",
    # Ramps begin, and the learning rate falls, in the middle of it.
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=2",
    "schedule.smoothing_from_epoch=2",
    "schedule.plateau_from_epoch=1",
    "schedule.plateau_patience=1",
    "monitor.collapse_fraction=0.2",
    "monitor.diagnose=false",
    "monitor.overfit_every=2",
    "monitor.images_every=2",
    "checkpoint.every_steps=3",
    "checkpoint.every_seconds=null",
)


class Killed(BaseException):
    """Takes the place of SIGKILL: nobody catches it."""


class Kill(keras.callbacks.Callback):
    """Raise in a hook: `("train_batch_begin", 2, 1)` before the second step of epoch 2."""

    def __init__(self, hook, epoch, batch=None):
        super().__init__()
        self.epoch, self.at, self.batch = 0, epoch, batch
        setattr(self, f"on_{hook}", self.kill)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def kill(self, *place, **logs):
        if self.epoch == self.at and (self.batch is None or place[0] == self.batch):
            raise Killed


@pytest.fixture(scope="module")
def splits() -> Splits:
    read = synthetic_faces(220, 0)
    faces, validation = read.faces.take(np.arange(180)), read.faces.take(np.arange(180, 220))
    return Splits(faces, validation, None, read.source, read.fingerprint, True)


def settings(*overrides) -> Config:
    return load_config(None, [*SETTINGS, *overrides])


class Traced:
    """A setup whose steps are traced once, for trainings that each begin with its first values.

    What steps are built from is the same in all of them.
    """

    def __init__(self, config, splits):
        make_reproducible(config)
        self.setup = build_setup(config, splits)
        self.new = [np.array(variable.numpy()) for variable in variables(self.setup)]

    def begun(self) -> TrainingSetup:
        """The setup with the values that a new one has."""
        for variable, value in zip(variables(self.setup), self.new, strict=True):
            variable.assign(value)
        self.setup.model.reset_metrics()
        # Which goes on over epochs.
        self.setup.model.gradient_norms.skipped_in_a_row.assign(0)
        return self.setup


def go(
    config, splits, folder, *more, request=None, traced=None
) -> tuple[list[np.ndarray], list[str]]:
    """One process's part of a training; all values that it ends with, and its alarms.

    `more` are callbacks that stand before all others.
    """
    make_reproducible(config)
    setup = traced.begun() if traced else build_setup(config, splits)
    run = Run(folder)
    run.folder.mkdir(exist_ok=True)
    console = Console(io.StringIO())
    run_callbacks = build_callbacks(config, setup, splits, run, console)
    loop = TrainingLoop(
        config,
        setup,
        [*more, *run_callbacks.callbacks],
        CheckpointFolder(run.checkpoints),
        console,
        request or StopRequest(),
    )
    loop.go_on()
    loop.run(ended=run_callbacks.collapse.stopped is not None)
    return [np.array(variable.numpy()) for variable in variables(setup)], console.alarms


def variables(setup: TrainingSetup) -> list[keras.Variable]:
    model = setup.model
    return [*model.variables, *model.optimizer.variables, model.loss.smoothing]


def assert_same(got, expected) -> None:
    for a, b in zip(got[0], expected[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert got[1] == expected[1]


def events(folder) -> list[tuple]:
    found = []
    for name in ("train", "validation"):
        read = EventAccumulator(str(folder / name), size_guidance={"tensors": 0})
        read.Reload()
        for tag in read.Tags()["tensors"]:
            for event in read.Tensors(tag):
                value = tf.make_ndarray(event.tensor_proto)
                content = value.tolist() if value.dtype == object else value.tobytes()
                if "hparams" in tag:  # they hold the time
                    content = None
                found.append((name, tag, event.step, content))
    return sorted(found, key=lambda event: event[:3])


def best(folder) -> list[bytes]:
    model = keras.saving.load_model(folder / "best.keras")
    return [variable.numpy().tobytes() for variable in model.weights]


def steps_done(folder) -> int:
    saved = CheckpointFolder(folder / "checkpoints").newest(pytest.fail)
    return (saved.epoch - 1) * STEPS + saved.step


@pytest.fixture(scope="module")
def traced(splits) -> Traced:
    return Traced(settings(), splits)


@pytest.fixture(scope="module")
def uninterrupted(splits, traced, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, go(settings(), splits, folder, traced=traced)


PLACES = (
    ("train_batch_begin", 1, 1),  # after the first step
    ("train_batch_begin", 2, 0),  # between two epochs
    ("train_batch_begin", 2, 3),  # before a last, smaller batch
    ("test_begin", 2),  # in a validation
    ("train_end", 3),  # after the last epoch
)


def cut_off_again_and_again(config, splits, folder, traced) -> tuple[list[np.ndarray], list[str]]:
    """A training that is killed in each of `PLACES`, taken up again each time, and ended."""
    for place in PLACES:
        with pytest.raises(Killed):
            go(config, splits, folder, Kill(*place), traced=traced)
    return go(config, splits, folder, traced=traced)


def test_cut_off_and_resumed_is_the_same_bit_for_bit(splits, traced, uninterrupted, tmp_path):
    folder, expected = uninterrupted
    got = cut_off_again_and_again(settings(), splits, tmp_path / "run", traced)
    assert_same(got, expected)
    assert (tmp_path / "run/history.csv").read_bytes() == (folder / "history.csv").read_bytes()
    assert best(tmp_path / "run") == best(folder)
    assert events(tmp_path / "run" / "tensorboard") == events(folder / "tensorboard")


def test_more_epochs_are_the_same_bit_for_bit(splits, traced, uninterrupted, tmp_path):
    folder, expected = uninterrupted
    go(settings("train.epochs=2"), splits, tmp_path / "run", traced=traced)
    # As in another process.
    got = go(settings(), splits, tmp_path / "run")
    assert_same(got, expected)
    assert (tmp_path / "run/history.csv").read_bytes() == (folder / "history.csv").read_bytes()
    assert best(tmp_path / "run") == best(folder)


RECIPE = (
    "network.kind=residual",
    "network.residual_blocks=[1]",
    "network.squeeze_excite=0.5",
    "train.optimizer=adamw",
    "train.weight_decay=0.05",
    "train.learning_rate=1e-2",
    "train.learning_rate_schedule=cosine",
    "train.warmup_epochs=0.5",
    "train.ema_momentum=0.9",
    "train.precision=mixed_bfloat16",
    "schedule.plateau_from_epoch=null",
    "monitor.tensorboard=false",
)


def test_schedule_and_averaged_weights_are_resumed_bit_for_bit(splits, tmp_path):
    config, folder = settings(*RECIPE), tmp_path / "whole"
    try:
        traced = Traced(config, splits)
        expected = go(config, splits, folder, traced=traced)
        got = cut_off_again_and_again(config, splits, tmp_path / "run", traced)
    finally:
        keras.config.set_dtype_policy("float32")
    assert_same(got, expected)
    assert (tmp_path / "run/history.csv").read_bytes() == (folder / "history.csv").read_bytes()
    assert best(tmp_path / "run") == best(folder)


QUICK = ("monitor.tensorboard=false", "monitor.overfit_every=9")


def test_checkpoints_change_nothing_and_at_most_n_steps_are_lost(
    splits, traced, uninterrupted, tmp_path
):
    rare = settings(*QUICK, "checkpoint.every_steps=1000")
    got = go(rare, splits, tmp_path / "rare", traced=traced)
    for a, b in zip(got[0], uninterrupted[1][0], strict=True):
        np.testing.assert_array_equal(a, b)
    for hook, epoch, batch in (("train_batch_begin", 1, 3), ("train_batch_begin", 3, 2)):
        folder = tmp_path / f"{epoch}"
        with pytest.raises(Killed):
            go(settings(*QUICK), splits, folder, Kill(hook, epoch, batch), traced=traced)
        assert 0 <= (epoch - 1) * STEPS + batch - steps_done(folder) <= 3


class Ask(keras.callbacks.Callback):
    """Ask to leave, as a signal would, when two steps of epoch 2 are done."""

    def __init__(self, request):
        super().__init__()
        self.request = request
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 2):
            self.request.signal = 15


def test_a_request_is_granted_after_the_step(splits, traced, tmp_path):
    request = StopRequest()
    expected = go(settings(*QUICK), splits, tmp_path / "whole", traced=traced)
    rare = settings(*QUICK, "checkpoint.every_steps=1000")
    with pytest.raises(StoppedBetweenSteps) as stopped:
        go(rare, splits, tmp_path / "run", Ask(request), request=request, traced=traced)
    assert (stopped.value.signal, stopped.value.saved) == (15, True)
    assert steps_done(tmp_path / "run") == STEPS + 2
    assert_same(go(rare, splits, tmp_path / "run", traced=traced), expected)


def test_a_state_that_is_not_sound_is_not_said_to_be_saved(tmp_path):
    class Unsound:
        def capture(self, epoch, step):
            return None

    request = StopRequest()
    folder = CheckpointFolder(tmp_path / "checkpoints")
    checkpoint = TrainingCheckpoint(Unsound(), folder, settings().checkpoint, request)
    checkpoint.on_train_begin()
    request.signal = 15
    for leave in (
        lambda: checkpoint.on_train_batch_begin(7),
        lambda: checkpoint.on_epoch_end(0),
    ):
        with pytest.raises(StoppedBetweenSteps) as stopped:
            leave()
        assert not stopped.value.saved


def test_what_had_been_stopped_by_an_alarm_does_not_train_on(splits, traced, tmp_path):
    stops = settings(
        "monitor.collapse_action=stop", "monitor.collapse_fraction=0.3", "monitor.images_every=9"
    )
    with pytest.raises(Killed):
        go(stops, splits, tmp_path / "run", Kill("train_end", 1), traced=traced)
    before = (tmp_path / "run/history.csv").read_bytes()
    assert before.count(b"\n") == 2
    go(stops, splits, tmp_path / "run", Kill("epoch_begin", 2), traced=traced)
    assert (tmp_path / "run/history.csv").read_bytes() == before


class Break(keras.callbacks.Callback):
    """Make a weight NaN when two steps of epoch 2 are done, as often as it is asked to."""

    def __init__(self, times):
        super().__init__()
        self.times, self.epoch = times, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 2) and self.times:
            self.times -= 1
            self.model.trainable_weights[0].assign(self.model.trainable_weights[0] * np.nan)


DIVERGES = (*QUICK, "recovery.after_skipped_steps=2", "schedule.plateau_from_epoch=null")


def test_after_diverging_it_goes_back_with_a_lower_rate(splits, traced, tmp_path):
    values, alarms = go(settings(*DIVERGES), splits, tmp_path / "run", Break(2), traced=traced)
    assert all(np.isfinite(each).all() for each in values)
    alarms = [alarm.text for alarm in alarms if "not finite; restored" in alarm.text]
    assert "lowered the learning rate from 0.001 to 0.0005 (1 of at most 3 times)" in alarms[0]
    assert "(2 of at most 3 times)" in alarms[1]
    history = np.genfromtxt(tmp_path / "run/history.csv", delimiter=",", names=True)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["learning_rate"] == pytest.approx([1e-3, 1e-3 / 4, 1e-3 / 4])
    assert history["gradient_skipped"].tolist() == [0, 0, 0]


def test_it_gives_up_with_a_diagnosis_and_the_good_state_stays(splits, traced, tmp_path):
    with pytest.raises(RunError) as error:
        go(settings(*DIVERGES), splits, tmp_path / "run", Break(9), traced=traced)
    message = str(error.value)
    assert "the last 2 steps had a loss or gradient that was not finite" in message
    assert "after restoring a checkpoint 3 times" in message
    assert "not finite: block1a/kernel" in message
    assert "suspected: " in message
    saved = CheckpointFolder(tmp_path / "run/checkpoints").newest(pytest.fail)
    assert (saved.epoch, saved.step) == (2, 0)
    # Of the metrics, the smallest norm so far begins at infinity.
    assert not any(np.isnan(array).any() for array in saved.arrays)
    assert best(tmp_path / "run")


def test_a_checkpoint_of_another_network_is_refused(splits, traced, tmp_path):
    with pytest.raises(Killed):
        go(
            settings(*QUICK),
            splits,
            tmp_path / "run",
            Kill("train_batch_begin", 1, 0),
            traced=traced,
        )
    with pytest.raises(InputError, match="does not fit this training"):
        go(settings(*QUICK, "network.dense_units=[5]"), splits, tmp_path / "run")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (StoppedBetweenSteps(15, saved=True), 143, ["stopped by SIGTERM; the state is saved"]),
        (StoppedBetweenSteps(15, saved=False), 143, ["not worth saving", "saved before is intact"]),
        (KeyboardInterrupt(), 130, ["interrupted"]),
        (OSError(28, "No space left on device", "x/best.keras"), 1, ["x/best.keras: No space"]),
        (OSError("h5py: errno = 28"), 1, ["a file cannot be read or written (h5py: errno = 28)"]),
        (tf.errors.UnknownError(None, None, "f; Read-only file system"), 1, ["Read-only"]),
        (tf.errors.UnknownError(None, None, "f; Operation not permitted"), 1, ["not permitted"]),
    ],
)
def test_whatever_ends_a_run_it_says_how_to_resume(error, code, words, tmp_path):
    with pytest.raises((RunError, Interrupted)) as ending, resumable(Run(tmp_path)):
        raise error
    assert ending.value.exit_code == code
    for text in (*words, command_line("fit", "--resume", tmp_path)):
        assert text in str(ending.value)


def resume(capsys, *arguments) -> tuple[int, str]:
    code = main(["--resume", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_what_cannot_be_resumed_is_reported_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("name=a", "data.demo_faces=200", f"output.folder={tmp_path}/saved_models")
    assert resume(capsys) == (
        2,
        "error: saved_models: no such folder; expected one that python -m ferkeras.fit made\n",
    )
    run = create_run(config)
    code, text = resume(capsys, run.folder, "seed=9")
    assert (code, text.count("\n")) == (2, 1)
    assert "'seed': --resume continues a run as it was configured" in text
    for named in ("--name=b", "--config=demo"):
        code, text = resume(capsys, run.folder, named)
        assert (code, text.count("\n")) == (2, 1)
        assert "leave out --config and --name" in text
    with exclusive_lock(run.folder):
        code, text = resume(capsys, tmp_path / "saved_models")
    assert code == 2
    assert f"process {os.getpid()} is at work in this folder" in text
    data = {"source": "demo", "official_split": False, "faces": {}, "mean": 0.5, "std": 0.2}
    record_start(run, config, {**data, "fingerprint": "0123456789abcdef"})
    code, text = resume(capsys)
    assert code == 2
    assert "holds other faces than when the run began" in text
    # Of the newest run, as if the setting stood in front.
    code, text = resume(capsys, "train.epochs=80")
    assert "holds other faces than when the run began" in text
    code, text = resume(capsys, f"data.path={tmp_path / 'of' / 'a' / 'folder'}")
    assert f"{tmp_path / 'of' / 'a' / 'folder'}: no such" in text
    run.metrics.path.write_text("{}")
    code, text = resume(capsys, run.folder)
    assert code == 2
    assert "metrics.json: damaged" in text
    code, text = resume(capsys)
    assert code == 2
    assert "no unfinished run in it" in text
    faces = tmp_path / "faces"
    (faces / "happy").mkdir(parents=True)
    code, text = resume(capsys, faces)
    assert code == 2
    assert f"{faces}: neither a run nor a folder of runs" in text


def test_the_newest_unfinished_run_is_found(tmp_path):
    config = settings("name=a", f"output.folder={tmp_path}")
    runs = [create_run(config) for _ in range(4)]
    for age, run in enumerate(reversed(runs)):
        os.utime(run.config, (1e9 - age, 1e9 - age))
    runs[3].metrics.path.write_text("{}")
    assert find_run(tmp_path).folder == runs[2].folder
    assert find_run(runs[0].folder).folder == runs[0].folder
