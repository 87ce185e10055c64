"""Every key of the configuration does something: change it, and something observable changes."""

import io
import re
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from brief_training import synthetic_splits
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageOps
from untraced import untraced

from callbacks.divergence import DivergenceGuard
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, RunError
from ferkeras.cli.signals import StopRequest
from ferkeras.config.file import load_config, with_values
from ferkeras.config.keys import all_keys, flat
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.load import load_faces, load_splits
from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.fit.automatic_learning_rate import with_automatic_learning_rate
from ferkeras.fit.heal import is_due
from ferkeras.fit.run import train
from ferkeras.runs.create import create_run
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.record import Run
from ferkeras.trackers.opening import open_trackers
from ferkeras.training.callbacks import build_callbacks
from ferkeras.training.checkpoints import CheckpointFolder
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import build_setup, make_reproducible

TINY = (
    "data.demo_faces=200",
    "network.filters=[2]",
    "network.dense_units=[4]",
    "train.epochs=2",
    "train.batch_size=64",
    "schedule.dropout_from_epoch=2",
    "schedule.dropout_over_epochs=3",
    "schedule.smoothing_from_epoch=2",
    "schedule.smoothing_over_epochs=3",
    "schedule.plateau_from_epoch=3",
    "schedule.plateau_patience=2",
    "monitor.overfit_every=2",
    "monitor.overfit_fraction=0.2",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
)


@pytest.fixture(scope="module")
def synthetic() -> Splits:
    return synthetic_splits(200)


@pytest.fixture
def world(tmp_path, monkeypatch, synthetic, tiny_backbones):
    """What observers may read; the reader's cache lies in the test's own folder."""
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(folder=tmp_path, splits=synthetic)


# Observers: what can be seen of a configuration, as something that compares.


def loaded(config, world):
    splits = load_splits(config, Console(io.StringIO()))
    return [len(splits.train), len(splits.validation), splits.train.labels.tolist(), splits.source]


def from_folder(config, world):
    """What is read from class folders; one class is a link that leads out of the data folder."""
    source, outside = world.folder / "faces", world.folder / "outside"
    if not source.exists():
        rng = np.random.default_rng(0)
        for emotion in EMOTIONS:
            (source / emotion).mkdir(parents=True)
            for number in range(8):
                face = Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8))
                face.save(source / emotion / f"{number}.png")
        outside.mkdir()
        face.save(outside / "far.png")
        (source / "happy" / "linked.png").symlink_to(outside / "far.png")
    changed = config.model_copy(
        update={"data": config.data.model_copy(update={"path": str(source)})}
    )
    try:
        splits = load_splits(changed, Console(io.StringIO()))
    except InputError as error:
        return "refused" if "link" in str(error) else str(error)
    return [len(splits.train), len(splits.validation)]


def cached(config, world):
    from_folder(config.model_copy(update={"data": LINKED.data}), world)
    cache = world.folder / "cache"
    before = set(cache.rglob("*")) if cache.exists() else set()
    data = config.data.model_copy(
        update={"path": str(world.folder / "faces"), "follow_symlinks": True}
    )
    (world.folder / "faces" / "sad" / f"{config.data.cache}.png").write_bytes(
        (world.folder / "outside" / "far.png").read_bytes()
    )
    load_splits(config.model_copy(update={"data": data}), Console(io.StringIO()))
    after = set(cache.rglob("*")) if cache.exists() else set()
    return len(after) > len(before)


def from_list(config, world):
    """Classes, shape, and which faces are held out, of a list of pictures of six people."""
    folder = world.folder / "listed"
    if not folder.exists():
        folder.mkdir()
        rng = np.random.default_rng(0)
        rows = ["image,emotion,who"]
        for number in range(36):
            Image.fromarray(rng.integers(0, 256, (24, 24), dtype=np.uint8)).save(
                folder / f"{number}.png"
            )
            rows.append(f"{number}.png,{('happy', 'sad', 'neutral')[number % 3]},{number // 6}")
        (folder / "list.csv").write_text("\n".join(rows))
    data = config.data.model_copy(update={"path": str(folder), "cache": False})
    splits = load_splits(config.model_copy(update={"data": data}), Console(io.StringIO()))
    held_out = sorted(image.tobytes() for image in splits.validation.images)
    return [splits.task, held_out]


