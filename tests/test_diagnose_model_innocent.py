"""Sound programs that look like faulty ones are not accused; the faulty ones still are."""

import keras
import numpy as np
import pytest

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program.answers import Answers
from ferkeras.diagnose.program.head import head_of
from ferkeras.diagnose.program.labels import Labels
from ferkeras.diagnose.program.losses import loss_form

layers = keras.layers
RNG = np.random.default_rng(0)


def causes(model, *data, seconds=0.0, **fit):
    return list(diagnose_model(model, *data, seconds=seconds, **fit).causes)


def stack(shape, *body, loss="sparse_categorical_crossentropy", dtype=None, rate=0.01, **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *body])
    model.compile(keras.optimizers.Adam(rate), loss, **{"metrics": ["accuracy"], **arguments})
    return model


def table(rows=200):
    x = RNG.normal(size=(rows, 6)).astype("float32")
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


@pytest.mark.parametrize("grades", [np.arange(3, 9), np.array([0, 2, 5, 9])])
def test_ratings_that_are_met_by_a_distance_are_no_classes(grades):
    x, _ = table()
    y = grades[RNG.integers(len(grades), size=len(x))].astype(float)
    model = stack((6,), layers.Dense(8, "relu"), layers.Dense(1), loss="mse", metrics=None)
    with pytest.raises(InputError, match=r"should they be classes, compile metrics=\['accuracy'\]"):
        diagnose_model(model, (x, y), seconds=0)
    judged = stack((6,), layers.Dense(8, "relu"), layers.Dense(1), loss="mse")
    assert "output_units" in causes(judged, (x, y))


def test_bits_that_are_looked_up():
    y = RNG.integers(0, 2, 200)
    x = np.zeros((200, 20), int)
    for row, label in zip(x, y, strict=True):
        at = RNG.integers(0, 15)
        row[at : at + 5] = [1, label, 0, label, 1]
    model = stack((20,), layers.Embedding(2, 4), layers.GlobalMaxPooling1D(),
                  layers.Dense(2, "softmax"), dtype="int32")  # fmt: skip
    assert causes(model, (x, y)) == []
    unknown = np.where(np.arange(20) < RNG.integers(5, 20, 200)[:, None], 1, 0)
    assert causes(model, (unknown, y)) == ["tokens_alike"]


class Filled(layers.Layer):
    def call(self, x):
        gone = keras.ops.isnan(x)
        return keras.ops.where(gone, keras.ops.zeros_like(x), x)


def test_missing_values_that_the_model_fills():
    x, y = table()
    x[RNG.random(x.shape) < 0.05] = np.nan
    tail = (layers.Dense(8, "relu"), layers.Dense(2, "softmax"))
    assert causes(stack((6,), Filled(), *tail), (x, y), seconds=10) == []
    assert causes(stack((6,), *tail), (x, y), seconds=10) == ["inputs_not_finite"]


def in_order(runs):
    """Rows of two classes in so many runs, told apart by their first column."""
    y = np.repeat(np.arange(runs) % 2, 640 // runs)
    x = RNG.normal(size=(640, 6)).astype("float32")
    x[:, 0] += 4 * y
    return x, y


def test_states_that_come_and_go_are_learnt_in_the_order_of_time():
    model = stack((6,), layers.Dense(8, "relu"), layers.Dense(2, "softmax"))
    fit = {"batch_size": 16, "shuffle": False, "seconds": 10}
    assert causes(model, in_order(20), **fit) == []
    assert causes(model, in_order(2), **fit) == ["not_shuffled"]


class Recommender(keras.Model):
    def __init__(self, uses_user=True):
        super().__init__()
        self.user, self.out = layers.Embedding(9, 4), layers.Dense(1, "sigmoid")
        self.uses_user = uses_user

    def call(self, x):
        known = self.user(x["user"]) if self.uses_user else keras.ops.zeros((1, 4))
        hour = keras.ops.reshape(x["hour"], (-1, 1))
        return self.out(keras.ops.concatenate([known + 0 * hour, hour], -1))


@pytest.mark.parametrize(("uses_user", "found"), [(True, []), (False, ["input_unused"])])
def test_numbers_that_are_looked_up_reach_the_output(uses_user, found):
    user, hour = RNG.integers(0, 9, 120).astype("float32"), RNG.random(120).astype("float32")
    model = Recommender(uses_user)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    assert causes(model, ({"user": user, "hour": hour}, (user > 4).astype("float32"))) == found


def evidence_loss(wanted, evidence):
    strength = keras.ops.sum(evidence + 1, axis=-1, keepdims=True)
    return keras.ops.sum((wanted - (evidence + 1) / strength) ** 2, axis=-1)


def test_evidence_is_never_below_zero():
    x, y = table()
    hot = np.eye(2)[y]
    assert causes(stack((6,), layers.Dense(2, "softplus"), loss=evidence_loss), (x, hot)) == []
    model = stack((6,), layers.Dense(2, "softplus"), loss="categorical_crossentropy")
    found = diagnose_model(model, (x, hot), seconds=0).findings[0]
    assert found.cause == "relu_output"
    assert "gradient" not in found.verdict


class AlwaysDropout(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.3)

    def call(self, inputs):
        return self.drop(inputs, training=True)


def test_answers_that_are_meant_to_differ():
    x, y = table()
    drawn = stack((6,), layers.Dense(8), AlwaysDropout(0.3), layers.Dense(2, "softmax"))
    assert causes(drawn, (x, y)) == []
    forgotten = stack((6,), layers.Dense(8), Block(), layers.Dense(2, "softmax"))
    assert causes(forgotten, (x, y)) == ["random_in_inference"]


def test_a_state_that_goes_on_is_no_training_mode():
    x = RNG.normal(size=(64, 5, 2)).astype("float32")
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(16, 5, 2))
    steps = layers.SimpleRNN(4, stateful=True)(inputs)
    model = keras.Model(inputs, layers.Dense(2, "softmax")(steps))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert causes(model, (x, (x[:, -1, 0] > 0).astype(int)), batch_size=16, shuffle=False) == []


