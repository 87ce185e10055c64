"""Weights & Biases, where `wandb` is installed; account, project and mode are wandb's to know."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ferkeras.trackers.tracker import Ending, Results, Tracker, Training


class WandbTracker(Tracker):
    """One run of a project of Weights & Biases."""

    name = "wandb"
    advice = "run wandb login, or set WANDB_MODE=offline"

    def __init__(self) -> None:
        # Nothing is sent to anybody who was not asked for.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._wandb = wandb
        self._name = ""

    def begin(self, training: Training, known: str | None) -> str:
        """See `Tracker`; the project is `WANDB_PROJECT`, by default `ferkeras`."""
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "ferkeras"),
            id=known,
            resume=None if known is None else "allow",
            name=training.name,
            config={**training.parameters, **training.facts},
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        self._name = training.name
        return self._run.id

    def place(self) -> str:
        """See `Tracker`."""
        return str(self._run.dir if self._run.offline else self._run.url)

    def last_epoch(self) -> int:
        """See `Tracker`; wandb itself drops steps that it has."""
        return max(self._run.step - 1, 0)

    def tell(self, epoch: int, values: Mapping[str, float]) -> None:
        """See `Tracker`; the epoch is wandb's step."""
        self._run.log(dict(values), step=epoch)

    def conclude(self, results: Results) -> None:
        """See `Tracker`; figures are the summary, files and the network are artifacts."""
        self._run.summary.update({"best_epoch": results.epoch, **results.figures})
        if results.pictures:
            self._run.log({path.stem: self._wandb.Image(str(path)) for path in results.pictures})
        files = self._wandb.Artifact(self._name, type="run")
        for path, folder in results.files:
            files.add_file(str(path), f"{folder}/{path.name}".lstrip("/"))
        self._run.log_artifact(files)
        if results.network is not None:
            network = self._wandb.Artifact(f"{self._name}-network", type="model")
            network.add_file(str(results.network))
            self._run.log_artifact(network)

    def close(self, ending: Ending) -> None:
        """See `Tracker`."""
        self._run.finish(exit_code=0 if ending == "finished" else 1)
