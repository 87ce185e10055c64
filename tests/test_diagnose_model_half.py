"""Programs that learn a part, or only look as if something were wrong; rows without labels."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program.causes.mixed_up import rows_of_another_width
from ferkeras.diagnose.program.program import Program

layers, ops = keras.layers, keras.ops
SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return (data.data / 16).astype("float32"), data.target


def rings(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, each as far out as the one before ends; a line tells one of them apart."""
    rng = np.random.default_rng(seed)
    angle, y = rng.uniform(0, 2 * np.pi, rows), rng.integers(0, 3, rows)
    x = (0.4 + y + rng.uniform(0, 0.6, rows))[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    x[y == 2] += [6.0, 0.0]
    return x.astype("float32"), y


def sequence(*hidden, units, of, loss=SPARSE, optimizer=None, **compiled) -> keras.Model:
    keras.utils.set_random_seed(0)
    last = layers.Dense(units, "softmax")
    model = keras.Sequential([keras.Input((of,)), *hidden, last])
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, **compiled)
    return model


@pytest.mark.parametrize(("activation", "said"), [(None, ["hidden_activation"]), ("relu", [])])
def test_a_linear_network_that_learns_what_a_line_can_tell(activation, said):
    hidden = [layers.Dense(24, activation) for _ in range(2)]
    model = sequence(*hidden, units=3, of=2)
    found = diagnose_model(
        model, rings(600, 0), rings(300, 1), seconds=60, epochs=20, batch_size=32
    )
    assert list(found.causes) == said
    if said:
        assert "one linear layer. With ReLU the same steps learn" in found.verdict


class Costly(layers.Layer):
    """Adds to the loss how far its inputs are from zero, in the mean or in the sum of the rows."""

    def __init__(self, reduced, **kwargs):
        super().__init__(**kwargs)
        self.reduced = reduced

    def call(self, x):
        self.add_loss(0.15 * self.reduced(ops.sum(ops.square(x), axis=-1)))
        return x


@pytest.mark.parametrize(
    ("reduced", "said"), [("sum", ["weight_penalty_too_strong"]), ("mean", [])]
)
def test_what_a_layer_adds_to_the_loss_leaves_half_of_it(digits, reduced, said):
    model = sequence(
        layers.Dense(64, "relu"), layers.Dense(16), Costly(getattr(ops, reduced)), units=10, of=64
    )
    x, y = digits
    found = diagnose_model(
        model, (x[:600], y[:600]), (x[600:900], y[600:900]), seconds=60, epochs=12
    )
    assert list(found.causes) == said


def distances(y_true, y_pred):
    """Of outputs that are negative distances; those that are not are all alike to it."""
    far = ops.maximum(-y_pred, 0.0)
    right = ops.sum(far * y_true, axis=-1)
    wrong = ops.min(far + 1e6 * y_true, axis=-1)
    return ops.sigmoid(4 * (right - wrong) / (right + wrong + 1e-6))


def test_a_loss_that_takes_outputs_of_another_range_is_not_blamed_where_it_learns(digits):
    x, y = digits[0][:600], np.eye(10, dtype="float32")[digits[1][:600]]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, "tanh"),
            layers.Dense(10),
            layers.Lambda(lambda z: -ops.square(z)),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), distances)
    assert diagnose_model(model, (x, y), seconds=60, epochs=15).causes == ()


class OfLabelled(keras.Model):
    """Learns from rows with a label; its `build` takes any number of rows and no other shape."""

    def __init__(self):
        super().__init__()
        self.net = keras.Sequential(
            [keras.Input((64,)), layers.Dense(32, "relu"), layers.Dense(10)]
        )

    def build(self, shape):
        self.net.build(shape)
        self.built = True

    def call(self, x, training=False):
        return self.net(x, training=training)

    def train_step(self, data):
        x, y = data
        known = ops.cast(y >= 0, "float32")
        return super().train_step((x, ops.maximum(y, 0), known))


@pytest.mark.parametrize("own_step", [True, False])
def test_rows_without_a_label_are_left_out(digits, own_step):
    x, y = digits[0][:600], np.where(np.arange(600) % 3, digits[1][:600], -1)
    keras.utils.set_random_seed(0)
    model = OfLabelled() if own_step else OfLabelled().net
    ignored = None if own_step else -1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
    model.compile(keras.optimizers.Adam(0.01), loss)
    found = diagnose_model(model, (x, y), seconds=60, epochs=12)
    assert found.causes == ()
    assert "10 classes" in found.facts["labels"]


class Fails(keras.Model):
    def call(self, x):
        raise KeyError("mask")


def test_a_model_that_fails_with_its_own_rows_is_one_clear_error(digits):
    model = Fails()
    model.compile("adam", SPARSE)
    with pytest.raises(
        InputError,
        match=r"fails when it is called with a row of its training data: KeyError: .*mask",
    ):
        diagnose_model(model, digits, seconds=10)


def pictures() -> np.ndarray:
    """Discs at random places: smooth, as pictures are."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    places = rng.uniform(6, 26, (64, 2, 1, 1))
    far = (rows - places[:, 0]) ** 2 + (columns - places[:, 1]) ** 2
    return (255 * np.exp(-far / 40)).astype(np.float32)


def stripes(each: np.ndarray) -> np.ndarray:
    """Every third row brighter, over noise: the third row on is the most alike, and no next one."""
    rng = np.random.default_rng(int(each.sum()))
    picture = 0.2 * rng.normal(size=(32, 32)) + rng.uniform(-0.2, 0.2)
    picture[rng.integers(3) :: 3] += 0.8
    return picture


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (lambda each: each, None),
        (stripes, None),
        (lambda each: each[::2, ::2], None),
        (lambda each: np.resize(each, (16, 16)), "the second behind it"),
        (
            lambda each: np.stack([each, each[::-1], each.T], -1).reshape(32, 96)[:, :32],
            "the third",
        ),
    ],
)
def test_pictures_that_were_cut_at_a_wrong_width(cut, said):
    x = np.stack([cut(each) for each in pictures()])[..., None]
    program = Program.__new__(Program)
    program.train = type("Rows", (), {"arrays": [x]})
    found = rows_of_another_width(program)
    assert (found is not None) == (said is not None)
    if said:
        assert said in found.verdict
