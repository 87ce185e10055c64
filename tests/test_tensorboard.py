"""What TensorBoard gets: read back from the event files, as TensorBoard would."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.quiet import import_tensorflow

import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.plugins.custom_scalar import layout_pb2  # noqa: E402
from tensorboard.plugins.hparams import api_pb2  # noqa: E402
from tensorboard.plugins.hparams import metadata as hparams_metadata  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402

from ferkeras.config import Config  # noqa: E402
from ferkeras.config_file import dump_config  # noqa: E402
from ferkeras.labels import EMOTIONS  # noqa: E402
from ferkeras.report import summaries  # noqa: E402
from ferkeras.report.tensorboard import TensorBoardWriter  # noqa: E402

FACES = np.random.default_rng(0).integers(0, 256, (14, 48, 48, 1), dtype=np.uint8)
LABELS = np.arange(14, dtype="int32") % 7
VALIDATION = [0.2, 0.5, 0.4, 0.3]
"""Validation accuracy by epoch; the second is the best."""


class SyntheticLogs(keras.callbacks.Callback):
    """Publish what the callbacks of a run publish."""

    def on_epoch_end(self, epoch, logs=None):
        logs.update(
            val_accuracy=VALIDATION[epoch],
            val_balanced_accuracy=VALIDATION[epoch] / 2,
            learning_rate=1e-3,
            gradient_norm=2.0 + epoch,
            gradient_norm_max=3.0 + epoch,
            gradient_norm_min=1.0 + epoch,
            gradient_clipped=0.25,
            gradient_skipped=0.0,
            conv_dropout=0.1 + epoch / 100,
            inference_accuracy=0.6 if epoch == 1 else math.nan,
        )
        for name in EMOTIONS:
            logs[f"recall/{name}"] = 0.5
            logs[f"predicted/{name}"] = 1 / 7
        logs["gradient_norm/dense"] = 0.5


def small_network() -> keras.Model:
    inputs = keras.Input((48, 48, 1), dtype="uint8", name="faces")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.AveragePooling2D(8)(x)
    x = keras.layers.BatchNormalization(name="bn")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(7, name="dense")(x))
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model


def tensorboard(folder, config=None) -> TensorBoardWriter:
    return TensorBoardWriter(
        folder, config or CONFIG, EMOTIONS, lambda: np.diag([2] * 7), FACES[:7], LABELS[:7]
    )


def train(folder, config, model=None, epochs=4, before=()):
    fit(model or small_network(), [*before, tensorboard(folder, config)], epochs=epochs)


def fit(model, callbacks, initial_epoch=0, epochs=4):
    feed = tf.data.Dataset.from_tensor_slices((FACES, LABELS)).batch(7)
    model.fit(
        feed,
        validation_data=feed,
        initial_epoch=initial_epoch,
        epochs=epochs,
        verbose=0,
        shuffle=False,
        callbacks=[SyntheticLogs(), *callbacks],
    )


def events(folder) -> EventAccumulator:
    read = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    read.Reload()
    return read


def numbers(read: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in read.Tensors(tag)}


def steps(read: EventAccumulator, tag: str) -> list[int]:
    return [event.step for event in read.Tensors(tag)]


CONFIG = Config.model_validate(
    {
        "name": "tiny",
        "monitor": {"images_every": 3},
        "network": {"filters": [4, 8]},
        "train": {"global_clip_norm": None, "learning_rate": 0.02},
    }
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("saved_models") / "tiny-001" / "tensorboard"
    train(folder, CONFIG)
    return {name: events(folder / name) for name in ("train", "validation")}


def tags(read: EventAccumulator) -> set[str]:
    return set(read.Tags()["tensors"])


def test_one_chart_shows_training_and_validation(run):
    for tag in ("epoch/accuracy", "epoch/loss"):
        assert steps(run["train"], tag) == [1, 2, 3, 4]
        assert steps(run["validation"], tag) == [1, 2, 3, 4]
    assert numbers(run["validation"], "epoch/accuracy") == pytest.approx(
        dict(enumerate(VALIDATION, start=1))
    )


def test_each_number_of_an_epoch_has_its_place(run):
    assert numbers(run["train"], "gradients/global_norm") == {1: 2, 2: 3, 3: 4, 4: 5}
    assert numbers(run["train"], "gradients/global_norm_max")[4] == 6
    assert numbers(run["train"], "gradient_layers/dense")[1] == 0.5
    assert numbers(run["train"], "optimizer/learning_rate")[1] == pytest.approx(1e-3)
    assert numbers(run["train"], "regularisation/conv_dropout")[4] == pytest.approx(0.13)
    for name in EMOTIONS:
        assert numbers(run["validation"], f"recall/{name}")[2] == 0.5
        assert f"predicted/{name}" in tags(run["validation"])


def test_accuracies_in_inference_stand_side_by_side_in_epochs_that_measured_them(run):
    assert numbers(run["train"], "overfitting/accuracy") == pytest.approx({2: 0.6})
    assert numbers(run["validation"], "overfitting/accuracy") == pytest.approx({2: 0.5})


@pytest.mark.parametrize("tag", ["validation/confusion_matrix", "validation/sample_predictions"])
def test_pictures_come_first_last_and_every_so_many_epochs(run, tag):
    assert steps(run["validation"], tag) == [1, 3, 4]
    width, height, png = tf.make_ndarray(run["validation"].Tensors(tag)[0].tensor_proto)
    picture = tf.io.decode_png(png)
    assert picture.shape == (int(height), int(width), 3)
    assert picture.numpy().std() > 5


def test_pictures_come_with_the_last_epoch_of_a_training_that_is_stopped(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    train(tmp_path, CONFIG, before=[Stop()])
    read = events(tmp_path / "validation")
    assert steps(read, "validation/confusion_matrix") == [1, 2]
    assert "result/val_accuracy" in tags(read)


def test_weights_and_running_averages_are_histograms_of_all_values(run):
    read = run["train"]
    wanted = {f"weights/{path}" for path in ("dense/kernel", "bn/moving_mean", "bn/gamma")}
    assert wanted <= tags(read)
    assert steps(read, "weights/dense/kernel") == [1, 3, 4]
    buckets = tf.make_ndarray(read.Tensors("weights/dense/kernel")[0].tensor_proto)
    assert buckets[:, 2].sum() == 36 * 7


def test_the_graph_is_that_of_the_network_in_inference(run):
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(run["train"].Graph().SerializeToString())
    operations = {node.op for node in graph.node}
    assert {"MatMul", "Softmax", "AvgPool"} <= operations
    assert not any(operation.startswith(("Assign", "Random")) for operation in operations)


def test_the_configuration_can_be_read_as_text(run):
    event = run["validation"].Tensors("configuration")[0]
    written = tf.make_ndarray(event.tensor_proto).item().decode()
    assert written == f"```yaml\n{dump_config(CONFIG)}\n```"


def plugin_data(read: EventAccumulator, tag: str) -> bytes:
    return read.SummaryMetadata(tag).plugin_data.content


def test_hyperparameters_are_the_configuration_and_the_trial_is_the_run_folder(run):
    content = plugin_data(run["validation"], hparams_metadata.SESSION_START_INFO_TAG)
    start = hparams_metadata.parse_session_start_info_plugin_data(content)
    assert start.group_name == "tiny-001"
    assert start.hparams["train.learning_rate"].number_value == 0.02
    assert start.hparams["network.filters"].string_value == "4 8"
    assert start.hparams["augment.flip"].bool_value is True
    assert "train.global_clip_norm" not in start.hparams
    assert "name" not in start.hparams


def test_every_key_is_a_column_whose_values_of_other_runs_are_not_filtered_out(run):
    content = plugin_data(run["validation"], hparams_metadata.EXPERIMENT_TAG)
    experiment = hparams_metadata.parse_experiment_plugin_data(content)
    columns = {info.name: info for info in experiment.hparam_infos}
    # Null in this run, and a number in others all the same.
    assert columns["train.global_clip_norm"].type == api_pb2.DATA_TYPE_FLOAT64
    assert columns["train.sampler"].type == api_pb2.DATA_TYPE_STRING
    assert columns["train.learning_rate"].description == "at the start"
    for info in columns.values():
        assert not info.HasField("domain_interval")
        assert len(info.domain_discrete) == (2 if info.type == api_pb2.DATA_TYPE_BOOL else 0)


def test_the_result_is_that_of_the_best_epoch_and_the_session_ends_well(run):
    read = run["validation"]
    assert numbers(read, "result/val_accuracy") == {4: 0.5}
    assert numbers(read, "result/val_balanced_accuracy") == {4: 0.25}
    content = plugin_data(read, hparams_metadata.SESSION_END_INFO_TAG)
    end = hparams_metadata.parse_session_end_info_plugin_data(content)
    assert end.status == api_pb2.STATUS_SUCCESS


def test_the_arranged_page_names_only_tags_that_a_run_writes(run):
    event = run["validation"].Tensors("custom_scalars__config__")[0]
    layout = layout_pb2.Layout.FromString(tf.make_ndarray(event.tensor_proto).item())
    charts = [chart for category in layout.category for chart in category.chart]
    written = tags(run["train"]) | tags(run["validation"])
    margins = [series for chart in charts for series in chart.margin.series]
    assert {series.lower for series in margins} == {"gradients/global_norm_min"}
    for series in margins:
        assert {series.value, series.lower, series.upper} <= written
    known = written | {
        f"{kind}/{name}" for kind in ("precision", "recall", "predicted") for name in EMOTIONS
    }
    known |= {"epoch/cross_entropy", "epoch/balanced_accuracy"}
    for chart in charts:
        for pattern in chart.multiline.tag:
            assert any(tf.strings.regex_full_match(tag, pattern) for tag in sorted(known)), pattern


def test_a_run_that_goes_on_has_neither_gap_nor_overlap(tmp_path):
    model, states = small_network(), []

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            states.append(json.loads(json.dumps(writer.get_state())))

    writer = tensorboard(tmp_path)
    fit(model, [writer, Remember()], epochs=3)
    after_two = states[1]
    writer = tensorboard(tmp_path)
    writer.set_state(after_two)
    fit(model, [writer], initial_epoch=2, epochs=4)
    read = events(tmp_path / "validation")
    assert steps(read, "epoch/accuracy") == [1, 2, 3, 4]
    assert steps(events(tmp_path / "train"), "epoch/accuracy") == [1, 2, 3, 4]
    assert steps(read, "validation/confusion_matrix") == [1, 3, 4]
    assert numbers(read, "result/val_accuracy") == {4: VALIDATION[1]}
    assert steps(read, "configuration") == [0]


def test_it_adds_no_trace_of_the_training_step(tmp_path):
    traces = []

    class Counted(keras.Model):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    network = small_network()
    model = Counted(network.inputs, network.outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    feed = tf.data.Dataset.from_tensor_slices((FACES, LABELS)).batch(7)
    model.fit(feed, verbose=0, shuffle=False)
    bare = len(traces)
    train(tmp_path, CONFIG, model, epochs=2)
    assert len(traces) == bare


number = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(
    st.dictionaries(
        st.sampled_from(["loss", "val_loss", "learning_rate", "recall/sad", "gradient_norm/dense"])
        | st.from_regex(r"(val_)?[a-z]{1,8}", fullmatch=True),
        number,
    )
)
def test_no_number_gets_lost_or_is_filed_twice(logs):
    train_values, validation_values = summaries.split_by_writer(logs)
    filed = len(train_values) + len(validation_values)
    unmeasured = sum(
        math.isnan(value)
        for key, value in logs.items()
        if key in ("learning_rate", "recall/sad", "gradient_norm/dense")
    )
    assert filed + unmeasured == len(logs)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200),
    st.lists(st.sampled_from([math.nan, math.inf, -math.inf]), max_size=3),
)
def test_a_histogram_counts_each_finite_value_once_between_its_extremes(values, broken):
    array = np.array(values + broken, dtype="float32").reshape(1, -1)
    message = summaries.histogram("weights/x", array)
    buckets = tensor_util.make_ndarray(message.value[0].tensor)
    assert buckets[:, 2].sum() == len(values)
    assert buckets[0, 0] <= min(values)
    assert buckets[-1, 1] >= max(values)


def test_weights_that_are_all_broken_make_an_empty_histogram():
    message = summaries.histogram("weights/x", np.full(4, np.nan, dtype="float32"))
    assert tensor_util.make_ndarray(message.value[0].tensor)[:, 2].sum() == 0
