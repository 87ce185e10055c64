"""The notebooks of the documentation run from top to bottom, with small settings."""

import ast
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs/notebooks"

SMALL = {
    "data.demo_faces": 300,
    "network.filters": [4],
    "network.dense_units": [],
    "train.epochs": 2,
    "schedule.dropout_from_epoch": None,
    "schedule.smoothing_from_epoch": None,
    "schedule.plateau_from_epoch": None,
    "monitor.tensorboard": False,
    "monitor.overfit_every": 100,
    "monitor.diagnose": False,
}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Runs a notebook of that name in an empty folder; what each code cell gave, as text."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))

    def run(name):
        notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", ()):
                cell.source = f"settings = {SMALL!r}"
        client = NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
        )
        client.execute()
        return [said(cell) for cell in notebook.cells if cell.cell_type == "code"]

    return run


def said(cell):
    return "".join(
        each.text if each.output_type == "stream" else each.data.get("text/plain", "")
        for each in cell.outputs
        if each.get("name") != "stderr"
    )


def test_from_a_training_to_a_diagnosis(outputs, tmp_path):
    _, _, run, history, *rest, fixes = outputs("training_to_diagnosis.ipynb")
    # Without `progress` nothing is printed: a notebook shows the run alone.
    assert run.startswith("<ferkeras.Run demo-001")
    assert "val_accuracy" in history
    assert any("Verdict: The learning rate 1e-07 is too low" in text for text in rest)
    assert "train.learning_rate" in fixes
    assert (tmp_path / "saved_models/broken-001/diagnosis/diagnosis.html").is_file()


def test_callbacks_in_a_project_without_anything_else_of_ferkeras(outputs):
    *_, report, history, collapse = outputs("callbacks_in_your_project.ipynb")
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
def test_notebooks_are_kept_without_results(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