def from_leaky_folders(config, world):
    """How many faces are trained on, of which two are validation faces too."""
    folder = world.folder / "leaky"
    if not folder.exists():
        rng = np.random.default_rng(0)
        for split, number in product(("train", "validation"), range(8)):
            path = folder / split / ("happy", "sad")[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (24, 24), dtype=np.uint8)).save(path)
        for name in ("happy/0.png", "sad/1.png"):
            (folder / "validation" / name).write_bytes((folder / "train" / name).read_bytes())
    data = config.data.model_copy(update={"path": str(folder), "cache": False})
    splits = load_splits(config.model_copy(update={"data": data}), Console(io.StringIO()))
    return [len(splits.train), len(splits.validation)]


def from_photographs(config, world):
    """Faces of a photograph, and of its mirror image."""
    portrait = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).resize((256, 300))
    for name, picture in (("happy", portrait), ("sad", ImageOps.mirror(portrait))):
        (world.folder / "photos" / name).mkdir(parents=True, exist_ok=True)
        picture.save(world.folder / "photos" / name / "1.png")
    data = config.data.model_copy(update={"path": str(world.folder / "photos"), "cache": False})
    config = config.model_copy(update={"data": data})
    return load_faces(config, Console(io.StringIO())).faces.images.tolist()


def from_votes(config, world):
    """Labels and targets of a table whose own columns say otherwise than the file of votes."""
    votes = world.folder / "fer2013new.csv"
    votes.write_text(
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
        + "\nTraining,,0,6,0,4,0,0,0,0,0,0\nTraining,,0,3,0,7,0,0,0,0,0,0" * 10
    )
    table = world.folder / "voted.csv"
    faces = [f"3,{' '.join([str(number)] * 2304)},1,3" for number in range(20)]
    table.write_text("\n".join(["emotion,pixels,happy,sad", *faces]))
    update = {"path": str(table), "cache": False}
    if config.data.votes != "columns":
        update["votes"] = str(votes)
    read = load_faces(
        config.model_copy(update={"data": config.data.model_copy(update=update)}),
        Console(io.StringIO()),
    )
    targets = None if read.faces.targets is None else read.faces.targets.tolist()
    return [read.faces.labels.tolist(), targets]


LINKED = load_config(None, ["data.cache=false", "data.follow_symlinks=true"])


def first_batch(config, world):
    images, labels = next(iter(setup(config, world).pipeline.dataset(1, 1)))
    return [images.numpy().tobytes(), labels.numpy().tolist()]


def setup(config, world):
    make_reproducible(config)
    return build_setup(config, world.splits)


def network(config, world):
    built = setup(config, world)
    layers = [
        {k: v for k, v in layer.get_config().items() if k in WATCHED_LAYER_SETTINGS}
        for layer in built.model.layers
    ]
    return [
        layers,
        str(built.model.layers[2].compute_dtype),
        built.model.layers[-1].input.shape[1:],
    ]


WATCHED_LAYER_SETTINGS = ("filters", "strides", "units", "rate", "momentum", "epsilon")


def optimizer(config, world):
    built = setup(config, world).model
    settings = built.optimizer.get_config()
    return [
        settings["name"],
        settings["learning_rate"],
        settings["weight_decay"],
        settings["global_clipnorm"],
        float(built.loss.smoothing.numpy()),
    ]


def weights(config, world):
    return setup(config, world).balance.weights


def run_folder(config, world):
    return create_run(config).folder


def schedule(config, world):
    """Dropout, smoothing and learning rate over eight epochs at a standing accuracy of 55 %."""
    built = setup(config, world)
    run = Run(world.folder / "run")
    run.folder.mkdir(exist_ok=True)
    run_callbacks = build_callbacks(config, built, world.splits, run, Console(io.StringIO()))
    names = ("PublishVariables", "VariableRamp", "DelayedReduceLROnPlateau")
    watched = [c for c in run_callbacks.callbacks if type(c).__name__ in names]
    seen = []
    for callback in watched:
        callback.set_model(built.model)
        callback.on_train_begin()
    for epoch in range(8):
        logs = {"val_accuracy": 0.55}
        for callback in watched:
            callback.on_epoch_begin(epoch)
        for callback in watched:
            callback.on_epoch_end(epoch, logs)
        seen.append({key: round(float(value), 6) for key, value in logs.items()})
    return seen


