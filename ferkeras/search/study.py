"""A search at work: which values are tried next, and what has come of those that were."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, MachineError, RunError
from ferkeras.cli.wording import shown
from ferkeras.config.file import with_values
from ferkeras.config.keys import as_arguments
from ferkeras.config.schema import Config
from ferkeras.fit.brief import train_one
from ferkeras.runs.history import read_so_far
from ferkeras.search.cost import cost_of
from ferkeras.search.goals import GOALS, LIMITED, excess
from ferkeras.search.space import Space, check_space, from_json, to_json, values_of
from ferkeras.study.storage import RUNS, begin_study, is_address, join_study, make_folder, stored
from ferkeras.study.training import LOOK_SECONDS, Trainer
from ferkeras.study.trials import trials_of
from ferkeras.study.work import Next, Surplus, work

if TYPE_CHECKING:
    import optuna

    from ferkeras.runs.record import Run

Pruner = Literal["median", "hyperband", "none"]
"""What ends trainings that fall behind."""

_LOOKS = 30
_FIRST_EPOCHS = 2
"""Of every training, before a pruner may end it."""


@dataclass(frozen=True)
class Task:
    """What is searched.

    Attributes:
        base: configuration, as JSON.
        space: as `ferkeras.search.space.to_json` gives it.
        goals: one or two of `ferkeras.search.goals.GOALS`.
        limits: greatest values by name.
        trials: in all.
        pruner: median, hyperband or none.
        confirm: further seeds with which the best is trained again, and the base.
    """

    base: dict[str, Any]
    space: dict[str, Any]
    goals: list[str]
    limits: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]]
    trials: Annotated[int, Field(ge=1)]
    pruner: Pruner
    confirm: Annotated[int, Field(ge=0)]

    @classmethod
    def of(
        cls,
        base: Config,
        space: Space,
        goals: list[str],
        limits: dict[str, float],
        trials: int,
        pruner: Pruner,
        confirm: int,
    ) -> Task:
        """A task as it is stored."""
        content = base.model_dump(mode="json")
        return cls(content, to_json(space), goals, limits, trials, pruner, confirm)


_MISSING = "an ablation and no search"


def _read(content: Any) -> tuple[Task, Config, Space]:
    """A stored task; ValueError for anything else."""
    task = TypeAdapter(Task).validate_python(content)
    if not 1 <= len(task.goals) <= 2 or not {*task.goals} <= {*GOALS}:
        raise ValueError(f"goals {task.goals}")
    if not {*task.limits} <= {*LIMITED}:
        raise ValueError(f"limits {task.limits}")
    base, space = Config.model_validate(task.base), from_json(task.space)
    check_space(base, space)
    return task, base, space


class Search:
    """A search which any number of processes may work at.

    Args:
        folder: of the runs of this process and of what is written.
        study: where its trials stand.

    Attributes:
        folder: the same.
        task: what is searched.
        base: the configuration.
        space: what is searched, by dotted key.
    """

    def __init__(self, folder: Path, study: optuna.Study) -> None:
        self.folder = folder
        self.task, self.base, self.space = stored(study, "search", _read, _MISSING)
        self._study = study
        study.pruner = _pruner(self.task)

    @classmethod
    def begin(cls, folder: Path, store: str | None, task: Task) -> Search:
        """Begin one, or go on with the same; see `begin_study`.

        Args:
            folder: of the runs.
            store: address of a database; None: a file in the folder.
            task: what is searched.

        Raises:
            InputError: there is another under this name, or the store cannot be used.
        """
        make_folder(folder)
        directions = [GOALS[name].direction for name in task.goals]
        study = begin_study(
            store or folder, folder, folder.name, "search", asdict(task), directions=directions
        )
        if study is None:
            raise InputError(
                f"{store or folder}: holds a search {folder.name} of another task; go on with it "
                f"by --join, or name a new folder with --output"
            )
        return cls(folder, study)

    @classmethod
    def join(cls, store: str, folder: Path | None = None) -> Search:
        """Open one that was begun, by its folder or the address of its database.

        Args:
            store: a folder, or an address.
            folder: of the runs of this process, of an address alone; None: the study's name in
                the configuration's `output.folder`. It is made where it is missing.

        Raises:
            InputError: there is none.
        """
        study = join_study(store)
        if is_address(store):
            _, base, _ = stored(study, "search", _read, _MISSING)
            if Path(study.study_name).name != study.study_name:
                raise InputError(f"study {shown(study.study_name)}: its name is no folder's")
            folder = folder or Path(base.output.folder) / study.study_name
            make_folder(folder)
        return cls(folder or Path(store), study)

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """Those that count: not of processes that died, nor those that came too late."""
        return [t for t in self._all() if t.state.name in _COUNTED]

    @property
    def done(self) -> list[optuna.trial.FrozenTrial]:
        """Trials that are over, trained to the end or not."""
        return [t for t in self.trials if t.state.name in ("COMPLETE", "PRUNED")]

    def best(self) -> list[optuna.trial.FrozenTrial]:
        """The best trial within the limits; of two goals, the Pareto front, the best in the first
        goal first.

        Empty if no trial was trained to its end within the limits.
        """
        within = [t for t in self.done if t.state.name == "COMPLETE" and is_within(t)]
        signs = [1 if GOALS[name].direction == "maximize" else -1 for name in self.task.goals]

        def scores(trial: optuna.trial.FrozenTrial) -> list[float]:
            return [sign * value for sign, value in zip(signs, trial.values, strict=True)]

        front = [
            t
            for t in within
            if not any(
                scores(o) != scores(t)
                and all(a >= b for a, b in zip(scores(o), scores(t), strict=True))
                for o in within
            )
        ]
        front.sort(key=lambda t: (scores(t), -t.number), reverse=True)
        return front[:1] if len(signs) == 1 else front

    def config(self, trial: optuna.trial.FrozenTrial) -> Config:
        """The configuration of a trial."""
        return with_values(self.base, values_of(self.space, trial.params))

    def importances(self) -> dict[str, float]:
        """Fraction of the variance of the first goal, as a forest sees it, that each key explains.

        Fractions of what single keys explain, noise among it: they do not add up to 1.
        """
        import optuna

        complete = [t for t in self.done if t.state.name == "COMPLETE"]
        if len(complete) < 4 or len(self.space) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return optuna.importance.get_param_importances(
                    self._study,
                    evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                    target=lambda trial: trial.values[0],
                    normalize=False,
                )
            except (ValueError, RuntimeError, AssertionError):  # all values alike, or nearly so
                return {}

    def work(self, console: Console) -> None:
        """Try values until there are enough trials, together with other processes.

        Raises:
            InputError: the faces cannot be read.
            Interrupted: a signal came.
            MachineError: a training could not be written.
        """
        timed = "minutes" in (*self.task.goals, *self.task.limits)
        # How long a training took that was no trial, nobody knows.
        others = [] if timed else [Path(self.base.output.folder)]
        trainer = Trainer(self.folder / RUNS, others, console, train_one)
        work(self._study, lambda trial: self._try(trial, trainer, console), self._next, console)

    def _all(self) -> list[optuna.trial.FrozenTrial]:
        return trials_of(
            self._study,
            {key: each.value for key, each in self.space.items()},
            [(GOALS[name].direction, GOALS[name].most) for name in self.task.goals],
        )

    def _minutes_of(self, trial: optuna.Trial, run: str, *, patient: bool) -> float | None:
        """How long a run was trained for other trials; None where none tells.

        That is the one that it was trained for, or one of the same values, whatever became of its
        process; if patient, one that is just being told too.
        """
        for _ in range(_LOOKS):
            others = [t for t in self._all() if t.number != trial.number]
            told = [
                t.user_attrs.get("figures", {}).get("minutes")
                for t in others
                if t.user_attrs.get("run") == run or t.params == trial.params
            ]
            known = [minutes for minutes in told if minutes is not None]
            if known:
                return float(max(known))
            if not patient or all(t.state.name != "RUNNING" for t in others):
                return None
            time.sleep(LOOK_SECONDS)
        return None

    def _next(self) -> Next:
        names = [trial.state.name for trial in self.trials]
        if "WAITING" in names or len(names) < self.task.trials:
            return "trial"
        return "wait" if "RUNNING" in names else "done"

    def _try(
        self, trial: optuna.Trial, trainer: Trainer, console: Console
    ) -> float | tuple[float, ...]:
        import optuna

        if sum(t.number < trial.number for t in self.trials) >= self.task.trials:
            raise Surplus
        task = self.task
        # Of each trial its own draws, whichever process it falls to: two that begin in one moment
        # do not try the same.
        self._study.sampler = _sampler(self.base.seed + trial.number)
        values = {key: each.suggest(trial, key) for key, each in self.space.items()}
        title = f"trial {trial.number}"
        console.print(f"{title}: {as_arguments(values)}")
        # A process that died while it tried these values has left its minutes.
        figures: dict[str, float] = dict(trial.user_attrs.get("figures", {}))
        minutes_before = figures.get("minutes", 0.0)

        def remember(**new: float) -> None:
            figures.update(new)
            trial.set_user_attr("figures", figures)

        def settle() -> dict[str, float]:
            above = excess(figures, task.limits)
            for name, value in above.items():
                trial.set_constraint(name, value)
            return {name: figures[name] for name, value in above.items() if value > 0}

        try:
            config = with_values(self.base, values)
        except InputError as error:
            settle()
            trial.set_user_attr("failed", str(error))
            console.print(f"{title}: {error}")
            raise optuna.TrialPruned from None
        remember(**cost_of(config, trainer.splits(config), [*task.goals, *task.limits]))
        if any(value > 0 for value in excess(figures, task.limits).values()):
            over = ", ".join(f"{name} {value:,.4g}" for name, value in settle().items())
            console.print(f"{title}: not trained, {over}")
            raise optuna.TrialPruned

        def watch(run: Run | None) -> Sequence[Any]:
            from ferkeras.search.pruning import TrialWatch

            column = GOALS[task.goals[0]].column if len(task.goals) == 1 else None
            before = read_so_far(run.history, column) if run is not None and column else []
            limit = task.limits.get("minutes")
            spent = minutes_before
            if run is not None and "minutes" not in figures:
                spent = self._minutes_of(trial, run.folder.name, patient=False) or 0.0
            return [TrialWatch(trial, column, limit, before, spent, remember)]

        try:
            finished = trainer.obtain(config, title, watch)
        except optuna.TrialPruned as pruned:
            settle()
            trainer.discard(config)
            console.print(f"{title}: ended, {pruned}")
            raise
        except MachineError:
            raise
        except RunError as error:
            settle()
            trainer.discard(config)
            trial.set_user_attr("failed", str(error))
            console.alarm(f"{title}: {error}")
            raise optuna.TrialPruned from None
        if "minutes" not in figures:  # trained before, for another trial
            wanted = "minutes" in (*task.goals, *task.limits)
            known = self._minutes_of(trial, finished.name, patient=wanted)
            if known is not None:
                remember(minutes=known)
            elif wanted:
                settle()
                unknown = f"{finished.name} was trained before, nobody knows in how many minutes"
                trial.set_user_attr("failed", unknown)
                console.print(f"{title}: {unknown}")
                raise optuna.TrialPruned
        results = finished.metrics["validation"]
        remember(
            parameters=float(finished.metrics["parameters"]),
            **{key: results[key] for key in ("accuracy", "balanced_accuracy", "log_loss")},
        )
        settle()
        trial.set_user_attr("run", finished.name)
        found = [figures[name] for name in task.goals]
        return found[0] if len(found) == 1 else tuple(found)


def is_within(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial is within the limits, as far as they were measured."""
    return all(above <= 0 for above in trial.constraints.values())


_COUNTED = ("COMPLETE", "PRUNED", "RUNNING", "WAITING")


def _sampler(seed: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed,
            multivariate=True,
            # What others are trying counts as bad meanwhile, so that nobody tries it too.
            constant_liar=True,
        )


def _pruner(task: Task) -> Any:
    import optuna

    if task.pruner == "none" or len(task.goals) > 1:
        return optuna.pruners.NopPruner()
    if task.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=_FIRST_EPOCHS, max_resource=task.base["train"]["epochs"]
        )
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=_FIRST_EPOCHS)
