"""A training that is killed once is told to MLflow's database and, offline, to Weights & Biases.

    python benchmarks/trackers.py [--trackers mlflow,wandb]

In an empty folder: `fit` on the demo, small, is killed with SIGKILL after its second epoch and
resumed. Then MLflow is asked whether it has every epoch of the history once, the figures, and a
network that predicts what `best.keras` predicts; wandb's folder must hold two parts of one run.
Prints the seconds that a training takes with and without trackers. Exit code 1 if anything is not
so. wandb is not among what requirements.txt installs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = [
    "data.demo_faces=1000",
    "network.filters=[8]",
    "train.epochs=6",
    "monitor.diagnose=false",
]


def fit(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `fit` in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "ferkeras.fit", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"},
        stdout=subprocess.DEVNULL,
        text=True,
    )


def seconds(folder: Path, *arguments: str) -> float:
    """Run `fit` to its end."""
    begun = time.monotonic()
    assert fit(folder, *arguments).wait() == 0
    return time.monotonic() - begun


def faults(folder: Path, trackers: list[str]) -> list[str]:
    """What is not as it should be after a kill and a resume."""
    process = fit(folder, *SETTINGS, f"monitor.trackers=[{','.join(trackers)}]", "name=tracked")
    history = folder / "saved_models" / "tracked-001" / "history.csv"
    while not history.exists() or len(pd.read_csv(history)) < 2:
        assert process.poll() is None, "it ended before its second epoch"
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert fit(folder, "--resume", str(history.parent)).wait() == 0
    wrong = []
    if "wandb" in trackers:
        parts = sorted((folder / "wandb").glob("offline-run-*"))
        if len(parts) != 2 or len({each.name.rsplit("-", 1)[1] for each in parts}) != 1:
            wrong.append(f"wandb: {[each.name for each in parts]}")
    if "mlflow" in trackers:
        wrong += faults_in_mlflow(folder, pd.read_csv(history), history.parent)
    return wrong


def faults_in_mlflow(folder: Path, history: pd.DataFrame, run: Path) -> list[str]:
    """What MLflow has otherwise than the run's folder."""
    import keras
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    found = client.search_runs([client.get_experiment_by_name("ferkeras").experiment_id])
    told = next(each for each in found if each.info.run_name == "tracked-001")
    wrong = [] if len(found) == 1 else [f"mlflow: {len(found)} runs"]
    for key in history.columns.drop("epoch"):
        rows = client.get_metric_history(told.info.run_id, key)
        if [each.step for each in rows] != list(history["epoch"]):
            wrong.append(f"mlflow: {key}: epochs {[each.step for each in rows]}")
        elif not np.array_equal([each.value for each in rows], history[key], equal_nan=True):
            wrong.append(f"mlflow: {key}: other values")
    (network,) = told.outputs.model_outputs
    faces = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 1)).astype("float32")
    ours = keras.saving.load_model(run / "best.keras").predict(faces, verbose=0)
    theirs = mlflow.pyfunc.load_model(f"models:/{network.model_id}").predict(faces)
    if not np.allclose(ours, theirs, atol=1e-6):
        wrong.append("mlflow: the network predicts otherwise")
    return wrong


def main() -> int:
    """Try it, and print what it costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trackers", default="mlflow,wandb", help="which, by commas")
    trackers = parser.parse_args().trackers.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wrong = faults(folder, trackers)
        plain = seconds(folder, *SETTINGS)
        told = seconds(folder, *SETTINGS, f"monitor.trackers=[{','.join(trackers)}]")
        print(f"a training of 6 epochs: {plain:.1f} s, told {told:.1f} s")
    print("\n".join(wrong) or "every epoch once, the same values, a network that predicts the same")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
