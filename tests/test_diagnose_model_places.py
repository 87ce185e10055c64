"""What does not reach the output: an input, a normalised number, a place, an order."""

import keras
import numpy as np
import pytest

from ferkeras import diagnose_model

layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"


def compiled(inputs, outputs, rate=0.01) -> keras.Model:
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(rate), SPARSE)
    return model


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


# Inputs


def pairs(rows: int = 200):
    """Two vectors, and whether their first numbers agree in sign."""
    left, right = np.random.default_rng(0).normal(size=(2, rows, 4)).astype("float32")
    return {"left": left, "right": right}, (left[:, 0] * right[:, 0] > 0).astype(int)


def siamese(twice: bool) -> keras.Model:
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    encoder = layers.Dense(8)
    gap = encoder(left) - encoder(left if twice else right)
    return compiled({"left": left, "right": right}, layers.Dense(2, "softmax")(gap))


class Siamese(keras.Model):
    def __init__(self, twice: bool):
        super().__init__()
        self.encoder, self.out = layers.Dense(8), layers.Dense(2, "softmax")
        self.twice = twice

    def call(self, inputs):
        other = inputs["left" if self.twice else "right"]
        return self.out(self.encoder(inputs["left"]) - self.encoder(other))


@pytest.mark.parametrize("make", [siamese, Siamese])
def test_an_input_that_is_not_used(make):
    x, y = pairs()
    model = make(True)
    model.compile("adam", SPARSE)
    found = diagnose_model(model, (x, y), seconds=0)
    assert found.causes == ("input_unused",)
    assert "The input 'right' does not reach the output" in found.verdict
    # Data may hold more than the `call` of a class reads.
    assert found.severity == ("suspicious" if make is Siamese else "broken")
    model = make(False)
    model.compile("adam", SPARSE)
    assert diagnose_model(model, (x, y), seconds=0).causes == ()


def test_a_normalisation_over_one_number():
    x = np.random.default_rng(0).normal(size=(200, 12, 1)).astype("float32")
    y = (x.sum(axis=(1, 2)) > 0).astype(int)

    def found(norm):
        inputs = keras.Input((12, 1))
        model = compiled(inputs, layers.Dense(2, "softmax")(layers.Flatten()(norm(inputs))))
        return diagnose_model(model, (x, y), seconds=0)

    alone = found(layers.LayerNormalization(name="norm"))
    assert alone.causes == ("normalised_away",)
    assert "'norm' normalises over an axis of length 1" in alone.verdict
    assert found(layers.RMSNormalization()).causes == ("normalised_away",)
    assert found(layers.LayerNormalization(axis=1)).causes == ()


# Labels


def test_one_hot_rows_of_zeros_have_no_class():
    x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
    classes = 1 + np.arange(200) % 3
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    model.compile("adam", "categorical_crossentropy")
    spoilt = np.array(keras.ops.one_hot(classes, 3))
    found = diagnose_model(model, (x, spoilt), seconds=0)
    assert found.causes == ("rows_without_class",)
    assert found.verdict.startswith("33% of the one-hot labels are zeros only")
    assert diagnose_model(model, (x, np.eye(3)[classes - 1]), seconds=0).causes == ()


# Places and orders


def corners(rows: int = 400):
    """Which quarter of a noisy picture has a dot."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 4
    x = rng.normal(0, 0.1, (rows, 12, 12, 1)).astype("float32")
    row, column = rng.integers(1, 5, (2, rows))
    x[np.arange(rows), row + 6 * (y // 2), column + 6 * (y % 2)] += 3
    return (x[:300], y[:300]), (x[300:], y[300:])


def looking(*end) -> keras.Model:
    inputs = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, activation="relu", padding="same")(inputs)
    for layer in end:
        x = layer(x)
    return compiled(inputs, layers.Dense(4, "softmax")(x))


def test_a_pooling_that_drops_the_place():
    train, held = corners()
    model = looking(layers.GlobalMaxPooling2D(name="pool"))
    found = diagnose_model(model, train, held, epochs=10)
    assert found.causes == ("places_dropped",)
    assert found.verdict.startswith("'pool' keeps what there is and not where")
    assert diagnose_model(looking(layers.Flatten()), train, held, epochs=10).causes == ()


def test_an_order_that_attention_does_not_see():
    """Which of two words comes first."""
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    x = rng.integers(3, 12, (300, 6))
    first = rng.integers(0, 3, 300)
    x[np.arange(300), first], x[np.arange(300), first + 3] = 1 + y, 2 - y

    def reader(ordered: bool) -> keras.Model:
        inputs = keras.Input((6,), dtype="int32")
        words = layers.Embedding(12, 8)(inputs)
        if ordered:
            words = layers.GRU(16, return_sequences=True)(words)
        words = words + layers.MultiHeadAttention(1, 8)(words, words)
        pooled = layers.GlobalAveragePooling1D()(words)
        return compiled(inputs, layers.Dense(2, "softmax")(pooled), 0.02)

    found = diagnose_model(reader(False), (x, y), epochs=20)
    assert found.causes == ("order_not_seen",)
    assert "rows whose steps are shuffled give the same outputs" in found.verdict
    assert diagnose_model(reader(True), (x, y), epochs=20).causes == ()
