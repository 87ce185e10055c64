"""Rows that say nothing by the time they reach the weights, weights of classes, splits apart."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from ferkeras import diagnose_model
from ferkeras.cli.errors import InputError

layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"


def blobs(rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class, easily told apart."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % 3)
    centres = np.random.default_rng(3).normal(0, 2, (3, 6))
    return (centres[y] + rng.normal(0, 0.6, (rows, 6))).astype("float32"), y


def network(*hidden, shape=(6,), loss=SPARSE, units=3, optimizer="adam") -> keras.Model:
    keras.utils.set_random_seed(0)
    hidden = hidden or (layers.Dense(8, "relu"),)
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(units, "softmax")])
    model.compile(optimizer, loss)
    return model


def causes(model, *data, seconds=0, **fit) -> list[str]:
    """Without time for brief trainings, unless some is given."""
    return list(diagnose_model(model, *data, seconds=seconds, **fit).causes)


# Words


def sentences(rows: int = 200, steps: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of words, those of a class from a range of its own, zeros behind them."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    x = np.zeros((rows, steps), int)
    x[:, :4] = rng.integers(1, 20, (rows, 4)) + 20 * y[:, None]
    return x, y


def reader(*after, **embedding) -> keras.Model:
    first = layers.Embedding(40, 8, **embedding)
    return network(first, *after, shape=(None,), units=2, optimizer=keras.optimizers.Adam(0.02))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x, []),
        (lambda x: x.astype("float32"), []),
        (lambda x: x / 40.0, ["tokens_cut_off"]),
        (lambda x: np.minimum(x, 1), ["tokens_alike"]),
    ],
)
def test_what_reaches_an_embedding(change, said):
    x, y = sentences()
    assert causes(reader(layers.GlobalAveragePooling1D()), (change(x), y)) == said


def test_padding_behind_the_words_that_nothing_masks():
    x, y = sentences(steps=40)
    model = reader(layers.LSTM(4))
    said = diagnose_model(model, (x, y), epochs=6)
    assert said.causes == ("padding_behind_the_words",)
    assert "90% of each sequence are zeros behind the words" in said.verdict
    assert causes(reader(layers.LSTM(4), mask_zero=True), (x, y), seconds=60, epochs=6) == []


# Numbers


def test_numbers_beyond_half_precision():
    x, y = blobs()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = network(layers.BatchNormalization(), layers.Dense(8, "relu"))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert causes(model, (x, y)) == []
    said = diagnose_model(model, (x * 1e5, y), seconds=0)
    assert said.causes == ("inputs_beyond_half_precision",)
    assert said.findings[0].layer == model.layers[0].name


class Normalised(layers.Layer):
    """Takes the size of each row away."""

    def call(self, x):
        return x / keras.ops.max(keras.ops.abs(x), axis=-1, keepdims=True)


def test_a_layer_that_loses_what_tells_the_classes_apart_is_named():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = (rng.normal(0, 1, (300, 6)) * np.array([1.0, 4.0, 16.0])[y, None]).astype("float32")
    model = network(layers.Rescaling(0.1), Normalised(name="size"), layers.Dense(16, "relu"))
    said = diagnose_model(model, (x, y), epochs=3)
    assert said.causes == ("lost_in_a_layer",)
    assert said.findings[0].layer == "size"


def test_pixels_in_a_wrong_order():
    digits = load_digits()
    mixed = np.moveaxis(digits.data.reshape(8, 8, -1), -1, 0)[:600, ..., None] / 16
    flat = (layers.Flatten(), layers.Dense(16, "relu"))
    model = network(*flat, shape=(8, 8, 1), units=10)
    assert causes(model, (mixed, digits.target[:600]), seconds=60, epochs=4) == ["pixels_mixed_up"]
    whole = digits.images[:600, ..., None] / 16
    assert causes(model, (whole, digits.target[:600]), seconds=60, epochs=20) == []


def test_the_layer_of_several_that_takes_the_class_away():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    x = rng.random((300, 8, 8, 1)).astype("float32") / 4
    x[np.arange(300), :, 7 * y] += 1
    flip = layers.RandomFlip("horizontal", name="flip")
    model = network(
        layers.RandomContrast(0.1),
        flip,
        layers.Flatten(),
        layers.Dense(16, "relu"),
        shape=(8, 8, 1),
        units=2,
        optimizer=keras.optimizers.Adam(0.01),
    )
    said = diagnose_model(model, (x, y), epochs=8)
    assert said.causes == ("too_much_augmentation",)
    assert said.verdict.startswith("RandomFlip takes away what tells the classes apart")
    assert said.findings[0].layer == "flip"


def test_a_loss_that_is_no_number_is_not_called_healthy():
    x, y = blobs()
    loss = lambda truth, output: keras.ops.log(keras.ops.min(output) - 1.0)  # noqa: E731
    said = diagnose_model(network(loss=loss), (x, y), epochs=4)
    assert said.severity == "suspicious"
    assert said.verdict.startswith("The loss is nan after")


# The loss and what rows weigh in it


def likelihood(truth, output):
    """The likelihood of the right class, without a minus before it."""
    chosen = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(truth, (-1,)), "int32"), 3)
    return keras.ops.sum(chosen * keras.ops.log(output + 1e-7), axis=-1)


def unlikelihood(truth, output):
    return -likelihood(truth, output)


def confidence(truth, output):
    """Nothing of the truth."""
    return -keras.ops.max(output, axis=-1)


@pytest.mark.parametrize(
    ("loss", "said"), [(likelihood, "lower where every answer"), (confidence, "the same")]
)
def test_a_loss_of_ones_own_that_rewards_mistakes(loss, said):
    found = diagnose_model(network(loss=loss), blobs(), seconds=0)
    assert found.causes == ("loss_rewards_mistakes",)
    assert said in found.verdict


def overlap(truth, output):
    """Dice's coefficient of each row."""
    both = keras.ops.sum(truth * output, axis=(1, 2))
    return 2 * both / (keras.ops.sum(truth + keras.ops.square(output), axis=(1, 2)) + 1e-6)


