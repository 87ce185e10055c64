"""Dropout whose rate is a variable."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from callbacks import VariableDropout

ONES = np.ones((200, 100), np.float32)


@settings(max_examples=15)
@given(st.floats(0.0, 0.95))
def test_drops_the_given_fraction_and_keeps_the_mean(rate):
    out = np.asarray(VariableDropout(rate, seed=1)(ONES, training=True))
    # Five standard errors of a fraction over 20,000 draws.
    assert np.mean(out == 0) == pytest.approx(
        rate, abs=5 * np.sqrt(rate * (1 - rate) / out.size) + 1e-9
    )
    np.testing.assert_allclose(out[out != 0], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_inference_passes_everything(rate):
    np.testing.assert_array_equal(VariableDropout(rate)(ONES, training=False), ONES)


def test_rate_zero_drops_nothing_in_training():
    np.testing.assert_array_equal(VariableDropout(0.0)(ONES, training=True), ONES)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_rate_is_assigned_without_a_retrace(jit_compile):
    layer = VariableDropout(0.1, seed=1)
    traces = []

    @tf.function(jit_compile=jit_compile)
    def drop(x):
        traces.append(x)
        return layer(x, training=True)

    before = np.mean(drop(ONES).numpy() == 0)
    layer.rate.assign(0.6)
    after = np.mean(drop(ONES).numpy() == 0)
    assert (before, after) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.6, abs=0.02))
    assert len(traces) == 1


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_the_dtype_and_a_precise_rate(policy):
    layer = VariableDropout(0.1, seed=1, dtype=policy)
    out = layer(ONES, training=True)
    assert out.dtype == layer.compute_dtype
    assert layer.rate.dtype == "float32"
    assert float(layer.rate) == pytest.approx(0.1, rel=1e-6)


def test_masks_differ_from_call_to_call_and_repeat_with_the_seed():
    first, second = (VariableDropout(0.5, seed=3) for _ in range(2))
    a, b = first(ONES, training=True), first(ONES, training=True)
    assert np.any(np.asarray(a) != np.asarray(b))
    np.testing.assert_array_equal(a, second(ONES, training=True))


def test_masks_do_not_depend_on_when_the_rate_rose():
    early, late = VariableDropout(0.5, seed=3), VariableDropout(0.0, seed=3)
    early(ONES, training=True)
    late(ONES, training=True)
    late.rate.assign(0.5)
    np.testing.assert_array_equal(early(ONES, training=True), late(ONES, training=True))


def test_gradients_pass_at_every_rate():
    layer = VariableDropout(0.0, seed=3)

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            kept = layer(x, training=True)
        return kept, tape.gradient(kept, x)

    for rate in (0.0, 0.5, 0.0):
        layer.rate.assign(rate)
        # Of ones, what is kept is what its gradient is.
        np.testing.assert_array_equal(*gradient(tf.constant(ONES)))


@pytest.mark.parametrize("rate", [0.35, 1.0])
def test_the_rate_in_force_is_saved_and_cloned(rate, tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, VariableDropout(0.1, name="drop")(inputs))
    model.get_layer("drop").rate.assign(rate)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    for copy in (loaded, keras.models.clone_model(model)):
        assert float(copy.get_layer("drop").rate) == pytest.approx(rate)


def test_export_holds_no_random_operation(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, VariableDropout(0.5)(inputs))
    model.export(tmp_path / "export", verbose=False)
    serve = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    kinds = {node.op for f in serve.graph.as_graph_def().library.function for node in f.node_def}
    kinds |= {op.type for op in serve.graph.get_operations()}
    assert not [kind for kind in kinds if "Random" in kind]


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_refuses_a_rate_out_of_range(rate):
    with pytest.raises(ValueError, match="Received: rate="):
        VariableDropout(rate)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_rate_that_is_raised_to_1_drops_all_and_leaves_gradients_finite(dtype):
    layer = VariableDropout(0.5, dtype=dtype)
    layer.rate.assign(1.0)
    x = tf.ones((4, 3), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = layer(x, training=True)
    np.testing.assert_array_equal(out, np.zeros((4, 3)))
    np.testing.assert_array_equal(tape.gradient(out, x), np.zeros((4, 3)))
