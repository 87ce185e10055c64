"""What TensorBoard gets: read back from the event files, as TensorBoard would."""

from __future__ import annotations

import json
import math
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.special import softmax

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.data.presets.fer2013 import FER2013

import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorboard.backend.event_processing.data_provider import (  # noqa: E402
    MultiplexerDataProvider,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.backend.event_processing.plugin_event_multiplexer import (  # noqa: E402
    EventMultiplexer,
)
from tensorboard.plugins.base_plugin import TBContext  # noqa: E402
from tensorboard.plugins.custom_scalar import layout_pb2  # noqa: E402
from tensorboard.plugins.hparams import api_pb2  # noqa: E402
from tensorboard.plugins.hparams import metadata as hparams_metadata  # noqa: E402
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402
from werkzeug.test import Client  # noqa: E402

from ferkeras.config.file import dump_config, load_config, with_values  # noqa: E402
from ferkeras.config.schema import Config  # noqa: E402
from ferkeras.data.faces import Faces  # noqa: E402
from ferkeras.data.presets.fer2013 import EMOTIONS  # noqa: E402
from ferkeras.metrics.inference import predict  # noqa: E402
from ferkeras.report.columns import COLUMNS, tag_of  # noqa: E402
from ferkeras.tensorboard import summaries  # noqa: E402
from ferkeras.tensorboard.projector import sprites, write_projection  # noqa: E402
from ferkeras.tensorboard.writer import KEPT_MATRIX, TensorBoardWriter, write_predictions  # noqa: E402

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
            logs[f"val_recall/{name}"] = 0.5
            logs[f"val_predicted/{name}"] = 1 / 7
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


def tensorboard(folder, config=None, kept=(True, True, False, False)) -> TensorBoardWriter:
    """With the network of the second epoch kept, or of those that are said."""
    return TensorBoardWriter(
        folder,
        config or CONFIG,
        EMOTIONS,
        lambda: np.diag([2] * 7),
        FACES[:7],
        LABELS[:7],
        iter(kept).__next__,
    )


def train(folder, config, model=None, epochs=4, before=(), **kept):
    fit(model or small_network(), [*before, tensorboard(folder, config, **kept)], epochs=epochs)


def fit(model, callbacks, initial_epoch=0, epochs=4):
    pipeline = tf.data.Dataset.from_tensor_slices((FACES, LABELS)).batch(7)
    model.fit(
        pipeline,
        validation_data=pipeline,
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


@pytest.fixture(scope="module")
def assessed(tmp_path_factory):
    """A folder of runs, one with the predictions of its best network, and those predictions."""
    keras.utils.set_random_seed(0)
    models = tmp_path_factory.mktemp("saved_models")
    model, faces = small_network(), Faces(FACES, LABELS, FER2013.classes)
    train(models / "tiny-001" / "tensorboard", CONFIG, model)
    predicted = predict(model, faces)
    write_predictions(models / "tiny-001" / "tensorboard", 2, model, faces, predicted)
    return models, model, predicted


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


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            "data.classes={smile: [happy], other: [sad, fear]}",
            "{smile: [happy], other: [sad, fear]}",
        ),
        ("data.classes=[happy, sad]", "happy sad"),
        ("data.classes=ferplus", "ferplus"),
    ],
)
def test_classes_in_whatever_form_are_a_hyperparameter(given, text):
    summary = summaries.hyperparameters(load_config(None, ["data.path=faces", given]), "a-001")
    found = {value.tag: value.metadata.plugin_data.content for value in summary.value}
    content = found[hparams_metadata.SESSION_START_INFO_TAG]
    start = hparams_metadata.parse_session_start_info_plugin_data(content)
    assert start.hparams["data.classes"].string_value == text


def test_every_key_is_a_column_whose_values_of_other_runs_are_not_filtered_out(run):
    content = plugin_data(run["validation"], hparams_metadata.EXPERIMENT_TAG)
    experiment = hparams_metadata.parse_experiment_plugin_data(content)
    columns = {info.name: info for info in experiment.hparam_infos}
    # Null in this run, and a number in others all the same.
    assert columns["train.global_clip_norm"].type == api_pb2.DATA_TYPE_FLOAT64
    assert columns["train.ema_momentum"].type == api_pb2.DATA_TYPE_FLOAT64
    assert "name" not in columns
    assert columns["train.sampler"].type == api_pb2.DATA_TYPE_STRING
    assert columns["train.learning_rate"].description.startswith("at the start")
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