def no_overlap(truth, output):
    return 1 - overlap(truth, output)


@pytest.mark.parametrize(
    ("loss", "expected"), [(overlap, ["loss_rewards_mistakes"]), (no_overlap, [])]
)
def test_a_loss_of_ones_own_for_every_step(loss, expected):
    rng = np.random.default_rng(0)
    y = (rng.random((200, 8, 1)) < 0.4).astype("f4")
    x = (2 * y - 1 + rng.normal(0, 0.3, y.shape)).astype("f4")
    model = keras.Sequential([keras.Input((8, 1)), layers.Conv1D(1, 1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), loss)
    assert list(diagnose_model(model, (x, y), seconds=10).causes) == expected


def test_a_loss_of_ones_own_that_is_sound():
    assert causes(network(loss=unlikelihood), blobs()) == []


@pytest.mark.parametrize("of", [0, 1, 2])
def test_rows_of_a_class_that_weigh_nothing(of):
    x, y = blobs()
    found = diagnose_model(network(), (x, y, (y != of).astype("float32")), seconds=0)
    assert found.causes == ("classes_without_weight",)
    assert f"sample_weight leaves 1 of 3 classes out of the loss ({of})" in found.verdict


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({0: 0.4, 1: 0.75, 2: 4.0}, []),
        ({0: 1.0, 1: 1.0, 2: 1.0}, []),
        ({0: 4.0, 1: 0.75, 2: 0.4}, ["class_weights_exchanged"]),
    ],
)
def test_weights_of_other_classes(weights, said):
    x, y = blobs(360)
    kept = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:64]])
    kept = np.concatenate([kept, np.flatnonzero(y == 2)[:12]])
    rows = np.random.default_rng(0).permutation(kept)
    assert causes(network(), (x[rows], y[rows]), class_weight=weights) == said


