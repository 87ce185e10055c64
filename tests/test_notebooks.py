"""The notebooks of the documentation run from top to bottom, with small settings."""

import ast
import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
import pytest
from matplotlib import pyplot
from nbclient import NotebookClient

from ferkeras.fit import run as fit_run

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs/notebooks"

SMALL = {
    "data.demo_faces": 200,
    "network.filters": [4],
    "network.dense_units": [],
    "train.epochs": 1,
    "schedule.dropout_from_epoch": None,
    "schedule.smoothing_from_epoch": None,
    "schedule.plateau_from_epoch": None,
    "monitor.tensorboard": False,
    "monitor.overfit_every": 100,
    "monitor.diagnose": False,
}


def code_of(name):
    """The code cells of a notebook, with small settings where it has settings."""
    cells = nbformat.read(NOTEBOOKS / name, as_version=4).cells
    for cell in cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = f"settings = {SMALL!r}"
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Runs a notebook of that name in an empty folder; what each code cell gave, as text.

    In this process, which has TensorFlow already.
    """
    monkeypatch.chdir(tmp_path)

    def run(name):
        names = {"__name__": "__main__"}
        return [said(source, names) for source in code_of(name)]

    yield run
    pyplot.close("all")


def said(source, names):
    """What a cell prints, and its last expression."""
    body = ast.parse(source).body
    last = body.pop().value if isinstance(body[-1], ast.Expr) else None
    value = None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last), "cell", "eval"), names)
    shown = "" if value is None or source.rstrip().endswith(";") else repr(value)
    return printed.getvalue() + shown


@pytest.mark.usefixtures("short_range_tests")
def test_from_a_training_to_a_diagnosis(outputs, tmp_path, monkeypatch):
    def train(config, *arguments, **named):
        # Of the second run, nothing is looked at that the first one does not have.
        return whole(config, *arguments, **named, brief=config.name == "broken")

    whole = fit_run.train
    monkeypatch.setattr(fit_run, "train", train)
    _, _, run, history, *rest, fixes = outputs("training_to_diagnosis.ipynb")
    # Without `progress` nothing is printed: a notebook shows the run alone.
    assert run.startswith("<ferkeras.Run demo-001")
    assert "val_accuracy" in history
    assert any("Verdict: The learning rate 1e-07 is too low" in text for text in rest)
    assert "train.learning_rate" in fixes
    assert (tmp_path / "saved_models/broken-001/diagnosis/diagnosis.html").is_file()


def test_callbacks_in_a_project_without_anything_else_of_ferkeras(tmp_path, monkeypatch):
    """In a kernel of its own."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    notebook = nbformat.read(NOTEBOOKS / "callbacks_in_your_project.ipynb", as_version=4)
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, resources=folder).execute()
    *_, report, history, collapse = (
        "".join(
            each.text if each.output_type == "stream" else each.data.get("text/plain", "")
            for each in cell.outputs
            if each.get("name") != "stderr"
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    assert "validation by class" in report
    assert "dropout" in history
    assert "COLLAPSE onto '8'" in collapse


def test_what_is_said_of_somebody_s_program_is_done_and_it_learns(outputs, tmp_path):
    _, stuck, causes, remaining, _, then, learnt, severity = outputs(
        "a_program_that_does_not_learn.ipynb"
    )
    assert max(ast.literal_eval(stuck)) < 0.2
    assert "relu_output" in causes
    assert "with 0.001 the same steps learn" in remaining
    assert "with 0.001 the same steps learn" in then
    assert ast.literal_eval(learnt)[-1] > 0.8
    assert severity == "'healthy'"
    assert "<h1>Diagnosis of" in (tmp_path / "why.html").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_with_the_results_of_one_run_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    assert {output.output_type for output in outputs} <= {
        "stream",
        "execute_result",
        "display_data",
    }
    # Nothing of the machine that they were run on.
    assert not re.search(r"(/tmp|/home|/opt|/root|/Users)/", path.read_text("utf-8"))
