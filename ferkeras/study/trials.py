"""The trials of a study as they stand in its store, checked whenever they are read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted, shown
from ferkeras.study.storage import UNREADABLE, troubles

if TYPE_CHECKING:
    import optuna

    Frozen = optuna.trial.FrozenTrial

_AS_WRITTEN = ConfigDict(strict=True, extra="allow")


class _Told(TypedDict):
    """What our processes write into a trial."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    run: NotRequired[str]
    failed: NotRequired[str]
    figures: NotRequired[dict[str, float]]


class _Noted(TypedDict):
    """What Optuna writes into a trial."""

    __pydantic_config__ = _AS_WRITTEN  # type: ignore[misc]
    fixed_params: NotRequired[dict[str, Any]]
    retry_history: NotRequired[list[int]]


_TOLD, _NOTED = TypeAdapter(_Told), TypeAdapter(_Noted)
_CONSTRAINTS = TypeAdapter(dict[str, float], config=_AS_WRITTEN)


def trials_of(
    study: optuna.Study,
    rules: Mapping[str, Callable[[Any], object]],
    goals: Sequence[tuple[str, float]],
) -> list[Frozen]:
    """Every trial of a study, in the order in which they were begun.

    Args:
        study: where they stand; others may have written it too.
        rules: of each parameter what raises ValueError for values that cannot have been tried.
        goals: of each, ``maximize`` or ``minimize``, and its greatest value; the least is 0.

    Raises:
        InputError: the store cannot be read, or holds what no process of ours has written.
    """
    with troubles(study.study_name), warnings.catch_warnings():
        # Of what we write, Optuna does not say so.
        warnings.filterwarnings("error", "Choices for a categorical distribution")
        trials = study.get_trials(deepcopy=False)
        directions = [each.name.lower() for each in study.directions]
        if directions != [direction for direction, _ in goals]:
            raise ValueError(f"directions {directions}")
    for trial in trials:
        try:
            _check(trial, rules, [most for _, most in goals])
        except UNREADABLE as error:
            # The first lines of pydantic's message are a count and a field.
            reason = quoted(" ".join(str(error).split("\n")[-3:]), 200)[1:-1]
            raise InputError(
                f"study {shown(study.study_name)}: damaged: trial {trial.number} ({reason}); begin "
                "a new one"
            ) from None
    return trials


def _check(
    trial: Frozen, rules: Mapping[str, Callable[[Any], object]], most: Sequence[float]
) -> None:
    """One of `UNREADABLE` for a trial that is not ours."""
    _TOLD.validate_python(trial.user_attrs)
    noted = _NOTED.validate_python(trial.system_attrs)
    _CONSTRAINTS.validate_python(trial.constraints)
    for params in (trial.params, noted.get("fixed_params", {})):
        for name, value in params.items():
            rules[name](value)
    state = trial.state.name
    if state == "COMPLETE" and trial.params.keys() != rules.keys():
        raise ValueError(f"parameters {trial.params}")
    if state == "COMPLETE" and not (
        len(trial.values) == len(most)
        and all(
            isinstance(value, float) and 0 <= value <= greatest
            for value, greatest in zip(trial.values, most, strict=True)
        )
    ):
        raise ValueError(f"values {trial.values}")
    if state == "RUNNING" and not isinstance(trial.datetime_start, datetime):
        raise ValueError("running, and never begun")