def test_weights_that_are_held_where_nothing_is_learnt():
    held = keras.constraints.MaxNorm(1e-3)
    hidden = [layers.Dense(16, "relu", kernel_constraint=held, name=f"held{k}") for k in range(3)]
    model = network(*hidden, optimizer=keras.optimizers.Adam(0.02))
    said = diagnose_model(model, blobs(), epochs=8)
    assert said.causes == ("weights_held",)
    assert said.verdict.startswith("MaxNorm holds 3 weights")
    assert model.layers[0].kernel.constraint is held


# Splits


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x, []),
        (lambda x: x[..., ::-1], "with their channels in the other order"),
        (lambda x: 1 - x, "with dark and bright exchanged"),
    ],
)
def test_validation_pictures_that_were_prepared_otherwise(change, said):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3
    x = rng.random((400, 6, 6, 3)).astype("float32") / 3
    x[np.arange(400), ..., y] += 0.6
    model = network(layers.Flatten(), layers.Dense(8, "relu"), shape=(6, 6, 3))
    found = diagnose_model(model, (x[:250], y[:250]), (change(x[250:]), y[250:]), seconds=0)
    if not said:
        assert found.causes == ()
    else:
        assert found.causes == ("validation_inputs_unlike",)
        assert said in found.verdict


def test_two_inputs_in_the_other_order():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (2, 500, 1)).astype("float32")
    y = (first > second).astype(int)[:, 0]
    inputs = [keras.Input((1,)), keras.Input((1,))]
    output = layers.Dense(2, "softmax")(layers.Dense(8, "relu")(layers.Concatenate()(inputs)))
    model = keras.Model(inputs, output)
    model.compile("adam", SPARSE)
    train = ([first[:300], second[:300]], y[:300])
    wrong = ([second[300:], first[300:]], y[300:])
    found = diagnose_model(model, train, wrong, seconds=0)
    assert found.causes == ("validation_inputs_unlike",)
    assert "with the inputs in the other order" in found.verdict
    right = ([first[300:], second[300:]], y[300:])
    assert diagnose_model(model, train, right, seconds=0).causes == ()


def test_labels_that_were_numbered_anew_where_a_class_is_missing():
    (x, y), (x_val, y_val) = blobs(), blobs(300, seed=1)
    kept = y_val > 0
    train, right = (x, y), (x_val[kept], y_val[kept])
    assert causes(network(), train, right) == []
    shifted = (x_val[kept], y_val[kept] - 1)
    assert causes(network(), train, shifted) == ["validation_labels_do_not_fit"]


def test_validation_labels_that_were_shuffled_alone():
    x, y = blobs(400)
    other, truth = blobs(300, seed=1)
    shuffled = np.random.default_rng(0).permutation(truth)
    said = diagnose_model(network(), (x, y), (other, shuffled), seconds=0)
    assert said.causes == ("validation_labels_do_not_fit",)
    assert "do not belong to their rows" in said.verdict
    assert causes(network(), (x, y), (other, truth)) == []
    # Of labels that mean nothing in either split, nothing can be said of one of them.
    nothing = np.random.default_rng(1).integers(0, 3, 400)
    assert causes(network(), (x, nothing), (other, shuffled)) == []
    # Rows of training that are there many times, or nearly so, are read from one another.
    few = np.arange(400) % 80
    nearly = x[few] + np.random.default_rng(2).normal(0, 0.05, (400, 6))
    for copies in (x[few], nearly.astype("float32")):
        assert causes(network(), (copies, nothing[few]), (other, shuffled)) == []


def test_classes_that_are_rare_in_validation_alone_are_not_read_above_their_majority():
    def drawn(rows, seed):
        rng = np.random.default_rng(seed)
        y = (rng.random(rows) < 0.05).astype(int)
        return (rng.normal(size=(rows, 10)) + 0.8 * y[:, None] * (np.arange(10) < 5)), y

    (x, y), held = drawn(20_000, 0), drawn(2_000, 1)
    rare = np.flatnonzero(y == 1)
    rows = np.random.default_rng(2).permutation(np.r_[rare, np.flatnonzero(y == 0)[: len(rare)]])
    model = network(shape=(10,), units=2)
    assert causes(model, (x[rows], y[rows]), held, seconds=20, epochs=3) == []