def rates(config, world):
    """The learning rate of the first step of every epoch."""
    built = setup(config, world)
    run = Run(world.folder / "run")
    run.folder.mkdir(exist_ok=True)
    run_callbacks = build_callbacks(config, built, world.splits, run, Console(io.StringIO()))
    seen = []
    for epoch in range(config.train.epochs):
        for callback in run_callbacks.callbacks:
            if type(callback).__name__ == "CosineLearningRate":
                callback.set_model(built.model)
                callback.on_epoch_begin(epoch)
                callback.on_train_batch_begin(0)
        seen.append(float(built.model.optimizer.learning_rate.numpy()))
    return seen


def training(config, world):
    """Console, history and events of a small fit with all callbacks."""
    stream = io.StringIO()
    built = setup(config, world)
    run = create_run(config)
    run_callbacks = build_callbacks(config, built, world.splits, run, Console(stream))
    built.model.fit(
        built.pipeline.dataset(1, config.train.epochs),
        steps_per_epoch=built.pipeline.steps_per_epoch,
        epochs=config.train.epochs,
        validation_data=built.validation,
        class_weight=built.balance.weights,
        callbacks=run_callbacks.callbacks,
        shuffle=False,
        verbose=0,
    )
    events = list(run.folder.rglob("events.out.*"))
    # What differs between two runs of one configuration is the time that an epoch took.
    printed = [line for line in stream.getvalue().splitlines() if not EPOCH_LINE.match(line)]
    return [
        run_callbacks.collapse.stopped,
        printed,
        run.history.read_text(),
        len(events),
        sum(path.stat().st_size for path in events) // 20_000,
    ]


def pictured(config, world):
    """About how much is written for TensorBoard in three epochs in which nothing changes."""
    built = setup(config, world)
    run = create_run(config)
    found = build_callbacks(config, built, world.splits, run, Console(io.StringIO()))
    writer = next(c for c in found.callbacks if type(c).__name__ == "TensorBoardWriter")
    writer.set_model(built.model)
    writer.set_params({"epochs": 3})
    built.model.evaluate(built.validation, verbose=0)
    writer.on_train_begin()
    for epoch in range(3):
        writer.on_epoch_end(epoch, {})
    writer.on_train_end()
    return sum(path.stat().st_size for path in run.folder.rglob("events.out.*")) // 20_000


def told(config, world):
    """Who is told of a training."""
    return [each.name for each in open_trackers(config.monitor, Console(io.StringIO()))]


def monitored(config, world):
    """What is said of five epochs in which most predictions are one class."""
    built = setup(config, world)
    stream, run = io.StringIO(), create_run(config)
    found = build_callbacks(config, built, world.splits, run, Console(stream))
    names = ("GradientNormMonitor", "PerClassReport", "CollapseAlarm")
    watched = [each for each in found.callbacks if type(each).__name__ in names]
    built.model.train_on_batch(*next(iter(built.pipeline.dataset(1, 1))))
    built.model.evaluate(built.validation, callbacks=watched, verbose=0)
    matrix = np.eye(len(EMOTIONS))
    matrix[:, 3] += 2
    built.confusion.matrix.assign(matrix)
    for epoch in range(5):
        logs = {"gradient_norm": 5.0, "gradient_clipped": 0.0, "gradient_skipped": 0.0}
        for callback in watched:
            callback.on_test_end()
            callback.on_epoch_end(epoch, logs)
    return [stream.getvalue(), found.collapse.stopped]


