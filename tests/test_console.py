"""The console: what a person reads in a terminal, and what a log file gets."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.cli.console import Console
from ferkeras.cli.figures import duration, percent
from ferkeras.cli.quiet import import_tensorflow

import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras.src.callbacks.callback_list import CallbackList  # noqa: E402

from ferkeras.data.presets.fer2013 import EMOTIONS  # noqa: E402
from ferkeras.training.progress import EpochBar, EpochLine, line  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]

LOGS = {
    "loss": 1.51,
    "accuracy": 0.412,
    "val_accuracy": 0.44,
    "val_balanced_accuracy": 0.331,
    "gradient_norm": 2.3,
    "gradient_clipped": 0.12,
    "gradient_skipped": 0,
}


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def plain(clock):
    return Console(io.StringIO(), clock)


@pytest.fixture
def terminal(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Console(Terminal(), clock)


def text(console: Console) -> str:
    return console._rich.file.getvalue()


def small_model() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model


def small_data(batches: int = 5) -> tf.data.Dataset:
    generator = np.random.default_rng(0)
    faces = generator.normal(size=(batches * 8, 4)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((faces, np.arange(batches * 8) % 3)).batch(8)


def test_text_is_printed_as_it_stands_brackets_and_all(plain):
    plain.print("weights clipped to [0.7, 1.3] :smile: [red]x[/red] 1e-3")
    assert text(plain) == "weights clipped to [0.7, 1.3] :smile: [red]x[/red] 1e-3\n"


def test_a_long_line_in_a_file_stays_one_line(plain):
    plain.print("x " * 500)
    plain.alarm("y " * 500)
    assert text(plain).count("\n") == 2


def test_a_file_gets_no_control_codes_even_when_colour_is_forced(clock, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(io.StringIO(), clock)
    console.header("title", {"data": "here"})
    console.alarm("look")
    with console.progress("reading", 10) as step:
        clock.now += 100
        step(5)
    console.table("t", ["a"], [[1]])
    assert not console.live
    assert "\x1b" not in text(console)
    assert "ALARM: look\n" in text(console)


def test_a_dumb_terminal_gets_plain_lines(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not Console(Terminal(), clock).live


def test_an_alarm_stands_out_in_a_terminal_and_is_remembered_with_its_epoch(terminal):
    terminal.epoch = 7
    terminal.alarm("92 % of the predictions are disgust")
    terminal.epoch = None
    terminal.alarm("late")
    assert "\x1b[1;37;41m ALARM " in text(terminal)
    assert terminal.alarms == [(7, "92 % of the predictions are disgust"), (None, "late")]


def test_an_alarm_of_several_lines_is_one_line_in_a_log(plain):
    plain.alarm("first\n  second")
    assert text(plain) == "ALARM: first second\n"


def test_a_table_sets_numbers_right_and_words_left(plain):
    plain.table(
        "T",
        ["name", "count", "fraction"],
        [["a", 1234, "5.0 %"], ["long", 7, "-"]],
        ["all", 1241, ""],
    )
    lines = text(plain).splitlines()
    assert lines[0] == "T"
    assert lines[1] == "name | count | fraction"
    assert lines[3] == "a    | 1,234 |    5.0 %"
    assert lines[4] == "long |     7 |        -"
    assert lines[6].startswith("all  | 1,241 |")


def test_a_table_takes_numpy_numbers(plain):
    plain.table("T", ["n", "x"], [[np.int64(1200), np.float32(0.25)], [1, math.nan]])
    assert "1,200 | 0.25" in text(plain)


def test_a_row_that_does_not_fit_its_columns_is_refused(plain):
    with pytest.raises(ValueError, match="expected 2 cells"):
        plain.table("T", ["a", "b"], [[1]])


def test_the_class_table_shows_counts_fractions_and_weights_within_80_columns(terminal):
    train = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965])
    terminal.class_table(
        EMOTIONS,
        {"train": train, "validation": train // 8, "test": train // 8},
        np.linspace(0.7, 1.3, 7),
        np.linspace(0.7, 1.3, 7),
        note="capped to [0.7, 1.3]",
    )
    printed = text(terminal)
    assert "13.9%" in printed
    assert "28,709" in printed
    assert "capped to [0.7, 1.3]" in printed
    # Title, heading and its line, seven emotions, a line and the sum, blank, note, blank.
    assert len(printed.splitlines()) == 15


def test_an_emotion_that_was_never_predicted_has_a_dash_for_precision(plain):
    ones = [1.0] * 7
    plain.result_table("Test", EMOTIONS, [math.nan, *ones[1:]], [0.0, *ones[1:]], ones, [3] * 7)
    rows = {row.split()[0]: row for row in text(plain).splitlines() if row}
    assert rows["angry"].split("|")[1].strip() == "-"
    assert rows["mean"].split("|")[1].strip() == "85.7%"
    assert rows["mean"].split("|")[4].strip() == "21"


def test_commands_are_never_wrapped_so_that_they_can_be_copied(terminal):
    command = "python -m ferkeras.evaluate " + "x" * 200
    terminal.commands("Next", {"score it": command})
    assert f"    {command}" in text(terminal).replace("\x1b[36m", "").replace("\x1b[0m", "")


def test_progress_of_a_short_piece_of_work_is_not_shown(terminal, clock):
    with terminal.progress("reading", 100) as step:
        for _ in range(100):
            clock.now += 0.0045
            step(1)
    assert text(terminal) == ""


def test_progress_shows_count_and_time_left_and_then_leaves_the_terminal(terminal, clock):
    with terminal.progress("reading", 100) as step:
        for _ in range(50):
            clock.now += 0.125
            step(1)
    printed = text(terminal)
    assert "reading" in printed
    assert "50/100  0:06 left" in printed
    assert printed.endswith("\x1b[2K")
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")


def test_work_is_one_line_in_a_file_and_moves_in_a_terminal_until_it_is_done(plain, monkeypatch):
    with plain.working("evaluating"):
        pass
    assert text(plain) == "evaluating\n"

    monkeypatch.setenv("TERM", "xterm-256color")
    moved = threading.Semaphore(0)

    class Watched(Terminal):
        def write(self, text: str) -> int:
            if "0:0" in text:
                moved.release()
            return super().write(text)

    console = Console(Watched())
    with console.working("evaluating"):
        for _ in range(3):
            assert moved.acquire(timeout=60)
    assert "evaluating" in text(console)
    assert text(console).endswith("\x1b[2K")
    assert not [each for each in threading.enumerate() if "heartbeat" in each.name]


def test_work_within_work_hides_it_for_as_long_as_it_takes(terminal, clock):
    with terminal.working("outer", 9) as outer:
        clock.now += 1
        outer(1)
        with terminal.progress("inner", 9) as inner:
            clock.now += 1
            inner(1)
        clock.now += 1
        outer(1)
    printed = text(terminal)
    assert printed.index("outer") < printed.index("inner") < printed.rindex("outer")
    assert printed.count("\x1b[?25h") == printed.count("\x1b[?25l") == 3


def test_phases_are_told_to_whoever_asked():
    phases = []
    console = Console(io.StringIO(), phase=phases.append)
    with console.working("a"), console.progress("b"):
        console.phase("c")
    assert phases == ["a", "b", "c"]


def test_progress_in_a_file_is_one_line_every_thirty_seconds(plain, clock):
    with plain.progress("reading", 1000) as step:
        for _ in range(1000):
            clock.now += 0.125
            step(1)
    assert text(plain).splitlines() == [
        "reading  240/1,000  1:35 left",
        "reading  480/1,000  1:05 left",
        "reading  720/1,000  0:35 left",
        "reading  960/1,000  0:05 left",
    ]


def test_a_bar_is_drawn_at_most_five_times_a_second(terminal, clock):
    bar_lines = 0
    with terminal.progress("reading", 10_000) as step:
        clock.now += 5
        before = len(text(terminal))
        for _ in range(1000):
            clock.now += 0.001
            size = len(text(terminal))
            step(1)
            bar_lines += len(text(terminal)) > size
    assert before == 0
    assert 1 <= bar_lines <= 5


def test_an_alarm_while_a_bar_stands_does_not_tear_it(terminal, clock):
    with terminal.progress("reading", 10) as step:
        clock.now += 2
        step(1)
        terminal.alarm("look")
    printed = text(terminal)
    assert printed.index("reading") < printed.index("look") < printed.rindex("reading")


def test_closing_the_console_gives_the_cursor_back(terminal, clock):
    def interrupted():
        with terminal:
            bar = EpochBar(terminal, 8)
            bar.set_params({"epochs": 2, "steps": 9})
            bar.on_epoch_begin(0)
            clock.now += 1
            bar.on_train_batch_begin(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert text(terminal).rindex("\x1b[?25h") > text(terminal).rindex("\x1b[?25l")


def test_the_bar_of_an_epoch_shows_faces_a_second_without_the_first_step(terminal, clock):
    bar = EpochBar(terminal, batch_size=64)
    bar.set_params({"epochs": 60, "steps": 100})
    bar.on_epoch_begin(2)
    clock.now += 50  # the first step compiles the graph
    for batch in range(1, 51):
        bar.on_train_batch_begin(batch)
        clock.now += 0.1
    assert "epoch  3/60" in text(terminal)
    assert "640 faces/s" in text(terminal)
    bar.on_test_begin()
    assert "validation" in text(terminal)
    assert terminal.epoch == 3
    bar.on_epoch_end(2)
    bar.on_train_end()
    assert terminal.epoch is None


def test_the_bar_learns_the_length_of_an_epoch_that_keras_does_not_know(terminal, clock):
    bar = EpochBar(terminal, batch_size=2)
    bar.set_params({"epochs": 2, "steps": None})
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        for batch in range(7):
            clock.now += 1
            bar.on_train_batch_begin(batch)
        bar.on_epoch_end(epoch)
    assert "4  2 faces/s" in text(terminal)
    assert "4/7  2 faces/s  0:03 left" in text(terminal)


def test_where_keras_can_fetch_logs_on_another_thread_the_bar_does_not_prevent_it(
    plain, monkeypatch
):
    monkeypatch.setattr("keras.src.backend.IS_THREAD_SAFE", True)
    model = small_model()
    assert CallbackList([EpochBar(plain, 8), EpochLine(plain)], model=model)._async_train
    assert CallbackList([EpochBar(plain, 8), EpochLine(plain)], model=model)._async_test


def test_a_fit_prints_one_line_an_epoch_into_a_file(plain):
    keras.utils.set_random_seed(0)
    model = small_model()
    model.fit(
        small_data(),
        validation_data=small_data(),
        epochs=3,
        verbose=0,
        shuffle=False,
        callbacks=[EpochBar(plain, 8), EpochLine(plain)],
    )
    lines = text(plain).splitlines()
    assert [entry.split()[1] for entry in lines] == ["1/3", "2/3", "3/3"]
    assert all("train" in entry and "validation" in entry for entry in lines)
    assert "(best)" in lines[0]


def test_the_best_epoch_is_marked_and_a_tie_is_not_better(plain):
    callback = EpochLine(plain)
    callback.set_params({"epochs": 4})
    for epoch, accuracy in enumerate((0.3, 0.5, 0.5, math.nan)):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"val_accuracy": accuracy})
    marked = ["(best)" in entry for entry in text(plain).splitlines()]
    assert marked == [True, True, False, False]
    assert callback.best == 0.5


def test_an_epoch_whose_network_is_never_kept_is_not_marked(plain):
    callback = EpochLine(plain)
    callback.set_params({"epochs": 2})
    for epoch, (accuracy, loss) in enumerate([(0.6, math.nan), (0.5, 0.7)]):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"val_accuracy": accuracy, "val_loss": loss})
    assert ["(best)" in entry for entry in text(plain).splitlines()] == [False, True]


def test_a_resumed_run_knows_its_best(plain):
    earlier = EpochLine(plain)
    earlier.set_params({"epochs": 4})
    earlier.on_epoch_end(1, {"val_accuracy": 0.6})
    callback = EpochLine(plain)
    callback.set_params({"epochs": 4})
    callback.set_state(earlier.get_state())
    callback.on_epoch_begin(2)
    callback.on_epoch_end(2, {"val_accuracy": 0.5})
    assert "(best)" not in text(plain).splitlines()[-1]


def test_a_setting_is_shown_when_it_changes_and_only_then(plain):
    callback = EpochLine(plain)
    callback.set_params({"epochs": 4})
    for epoch, rate in enumerate((0.1, 0.1, 0.11, 0.11)):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(
            epoch, {"conv_dropout": rate, "dense_dropout": 0.3, "learning_rate": 1e-3}
        )
    shown = [("dropout 0.11/0.3" in entry) for entry in text(plain).splitlines()]
    assert shown == [False, False, True, False]
    assert "learning rate" not in text(plain)


def test_the_line_of_an_epoch_says_all_where_there_is_room():
    written = line(["epoch  3/60", "1:52"], LOGS, True, {}, 0.0, 200).plain
    assert written == (
        "epoch  3/60  1:52  train 41.2%  validation 44.0% (best)  balanced 33.1%  loss 1.51"
        "  gradient 2.3 (12% clipped)"
    )


def test_the_line_of_an_epoch_fits_80_columns_and_keeps_what_matters():
    written = line(["epoch  3/60", "1:52"], LOGS, True, {}, 6300.0, 80).plain
    assert len(written) <= 80
    assert written == ("epoch  3/60  1:52  train 41.2%  val 44.0% best  balanced 33.1%  loss 1.51")


@given(
    width=st.integers(30, 200),
    skipped=st.integers(0, 10_000),
    loss=st.one_of(st.just(math.nan), st.floats(0, 1e4)),
    accuracy=st.floats(0, 1),
    changed=st.dictionaries(st.sampled_from(["dropout", "smoothing"]), st.just("0.1")),
)
def test_no_width_hides_skipped_steps_or_a_loss_that_is_no_number(
    width, skipped, loss, accuracy, changed
):
    logs = LOGS | {"gradient_skipped": skipped, "loss": loss, "accuracy": accuracy}
    written = line(["epoch  3/60", "1:52"], logs, False, changed, 60.0, width).plain
    assert written.startswith("epoch  3/60")
    assert ("skipped" in written) == (skipped > 0)
    assert not math.isnan(loss) or "loss nan" in written
    assert len(written) <= max(width, 60)


@given(st.floats(0, 1e7))
def test_a_duration_reads_back_as_the_same_seconds(seconds):
    parts = [int(part) for part in duration(seconds).split(":")]
    assert sum(part * 60**power for power, part in enumerate(reversed(parts))) == round(seconds)


def test_fractions_are_percentages_and_the_undefined_a_dash():
    assert percent(0.4401) == "44.0%"
    assert percent(math.nan) == "-"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean | environment,
        check=False,
    )


def test_a_healthy_fit_evaluate_and_export_leave_stderr_empty(tmp_path):
    done = run(
        f"""