def test_where_the_last_network_is_kept_the_result_is_its(tmp_path):
    train(tmp_path, CONFIG, kept=[True] * 4)
    assert numbers(events(tmp_path / "validation"), "result/val_accuracy") == {
        4: pytest.approx(VALIDATION[-1])
    }


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
    known |= {tag_of(column.key)[1] for column in COLUMNS if not column.key.endswith("/")}
    for chart in charts:
        for pattern in chart.multiline.tag:
            assert any(tf.strings.regex_full_match(tag, pattern) for tag in sorted(known)), pattern


def test_the_arranged_page_has_classes_with_a_slash_too():
    (value,) = summaries.layout().value
    layout = layout_pb2.Layout.FromString(tensor_util.make_ndarray(value.tensor).item())
    charts = [chart for category in layout.category for chart in category.chart]
    for tag in ("recall/happy/smiling", "gradient_layers/stage1/conv"):
        assert any(re.search(p, tag) for chart in charts for p in chart.multiline.tag), tag
    patterns = [p for chart in charts for p in chart.multiline.tag]
    assert not any(re.search(p, "precision_recall/happy/pr_curves") for p in patterns)


def test_each_emotion_has_a_precision_recall_curve_of_the_best_epoch(assessed):
    models, _, predicted = assessed
    read = events(models / "tiny-001/tensorboard/validation")
    for label, name in enumerate(EMOTIONS):
        (event,) = read.Tensors(f"precision_recall/{name}/pr_curves")
        assert event.step == 2
        true, false = tf.make_ndarray(event.tensor_proto)[:2]
        assert (true[0], false[0]) == (2, 12)
        confident = predicted.probabilities[:, label] >= 0.25
        assert true[50] == (confident & (label == LABELS)).sum()
        assert false[50] == (confident & (label != LABELS)).sum()
    # What the training wrote before is still there.
    assert numbers(read, "result/val_accuracy") == {4: 0.5}


def test_the_matrix_of_the_best_epoch_is_there_under_a_name_of_its_own(assessed):
    models, _, _ = assessed
    read = events(models / "tiny-001/tensorboard/validation")
    (event,) = read.Tensors(KEPT_MATRIX)
    assert event.step == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 199)), min_size=1, max_size=60))
def test_a_precision_recall_curve_counts_at_every_threshold(predicted):
    truth = np.array([each for each, _ in predicted])
    probabilities = np.array([(probability + 0.5) / 200 for _, probability in predicted])
    message = summaries.precision_recall(
        np.where(truth, 0, 1), np.stack([probabilities, 1 - probabilities], axis=1), ("yes", "no")
    )
    curve = tensor_util.make_ndarray(message.value[0].tensor)
    for at in range(0, 201, 25):
        said = probabilities >= at / 200
        counts = [(said & truth).sum(), (said & ~truth).sum()]
        counts += [(~said & ~truth).sum(), (~said & truth).sum()]
        assert list(curve[:4, at]) == counts


@pytest.fixture
def projector(assessed):
    models, *_ = assessed
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(models)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(models))
    apps = ProjectorPlugin(
        TBContext(logdir=str(models), data_provider=provider, multiplexer=multiplexer)
    ).get_plugin_apps()

    def ask(page: str, **query) -> bytes:
        prediction = Client(apps[page]).get("/", query_string=query)
        assert prediction.status_code == 200, prediction.get_data(as_text=True)
        return prediction.get_data()

    return ask


def test_tensorboard_finds_points_from_which_the_last_layer_gives_the_predictions(
    assessed, projector
):
    _, model, predicted = assessed
    (run,) = json.loads(projector("/runs"))
    assert run == "tiny-001/tensorboard/validation"
    (embedding,) = json.loads(projector("/info", run=run))["embeddings"]
    where = {"run": run, "name": embedding["tensorName"]}
    points = np.frombuffer(projector("/tensor", **where), np.float32)
    points = points.reshape(embedding["tensorShape"])
    title, *rows = projector("/metadata", **where).decode().splitlines()
    assert title.split("\t") == ["class", "prediction", "probability", "verdict"]
    kernel, bias = model.layers[-1].get_weights()
    probabilities = softmax(points @ kernel + bias, axis=1)
    assert len(rows) == len(FACES)
    order = [
        int(np.abs(predicted.probabilities - probability).max(axis=1).argmin())
        for probability in probabilities
    ]
    assert sorted(order) == list(range(len(FACES)))
    np.testing.assert_allclose(probabilities, predicted.probabilities[order], atol=1e-3)
    for row, face in zip(rows, order, strict=True):
        prediction = predicted.probabilities[face].argmax()
        assert row.split("\t") == [
            EMOTIONS[LABELS[face]],
            EMOTIONS[prediction],
            f"{predicted.probabilities[face].max():.2f}",
            "right" if prediction == LABELS[face] else "wrong",
        ]


