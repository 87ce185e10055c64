"""The training step: what it measures, guards, clips and applies."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks import (
    ConfusionMatrix,
    GradientNormMonitor,
    GradientNorms,
    MonitoredModel,
    VariableDropout,
)
from ferkeras.network.loss import SmoothedCrossentropy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 32)


class Traced(MonitoredModel):
    """Counts how often its training step is traced."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.traces = 0

    def train_step(self, data):
        self.traces += 1
        return super().train_step(data)


def build(cls=Traced, clip=5.0, rate=0.0, optimizer=keras.optimizers.Adam, **compiling):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, use_bias=False, name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(momentum=0.9)(hidden)
    hidden = VariableDropout(rate, name="drop")(keras.layers.ReLU()(hidden))
    model = cls(inputs, keras.layers.Dense(3, name="logits", dtype="float32")(hidden))
    model.compile(
        optimizer(1e-2, global_clipnorm=clip),
        loss=SmoothedCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy"), ConfusionMatrix(3)],
        **compiling,
    )
    return model


def train(model, x=X, y=Y, epochs=1, **fitting):
    return model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **fitting).history


def everything(model):
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def test_trains_exactly_as_keras_does_when_nothing_is_wrong():
    weights = {0: 0.7, 1: 1.3, 2: 1.0}
    ours, plain = build(), build(keras.Model)
    got = train(ours, epochs=2, class_weight=weights, validation_data=(X, Y))
    expected = train(plain, epochs=2, class_weight=weights, validation_data=(X, Y))
    for a, b in zip(everything(ours), everything(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    for key in expected:
        assert got[key] == pytest.approx(expected[key], rel=1e-5)
    assert set(got) - set(expected) == set(GradientNorms.keys)


def test_what_keras_itself_trains_is_trained():
    """A `compute_loss` of before its argument `training`, and an optional input that is None."""

    class Older(MonitoredModel):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return super().compute_loss(x, y, y_pred, sample_weight)

    class Optional(keras.layers.Layer):
        def call(self, inputs):
            return inputs["b"]

    inputs = {
        "a": keras.Input((6,), name="a", optional=True),
        "b": keras.Input((6,), name="b"),
    }
    model = Older(inputs, keras.layers.Dense(3)(Optional()(inputs)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert math.isfinite(train(model, {"a": None, "b": X})["loss"][0])


def test_norms_are_those_of_the_gradient_before_clipping():
    model, reference = build(clip=0.01), build(keras.Model, clip=None)
    with tf.GradientTape() as tape:
        loss = reference.loss(Y[:8], reference(X[:8], training=True))
    gradients = tape.gradient(loss, reference.trainable_weights)
    history = train(model, X[:8], Y[:8])
    assert history["gradient_norm"][0] == pytest.approx(
        float(tf.linalg.global_norm(gradients)), rel=1e-5
    )
    means = model.gradient_norms.mean_norms()
    assert means == pytest.approx(
        {
            v.path: float(tf.norm(g))
            for v, g in zip(model.trainable_weights, gradients, strict=True)
        },
        rel=1e-4,
        abs=1e-7,
    )


@pytest.mark.parametrize(("clip", "fraction"), [(None, 0.0), (1e9, 0.0), (1e-9, 1.0)])
def test_fraction_of_clipped_steps(clip, fraction):
    model = build(clip=clip)
    assert model.global_clip_norm == clip
    assert train(model)["gradient_clipped"] == [fraction]


def test_clipping_bounds_the_step():
    model = build(clip=1e-3, optimizer=keras.optimizers.SGD)
    before = [v.numpy() for v in model.trainable_weights]
    train(model, X[:8], Y[:8])
    moved = [v.numpy() - b for v, b in zip(model.trainable_weights, before, strict=True)]
    length = math.sqrt(sum((m**2).sum() for m in moved))
    assert length == pytest.approx(1e-2 * 1e-3, rel=1e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_step_changes_nothing(bad):
    model = build()
    train(model)
    before = everything(model)
    history = train(model, np.full_like(X[:8], bad), Y[:8])
    for a, b in zip(everything(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert history["gradient_skipped"] == [1]
    # 0 would look like a perfect loss.
    assert math.isnan(history["loss"][0])
    assert math.isnan(history["accuracy"][0])


def test_a_broken_step_leaves_no_trace_in_the_epoch():
    broken = X.copy()
    broken[8:16] = np.nan
    clean = np.r_[0:8, 16:32]
    ours, reference = build(), build()
    got = train(ours, broken, validation_data=(X, Y))
    expected = train(reference, X[clean], Y[clean], validation_data=(X, Y))
    assert got.pop("gradient_skipped") == [1]
    assert expected.pop("gradient_skipped") == [0]
    assert set(got) == set(expected)
    for key in expected:
        assert got[key] == pytest.approx(expected[key])
    for a, b in zip(everything(ours), everything(reference), strict=True):
        np.testing.assert_array_equal(a, b)


def test_metrics_of_layers_and_losses_of_ones_own_are_put_back_too():
    class Watched(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.mean = keras.metrics.Mean(name="mean")

        def call(self, inputs):
            self.mean.update_state(inputs)
            return inputs

    def own():
        tracker = keras.metrics.Mean(name="own")

        class Own(MonitoredModel):
            def compute_loss(self, *args, **kwargs):
                loss = super().compute_loss(*args, **kwargs)
                tracker.update_state(loss)
                return loss

            @property
            def metrics(self):
                return [*super().metrics, tracker]

        keras.utils.set_random_seed(0)
        inputs = keras.Input((6,))
        model = Own(inputs, keras.layers.Dense(3)(Watched()(inputs)))
        model.compile("sgd", SmoothedCrossentropy(), run_eagerly=True)
        return model

    broken = X.copy()
    broken[:8] = np.nan
    got, expected = train(own(), broken), train(own(), X[8:], Y[8:])
    assert got["gradient_skipped"] == [1]
    for key in ("mean", "own", "loss"):
        assert got[key] == pytest.approx(expected[key])


def test_a_loss_that_is_not_finite_is_enough_to_skip():
    class LossOverflows(MonitoredModel):
        def compute_loss(self, *args, **kwargs):
            # The constant has no gradient, so that all gradients are finite.
            return super().compute_loss(*args, **kwargs) + tf.constant(np.inf)

    model = build(LossOverflows)
    before = [v.numpy() for v in model.weights]
    assert train(model)["gradient_skipped"] == [4]
    for a, b in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_mixed_precision_measures_unscaled_norms_and_guards(policy):
    exact = train(build(MonitoredModel), X[:8], Y[:8])["gradient_norm"][0]
    model = build()
    assert model.global_clip_norm == 5.0
    broken = X.copy()
    broken[8:16] = np.nan
    history = train(model, broken, epochs=2)
    assert history["gradient_skipped"] == [1, 1]
    assert 0.3 < history["gradient_norm"][0] / exact < 3
    assert int(model.optimizer.iterations) == 6
    assert all(np.isfinite(value).all() for value in everything(model))
    assert model.traces == 1
    if policy == "mixed_float16":
        assert float(model.optimizer.dynamic_scale) == model.optimizer.initial_scale / 4


def test_validation_publishes_no_gradients_and_keeps_those_of_the_epoch():
    history = train(build(), validation_data=(X, Y))
    assert not [key for key in history if key.startswith("val_gradient")]
    assert history["gradient_norm"][0] > 0
    assert not set(GradientNorms.keys) & set(build().evaluate(X, Y, verbose=0, return_dict=True))


def test_one_trace_while_dropout_and_smoothing_change():
    model = build(rate=0.1)
    for rate in (0.2, 0.3):
        train(model)
        model.get_layer("drop").rate.assign(rate)
        model.loss.smoothing.assign(rate)
    train(model)
    assert model.traces == 1


def test_metric_names_and_eager_steps_work_too():
    model = build(run_eagerly=True)
    assert train(model, np.where(np.arange(32)[:, None] < 8, np.nan, X))["gradient_skipped"] == [1]
    model = build()
    model.compile("adam", loss=SmoothedCrossentropy(), metrics=["accuracy"])
    history = train(model, np.where(np.arange(32)[:, None] < 8, np.nan, X))
    assert history["gradient_skipped"] == [1]
    assert math.isfinite(history["loss"][0])
    assert model.traces <= 2


def test_frozen_layers_have_no_norm():
    model = build()
    model.get_layer("hidden").trainable = False
    model.compile("adam", loss=SmoothedCrossentropy())
    train(model)
    assert set(model.gradient_norms.mean_norms()) == {v.path for v in model.trainable_weights}


def test_save_load_and_clone_keep_class_clip_and_behaviour(tmp_path):
    model = build(MonitoredModel, clip=0.25)
    train(model)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    clone = keras.models.clone_model(model)
    for copy in (loaded, clone):
        assert type(copy) is MonitoredModel
        assert copy.global_clip_norm == 0.25
        assert set(GradientNorms.keys) < set(train(copy))
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), loaded.predict(X, verbose=0), rtol=1e-5)


def test_layers_of_one_name_in_two_submodels_are_measured_each():
    def submodel(name):
        inputs = keras.Input((6,))
        return keras.Model(inputs, keras.layers.Dense(3, name="head")(inputs), name=name)

    inputs = keras.Input((6,))
    first, second = submodel("first"), submodel("second")
    plain = keras.Model(inputs, first(inputs) + 2 * second(inputs))
    model = MonitoredModel(plain.inputs, plain.outputs)
    model.compile(keras.optimizers.SGD(0.0), loss=SmoothedCrossentropy(), run_eagerly=True)
    with tf.GradientTape() as tape:
        loss = model.loss(Y[:8], plain(X[:8]))
    gradients = tape.gradient(loss, plain.trainable_weights)
    monitor = GradientNormMonitor(log=lambda line: None)
    history = train(model, X[:8], Y[:8], callbacks=[monitor])
    assert history["gradient_norm"][0] == pytest.approx(
        float(tf.linalg.global_norm(gradients)), rel=1e-5
    )
    smaller, larger = sorted(history[f"gradient_norm/{layer}"][0] for layer in ("head", "head_2"))
    assert larger == pytest.approx(2 * smaller, rel=1e-5)

    # Only the gradient of the first is broken.
    plain = keras.Model(inputs, keras.ops.sqrt(keras.ops.abs(first(inputs)) * 0) + second(inputs))
    model = MonitoredModel(plain.inputs, plain.outputs)
    model.compile(keras.optimizers.SGD(0.1), loss=SmoothedCrossentropy(), run_eagerly=True)
    assert train(model, X[:8], Y[:8])["gradient_skipped"] == [1]
    assert all(np.isfinite(value).all() for value in everything(model))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_repeated_rows_of_an_embedding_are_added_before_they_are_measured(jit_compile):
    tokens = np.array([[1, 1, 2, 1], [3, 2, 2, 2]])
    moved = {}
    for dense in (False, True):
        keras.utils.set_random_seed(0)
        if dense:
            inputs = keras.Input((4, 5))
            hidden = keras.layers.Dense(3, use_bias=False, kernel_initializer="uniform")(inputs)
            x = np.eye(5, dtype=np.float32)[tokens]
        else:
            inputs = keras.Input((4,), dtype="int32")
            hidden, x = keras.layers.Embedding(5, 3)(inputs), tokens
        outputs = keras.layers.GlobalAveragePooling1D()(hidden)
        model = MonitoredModel(inputs, outputs)
        table = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        model.set_weights([table, *model.get_weights()[1:]])
        model.compile(
            keras.optimizers.SGD(1.0, global_clipnorm=0.01), loss="mse", jit_compile=jit_compile
        )
        history = train(model, x, np.ones((2, 3), np.float32))
        moved[dense] = (history["gradient_norm"][0], model.get_weights()[0] - table)
    assert moved[False][0] == pytest.approx(moved[True][0], rel=1e-5)
    np.testing.assert_allclose(moved[False][1], moved[True][1], rtol=1e-3, atol=1e-7)
    assert np.linalg.norm(moved[False][1]) == pytest.approx(0.01, rel=1e-3)


def test_a_broken_step_leaves_no_trace_in_the_losses_of_several_outputs():
    def build_two():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6,))
        model = MonitoredModel(inputs, [keras.layers.Dense(3, name=n)(inputs) for n in "pq"])
        model.compile("sgd", [SmoothedCrossentropy(), SmoothedCrossentropy()], run_eagerly=True)
        return model

    broken = X.copy()
    broken[:8] = np.nan
    got = train(build_two(), broken, [Y, Y])
    expected = train(build_two(), X[8:], [Y[8:], Y[8:]])
    for key in ("loss", "p_loss", "q_loss"):
        assert got[key] == pytest.approx(expected[key])


@pytest.mark.parametrize(
    ("clipping", "fraction"),
    [
        ({"clipnorm": 1e-9}, 1.0),
        ({"clipnorm": 1e9}, 0.0),
        ({"clipvalue": 1e-9}, math.nan),
        ({}, 0.0),
        ({"global_clipnorm": 1e-9, "gradient_accumulation_steps": 2}, math.nan),
    ],
)
def test_how_many_steps_are_clipped_is_told_or_not_known(clipping, fraction):
    inputs = keras.Input((6,))
    model = MonitoredModel(inputs, keras.layers.Dense(3)(inputs))
    optimizer = keras.optimizers.SGD(0.1, **clipping)
    model.compile(optimizer, loss=SmoothedCrossentropy(), run_eagerly=True)
    history = train(model)
    np.testing.assert_equal(history["gradient_clipped"], [fraction])
    assert math.isfinite(history["gradient_norm"][0])


def test_several_devices_are_refused_where_the_training_begins():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = build(MonitoredModel)
    with pytest.raises(RuntimeError, match=r"one device.*Received: MirroredStrategy"):
        train(model)
