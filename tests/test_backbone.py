"""Backbones of Keras Applications: preprocessing, freezing, rates by depth, exports."""

import io

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.config.networks.backbone import Backbone
from ferkeras.data.faces import Splits
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import ImageSpec, Task
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.run_case import case_of
from ferkeras.export.card.model_card import model_card
from ferkeras.export.formats import export_network
from ferkeras.export.probe import Probe
from ferkeras.fit.run import train
from ferkeras.network.architectures.backbone import backbone_layers, load_file, load_imagenet
from ferkeras.network.grad_cam import grad_cam
from ferkeras.network.model import build_network, dropout_layers
from ferkeras.network.weights_file import find_weights
from ferkeras.runs.embedded import About
from ferkeras.runs.finished import open_run
from ferkeras.tensorboard.projector import penultimate_features
from ferkeras.training.rates import rates_by_depth, with_rates
from ferkeras.training.setup import build_setup, make_reproducible
from ferkeras.training.unfreezing import freeze_backbone

pytestmark = pytest.mark.usefixtures("tiny_backbones")

SETTINGS = (
    "network.kind=backbone",
    "network.conv_dropout=0.1",
    "data.demo_faces=200",
    "train.epochs=3",
    "train.batch_size=64",
    "train.optimizer=adamw",
    "train.weight_decay=0.05",
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=1",
    "schedule.dropout_over_epochs=1",
    "schedule.smoothing_from_epoch=null",
    "schedule.plateau_from_epoch=null",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
    "monitor.layer_norms_every=1",
)


@pytest.fixture
def splits(make_faces):
    faces = make_faces([label for label in range(7) for _ in range(20)])
    return Splits(
        faces.take(np.arange(0, 140, 2)),
        faces.take(np.arange(1, 140, 2)),
        None,
        "",
        "f",
        official=True,
    )


def built(settings=None, side=48, channels=1):
    keras.utils.set_random_seed(0)
    task = Task(FER2013.classes, ImageSpec(side, side, channels))
    return build_network(settings or Backbone(weights="none"), task, mean=0.5, std=0.25)


def noise(count, side=48, channels=1):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def test_grey_is_repeated_and_pixels_are_what_the_backbone_was_trained_with():
    for name, (mean, std) in {
        "MobileNetV3Small": (0.5, 0.5),
        "EfficientNetV2B0": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    }.items():
        model = built(Backbone(backbone=name, weights="none"), side=96)
        seen = keras.Model(model.input, model.get_layer("standardise").output)
        images = noise(2, 96)
        expected = (np.repeat(images, 3, axis=3) / 255 - mean) / np.array(std)
        np.testing.assert_allclose(seen(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "resize", "inside"), [(16, None, 96), (48, None, 96), (112, None, 112), (48, 64, 64)]
)
def test_small_faces_are_enlarged(side, resize, inside):
    model = built(Backbone(weights="none", input_side=resize), side=side)
    assert model.get_layer("standardise").output.shape[1:] == (inside, inside, 3)


