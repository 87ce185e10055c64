"""MLflow, by its own client: a server, or a SQLite file.

Where it is, is MLflow's to know: `MLFLOW_TRACKING_URI` (by default `mlflow.db` in the current
folder) and `MLFLOW_EXPERIMENT_NAME` (by default `ferkeras`). Its `MlflowCallback` begins anew
whenever a training goes on, so epochs are told by the client; the network goes by `mlflow.keras`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from ferkeras.runs.conditions import versions
from ferkeras.trackers.tracker import Ending, Results, Tracker, Training

_QUICK_TO_ANSWER = {
    # By default a server that does not answer is waited for for many minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Nothing is sent to anybody who was not asked for.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Settings of MLflow, where the environment does not say otherwise."""

_PARAMETERS_AT_ONCE = 100
_STATUS: dict[Ending, str] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_MEASURED_EACH_EPOCH = "val_accuracy"


class MLflowTracker(Tracker):
    """One run of an MLflow experiment, which is made where there is none of its name."""

    name = "mlflow"
    advice = "set MLFLOW_TRACKING_URI to a server or to sqlite:///FILE"

    def __init__(self) -> None:
        for key, value in _QUICK_TO_ANSWER.items():
            os.environ.setdefault(key, value)
        import mlflow

        for chatter in ("mlflow", "alembic"):
            logging.getLogger(chatter).setLevel(logging.WARNING)
        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()
        named = os.environ.get("MLFLOW_EXPERIMENT_NAME", "ferkeras")
        found = self._client.get_experiment_by_name(named)
        self._experiment = found.experiment_id if found else self._client.create_experiment(named)
        self._run = ""

    def begin(self, training: Training, known: str | None) -> str:
        """See `Tracker`."""
        if known is None:
            run = self._client.create_run(
                self._experiment,
                run_name=training.name,
                tags={f"ferkeras.{key}": value for key, value in training.facts.items()},
            )
            parameters = [
                self._mlflow.entities.Param(key, value)
                for key, value in training.parameters.items()
            ]
            for first in range(0, len(parameters), _PARAMETERS_AT_ONCE):
                self._client.log_batch(
                    run.info.run_id, params=parameters[first : first + _PARAMETERS_AT_ONCE]
                )
        else:
            run = self._client.get_run(known)
            if run.info.run_name != training.name:
                raise ValueError(
                    f"its run {known} is {run.info.run_name!r} and not {training.name!r}"
                )
            self._client.update_run(known, status="RUNNING")
        self._run = run.info.run_id
        return self._run

    def place(self) -> str:
        """See `Tracker`."""
        experiment = self._client.get_experiment(self._client.get_run(self._run).info.experiment_id)
        uri = re.sub("//[^/@]*@", "//", self._mlflow.get_tracking_uri())
        return f"experiment {experiment.name} at {uri}"

    def last_epoch(self) -> int:
        """See `Tracker`."""
        told = self._client.get_metric_history(self._run, _MEASURED_EACH_EPOCH)
        return max((each.step for each in told), default=0)

    def tell(self, epoch: int, values: Mapping[str, float]) -> None:
        """See `Tracker`; the epoch is MLflow's step."""
        self._log(epoch, values)

    def conclude(self, results: Results) -> None:
        """See `Tracker`; pictures, pages and files are artifacts, the network a logged model."""
        have = self._client.get_run(self._run)
        figures = {"best_epoch": float(results.epoch), **results.figures}
        figures = {_as_mlflow_takes(key): value for key, value in figures.items()}
        # It may have got them, and the process may have been killed afterwards.
        if not figures.items() <= have.data.metrics.items():
            self._log(results.epoch, figures)
        for path, folder in results.files:
            self._client.log_artifact(self._run, str(path), folder or None)
        if results.network is not None and results.epoch not in [
            each.step for each in have.outputs.model_outputs
        ]:
            self._log_network(results.network, results.epoch)

    def close(self, ending: Ending) -> None:
        """See `Tracker`."""
        self._client.set_terminated(self._run, status=_STATUS[ending])

    def _log(self, epoch: int, values: Mapping[str, float]) -> None:
        now = self._mlflow.utils.time.get_current_time_millis()
        self._client.log_batch(
            self._run,
            metrics=[
                self._mlflow.entities.Metric(_as_mlflow_takes(key), value, now, epoch)
                for key, value in values.items()
            ],
        )

    def _log_network(self, file: Path, epoch: int) -> None:
        import mlflow.keras
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        def specification(tensor: keras.KerasTensor) -> Schema:
            shape = tuple(-1 if size is None else size for size in tensor.shape)
            return Schema([TensorSpec(np.dtype(tensor.dtype), shape)])

        network = keras.saving.load_model(file)
        needed = [f"{name}=={versions()[name]}" for name in ("keras", "tensorflow")]
        with mlflow.start_run(self._run, log_system_metrics=False):
            mlflow.keras.log_model(
                network,
                name="network",
                signature=ModelSignature(
                    specification(network.inputs[0]), specification(network.outputs[0])
                ),
                # Otherwise MLflow loads the network in another process to see what it imports.
                pip_requirements=needed,
                step=epoch,
            )


def _as_mlflow_takes(key: str) -> str:
    """The name of a figure without what MLflow refuses in one, which classes may have."""
    return re.sub(r"[^\w/.\- :]", "_", key)
