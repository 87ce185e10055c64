"""An ablation at work: which training is next, and what has come of those that are done."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.ablate.plan import MOST_SEEDS, Plan
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, MachineError, RunError
from ferkeras.cli.wording import shown
from ferkeras.fit.brief import train_one
from ferkeras.runs.finished import FinishedRun, open_run
from ferkeras.study.effects import Effect, Measured, effects
from ferkeras.study.measure import measured
from ferkeras.study.storage import RUNS, begin_study, join_study, make_folder, stored
from ferkeras.study.training import Trainer
from ferkeras.study.trials import trials_of
from ferkeras.study.work import Failed, Next, Surplus, work

if TYPE_CHECKING:
    import optuna

    Frozen = optuna.trial.FrozenTrial

_FIRST_SEEDS = 2
"""Of every arm, before a budget is spent where the interval of accuracy is widest."""


@dataclass(frozen=True)
class Cell:
    """One training: an arm and the number of its seed, from 0."""

    arm: str
    seed: int


class Ablation:
    """An ablation in a folder, which any number of processes may work at.

    Args:
        folder: of the ablation.
        study: where its trainings stand.
    """

    def __init__(self, folder: Path, study: optuna.Study) -> None:
        self.folder = folder
        self.plan = stored(study, "plan", Plan.from_json, "a search and no ablation")
        self._study = study
        self._names = list(self.plan.arms)

    @classmethod
    def begin(cls, folder: Path, plan: Plan) -> Ablation:
        """Begin one, or go on with the same in its folder; see `begin_study`.

        Raises:
            InputError: the folder has another, or cannot be used.
        """
        make_folder(folder)
        study = begin_study(folder, folder, "ablation", "plan", plan.as_json())
        if study is None:
            raise InputError(
                f"{shown(folder)}: holds an ablation of other arms, seeds or hours; go on with it "
                f"by --join {shown(folder)}, or name a new folder with --output"
            )
        return cls(folder, study)

    @classmethod
    def join(cls, folder: Path) -> Ablation:
        """Open one that was begun.

        Raises:
            InputError: there is none.
        """
        return cls(folder, join_study(folder))

    def work(self, console: Console) -> None:
        """Train what is to be trained, together with other processes that do.

        Raises:
            InputError: the faces cannot be read.
            Interrupted: a signal came.
            MachineError: a training could not be written.
        """
        first = next(iter(self.plan.arms.values()))
        trainer = Trainer(self.folder / RUNS, [Path(first.output.folder)], console, train_one)

        def objective(trial: optuna.Trial) -> float:
            arm = trial.suggest_int("arm", 0, len(self._names) - 1)
            seed = trial.suggest_int("seed", 0, MOST_SEEDS)
            cell = Cell(self._names[arm], seed)
            if self._is_taken(cell, trial):
                raise Surplus
            try:
                run = trainer.obtain(self.plan.config(cell.arm, seed), cell.arm)
            except MachineError:
                raise
            except RunError as error:
                console.alarm(f"{cell.arm}, seed {seed}: {error}")
                raise Failed(str(error)) from None
            trial.set_user_attr("run", self._named(run.run.folder))
            return float(run.metrics["validation"]["accuracy"])

        work(self._study, objective, self._next, console)

    def runs(self) -> dict[Cell, FinishedRun]:
        """The trainings that are done.

        Raises:
            InputError: the folder of one is gone or damaged.
        """
        return {
            self._cell(trial): open_run(self.folder / str(trial.user_attrs.get("run", "run")))
            for trial in self._trials()
            if trial.state.name == "COMPLETE"
        }

    def _named(self, run: Path) -> str:
        """A run's folder: from that of the ablation on where it is inside, which may be moved."""
        place, home = run.resolve(), self.folder.resolve()
        return (place.relative_to(home) if place.is_relative_to(home) else place).as_posix()

    def failures(self) -> dict[Cell, str]:
        """The trainings that came to nothing, and why."""
        return {
            self._cell(trial): trial.user_attrs["failed"]
            for trial in self._trials()
            if "failed" in trial.user_attrs
        }

    def hours(self) -> float:
        """Hours of training so far, of all processes together.

        Without those of processes that died: nobody knows when.
        """
        dead = {n for trial in self._all() for n in trial.system_attrs.get("retry_history", ())}
        seconds = sum(
            trial.duration.total_seconds()
            for trial in self._trials()
            if trial.duration is not None and trial.number not in dead
        )
        return seconds / 3600

    def effects(self) -> list[Effect]:
        """What the trainings so far say of each comparison."""
        arms: dict[str, dict[int, Measured]] = {name: {} for name in self._names}
        for cell, run in self.runs().items():
            arms[cell.arm][cell.seed] = measured(run)
        return effects(arms, self.plan.comparisons, failed=self._failed())

    def _failed(self) -> set[str]:
        """Arms of which a training came to nothing."""
        return {cell.arm for cell in self.failures()}

    def _trials(self) -> list[Frozen]:
        return [trial for trial in self._all() if "seed" in trial.params]

    def _all(self) -> list[Frozen]:
        """Those too that have not got a training yet."""
        return trials_of(
            self._study,
            {
                "arm": range(len(self._names)).index,
                "seed": range(MOST_SEEDS + 1).index,
            },
            # Of accuracies; the direction is Optuna's own, as nothing is chosen by it.
            [("minimize", 1.0)],
        )

    def _cell(self, trial: Frozen) -> Cell:
        return Cell(self._names[trial.params["arm"]], trial.params["seed"])

    def _is_taken(self, cell: Cell, trial: optuna.Trial) -> bool:
        """Whether another trial has this training; of two in one moment the first one keeps it."""
        mine = (trial.datetime_start, trial.number)
        return any(
            _is_done(other)
            or (other.state.name == "RUNNING" and (other.datetime_start, other.number) < mine)
            for other in self._trials()
            if other.number != trial.number and self._cell(other) == cell
        )

    def _next(self) -> Next:
        states = [t.state.name for t in self._all()]
        if "WAITING" in states:
            return "trial"
        wanted = self._wanted("RUNNING" in states)
        for cell in wanted:
            self._study.enqueue_trial({"arm": self._names.index(cell.arm), "seed": cell.seed})
        if wanted:
            return "trial"
        return "wait" if "RUNNING" in states else "done"

    def _wanted(self, others_train: bool) -> list[Cell]:
        """Trainings that are to be put into the queue now."""
        plan, there = self.plan, self._there()
        seeds = plan.seeds if plan.hours is None else _FIRST_SEEDS
        todo = [Cell(arm, seed) for seed in range(seeds) for arm in plan.arms]
        todo = [cell for cell in todo if cell not in there]
        if plan.hours is None:
            return todo
        if not todo and not others_train:
            todo = widest(self.effects(), there, self._failed())
        return todo[:1] if self._affordable(1) else []

    def _there(self) -> set[Cell]:
        """Trainings that are done or at work."""
        return {
            self._cell(trial)
            for trial in self._trials()
            if _is_done(trial) or trial.state.name == "RUNNING"
        }

    def _affordable(self, trainings: int) -> bool:
        """Whether so many more end within the budget, if they take as long as the others did."""
        assert self.plan.hours is not None
        done = sum(1 for t in self._trials() if t.state.name == "COMPLETE")
        running = sum(1 for t in self._trials() if t.state.name == "RUNNING")
        spent = self.hours()
        each = spent / done if done else 0.0
        return spent + (running + trainings) * each <= self.plan.hours


def widest(found: Sequence[Effect], there: Set[Cell], failed: Set[str] = frozenset()) -> list[Cell]:
    """One more seed for the comparison with the widest interval of accuracy.

    Whatever it says: if those that are decided got no more seeds, the others would be tested until
    they are decided too, and be so by chance far too often.

    Args:
        found: what the trainings so far say.
        there: trainings that are done or at work.
        failed: arms of which a training came to nothing, which get no more.
    """
    widths = [
        each
        for each in found
        if each.key == "accuracy"
        and each.seeds
        and failed.isdisjoint((each.comparison.arm, each.comparison.reference))
    ]
    widths.sort(key=lambda e: math.inf if math.isnan(e.low) else e.high - e.low)
    for effect in reversed(widths):
        pair = (effect.comparison.reference, effect.comparison.arm)
        for seed in range(MOST_SEEDS):
            cells = [cell for arm in pair if (cell := Cell(arm, seed)) not in there]
            if cells:
                return cells
    return []


def _is_done(trial: Frozen) -> bool:
    return trial.state.name == "COMPLETE" or "failed" in trial.user_attrs
