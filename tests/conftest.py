"""What tests share: small faces, a finished run, and TensorFlow imported without its chatter."""

import gc
import io
import os
import signal

# Read where these libraries are loaded, here and in the processes that tests start: processes
# test side by side, and threads of one that wait for a core that another has do so in a loop.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import numpy as np
import pytest
from filelock import FileLock

from ferkeras.cli.console import Console
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.file import load_config
from ferkeras.data.faces import Faces
from ferkeras.data.load import load_splits
from ferkeras.data.presets.fer2013 import FER2013, SIZE
from ferkeras.training.traced import traced_steps_forgotten


def pytest_xdist_auto_num_workers(config):
    """A process for each core; each of them takes up to 2.5 GiB, hence four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, cores or 1)


def pytest_configure(config):
    """Import TensorFlow where tests run, not in the process that only hands them out."""
    if config.getoption("dist", "no") != "no":
        return
    import_tensorflow()
    import keras
    import tensorflow as tf

    # Processes test side by side: more threads of theirs than cores would wait for one another.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    set_graph_optimisation(False)
    # Every operation would be wrapped, so that a traceback leaves TensorFlow's frames out.
    keras.config.disable_traceback_filtering()
    tf.debugging.disable_traceback_filtering()

    # What is imported stays: it need not be gone through at each collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def set_graph_optimisation(wanted: bool) -> None:
    """Graphs that do a few steps are not worth being made faster; other processes' are."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not wanted})


# How long an example takes says how busy the machine is, nothing about what is tested.
hypothesis.settings.register_profile(
    "ferkeras", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ferkeras")


@pytest.fixture(scope="session", autouse=True)
def _secret_of_the_tests(tmp_path_factory):
    """The account's secret is made in a folder of the tests, not in the account's own."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module", autouse=True)
def _traced_steps_are_forgotten():
    """5 GiB of them would be kept in the end."""
    with traced_steps_forgotten():
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left_unmeasured(monkeypatch):
    """A probe that fails is told and passed over; in tests it fails."""

    def fails(program, what, error):
        raise error

    monkeypatch.setattr("ferkeras.diagnose.program.program.Program.cannot_measure", fails)


@pytest.fixture
def optimized():
    """Graphs are made faster, as in other processes; results are theirs to the last bit."""
    set_graph_optimisation(True)
    yield
    set_graph_optimisation(False)


@pytest.fixture
def eager():
    """`untraced`, all through a test; that it holds for traced steps is tested elsewhere."""
    from untraced import untraced

    with untraced():
        yield


@pytest.fixture
def brief(monkeypatch):
    """Trainings leave figures and networks: pictures, exports and pages take as long again."""
    from functools import partial

    from ferkeras.fit import run

    monkeypatch.setattr(run, "train", partial(run.train, brief=True))


@pytest.fixture
def short_range_tests(monkeypatch):
    """What a range test suggests is one line of a diagnosis's evidence, tested by itself."""
    from functools import partial

    from ferkeras.diagnose import measurements

    short = partial(measurements.lr_range_test, steps=10)
    monkeypatch.setattr(measurements, "lr_range_test", short)


@pytest.fixture(scope="session")
def _told_apart():
    """Answers by the pixels that were asked about."""
    return {}


@pytest.fixture
def told_apart_once(monkeypatch, _told_apart):
    """Forests that look for a difference of two splits are the same for the same pixels."""
    from ferkeras.data.digests import digests_of_images
    from ferkeras.diagnose import measurements

    measure = measurements.told_apart

    def once(*splits):
        key = tuple(tuple(digests_of_images(faces.images)) for faces in splits)
        if key not in _told_apart:
            _told_apart[key] = measure(*splits)
        return _told_apart[key]

    monkeypatch.setattr(measurements, "told_apart", once)


@pytest.fixture
def heard():
    """Signals are heard, also in a shell's background, without Ctrl-C, and under nohup."""
    usual = {signal.SIGINT: signal.default_int_handler}
    if hasattr(signal, "SIGHUP"):
        usual[signal.SIGHUP] = signal.SIG_DFL
    before = {each: signal.signal(each, handler) for each, handler in usual.items()}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture
def tiny_backbones(monkeypatch):
    """Networks of a few layers in place of those of Keras Applications, which are not small.

    "imagenet" are weights of 0.02; they are had without a network connection.
    """
    import keras
    from keras import layers

    def maker(filters):
        def make(weights, include_top, include_preprocessing, input_tensor=None, input_shape=None):
            assert not include_top
            assert not include_preprocessing
            x = keras.Input(input_shape) if input_tensor is None else input_tensor
            source = x if input_tensor is None else keras.utils.get_source_inputs(input_tensor)[0]
            x = layers.Conv2D(filters, 3, strides=4, use_bias=False, name="conv")(x)
            x = layers.BatchNormalization(momentum=0.999, epsilon=1e-3, name="conv_bn")(x)
            # As Keras writes hard swish in MobileNetV3.
            x = layers.Multiply()([x, layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
            x = layers.Dropout(0.1, noise_shape=(None, 1, 1, 1), name="drop")(x)
            x = layers.DepthwiseConv2D(3, strides=4, use_bias=False, name="deep")(x)
            x = layers.BatchNormalization(momentum=0.999, name="deep_bn")(x)
            model = keras.Model(source, layers.Activation("hard_swish")(x))
            if weights == "imagenet":
                for name in ("conv", "deep"):
                    (kernel,) = model.get_layer(name).get_weights()
                    model.get_layer(name).set_weights([np.full_like(kernel, 0.02)])
            return model

        return make

    for filters, name in enumerate(("MobileNetV3Small", "MobileNetV3Large", "EfficientNetV2B0"), 4):
        monkeypatch.setattr(keras.applications, name, maker(filters))


@pytest.fixture
def make_faces():
    """Noise faces with the labels given: `make_faces([0, 3, 3])`."""

    def make(labels, seed=0) -> Faces:
        labels = np.asarray(labels, np.int32)
        rng = np.random.default_rng(seed)
        return Faces(
            rng.integers(0, 256, (len(labels), SIZE, SIZE, 1), dtype=np.uint8),
            labels,
            FER2013.classes,
        )

    return make


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """Folder of a finished run on 200 synthetic faces: tiny, 3 epochs, ramps. Change nothing
    in it; copy it to damage it."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # Of all processes that test, the first that needs it trains it.
        shared = shared.parent
    folder = shared / "finished_run"
    with FileLock(shared / "finished_run.lock"):
        if not (folder / "tiny-001").exists():
            _train_tiny(folder)
    return folder / "tiny-001"


def _train_tiny(folder):
    from untraced import untraced

    from ferkeras.fit.run import train

    settings = (
        "name=tiny",
        f"output.folder={folder}",
        "data.demo_faces=200",
        "network.filters=[4,8]",
        "network.dense_units=[8]",
        "train.epochs=3",
        "train.batch_size=32",
        "schedule.gate_accuracy=0",
        "schedule.dropout_from_epoch=2",
        "schedule.smoothing_from_epoch=3",
        "monitor.layer_norms_every=1",
        "monitor.collapse_fraction=0.3",
        "monitor.tensorboard=false",
        "monitor.diagnose=false",
    )
    config = load_config(None, settings)
    console = Console(io.StringIO())
    with untraced():
        train(config, load_splits(config, console), console)
