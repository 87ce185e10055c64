"""`diagnose --script`: somebody's program, up to its first `fit`."""

import html
import json
import re
from pathlib import Path
from textwrap import dedent

import keras
import pytest

from ferkeras.diagnose.__main__ import main

PROGRAM = """\
import sys
import keras
import numpy as np; keras.utils.set_random_seed(0)

rng = np.random.default_rng(0)
y = rng.integers(0, 2, 200)
x = rng.normal(size=(200, 4)) + 3 * y[:, None]
model = keras.Sequential([
    keras.Input((4,)),
    keras.layers.Dense(8, "relu"),
    keras.layers.Dense(1, LAST),
])
model.compile("adam", "binary_crossentropy")
print("arguments:", sys.argv[1:])
model.fit(x, y, epochs=20, verbose=0)
open("after", "w").close()
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "train.py").write_text(dedent(text), "utf-8")
        return tmp_path / "train.py"

    return write


def test_the_readme_shows_what_is_said_of_its_program(capsys, monkeypatch):
    root = Path(__file__).resolve().parents[1]
    monkeypatch.chdir(root)
    readme = (root / "README.md").read_text("utf-8")
    asked, told = re.search(
        r"\$ python -m ferkeras\.diagnose (.*?)\n(.*?)```", readme, re.DOTALL
    ).groups()
    assert main(asked.split()) == 1
    out = capsys.readouterr().out
    for line in told.splitlines():
        # How long it took and what was reached differ from machine to machine.
        assert re.sub(r"after \d+ seconds|\d+\.\d% .*", "", line) in out


def test_the_cause_and_its_line(program, capsys, tmp_path):
    program(PROGRAM.replace("LAST", '"softmax"'))
    fit = keras.Model.fit
    files = ["--page", "why.html", "--json", "why.json"]
    code = main(["--seconds", "2", *files, "--script", "train.py", "--epochs", "3"])
    out = capsys.readouterr().out
    assert code == 1
    assert "arguments: ['--epochs', '3']" in out
    assert "train.py:15: fit is called" in out
    assert "At train.py:11" in out
    assert 'activation="sigmoid"' in out
    assert not (tmp_path / "after").exists()
    said = json.loads((tmp_path / "why.json").read_text("utf-8"))
    assert said["causes"] == ["softmax_on_one_unit"]
    assert said["findings"][0]["line"] == "train.py:11"
    assert keras.Model.fit is fit
    page = html.unescape((tmp_path / "why.html").read_text("utf-8"))
    assert "<h1>Diagnosis of train.py</h1>" in page
    assert f'<p class="verdict">{said["verdict"]}</p>' in page
    # The line that is to be changed, among those around it.
    assert '<span class="alarm">  11      keras.layers.Dense(1, "softmax"),</span>' in page
    assert '  10      keras.layers.Dense(8, "relu"),' in page
    assert "://" not in page


def test_nothing_is_wrong(program, capsys):
    sound = PROGRAM.replace('"adam"', "keras.optimizers.Adam(0.02)")
    program(sound.replace("LAST", '"sigmoid"'))
    assert main(["--seconds", "60", "--script", "train.py"]) == 0
    assert "Nothing was found" in capsys.readouterr().out


def test_a_loss_is_where_the_program_compiles(program, capsys):
    text = PROGRAM.replace("LAST", '"sigmoid"').replace('"binary_crossentropy"', '"mse"')
    program(text)
    assert main(["--seconds", "0", "--script", "train.py", "--page", "why.html"]) == 1
    out = capsys.readouterr().out
    assert "At train.py:13" in out
    assert "note: --page stands after the program and was given to it" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print('no training')", "ended without calling fit"),
        ("import sys\nsys.exit(3)", "exit code 3"),
        (
            "a = 1\nb = a / 0",
            "train.py:2: the program fails before it calls fit on a Keras model: ZeroDiv",
        ),
    ],
)
def test_programs_that_never_train(program, capsys, text, said):
    program(text)
    assert main(["--script", "train.py"]) == 2
    assert said in capsys.readouterr().err


def test_of_an_autoencoder_the_next_fit_is_proposed(program, capsys):
    program(
        "import keras\nimport numpy as np\n"
        "x = np.random.default_rng(0).random((120, 4)).astype('float32')\n"
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])\n"
        "model.compile('adam', 'mse')\nmodel.fit(x, x)\n"
    )
    assert main(["--script", "train.py"]) == 2
    said = capsys.readouterr().err
    assert "the inputs themselves" in said
    assert "--fit 2 examines that call" in said


def test_a_program_for_another_backend_is_told_where_it_is_examined(program, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    asks = 'import os\nos.environ["KERAS_BACKEND"] = "jax"\n'
    program(asks + PROGRAM.replace("LAST", '"softmax"'))
    assert main(["--seconds", "0", "--script", "train.py"]) == 1
    out = capsys.readouterr().out
    assert "note: KERAS_BACKEND asks for jax; the program is examined on TensorFlow" in out


@pytest.mark.parametrize("asked", [["--script", "--help"], ["--help", "--script"]])
def test_help_tells_what_goes_with_a_program(asked, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(asked)
    assert "--script PROGRAM [its arguments ...]" in capsys.readouterr().out


def test_files_that_are_not_there(program, capsys):
    assert main(["--script", "nothing.py"]) == 2
    assert "no such file" in capsys.readouterr().err
    program("a = 1").with_name("why.json").write_text("mine", "utf-8")
    for option in ("--json", "--page"):
        assert main([option, "why.json", "--script", "train.py"]) == 2
        assert "exists already" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")  # Its own.
def test_a_later_fit_is_examined_after_those_before_it_were_done(program, capsys):
    text = PROGRAM.replace("LAST", '"sigmoid"').replace("epochs=20", "epochs=1")
    text += """\