@pytest.mark.parametrize(
    ("shape", "kernel", "found"),
    [((1, 32, 6), (1, 3), []), ((1, 32, 6), 1, []), ((1, 8, 8), 3, ["channels_first"])],
)
def test_windows_of_several_sensors_are_no_pictures(shape, kernel, found):
    x = RNG.normal(size=(60, *shape)).astype("float32")
    body = (layers.Conv2D(4, kernel, padding="same", activation="relu"), layers.Flatten())
    model = stack(shape, *body, layers.Dense(2, "softmax"))
    assert causes(model, (x, np.arange(60) % 2)) == found


@pytest.mark.parametrize(("planes", "found"), [(6, []), (1, ["grey_levels_lost"])])
def test_planes_of_bits_are_no_pictures_that_lost_their_levels(planes, found):
    x = (RNG.random((60, 8, 8, planes)) < 0.05).astype("uint8")
    body = (layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(2, "softmax"))
    assert causes(stack((8, 8, planes), *body), (x, np.arange(60) % 2)) == found


def test_drawings_of_one_plane_that_are_learnt():
    y = np.arange(120) % 2
    x = (RNG.random((120, 8, 8, 1)) < 0.1 + 0.5 * y[:, None, None, None]).astype("uint8")
    model = stack((8, 8, 1), layers.Flatten(), layers.Dense(2, "softmax"))
    assert causes(model, (x, y), seconds=10) == []


def rare(rows=1000, share=0.05, told=2.0):
    y = (RNG.random(rows) < share).astype("float32")
    x = RNG.normal(size=(rows, 6)).astype("float32")
    x[:, 0] += told * y
    return x, y


def test_rare_rows_that_are_ranked_well_are_learnt():
    model = stack((6,), layers.Dense(1, "sigmoid"), loss="binary_crossentropy")
    said = diagnose_model(model, rare(told=1.3), seconds=10)
    assert said.severity == "healthy"
    assert said.verdict.count("area under the ROC curve") == 1
    assert "Choose the threshold on validation rows" in said.verdict
    nothing = diagnose_model(model, rare(told=0.0), seconds=10)
    assert nothing.severity != "healthy"


@pytest.mark.parametrize(("share", "judged"), [(0.1, True), (0.9, True), (0.5, False)])
def test_only_rare_rows_are_judged_by_their_ranking(share, judged):
    y = (np.arange(200) < share * 200).astype(int)
    model = stack((1,), layers.Dense(1, "sigmoid"), loss="binary_crossentropy")
    x = y[:, None].astype("float32")
    answers = Answers(
        Labels(y, False, np.ones(200, bool)), head_of(model, x[:2]), loss_form(model.loss)
    )
    # All are named alike, and ranked well.
    found = answers.ranking(np.arange(200), 0.1 + 0.01 * x)
    assert found == (1.0 if judged else None)


def test_accuracy_is_told_beside_that_of_always_answering_alike():
    x, y = table()
    model = stack((6,), layers.Dense(2, "softmax"))
    said = diagnose_model(model, (x, y), seconds=10)
    assert "would be by always answering the most frequent class" in said.verdict
