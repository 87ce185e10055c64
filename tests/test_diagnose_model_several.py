"""Models of several outputs: one of them is examined, with its loss and its labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError

layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"
RNG = np.random.default_rng(0)
KIND = np.arange(240) % 3
SIDE = np.arange(240) % 2
X = RNG.normal(0, 2, (3, 6))[KIND] + np.outer(SIDE, np.arange(6)) + RNG.normal(0, 0.3, (240, 6))
X = X.astype("float32")
PRICE = X[:, 0] * 3.7


def network(as_list=False, side_loss="binary_crossentropy", side_ends_in="sigmoid", optimizer=None):
    """Kinds, and a price or a side, from the same features."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    features = layers.Dense(24, "relu")(inputs)
    outputs = {
        "price": layers.Dense(1, name="price")(features),
        "kind": layers.Dense(3, "softmax", name="kind")(features),
        "side": layers.Dense(1, side_ends_in, name="side")(features),
    }
    losses = {"price": "mse", "kind": "sparse_categorical_crossentropy", "side": side_loss}
    metrics = {"kind": ["accuracy"], "side": "accuracy"}
    if as_list:
        outputs, losses = list(outputs.values()), list(losses.values())
        metrics = [[], ["accuracy"], ["accuracy"]]
    model = keras.Model(inputs, outputs)
    model.compile(optimizer or keras.optimizers.Adam(0.02), losses, metrics=metrics)
    return model


def labels(as_list=False):
    found = {"price": PRICE, "kind": KIND, "side": SIDE}
    return list(found.values()) if as_list else found


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 8

    def __getitem__(self, at):
        rows = slice(30 * at, 30 * at + 30)
        return X[rows], {name: each[rows] for name, each in labels().items()}


@pytest.mark.parametrize(
    "data",
    [
        (X, labels()),
        tf.data.Dataset.from_tensor_slices((X, labels())).batch(30),
        Sequence(),
    ],
    ids=["arrays", "tf.data", "PyDataset"],
)
def test_the_first_output_of_classes_is_examined(data):
    model = network()
    before = [v.numpy() for v in model.variables]
    held = (X + 0.01, labels())
    found = diagnose_model(model, data, held, seconds=60, epochs=10)
    assert found.causes == ()
    assert found.severity == "healthy"
    assert found.facts["outputs"] == "kind alone; not examined: price, side"
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("as_list", [False, True])
def test_an_output_is_examined_by_its_name(as_list):
    model = network(as_list, side_ends_in="softmax")
    data = (X, labels(as_list))
    assert diagnose_model(model, data, seconds=0).causes == ()
    found = diagnose_model(model, data, seconds=0, output="side")
    assert found.causes == ("softmax_on_one_unit",)
    assert found.output_layer == "side"


@pytest.mark.parametrize("batches", [False, True])
def test_an_output_that_the_loss_of_another_outweighs(batches):
    truth = labels() | {"price": 3e4 * PRICE}
    data = tf.data.Dataset.from_tensor_slices((X, truth)).batch(32) if batches else (X, truth)
    model = network(optimizer=keras.optimizers.SGD(0.05, momentum=0.9, global_clipnorm=1.0))
    before = [v.numpy() for v in model.variables]
    found = diagnose_model(model, data, seconds=60, epochs=30)
    assert found.causes == ("other_outputs_dominate",)
    assert "the loss of price outweighs its own" in found.verdict
    assert not model.optimizer.variables or not int(model.optimizer.iterations)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize(
    ("changed", "asked", "said"),
    [
        ({}, "colour", "there is no 'colour'; the model has price, kind, side"),
        ({"side_loss": None}, "side", "side is compiled without a loss"),
        ({}, "price", "measured quantities"),
    ],
)
def test_outputs_that_cannot_be_examined(changed, asked, said):
    with pytest.raises(InputError, match=said):
        diagnose_model(network(**changed), (X, labels()), seconds=0, output=asked)


def test_an_autoencoder_is_no_classifier():
    x = np.round(np.random.default_rng(0).random((200, 6)) * 16).astype("float32") / 16
    model = keras.Sequential([keras.Input((6,)), layers.Dense(6, "sigmoid")])
    model.compile("adam", "mse")
    with pytest.raises(InputError, match="the inputs themselves, as an autoencoder has them"):
        diagnose_model(model, (x, x), seconds=0)


def test_a_measure_of_few_kinds_is_no_class_to_a_loss_of_distances():
    y = np.random.default_rng(0).integers(0, 60, 200) / 64
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(InputError, match="measured quantities"):
        diagnose_model(model, (np.repeat(y[:, None], 6, 1).astype("f4") + 1, y), seconds=0)


def test_a_name_for_a_model_of_one_output():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(InputError, match="the model has one output"):
        diagnose_model(model, (X, KIND), seconds=0, output="kind")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("used", [True, False])
def test_an_output_that_does_not_depend_on_the_input_of_another(named, used):
    inputs = [keras.Input((6,), name="a"), keras.Input((1,), name="b"), keras.Input((2,), name="c")]
    left = layers.Dense(24, "relu")(inputs[0])
    right = [layers.Dense(8, "relu")(inputs[1]), *([inputs[2]] if used else [])]
    right = layers.Concatenate()([*right, right[0]])
    outputs = [layers.Dense(3, "softmax", name="kind")(left), layers.Dense(1, name="price")(right)]
    names = ("a", "b", "c")
    model = keras.Model(dict(zip(names, inputs, strict=True)) if named else inputs, outputs)
    model.compile(keras.optimizers.Adam(0.02), [SPARSE, "mse"])
    parts = [X, X[:, :1], X[:, :2]]
    x = dict(zip(names, parts, strict=True)) if named else parts
    found = diagnose_model(model, (x, [KIND, PRICE]), seconds=20, epochs=20)
    # One that no output depends on is told with whichever is examined.
    assert found.causes == (() if used else ("input_unused",))


class Named(keras.Model):
    """Answers by name, as models of text libraries do."""

    def __init__(self, *names, last=None):
        super().__init__()
        self.hidden = layers.Dense(16, "relu")
        self.heads = {name: layers.Dense(3, last) for name in names}

    def call(self, x):
        x = self.hidden(x)
        return {name: head(x) for name, head in self.heads.items()}


@pytest.mark.parametrize("kind", ["subclass", "functional"])
def test_one_output_that_has_a_name(kind):
    x, y = X, KIND

    def model(loss):
        keras.utils.set_random_seed(0)
        made = Named("logits")
        if kind == "functional":
            inputs = keras.Input((6,))
            made = keras.Model(inputs, made(inputs))
        made.compile(
            keras.optimizers.Adam(0.01), {"logits": loss}, metrics={"logits": ["accuracy"]}
        )
        return made

    sparse = keras.losses.SparseCategoricalCrossentropy
    sound = model(sparse(from_logits=True))
    found = diagnose_model(sound, (x, {"logits": y}), epochs=10, seconds=60)
    assert (found.causes, found.severity) == ((), "healthy")
    assert "outputs" not in found.facts
    wrong = diagnose_model(model(sparse()), (x, {"logits": y}), epochs=10, seconds=60)
    assert wrong.causes == ("no_output_activation",)


def test_a_subclass_of_several_outputs_is_refused_with_what_to_do():
    model = Named("kind", "other", last="softmax")
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), {"kind": loss, "other": loss})
    with pytest.raises(InputError, match=r"labels of 2 outputs \(kind, other\).*functional"):
        diagnose_model(model, (X, {"kind": KIND, "other": KIND}), seconds=0)
