"""The residual network, and the fused normalisation that it is made of.

That its exports predict as it does: `test_formats`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ferkeras.config.networks.residual import Residual
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.network.batchnorm import FusedBatchNormalization
from ferkeras.network.grad_cam import grad_cam
from ferkeras.network.model import build_network, dropout_layers
from ferkeras.tensorboard.projector import penultimate_features

NOISE = np.random.default_rng(0).integers(0, 256, (40, 48, 48, 1), dtype=np.uint8)


def build(**settings):
    keras.utils.set_random_seed(0)
    sizes = {"filters": (4, 6), "stem_filters": 4}
    return build_network(Residual(**(sizes | settings)), FER2013, mean=0.5, std=0.25)


def test_stages_halve_the_side_and_dropout_stands_after_each():
    model = build(filters=(4, 6, 8), residual_blocks=(1, 2, 1))
    outputs = [model.get_layer(f"block{stage}_dropout").output.shape for stage in (1, 2, 3)]
    assert outputs == [(None, 24, 24, 4), (None, 12, 12, 6), (None, 6, 6, 8)]
    names = {layer.name for layer in model.layers}
    assert {"block2_2_add", "block2_1_shortcut"} < names
    # A block that neither halves nor widens adds what it was given.
    assert not {"block1_1_shortcut", "block2_2_shortcut", "block3_2_add"} & names
    conv, dense = dropout_layers(model)
    assert (len(conv), len(dense)) == (3, 0)


def test_dense_layers_stand_on_the_average_and_have_their_dropout():
    model = build(dense_units=(5,), dense_dropout=0.25)
    assert model.get_layer("average").output.shape == (None, 6)
    assert [float(layer.rate.numpy()) for layer in dropout_layers(model)[1]] == [0.25]


def test_a_separable_network_has_a_fraction_of_the_weights():
    wide = {"filters": (16, 32)}
    assert build(separable=True, **wide).count_params() < 0.3 * build(**wide).count_params()


def test_grad_cam_and_features_work_on_it():
    model = build()
    heat = grad_cam(model, NOISE[:3], np.array([0, 3, 6]))
    assert heat.shape == (3, 48, 48)
    assert heat.max() == pytest.approx(1)
    assert penultimate_features(model, NOISE).shape == (40, 6)


@pytest.mark.parametrize("channels", [5, 16])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_fused_normalisation_is_that_of_keras(dtype, channels):
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (8, 6, 6, channels)).astype(np.float32)
    found = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-5, dtype=dtype)
        layer.build(x.shape)
        layer.set_weights([np.full(channels, value, np.float32) for value in (1.5, 0.5, 1.0, 2.0)])
        inputs = tf.cast(x, layer.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.cast(layer(inputs, training=True), tf.float32)
            loss = tf.reduce_sum(outputs**3)
        gradients = tape.gradient(loss, [inputs, *(v.value for v in layer.trainable_weights)])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            inferred = tf.cast(layer(inputs, training=False), tf.float32)
            loss = tf.reduce_sum(inferred**3)
        found.append([outputs, *gradients, *layer.weights, inferred, tape.gradient(loss, inputs)])
    few_digits = dtype != "float32"
    for keras_value, fused_value in zip(*found, strict=True):
        expected, got = (np.array(tf.cast(v, tf.float32)) for v in (keras_value, fused_value))
        # n / (n - 1) of 288 values is what the remembered variances differ by.
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, atol=(0.03 if few_digits else 2e-3) * scale)


def test_a_frozen_fused_normalisation_stays_as_it_is():
    layer = FusedBatchNormalization()
    layer.build((None, 2, 2, 3))
    layer.trainable = False
    before = [v.numpy().copy() for v in layer.weights]
    layer(np.ones((4, 2, 2, 3), np.float32), training=True)
    for a, b in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize(
    ("shape", "arguments", "mask"),
    [
        ((4, 3, 3, 5), {"center": False}, None),
        ((4, 3, 3, 5), {"scale": False}, None),
        ((4, 3, 3, 5), {"center": False, "scale": False}, None),
        ((4, 3, 3, 5), {"axis": 3}, None),
        ((4, 5, 3, 3), {"axis": 1}, None),
        ((4, 3, 3, 5), {}, np.arange(36).reshape(4, 3, 3) % 3 > 0),
        ((4, 6, 5), {}, np.arange(24).reshape(4, 6) % 3 > 0),
        ((24, 5), {}, None),
        ((4, 3, 3, 5), {"renorm": True, "renorm_momentum": 0.5}, None),
    ],
)
def test_every_argument_of_keras_batch_normalisation_acts_in_the_fused_one(shape, arguments, mask):
    x = np.random.default_rng(0).normal(2.0, 3.0, shape).astype(np.float32)
    found = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.5, **arguments)
        layer.build(shape)
        outputs = layer(x, training=True, mask=mask)
        found.append([outputs, *layer.weights, layer(x, training=False)])
    keras_values, fused_values = found
    assert len(keras_values) == len(fused_values)
    for expected, got in zip(keras_values, fused_values, strict=True):
        # The unbiased variance of 36 values is 3 % larger.
        np.testing.assert_allclose(np.array(got), np.array(expected), rtol=0.03, atol=0.03)
