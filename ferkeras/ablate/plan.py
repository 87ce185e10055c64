"""What an ablation trains and compares."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, quoted
from ferkeras.config.file import with_values
from ferkeras.config.idle import refuse_idle
from ferkeras.config.keys import flat
from ferkeras.config.schema import Config
from ferkeras.runs.moved import PATH, VOTES
from ferkeras.study.effects import Comparison
from ferkeras.study.training import (
    ELSEWHERE,
    identity,
    need_seeds,
    refuse_found_rate,
    refuse_healing,
)

_FIXED = ("name", "seed", "output", "data", "checkpoint")
"""What no variant changes: it would compare other things than recipes."""

BASE = "base"

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Plan:
    """An ablation.

    Attributes:
        arms: configurations by name, all with the first seed.
        comparisons: which arm is held against which.
        seeds: of each arm, the first of them the configurations' own; with `hours` at least two,
            and more where the interval of accuracy is widest.
        hours: of training, of all processes together; None: as many as the seeds take.
    """

    arms: Mapping[str, Config]
    comparisons: Sequence[Comparison]
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)]
    hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None

    def config(self, arm: str, seed: int) -> Config:
        """The configuration of one training."""
        return self.arms[arm].model_copy(update={"seed": self.arms[arm].seed + seed})

    def as_json(self) -> dict[str, Any]:
        """The plan for the store that processes share."""
        return {
            "arms": {name: config.model_dump(mode="json") for name, config in self.arms.items()},
            "comparisons": [asdict(each) for each in self.comparisons],
            "seeds": self.seeds,
            "hours": self.hours,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Plan:
        """What `as_json` gave; ValueError for anything else."""
        plan: Plan = TypeAdapter(cls).validate_python(content)
        if not plan.arms or not plan.arms.keys() >= {
            name for each in plan.comparisons for name in (each.arm, each.reference)
        }:
            raise ValueError("no arms, or comparisons of others")
        return plan


def plan_variants(
    base: Config, variants: Mapping[str, Mapping[str, Any]], seeds: int, hours: float | None
) -> Plan:
    """Each variant against the configuration as it is.

    Args:
        base: the configuration.
        variants: values by dotted key, by the variant's name.
        seeds: of each arm.
        hours: see `Plan`.

    Raises:
        InputError: a variant breaks a rule, changes nothing, is another one again, or is called
            as the configuration is.
    """
    if not variants:
        raise InputError(
            "nothing to compare: give --variant NAME section.key=value, --variants FILE, or "
            "--between FILE FILE"
        )
    arms = _Arms()
    arms.add(BASE, base)
    comparisons = []
    for name, values in variants.items():
        if name == BASE:
            raise InputError(
                f"variant {quoted(name)}: that is what the configuration as it is is called; give "
                "the variant another name"
            )
        config = _changed(base, values, f"variant {quoted(name)}")
        try:
            refuse_idle(config, values)
        except InputError as error:
            raise InputError(f"variant {quoted(name)}: {error}") from None
        arm = arms.add(name, config)
        if arm != name:
            same = "the configuration as it is" if arm == BASE else f"variant {quoted(arm)}"
            raise InputError(f"variant {quoted(name)}: is {same}; change a value that differs")
        comparisons.append(Comparison(name, arm, BASE, "variant"))
    return _planned(arms, comparisons, seeds, hours)


def plan_between(
    first: Config,
    second: Config,
    groups: Mapping[str, Sequence[str]],
    seeds: int,
    hours: float | None,
) -> Plan:
    """Each change on the way from one configuration to another: alone, taken away, in stairs.

    Args:
        first: where the way begins; names, seed, faces and folders are its own throughout.
        second: where it ends.
        groups: patterns of dotted keys (``schedule.*``) by the name of the change; what differs
            and is in none is grouped by its section.
        seeds: of each arm.
        hours: see `Plan`.

    Raises:
        InputError: nothing differs, a pattern matches nothing, or a change breaks a rule on one of
            its ways.
    """
    changes = grouped(differing(first, second), groups)
    end = _changed_between(
        first, {k: v for each in changes.values() for k, v in each.items()}, "the end"
    )
    begin_values, end_values = flat(first), flat(end)
    # Keys that only the first kind of network has come back with the kind.
    only_first = {key: v for key, v in begin_values.items() if key not in end_values}
    arms = _Arms()
    start_name, end_name = arms.add("first", first), arms.add("second", end)
    comparisons = [Comparison("all changes", end_name, start_name, "all")]
    for name, values in changes.items():
        arm = arms.add(f"+ {name}", _changed_between(first, values, f"{quoted(name)} alone"))
        comparisons.append(Comparison(name, arm, start_name, "alone"))
    for name, values in changes.items():
        without = {key: begin_values[key] for key in values if key in begin_values}
        if "network.kind" in values:
            without |= only_first
        arm = arms.add(f"- {name}", _changed_between(end, without, f"all but {quoted(name)}"))
        # As for the others: what the change does, here on top of all others.
        comparisons.append(Comparison(name, end_name, arm, "last"))
    step, below = first, start_name
    for name, values in changes.items():
        title = f"the stairs up to {quoted(name)}"
        step = _changed_between(step, {key: end_values[key] for key in values}, title)
        arm = arms.add(f"stairs: {name}", step)
        comparisons.append(Comparison(name, arm, below, "stairs"))
        below = arm
    return _planned(arms, comparisons, seeds, hours)


def differing(first: Config, second: Config) -> dict[str, Any]:
    """Values of the second configuration by the dotted keys in which the recipes differ.

    Raises:
        InputError: there are none.
    """
    found = {key: value for key, value in _different(first, second).items() if not _is_fixed(key)}
    if not found:
        raise InputError("--between: the two recipes do not differ; name two that do")
    return found


def left_as_first(first: Config, second: Config) -> list[str]:
    """Dotted keys that differ and say on which faces and from which seed: all have the first's."""
    return [
        key
        for key in _different(first, second)
        if key.split(".")[0] in ("seed", "data") and (key in (PATH, VOTES) or key not in ELSEWHERE)
    ]