def test_a_column_that_was_made_from_the_labels_of_one_split():
    rng = np.random.default_rng(0)
    (x, y), (x_val, y_val) = blobs(), blobs(seed=1)
    told, untold = (each.copy() for each in (x, x_val))
    told[:, 2] = y + rng.normal(0, 0.1, len(y))
    untold[:, 2] = rng.normal(1, 0.8, len(y_val))
    found = diagnose_model(network(), (told, y), (untold, y_val), seconds=0)
    assert found.causes == ("leakage",)
    assert found.verdict.startswith("Column 2 alone tells the classes of training rows")
    assert causes(network(), (x, y), (x_val, y_val)) == []


# What batches hold


def test_batches_are_those_of_the_program_whatever_their_sizes():
    x, y = blobs()
    order = np.argsort(y, kind="stable")
    sizes = [16, 16, 16, 16, 16] * 2 + [7, 16, 16, 16, 16]
    starts = np.cumsum([0, *sizes])
    batches = [(x[order][a:b], y[order][a:b]) for a, b in pairwise(starts)]
    found = diagnose_model(network(), batches, seconds=0)
    assert found.causes == ("not_shuffled",)
    assert found.verdict.startswith("100% of the batches hold one class only")


def test_a_stream_without_an_end_is_said_to_have_none():
    data = tf.data.Dataset.from_tensor_slices(blobs()).shuffle(240).batch(16).repeat()
    found = diagnose_model(network(), data, steps_per_epoch=15, seconds=0)
    assert "without an end" in found.facts["rows"]


def test_labels_of_several_outputs_are_refused_by_name():
    x, y = blobs()
    with pytest.raises(InputError, match=r"labels of 2 outputs \(kind, price\)"):
        diagnose_model(network(), (x, {"kind": y, "price": y}), seconds=0)


def test_what_is_learnt_by_heart_and_holds_nowhere():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (400, 12)).astype("float32")
    y = rng.integers(0, 2, 400)
    hidden = (layers.Dense(64, "relu"), layers.Dense(64, "relu"))
    model = network(*hidden, shape=(12,), units=2, optimizer=keras.optimizers.Adam(0.01))
    found = diagnose_model(model, (x[:200], y[:200]), (x[200:], y[200:]), epochs=60)
    assert found.causes == ("learnt_by_heart",)


def test_a_normalisation_in_two_places():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    near = rng.normal(0, 1, (400, 4)) + y[:, None] * 2
    far = 60 + 20 * (rng.normal(0, 1, (400, 4)) + y[:, None] * 2)
    norm = layers.BatchNormalization(momentum=0.5, name="norm")
    inputs = [keras.Input((4,)), keras.Input((4,))]
    hidden = layers.Dense(16, "relu")(layers.Concatenate()([norm(each) for each in inputs]))
    model = keras.Model(inputs, layers.Dense(2, "softmax")(hidden))
    model.compile(keras.optimizers.Adam(0.01), SPARSE)
    found = diagnose_model(model, ([near.astype("f4"), far.astype("f4")], y), epochs=10)
    assert found.causes == ("batchnorm_statistics",)
    assert "'norm' stands in 2 places" in found.verdict


class Untracked(layers.Layer):
    """Makes a variable that Keras does not know."""

    def build(self, shape):
        self.scale = tf.Variable(tf.ones((shape[-1],)))

    def call(self, x):
        return x * self.scale


def test_variables_that_keras_does_not_know():
    found = diagnose_model(network(Untracked(name="gate")), blobs(), seconds=0)
    assert found.causes == ("variables_not_tracked",)
    assert "gate.scale" in found.verdict