from ferkeras.cli.quiet import import_tensorflow
import_tensorflow()
import keras, numpy as np, os, tensorflow as tf
keras.utils.set_random_seed(0)
tf.config.experimental.enable_op_determinism()
faces = np.zeros((40, 8, 8, 1), "uint8")
feed = tf.data.Dataset.from_tensor_slices((faces, np.arange(40) % 7)).cache().batch(8)
feed = feed.map(lambda x, y: (tf.image.flip_left_right(x), y), num_parallel_calls=2).prefetch(2)
inputs = keras.Input((8, 8, 1), dtype="uint8")
x = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(inputs))
x = keras.layers.Dropout(0.1)(keras.layers.BatchNormalization()(x))
model = keras.Model(inputs, keras.layers.Dense(7)(keras.layers.Flatten()(x)))
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(feed, validation_data=feed, epochs=2, verbose=0, shuffle=False)
model.evaluate(feed, verbose=0)
for _ in feed.take(1):
    pass
model.save({str(tmp_path / "model.keras")!r})
model.export({str(tmp_path / "export")!r}, verbose=False)
tf.saved_model.save(model, {str(tmp_path / "again")!r})
from ferkeras.network.precision import set_precision
set_precision("mixed_bfloat16")
half = keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3)])
assert half.predict(feed, verbose=0).dtype == "bfloat16"
print(os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "2 1\n"


def test_what_a_failing_import_wrote_is_shown(tmp_path):
    package = tmp_path / "tensorflow"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import os\nos.write(2, b'libfoo.so.7: cannot open\\n')\nraise ImportError('no libfoo')\n"
    )
    done = run(
        "from ferkeras.cli.quiet import import_tensorflow; import_tensorflow()",
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 1
    assert "libfoo.so.7: cannot open" in done.stderr
    assert "ImportError: no libfoo" in done.stderr


def test_stderr_works_again_after_the_import_and_a_chosen_level_stays(tmp_path):
    for name, body in {
        "tensorflow": "import os\nos.write(2, b'chatter\\n')\n"
        "class config:\n    list_physical_devices = staticmethod(lambda kind: ['gpu'])\n"
        "import logging\nget_logger = lambda: logging.getLogger('tensorflow')\n",
        "keras": "",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(body)
    done = run(
        "import os; from ferkeras.cli.quiet import import_tensorflow; import_tensorflow();"
        "os.write(2, (os.environ['TF_CPP_MIN_LOG_LEVEL']"
        " + os.environ['TF_ENABLE_ONEDNN_OPTS']).encode())",
        PYTHONPATH=str(tmp_path),
        TF_CPP_MIN_LOG_LEVEL="0",
        TF_ENABLE_ONEDNN_OPTS="0",
    )
    assert done.stderr == "00"