def test_a_call_is_one_of_inference():
    model, images = built(), noise(4)
    before = [np.array(v) for v in model.non_trainable_weights]
    model(images)
    for variable, old in zip(model.non_trainable_weights, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_exports_predict_as_the_network_does(tmp_path):
    model, images = built(), noise(24)
    last = model.get_layer("logits")
    last.set_weights([30 * each for each in last.get_weights()])
    exported = export_network(
        model,
        ("litert", "keras"),
        tmp_path,
        About(FER2013.classes.names, {}),
        probe=Probe(images),
        representative=images,
    )
    assert {each.parity.label_agreement for each in exported} == {1.0}
    plain = keras.saving.load_model(exported[-1].path, safe_mode=True)
    logits = np.asarray(model(images))
    np.testing.assert_array_equal(
        np.asarray(plain(images.astype(np.float32))).argmax(1), logits.argmax(1)
    )


def test_grad_cam_features_and_dropout_groups_work_on_it():
    model = built(Backbone(weights="none", dense_units=(5,)))
    assert grad_cam(model, noise(2), np.array([0, 3])).shape == (2, 48, 48)
    assert penultimate_features(model, noise(3)).shape == (3, 5)
    conv, dense = dropout_layers(model)
    assert ([each.name for each in conv], len(dense)) == (["average_dropout"], 1)


def test_imagenet_is_taken_over():
    model = built()
    taken = load_imagenet(model, Backbone())
    assert (model.get_layer("conv").get_weights()[0] == np.float32(0.02)).all()
    assert taken == sum(layer.count_params() for layer in backbone_layers(model) if layer.weights)


def test_imagenet_that_cannot_be_had_says_what_to_do(monkeypatch):
    def offline(weights, **_):
        raise Exception("URL fetch failure on https://example.org/x.h5: None")

    model = built()
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", offline)
    with pytest.raises(InputError, match=r"cannot be downloaded .*x\.h5.* set network\.weights=no"):
        load_imagenet(model, Backbone())


def test_what_begins_at_random_is_not_frozen():
    assert load_config(None, [*SETTINGS, "network.weights=none"]).network.frozen_epochs == 0
    with pytest.raises(InputError, match="begins at random"):
        load_config(None, [*SETTINGS, "network.weights=none", "network.unfreeze_after_epochs=1"])


@pytest.fixture
def learned():
    """A backbone as Keras makes it, with weights of its own."""
    trunk = keras.applications.MobileNetV3Small(
        weights=None, include_top=False, include_preprocessing=False, input_shape=(64, 64, 3)
    )
    trunk.set_weights([np.full_like(each, 0.03) for each in trunk.get_weights()])
    return trunk


@pytest.mark.parametrize("kind", ["trunk.weights.h5", "trunk.h5", "trunk.keras", "whole.keras"])
def test_weights_of_a_file_are_taken_over(learned, tmp_path, kind):
    path = tmp_path / kind
    if kind == "trunk.weights.h5":
        learned.save_weights(path)
    elif kind != "whole.keras":
        learned.save(path)
    else:
        faces = keras.Input((64, 64, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(learned(faces))
        keras.Model(faces, keras.layers.Dense(5)(pooled)).save(path)
    model = built(Backbone(weights=str(path)))
    head = model.get_layer("logits").get_weights()[0]
    settings = Backbone(weights=str(path))
    taken = load_file(model, settings, find_weights(settings))
    assert taken == sum(layer.count_params() for layer in learned.layers)
    for layer in learned.layers:
        for mine, theirs in zip(
            model.get_layer(layer.name).get_weights() if layer.weights else [],
            layer.get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], head)


def test_weights_that_do_not_fit_say_so(learned, tmp_path):
    learned.save(tmp_path / "small.keras")
    learned.save_weights(tmp_path / "small.weights.h5")
    (tmp_path / "torn.keras").write_bytes(b"PK")
    (tmp_path / "torn.h5").write_bytes((tmp_path / "small.weights.h5").read_bytes()[:900])
    large = built(Backbone(backbone="MobileNetV3Large", weights="none"))
    before = large.get_weights()
    for name, reason in (
        ("small.keras", "not of network.backbone=MobileNetV3Large: its layer conv has"),
        ("small.weights.h5", "not of network.backbone=MobileNetV3Large: its layer conv has"),
        ("torn.keras", "damaged, or other weights"),
        ("torn.h5", "damaged, or other weights"),
    ):
        settings = Backbone(backbone="MobileNetV3Large", weights=str(tmp_path / name))
        with pytest.raises(InputError) as caught:
            load_file(large, settings, find_weights(settings))
        assert str(caught.value).startswith(f"network.weights: {tmp_path / name}: {reason}")
        assert "expected those of keras.applications.MobileNetV3Large" in str(caught.value)
        for mine, old in zip(large.get_weights(), before, strict=True):
            np.testing.assert_array_equal(mine, old)


def test_a_file_of_weights_that_is_not_there_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match=r"imagnet: expected imagenet, none, or .*mean imagenet\?"):
        find_weights(Backbone(weights="imagnet"))
    with pytest.raises(InputError, match="no such file"):
        find_weights(Backbone(weights=str(tmp_path / "a.keras")))
    (tmp_path / "b.keras").mkdir()
    with pytest.raises(InputError, match="no regular file"):
        find_weights(Backbone(weights=str(tmp_path / "b.keras")))
    assert find_weights(Backbone()) is None
    with pytest.raises(InputError, match="leave one of them out"):
        load_config(None, [*SETTINGS, "network.weights=a.keras", "network.start_from=b"])


@given(st.integers(0, 5), st.integers(1, 5), st.integers(1, 12))
def test_ever_more_is_thawed_from_the_top(frozen, over, epochs):
    settings = Backbone(unfreeze_after_epochs=frozen, unfreeze_over_epochs=over)
    parts = [settings.thawed(epoch) for epoch in range(1, epochs + 1)]
    assert parts == sorted(parts)
    assert all((part == 0) == (epoch <= frozen) for epoch, part in enumerate(parts, 1))
    assert all((part == 1) == (epoch >= frozen + over) for epoch, part in enumerate(parts, 1))


def test_layers_are_thawed_from_the_last_to_the_first():
    model = built()
    having = [layer for layer in backbone_layers(model) if layer.weights]
    assert len(having) == 4
    assert freeze_backbone(model, 0.0)
    for part, free in ((0.25, 1), (0.3, 2), (0.5, 2), (1.0, 4)):
        assert freeze_backbone(model, part)
        assert not freeze_backbone(model, part)
        assert [layer.trainable for layer in having] == [False] * (4 - free) + [True] * free
        if part == 0.3:
            freeze_backbone(model, 0.0)


def test_a_run_trains_the_head_and_then_ever_more(tmp_path, splits, learned):
    learned.save(tmp_path / "learned.keras")
    config = load_config(
        None,
        [
            *SETTINGS,
            f"network.weights={tmp_path / 'learned.keras'}",
            "network.unfreeze_after_epochs=1",
            "network.unfreeze_over_epochs=2",
            f"output.folder={tmp_path}",
        ],
    )
    stream = io.StringIO()
    done = train(config, splits, Console(stream), brief=True)
    said = " ".join(stream.getvalue().split())
    assert "epoch 2: the last 50% of the backbone's layers are trained too" in said
    assert "epoch 3: all of the backbone is trained" in said
    run = open_run(done.run.folder)
    rows = [row.split(",") for row in done.run.history.read_text().splitlines()]
    column = {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}
    moved = {
        layer: [bool(norm) for norm in column[f"gradient_norm/{layer}"]]
        for layer in ("conv", "deep", "logits")
    }
    assert moved["conv"] == [False, False, True]
    assert moved["deep"] == [False, True, True]
    assert moved["logits"] == [True, True, True]
    assert list(map(float, column["conv_dropout"])) == pytest.approx([0.1, 0.1, 0.2])
    steps = Measurements(case_of(run, splits)).first_steps
    assert {path.split("/")[0] for path in steps.movement} == {"conv", "deep", "logits"}
    card = model_card(run, {})
    assert "the weights in learned.keras" in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize("average", ["null", "0.5"])
@pytest.mark.parametrize("rate", ["1", "0.3"])
def test_a_frozen_backbone_stays_as_it_is_and_decay_spares_it(splits, average, rate):
    config = load_config(
        None, [*SETTINGS, f"train.ema_momentum={average}", f"network.first_layer_rate={rate}"]
    )
    make_reproducible(config)
    setup = build_setup(config, splits)
    before = {v.path: np.array(v) for layer in backbone_layers(setup.model) for v in layer.weights}
    head = setup.model.get_layer("logits").get_weights()[0]
    setup.model.fit(setup.pipeline.dataset(1, 1), epochs=1, shuffle=False, verbose=0)
    for layer in backbone_layers(setup.model):
        for variable in layer.weights:
            if "seed" not in variable.path:
                # An average of equal values may differ in the last digit.
                few = 0 if average == "null" else 1e-6
                np.testing.assert_allclose(variable, before[variable.path], rtol=few, atol=few)
    assert (setup.model.get_layer("logits").get_weights()[0] != head).any()


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_rates_by_depth_scale_steps_and_decay(kind):
    model = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2) for _ in range(3))])
    factors = rates_by_depth(model, 0.25)
    assert factors == pytest.approx([0.25, 0.25, 0.5, 0.5, 1, 1])
    classes = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
    }
    arguments = {"learning_rate": 0.1} | ({"weight_decay": 0.1} if kind != "adam" else {})
    moved = []
    for each in (classes[kind], with_rates(classes[kind], factors)):
        variables = [keras.Variable(np.full(3, 2.0, np.float32)) for _ in factors]
        optimizer = each(**arguments)
        optimizer.build(variables)
        optimizer.apply([keras.ops.ones(3) for _ in variables], variables)
        moved.append(np.array([2.0 - float(v.numpy()[0]) for v in variables]))
    np.testing.assert_allclose(moved[1], moved[0] * factors, rtol=1e-4)