@pytest.mark.parametrize("meant", ["nothing", "trained before", "frozen"])
def test_layers_that_a_lambda_calls(meant):
    encoder = keras.Sequential([keras.Input((16,)), layers.Dense(16, "relu")])
    encoder.trainable = meant != "frozen"
    if meant == "trained before":
        encoder.layers[0].kernel.assign(np.random.default_rng(0).standard_t(3, (16, 16)))
    inputs = keras.Input((16,))
    hidden = layers.Lambda(lambda x: encoder(x), output_shape=(16,), name="encode")(inputs)
    model = keras.Model(inputs, layers.Dense(2, "softmax")(hidden))
    model.compile("adam", SPARSE)
    y = np.arange(200) % 2
    x = np.random.default_rng(0).normal(y[:, None], 1, (200, 16)).astype("f4")
    found = diagnose_model(model, (x, y), seconds=0)
    assert found.causes == (("variables_not_tracked",) if meant == "nothing" else ())
    assert found.causes == () or "something inside 'encode' calls the layers" in found.verdict


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        # The second argument of AdamW is its weight decay; of Adam it is beta_1.
        (keras.optimizers.AdamW(0.005, 0.9, 0.999), "AdamW has weight_decay=0.9, beta_1=0.999"),
        (keras.optimizers.Adam(0.01, 1e-6), "Adam has beta_1=1e-06"),
        (keras.optimizers.SGD(0.01, 1e-6), "SGD has momentum=1e-06"),
    ],
)
def test_arguments_of_an_optimizer_in_the_places_of_others(optimizer, said):
    found = diagnose_model(network(optimizer=optimizer), blobs(), seconds=0)
    assert found.causes == ("optimizer_arguments_shifted",)
    assert found.verdict.startswith(said)
    assert found.severity == "suspicious"


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.AdamW(0.005, 0.01, 0.9, 0.999),
        keras.optimizers.Adam(0.01, 0.5),
        keras.optimizers.Adam(0.01, 0.0),
        keras.optimizers.SGD(0.1, 0.9),
    ],
)
def test_arguments_in_their_own_places(optimizer):
    assert causes(network(optimizer=optimizer), blobs()) == []


def test_an_average_that_overwrites_the_weights_at_each_step():
    every = keras.optimizers.Adam(use_ema=True, ema_overwrite_frequency=1)
    assert causes(network(optimizer=every), blobs()) == ["averages_overwrite_weights"]
    seldom = keras.optimizers.Adam(use_ema=True, ema_overwrite_frequency=100)
    assert causes(network(optimizer=seldom), blobs()) == []


def test_a_class_that_the_loss_ignores():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=1)
    assert causes(network(loss=loss), blobs()) == ["classes_without_weight"]
    none = keras.losses.SparseCategoricalCrossentropy(ignore_class=9)
    assert causes(network(loss=none), blobs()) == []


@pytest.mark.parametrize(
    ("optimizer", "said"), [("sgd", ["rows_weigh_next_to_nothing"]), ("adam", [])]
)
def test_rows_that_weigh_next_to_nothing(optimizer, said):
    x, y = blobs()
    weight = np.full(len(y), 1 / len(y), "float32")
    assert causes(network(optimizer=optimizer), (x, y, weight)) == said


def test_a_metric_of_ones_own_that_broadcasts():
    def acc(truth, output):
        return keras.ops.mean(keras.ops.equal(truth, keras.ops.round(output)))

    x, y = blobs()
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=[acc])
    found = diagnose_model(model, (x, (y > 0).astype("float32")), seconds=0)
    assert found.causes == ("wrong_metric",)
    assert found.findings[0].remedies[0].what.startswith("give labels the shape of the outputs")


def test_rare_classes_that_are_made_to_count_are_judged_by_class():
    rng = np.random.default_rng(0)
    y = (rng.random(1000) < 0.04).astype(int)
    x = (rng.normal(0, 1, (1000, 4)) + 1.6 * y[:, None]).astype("float32")
    model = network(layers.Dense(8, "relu"), shape=(4,), units=2)
    weights = {0: 1.0, 1: 24.0}
    assert causes(model, (x, y), seconds=60, epochs=4, class_weight=weights) == []