print("trained:", bool(model.optimizer.iterations.numpy()))
for layer in model.layers:
    layer.trainable = False
model.compile("adam", "binary_crossentropy")
model.fit(x, y, epochs=20, verbose=0)
"""
    program(text)
    assert main(["--seconds", "2", "--fit", "2", "--script", "train.py"]) == 1
    out = capsys.readouterr().out
    assert "trained: True" in out
    assert "train.py:21: fit is called" in out
    assert "nothing can be trained" in out.lower() or "frozen" in out.lower()
    assert main(["--fit", "3", "--script", "train.py"]) == 2
    assert "the fit that --fit 3 asks for: it called fit 2 times" in capsys.readouterr().err


FOLDS = """\
import keras
import numpy as np
from sklearn.model_selection import KFold
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
y = np.arange(200) % 2
x = rng.normal(size=(200, 4)).astype("float32") + 3 * y[:, None]
model = keras.Sequential([
    keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")
])
model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
first = model.get_weights()
for train, held in FOLDS:
    BEGIN
    model.fit(x[train], y[train], epochs=20, verbose=0 GIVEN)
    AFTER
"""
KFOLD = "KFold(4, shuffle=True, random_state=0).split(x)"
JUDGED = "model.predict(x[held], verbose=0)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AFTER": JUDGED}, "100% of the rows that it was judged on since that `fit` had been"),
        (
            {"GIVEN": ", validation_data=(x[held], y[held])"},
            "100% of the validation rows had been trained on by an earlier `fit`",
        ),
        ({"BEGIN": "model.set_weights(first)", "AFTER": JUDGED}, ""),
        (
            {
                "BEGIN": "model.set_weights(first); "
                "model.fit(x[train], y[train], epochs=1, verbose=0)",
                "GIVEN": ", validation_data=(x[held], y[held])",
                "FITS": "6",
            },
            "",
        ),
        # Rows that stay apart; rows that lie ahead; rows drawn anew, judged on those.
        ({"FOLDS": "[(np.arange(150), np.arange(150, 200))] * 4", "AFTER": JUDGED}, ""),
        (
            {
                "FOLDS": "[(np.arange(k, k + 90), np.arange(k + 90, k + 120)) "
                "for k in (0, 30, 60, 80)]",
                "AFTER": JUDGED,
            },
            "",
        ),
        (
            {
                "FOLDS": "[(rng.permutation(150), np.arange(150, 200)) for _ in range(4)]",
                "BEGIN": "train = train[:100]",
                "AFTER": "model.predict(x[train], verbose=0); " + JUDGED,
            },
            "",
        ),
    ],
)
def test_folds_that_one_model_goes_through_are_a_leak(program, capsys, change, said):
    text = FOLDS
    for name, usual in {"FOLDS": KFOLD, "BEGIN": "pass", "GIVEN": "", "AFTER": "pass"}.items():
        text = text.replace(name, change.get(name, usual))
    program(text)
    asked = ["--seconds", "2", "--fit", change.get("FITS", "3"), "--script", "train.py"]
    assert main(asked) == bool(said)
    out = " ".join(capsys.readouterr().out.split())
    assert said in out
    assert ("leakage" in out) == bool(said)
    assert ("left it, in train.py:15" in out) == bool(said)


@pytest.mark.parametrize("number", ["0", "x", "1.5"])
def test_a_fit_that_cannot_be_counted_is_one_clear_error(number, program, capsys):
    program("print('not run')")
    with pytest.raises(SystemExit) as ended:
        main(["--fit", number, "--script", "train.py"])
    assert ended.value.code == 2
    assert f"{number}: expected a whole number, 1 or more" in capsys.readouterr().err


LISTED = """\
from pathlib import Path
import keras, numpy as np
from PIL import Image

keras.utils.set_random_seed(0)
labels = np.random.default_rng(0).integers(0, 2, 400).tolist()
Path("files").mkdir()
for number, label in enumerate(labels):
    Image.new("L", (8, 8), 60 + 120 * label).save(f"files/{NAME}.png")
train = keras.utils.image_dataset_from_directory(
    "files", labels, color_mode="grayscale", image_size=(8, 8), seed=0
)
model = keras.Sequential([
    keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255),
    keras.layers.Flatten(), keras.layers.Dense(2, "softmax"),
])
model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
model.fit(train, epochs=10, verbose=0)
"""


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("{number}", 1, "taken in the order of the files' names: 109.png before 11.png"),
        ("{number:03}", 0, "Nothing was found"),
    ],
)
def test_labels_in_a_list_that_goes_by_number_where_files_go_by_name(
    program, capsys, name, code, said
):
    program(LISTED.replace("{NAME}", name))
    real = keras.utils.image_dataset_from_directory
    assert main(["--seconds", "5", "--script", "train.py"]) == code
    out = capsys.readouterr().out
    assert said in out
    assert ("At train.py:10" in out) == bool(code)
    assert keras.utils.image_dataset_from_directory is real