def _different(first: Config, second: Config) -> dict[str, Any]:
    before, after = flat(first), flat(second)
    return {k: v for k, v in after.items() if k not in before or before[k] != v}


def _is_fixed(key: str) -> bool:
    return key.split(".")[0] in _FIXED or key in ELSEWHERE


def grouped(
    values: Mapping[str, Any], groups: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Values by the name of their change, as `plan_between` has it.

    Raises:
        InputError: a pattern matches no key that differs, or a group is called as the section of
            other keys that differ.
    """
    found: dict[str, dict[str, Any]] = {}
    left = dict(values)
    for name, patterns in groups.items():
        for pattern in patterns:
            keys = fnmatch.filter(left, pattern)
            if not keys:
                raise InputError(
                    f"--group {quoted(name)}: {quoted(pattern)} is no key that differs, "
                    f"or is in a group already{did_you_mean(pattern, left)} these differ: "
                    + ", ".join(values)
                )
            for key in keys:
                found.setdefault(name, {})[key] = left.pop(key)
    sections = {key.split(".")[0]: key for key in left}
    for name in found:
        if name in sections:
            raise InputError(
                f"--group {quoted(name)}: is the name of a section too, of which "
                f"{sections[name]} differs and is not in the group; give the group another name"
            )
    for key, value in left.items():
        found.setdefault(key.split(".")[0], {})[key] = value
    return found


class _Contradiction(InputError):
    """A change that breaks a rule with the settings that it meets."""


def _planned(
    arms: _Arms, comparisons: Sequence[Comparison], seeds: int, hours: float | None
) -> Plan:
    # All have the same first one.
    need_seeds(next(iter(arms.configs.values())), MOST_SEEDS if hours else seeds)
    return Plan(arms.configs, comparisons, seeds, hours)


class _Arms:
    """Arms by name; a configuration that is there already is not there twice."""

    def __init__(self) -> None:
        self.configs: dict[str, Config] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, config: Config) -> str:
        """The name under which the configuration stands."""
        refuse_found_rate(config)
        refuse_healing(config)
        known = self._names.setdefault(identity(config), name)
        if known == name:
            self.configs[name] = config
        return known


def _changed(config: Config, values: Mapping[str, Any], what: str) -> Config:
    for key in values:
        if _is_fixed(key):
            raise InputError(
                f"{what}: {key} is the same for all arms; change it for all of them with "
                f"{key}=VALUE before any --variant"
            )
    try:
        changed = with_values(config, values)
    except InputError as error:
        raise _Contradiction(f"{what}: {error}") from None
    return changed


def _changed_between(config: Config, values: Mapping[str, Any], what: str) -> Config:
    try:
        return _changed(config, values, what)
    except _Contradiction as error:
        raise InputError(
            f"{error}\nput what belongs together into one change (--group NAME KEY...)"
        ) from None