class OfPadding(layers.Layer):
    """Averages over the steps of a sequence that a mask leaves, or over those that it hides."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong

    def call(self, embedded, words):
        keep = keras.ops.cast((words == 0) if self.wrong else (words != 0), "float32")[..., None]
        return keras.ops.sum(keep * embedded, axis=1) / keras.ops.sum(keep, axis=1)


@pytest.mark.parametrize("wrong", [True, False])
def test_a_mask_the_wrong_way_round(wrong):
    x, y = sentences()
    words = keras.Input((24,), dtype="int32")
    hidden = OfPadding(wrong)(layers.Embedding(40, 8)(words), words)
    model = keras.Model(words, layers.Dense(2, "softmax")(layers.Dense(8, "relu")(hidden)))
    model.compile(keras.optimizers.Adam(0.02), SPARSE)
    found = diagnose_model(model, (x, y), seconds=60, epochs=10)
    assert found.causes == (("rows_come_out_alike",) if wrong else ())
    if wrong:
        # The layer in which they become alike, not one that is called with what is alike already.
        assert found.findings[0].layer.startswith("of_padding")


def test_steps_that_are_gathered_until_nothing_is_left_to_do():
    few = keras.optimizers.Adam(gradient_accumulation_steps=32)
    found = diagnose_model(network(optimizer=few), blobs(), epochs=10, seconds=0)
    assert found.causes == ("gradients_gathered_too_long",)
    assert "makes 2 updates of the weights of all 80 steps" in found.verdict
    some = keras.optimizers.Adam(gradient_accumulation_steps=2)
    assert causes(network(optimizer=some), blobs(), epochs=10) == []


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (
            keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5),
            ["learning_rate_fell_too_early"],
        ),
        (keras.optimizers.schedules.ExponentialDecay(0.01, 40, 0.5), []),
        (keras.optimizers.schedules.CosineDecay(0.0, 80, warmup_target=0.01, warmup_steps=20), []),
        (keras.optimizers.schedules.PiecewiseConstantDecay([40], [0.01, 0.001]), []),
    ],
)
def test_a_schedule_over_all_steps(schedule, said):
    model = network(optimizer=keras.optimizers.Adam(schedule))
    assert causes(model, blobs(), epochs=10) == said


def test_a_class_that_only_validation_rows_have():
    (x, y), held = blobs(600), blobs(300, seed=1)
    kept = y > 0
    found = diagnose_model(network(), (x[kept], y[kept]), held, seconds=0)
    assert found.causes == ("class_missing_in_training",)
    assert found.verdict.startswith("No training row is of class 0")
    assert causes(network(), (x, y), held) == []


def test_levels_that_a_cast_takes_away():
    digits = load_digits()
    flat = (layers.Flatten(), layers.Dense(16, "relu"))
    pictures = digits.images[..., None]
    for x, said in (((pictures / 16).astype("uint8"), ["grey_levels_lost"]), (pictures / 16, [])):
        assert causes(network(*flat, shape=(8, 8, 1), units=10), (x, digits.target)) == said


@pytest.mark.parametrize("exchanged", [True, False])
def test_classes_that_validation_numbers_otherwise_where_little_is_learnt(exchanged):
    rng = np.random.default_rng(1)
    y = rng.choice(3, 2400, p=[0.5, 0.3, 0.2])
    centres = rng.normal(0, 0.5, (3, 8))
    x = (centres[y] + rng.normal(0, 1, (2400, 8))).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16, "relu"), layers.Dense(3, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    said = np.array([2, 0, 1])[y[1600:]] if exchanged else y[1600:]
    found = diagnose_model(model, (x[:1600], y[:1600]), (x[1600:], said), epochs=10, seconds=20)
    assert found.causes == (("validation_labels_do_not_fit",) if exchanged else ())
    if exchanged:
        assert "numbers its classes otherwise" in found.verdict