def diagnosis(config, world):
    """Whether a whole run that alarms asks for its cause."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("MEASURED", "TRIED", "LEFT"):
            patch.setattr(f"ferkeras.diagnose.diagnosis.{kind}", ())
        return train(config, world.splits, Console(io.StringIO()), brief=True).metrics["diagnosis"]


def attempts(config, world):
    """In which epochs of a collapse that lasts remedies are tried, if none helps."""
    done = []
    for epoch in range(1, 40):
        if is_due(done, epoch, config.monitor.heal_at_most):
            done.append({"epoch": epoch, "changes": []})
    return done


def seen(observe, config, world):
    """What was seen of this configuration before, or is now, where no file has a part in it."""
    if observe in OF_FILES:
        return observe(config, world)
    if (observe, config) not in SEEN:
        SEEN[observe, config] = observe(config, world)
    return SEEN[observe, config]


OF_FILES = (run_folder, loaded, cached, from_folder, from_list, from_photographs, from_votes)
SEEN = {}
EPOCH_LINE = re.compile(r"epoch \d+/")


def survival(config, world):
    """What is saved, said and done while the weights break twice."""
    built = setup(config, world)
    console = Console(io.StringIO())
    folder = CheckpointFolder(world.folder / "checkpoints")
    saved = []
    save = folder.save
    folder.save = lambda checkpoint: saved.append(checkpoint.place) or save(checkpoint)
    guard = DivergenceGuard(config.recovery.after_skipped_steps)
    loop = TrainingLoop(config, built, [BreakTwice(), guard], folder, console, StopRequest())
    try:
        loop.run(ended=False)
    except RunError as error:
        saved.append(str(error))
    folder.clear()
    return [saved, console.alarms, float(built.model.optimizer.learning_rate.numpy())]


class BreakTwice(keras.callbacks.Callback):
    """Make a weight NaN before the third step, the first two times it comes."""

    times = 0

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2 and self.times < 2:
            self.times += 1
            self.model.trainable_weights[0].assign(self.model.trainable_weights[0] * np.nan)


RESIDUAL = ("network.kind=residual",)


def first_weights(config, world):
    built = setup(config, world)
    return [built.model.get_layer("stem").get_weights()[0].tobytes(), built.mean]


def trunk(config, world):
    """Size of the last maps, first weights and what is frozen, of a backbone."""
    model = setup(config, world).model
    first, last = model.get_layer("conv"), model.get_layer("average")
    return [last.input.shape[1:], first.get_weights()[0].tobytes(), first.trainable]


def first_step(config, world):
    """How far the first step moves the first layer and the last."""
    built = setup(config, world)
    layers = [layer for layer in built.model.layers if layer.trainable_weights]
    before = [layers[at].get_weights()[0] for at in (0, -1)]
    built.model.train_on_batch(*next(iter(built.pipeline.dataset(1, 1))))
    return [
        float(abs(layers[at].get_weights()[0] - old).max())
        for at, old in zip((0, -1), before, strict=True)
    ]


BACKBONE = ("network.kind=backbone",)
COSINE = ("train.learning_rate_schedule=cosine", "schedule.plateau_from_epoch=null")
# Four steps, of an optimizer that computes little.
BREAKS = (
    "recovery.after_skipped_steps=2",
    "train.epochs=1",
    "train.batch_size=40",
    "train.optimizer=sgd",
    "network.dense_units=[]",
)


def overfitting(config, world):
    """Alarms where the untrained network is right now and then, and validation never is."""
    built = setup(config, world)
    console = Console(io.StringIO())
    run = Run(world.folder / "run")
    run.folder.mkdir(exist_ok=True)
    run_callbacks = build_callbacks(config, built, world.splits, run, console)
    watch = next(c for c in run_callbacks.callbacks if type(c).__name__ == "OverfittingWatch")
    watch.set_model(built.model)
    built.model.evaluate(built.validation, verbose=0)
    built.confusion.matrix.assign(np.roll(np.eye(len(EMOTIONS)), 1, axis=1))
    watch.on_test_end()
    watch.on_epoch_end(config.monitor.overfit_every - 1, {})
    return len(console.alarms)


def kept(config, world):
    """The epoch whose network is in the file, after a good one and a worse."""
    built = setup(config, world)
    run = Run(world.folder / "run")
    run.folder.mkdir(exist_ok=True)
    run_callbacks = build_callbacks(config, built, world.splits, run, Console(io.StringIO()))
    keeper = next(c for c in run_callbacks.callbacks if type(c).__name__ == "BestModelCheckpoint")
    keeper.set_model(built.model)
    for epoch, accuracy in enumerate((0.5, 0.4)):
        keeper.on_epoch_end(epoch, {"val_accuracy": accuracy, "val_loss": 1.0})
    return enclosed_in(run.best.read_bytes(), run.best).provenance["epoch"]


def accepted(config, world):
    """Whether rare classes may be corrected twice."""
    values = config.model_dump()
    values["train"]["sampler"] = "balanced"
    try:
        Config.model_validate(values)
    except ValueError:
        return False
    return True


def distilled(config, world):
    """The loss of a step in which a published run teaches."""
    built = setup(config, world)
    images, labels = next(iter(built.pipeline.dataset(1, 1)))
    return built.model.train_on_batch(images, labels)[0]


SHIPPED = str(Path(__file__).parents[1] / "saved_models" / "fer2013")
OUT = "output.folder=models"
EFFECTS = {
    "name": ("other", run_folder, ()),
    "seed": (1, first_batch, ()),
    "data.path": ("faces", None, ()),
    "data.demo_faces": (300, loaded, ()),
    "data.demo_label_noise": (0.5, loaded, ()),
    "data.validation_fraction": (0.4, from_folder, ("data.follow_symlinks=true",)),
    "data.classes": (("happy", "sad"), from_list, ("data.path=a",)),
    "data.size": (32, from_list, ("data.path=a",)),
    "data.color": (True, from_list, ("data.path=a",)),
    "data.group_column": ("who", from_list, ("data.path=a",)),
    "data.detect_faces": (True, from_photographs, ("data.path=a",)),
    "data.votes": ("columns", from_votes, ("data.path=a", "data.votes=b", "data.votes_as=filter")),
    "data.votes_as": ("soft", from_votes, ("data.path=a", "data.votes=b", "data.votes_as=filter")),
    "data.folds": (2, from_list, ()),
    "data.drop_leaked": (True, from_leaky_folders, ()),
    "data.fold": (2, from_list, ("data.folds=2",)),
    "data.cache": (False, cached, ()),
    "data.follow_symlinks": (True, from_folder, ("data.cache=false",)),
    "augment.flip": (False, first_batch, ()),
    "augment.shift": (0.0, first_batch, ()),
    "augment.rotate_degrees": (0.0, first_batch, ()),
    "augment.zoom": (0.0, first_batch, ()),
    "augment.brightness": (0.0, first_batch, ()),
    "augment.contrast": (0.0, first_batch, ()),
    "augment.erase": (0.9, first_batch, ()),
    "network.kind": ("residual", network, ()),
    "network.first_layer_rate": (0.1, first_step, ()),
    "network.first_stride": (2, network, ()),
    "network.backbone": ("EfficientNetV2B0", trunk, BACKBONE),
    "network.weights": ("none", trunk, BACKBONE),
    "network.unfreeze_after_epochs": (0, trunk, BACKBONE),
    "network.unfreeze_over_epochs": (2, trunk, (*BACKBONE, "network.unfreeze_after_epochs=0")),
    "network.input_side": (64, trunk, BACKBONE),
    "network.start_from": (SHIPPED, first_weights, (*RESIDUAL, "network.stem_filters=16")),
    "network.filters": ([2, 3], network, ()),
    "network.stem_filters": (5, network, RESIDUAL),
    "network.stem_stride": (1, network, RESIDUAL),
    "network.residual_blocks": ([1], network, RESIDUAL),
    "network.squeeze_excite": (0.25, network, RESIDUAL),
    "network.separable": (True, network, RESIDUAL),
    "network.dense_units": ([], network, ()),
    "network.conv_dropout": (0.15, network, ()),
    "network.dense_dropout": (0.35, network, ()),
    "network.batchnorm_momentum": (0.99, network, ()),
    "network.batchnorm_epsilon": (0.001, network, ()),
    "train.epochs": (1, training, ()),
    "train.batch_size": (16, first_batch, ()),
    "train.optimizer": ("sgd", optimizer, ()),
    "train.learning_rate": (0.01, optimizer, ()),
    "train.learning_rate_schedule": (
        "cosine",
        rates,
        ("schedule.plateau_from_epoch=null", "train.epochs=3"),
    ),
    "train.warmup_epochs": (1.5, rates, (*COSINE, "train.epochs=3")),
    # Low enough that the average is of the training within the few steps of this one.
    "train.ema_momentum": (0.1, training, ()),
    "train.weight_decay": (0.05, optimizer, ("train.optimizer=adamw",)),
    "train.global_clip_norm": (None, optimizer, ()),
    "train.keep": ("last", kept, ()),
    "train.label_smoothing": (0.1, optimizer, ()),
    "train.sampler": ("balanced", first_batch, ("class_weight.rule=none",)),
    "train.allow_sampler_with_class_weight": (True, accepted, ()),
    "train.precision": ("mixed_bfloat16", network, ()),
    "distill.teachers": ((SHIPPED,), distilled, ()),
    "distill.weight": (0.9, distilled, (f"distill.teachers=[{SHIPPED}]",)),
    "class_weight.rule": ("inverse", weights, ()),
    "class_weight.min": (0.9, weights, ()),
    "class_weight.max": (2.0, weights, ()),
    "schedule.gate_accuracy": (0.6, schedule, ()),
    "schedule.dropout_from_epoch": (4, schedule, ()),
    "schedule.dropout_over_epochs": (5, schedule, ()),
    "schedule.conv_dropout_end": (0.3, schedule, ()),
    "schedule.dense_dropout_end": (0.5, schedule, ()),
    "schedule.smoothing_from_epoch": (4, schedule, ()),
    "schedule.smoothing_over_epochs": (5, schedule, ()),
    "schedule.smoothing_begin": (0.02, schedule, ()),
    "schedule.smoothing_end": (0.2, schedule, ()),
    "schedule.plateau_from_epoch": (5, schedule, ()),
    "schedule.plateau_patience": (1, schedule, ()),
    "schedule.plateau_factor": (0.1, schedule, ()),
    "schedule.plateau_min_learning_rate": (4e-4, schedule, ()),
    "monitor.per_class_every": (1, monitored, ()),
    "monitor.layer_norms_every": (1, monitored, ()),
    "monitor.vanishing_norm": (50.0, monitored, ()),
    "monitor.exploding_norm": (1e-3, monitored, ()),
    "monitor.collapse_fraction": (0.3, monitored, ()),
    "monitor.collapse_action": ("stop", monitored, ("monitor.collapse_fraction=0.3",)),
    "monitor.heal_at_most": (3, attempts, ()),
    "monitor.diagnose": (True, diagnosis, ("train.epochs=1",)),
    "monitor.overfit_every": (1, training, ()),
    "monitor.overfit_fraction": (0.5, training, ()),
    "monitor.overfit_gap": (0.9, overfitting, ("monitor.overfit_gap=0.01",)),
    "monitor.tensorboard": (True, training, ()),
    "monitor.images_every": (1, pictured, ("monitor.tensorboard=true",)),
    "monitor.trackers": (("mlflow",), told, ()),
    "checkpoint.every_seconds": (1e-6, survival, BREAKS),
    "checkpoint.every_steps": (1, survival, BREAKS),
    "recovery.after_skipped_steps": (1, survival, BREAKS),
    "recovery.learning_rate_factor": (0.1, survival, BREAKS),
    "recovery.at_most": (1, survival, BREAKS),
    "output.folder": ("elsewhere", run_folder, ()),
}


def test_the_table_has_every_key():
    assert set(EFFECTS) == set(all_keys())


@pytest.mark.parametrize("key", [key for key in EFFECTS if EFFECTS[key][1] is not None])
def test_key_has_an_effect(key, world):
    value, observe, setting = EFFECTS[key]
    tiny = [each for each in TINY if BACKBONE[0] not in setting or each != "network.filters=[2]"]
    base = load_config(None, [*tiny, OUT, *setting])
    changed = with_values(base, {key: value})
    assert flat(changed)[key] != flat(base)[key]
    try:
        with untraced():
            assert seen(observe, changed, world) != seen(observe, base, world)
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_learning_rate_of_auto_is_found_on_the_learner(world):
    config = load_config(None, [*TINY, "train.learning_rate=auto", "train.batch_size=32"])
    built = setup(config, world)
    before = float(built.model.optimizer.learning_rate.numpy())
    found, tested = with_automatic_learning_rate(config, built, Console(io.StringIO()))
    assert found.train.learning_rate == tested.suggestion
    after = float(built.model.optimizer.learning_rate.numpy())
    assert after == np.float32(tested.suggestion) != before


def test_data_path_is_what_is_read(world):
    demo = load_config(None, [*TINY])
    other = load_config(None, [*TINY, "data.follow_symlinks=true"])
    assert loaded(demo, world)[:2] != from_folder(other, world)