def test_tensorboard_finds_the_faces_in_the_order_of_the_points(assessed, projector, tmp_path):
    (run,) = json.loads(projector("/runs"))
    (embedding,) = json.loads(projector("/info", run=run))["embeddings"]
    where = {"run": run, "name": embedding["tensorName"]}
    (tmp_path / "sheet.png").write_bytes(projector("/sprite_image", **where))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert embedding["sprite"]["singleImageDim"] == [48, 48]
    _, *rows = projector("/metadata", **where).decode().splitlines()
    for at, row in enumerate(rows):
        y, x = 48 * (at // 4), 48 * (at % 4)
        face = (FACES[..., 0] == sheet[y : y + 48, x : x + 48]).all(axis=(1, 2)).argmax()
        assert row.split("\t")[0] == EMOTIONS[LABELS[face]]
        assert (FACES[face, ..., 0] == sheet[y : y + 48, x : x + 48]).all()


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 5))
def test_a_sheet_of_faces_is_as_many_rows_as_columns(count, height, width):
    faces = np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None]
    sheet = sprites(np.broadcast_to(faces, (count, height, width, 1)))
    side = sheet.shape[0] // height
    assert sheet.shape == (side * height, side * width)
    assert (side - 1) ** 2 < count <= side**2
    first_pixels = sheet[::height, ::width].ravel()
    assert list(first_pixels) == [*range(1, count + 1), *[0] * (side**2 - count)]


def test_wide_features_are_narrowed_and_keep_their_distances(tmp_path):
    features = np.random.default_rng(0).normal(size=(14, 2000)).astype("float32")
    write_projection(tmp_path, features, FACES, LABELS, np.eye(7)[LABELS], EMOTIONS)
    points = np.loadtxt(tmp_path / "faces_features.tsv", delimiter="\t")
    assert points.shape == (14, 14)
    np.testing.assert_allclose(pdist(points), pdist(features), rtol=1e-3)


@pytest.mark.parametrize("count", [1, 3])
def test_faces_in_one_place_are_points_in_one_place(tmp_path, count):
    features = np.full((count, 300), 1.5, np.float32)
    labels = LABELS[:count]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_projection(tmp_path, features, FACES[:count], labels, np.eye(7)[labels], EMOTIONS)
    points = np.loadtxt(tmp_path / "faces_features.tsv", delimiter="\t", ndmin=2)
    assert points.tolist() == [[0] * count] * count


def test_a_resumed_run_has_neither_gap_nor_overlap(tmp_path):
    model, states = small_network(), []

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            states.append(json.loads(json.dumps(writer.get_state())))

    writer = tensorboard(tmp_path)
    fit(model, [writer, Remember()], epochs=3)
    after_two = states[1]
    writer = tensorboard(tmp_path, kept=(False, False))
    writer.set_state(after_two)
    fit(model, [writer], initial_epoch=2, epochs=4)
    read = events(tmp_path / "validation")
    assert steps(read, "epoch/accuracy") == [1, 2, 3, 4]
    assert steps(events(tmp_path / "train"), "epoch/accuracy") == [1, 2, 3, 4]
    assert steps(read, "validation/confusion_matrix") == [1, 3, 4]
    assert numbers(read, "result/val_accuracy") == {4: VALIDATION[1]}
    assert steps(read, "configuration") == [0]


def test_a_run_that_goes_on_with_other_settings_shows_both(tmp_path):
    model, more = small_network(), with_values(CONFIG, {"train.epochs": 99})
    writer = tensorboard(tmp_path)
    fit(model, [writer], epochs=2)
    state = json.loads(json.dumps(writer.get_state()))
    for config in (CONFIG, more):
        writer = tensorboard(tmp_path, config, kept=(False,))
        writer.set_state(state)
        fit(model, [writer], initial_epoch=2, epochs=3)
        state = json.loads(json.dumps(writer.get_state()))
    texts = events(tmp_path / "validation").Tensors("configuration")
    assert [each.step for each in texts] == [0, 3]
    assert b"epochs: 99" in tf.make_ndarray(texts[-1].tensor_proto).item()


def test_it_adds_no_trace_of_the_training_step(tmp_path):
    traces = []

    class Counted(keras.Model):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    network = small_network()
    model = Counted(network.inputs, network.outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pipeline = tf.data.Dataset.from_tensor_slices((FACES, LABELS)).batch(7)
    model.fit(pipeline, verbose=0, shuffle=False)
    bare = len(traces)
    train(tmp_path, CONFIG, model, epochs=2)
    assert len(traces) == bare


number = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(
    st.dictionaries(
        st.sampled_from(
            ["loss", "val_loss", "learning_rate", "val_recall/sad", "gradient_norm/dense"]
        )
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
        if key in ("learning_rate", "val_recall/sad", "gradient_norm/dense")
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
