"""Every `.keras` file of a run opens where there is Keras and no ferkeras."""

import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from scipy.special import softmax

from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.export.card.model_card import model_card
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.finished import open_run
from ferkeras.runs.network import load_network
from ferkeras.runs.shipped import SHIPPED

NOISE = np.random.default_rng(5).integers(0, 256, (9, 48, 48, 1), dtype=np.uint8)


def in_a_process_without_ferkeras(program, folder, *arguments):
    """What a program prints that can import Keras and neither ferkeras nor its callbacks."""
    program = "import sys\nsys.modules['ferkeras'] = sys.modules['callbacks'] = None\n" + program
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def files(finished_run):
    """Path of each file, by what it is."""
    return {
        "best": finished_run / "best.keras",
        "last": finished_run / "last.keras",
        "shipped": SHIPPED / "best.keras",
    }


@pytest.fixture(scope="module")
def outputs(files, tmp_path_factory):
    """Probabilities of `NOISE` by each file, loaded in both ways: `best`, `best uncompiled`, ..."""
    folder = tmp_path_factory.mktemp("elsewhere")
    np.save(folder / "faces.npy", NOISE)
    program = textwrap.dedent("""
        import keras, numpy as np
        faces, found = np.load("faces.npy"), {}
        for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
            for kind, compile in ((name, True), (f"{name} uncompiled", False)):
                network = keras.saving.load_model(path, compile=compile, safe_mode=True)
                found[kind] = network.predict(faces, verbose=0)
        np.savez("outputs.npz", **found)
    """)
    words = [word for name, path in files.items() for word in (name, path.resolve())]
    in_a_process_without_ferkeras(program, folder, *words)
    return dict(np.load(folder / "outputs.npz"))


@pytest.mark.parametrize("name", ["best", "last"])
def test_files_of_a_run_output_the_probabilities_of_its_network(name, files, outputs):
    path = files[name]
    finished = open_run(path.parent)
    network = load_network(finished.config, finished.environment, finished.run.inner / path.name)
    logits = network.predict(NOISE, verbose=0)
    np.testing.assert_allclose(outputs[name], softmax(logits, axis=1), atol=1e-6)
    np.testing.assert_array_equal(outputs[name], outputs[f"{name} uncompiled"])


def test_the_shipped_network_outputs_probabilities(outputs):
    assert outputs["shipped"].shape == (len(NOISE), len(FER2013.classes))
    np.testing.assert_allclose(outputs["shipped"].sum(axis=1), 1, atol=1e-5)


def test_files_name_their_classes_and_the_epoch_that_they_are_of(files):
    metrics = open_run(files["best"].parent).metrics
    best, last = (enclosed_in(files[name].read_bytes(), files[name]) for name in ("best", "last"))
    assert best.emotions == last.emotions == FER2013.classes.names
    assert best.provenance["epoch"] == metrics["best_epoch"]
    assert best.provenance["validation_accuracy"] == pytest.approx(
        metrics["validation"]["accuracy"]
    )
    assert last.provenance["epoch"] == metrics["epochs"]
    shipped = enclosed_in(files["shipped"].read_bytes(), files["shipped"])
    assert shipped.emotions == FER2013.classes.names


def test_the_lines_in_the_model_card_do_what_they_say(files):
    card = model_card(open_run(files["best"].parent), {})
    (code,) = re.findall(r"```python\n(import keras\n.*?)```", card, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 3
    program = f"import numpy as np\nfaces = np.zeros((2, 48, 48, 1), np.uint8)\n{code}"
    told = in_a_process_without_ferkeras(
        program + "\nprint(probabilities.shape)", files["best"].parent
    )
    assert told.splitlines()[-1] == "(2, 7)"
