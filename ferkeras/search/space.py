"""What is searched: ranges of numbers and lists of choices, by dotted key.

``log(1e-4,1e-2)`` and ``linear(0,0.5)`` are ranges, ``linear(64,256,32)`` one with steps; of keys
that are whole numbers they are whole. A list, such as ``[0,0.1,0.2]``, stands for one of its
values; of keys that are lists themselves, a list of lists does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ferkeras.cli.errors import InputError
from ferkeras.config.file import read_override, with_values
from ferkeras.config.keys import types_of, with_dots
from ferkeras.config.schema import Config
from ferkeras.config.yaml_text import read_yaml
from ferkeras.study.training import refuse_found_rate, refuse_healing

if TYPE_CHECKING:
    import optuna

_RANGE = re.compile(r"(log|linear)\(([^()]*)\)")
_MOST_CHOICES = 100

_NO_PART = ("name", "seed", "output", "data", "checkpoint")
"""Sections that are no part of a recipe."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both taken too.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether their logarithms are evenly likely at first.
        step: between two of them, None for any.
        whole: whether they are whole.
    """

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    def __post_init__(self) -> None:
        if not (0 if self.log else -math.inf) < self.low < self.high < math.inf:
            raise ValueError(f"low {self.low}, high {self.high}")
        if self.step is not None and (self.log or not 0 < self.step <= self.high - self.low):
            raise ValueError(f"step {self.step}")
        if self.whole and any(
            v is not None and v != int(v) for v in (self.low, self.high, self.step)
        ):
            raise ValueError("numbers that are not whole")

    def ends(self) -> list[Any]:
        """Values that must be valid for all others to be."""
        return [int(v) if self.whole else v for v in (self.low, self.high)]

    def suggest(self, trial: optuna.Trial, key: str) -> Any:
        """A value for a trial."""
        if self.whole:
            return trial.suggest_int(
                key, int(self.low), int(self.high), log=self.log, step=int(self.step or 1)
            )
        return trial.suggest_float(key, self.low, self.high, log=self.log, step=self.step)

    def value(self, stored: Any) -> Any:
        """What a trial's parameter stands for; ValueError for what `suggest` cannot have given."""
        if not isinstance(stored, int if self.whole else float) or not (
            self.low <= stored <= self.high
        ):
            raise ValueError(f"{stored!r} is not between {self.low:g} and {self.high:g}")
        return stored


@dataclass(frozen=True)
class Choices:
    """Values one by one.

    Attributes:
        values: of any kind that the key takes.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.values) <= _MOST_CHOICES:
            raise ValueError(f"{len(self.values)} choices")

    def ends(self) -> list[Any]:
        """Values that must be valid for all others to be."""
        return list(self.values)

    def suggest(self, trial: optuna.Trial, key: str) -> Any:
        """A value for a trial."""
        # As text, for values that are lists.
        return self.value(trial.suggest_categorical(key, [json.dumps(v) for v in self.values]))

    def value(self, stored: Any) -> Any:
        """What a trial's parameter stands for; ValueError for what `suggest` cannot have given."""
        for value in self.values:
            if json.dumps(value) == stored:
                return value
        raise ValueError(f"{stored!r} is none of the choices")


Space = Mapping[str, Range | Choices]
"""What is searched, by dotted key."""


def read_space(overrides: Sequence[str], file: Path | None) -> tuple[Space, list[str]]:
    """Ranges among overrides and in a file; and the overrides that are none.

    Args:
        overrides: texts ``section.key=value``.
        file: a YAML file ``section.key: range``, or by sections; None for none.

    Raises:
        InputError: a range is not readable.
    """
    space: dict[str, Range | Choices] = {}
    for key, value in with_dots(read_yaml(file)[0] if file else {}).items():
        found = _parsed(key, value)
        if found is None:
            raise InputError(
                f"{file}: {key}: expected log(LOW,HIGH), linear(LOW,HIGH), or a list of choices"
            )
        space[key] = found
    plain = []
    for text in overrides:
        key, _, value = text.partition("=")
        # What YAML takes for text as it stands: log(1e-4,1e-2).
        recipe = key.split(".")[0] not in _NO_PART
        given = value if _RANGE.fullmatch(value) else read_override(text, texts_alike=recipe)[1]
        found = _parsed(key, given)
        if found is None:
            plain.append(text)
        else:
            space[key] = found
    return space, plain


def check_space(base: Config, space: Space) -> None:
    """Refuse a space whose ends are no values of the configuration.

    Raises:
        InputError: naming the key and its rule.
    """
    if not space:
        raise InputError(
            "nothing to search: give ranges, such as train.learning_rate=log(1e-4,1e-2) or "
            "network.conv_dropout=[0,0.1,0.2] (of a key that takes a list: "
            "network.dense_units=[[128],[256]]), or a file of them with --space"
        )
    refuse_healing(base)
    # The base itself is trained too, to be held against what is found.
    refuse_found_rate(base)
    alone = {key: each.ends()[0] for key, each in space.items()}
    for key, each in space.items():
        if key.split(".")[0] in _NO_PART:
            raise InputError(f"{key}: cannot be searched; it is no part of the recipe")
        for value in each.ends():
            try:
                config = with_values(base, {**alone, key: value})
                refuse_healing(config)
                refuse_found_rate(config)
            except InputError as error:
                raise InputError(f"{key}: {error}") from None


def values_of(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The values by dotted key that a trial's parameters stand for."""
    return {key: each.value(params[key]) for key, each in space.items() if key in params}


def to_json(space: Space) -> dict[str, Any]:
    """The space for the store that processes share."""
    return {key: {"kind": type(each).__name__, **asdict(each)} for key, each in space.items()}


def from_json(content: Mapping[str, Any]) -> Space:
    """What `to_json` gave; ValueError for anything else."""
    return {
        key: TypeAdapter(Choices if each["kind"] == "Choices" else Range).validate_python(
            {name: value for name, value in each.items() if name != "kind"}
        )
        for key, each in content.items()
    }


def _parsed(key: str, value: Any) -> Range | Choices | None:
    """A range or choices, None for a plain value."""
    types = types_of(key)
    if isinstance(value, str) and (found := _RANGE.fullmatch(value.replace(" ", ""))):
        return _range(key, found[1], found[2], int in types)
    if not isinstance(value, list):
        return None
    if tuple in types and not (value and all(isinstance(each, list) for each in value)):
        return None
    if not 2 <= len(value) <= _MOST_CHOICES:
        raise InputError(f"{key}: expected 2 to {_MOST_CHOICES} choices, found {len(value)}")
    return Choices(tuple(value))


def _range(key: str, kind: str, text: str, whole: bool) -> Range:
    try:
        low, high, *rest = (float(part) for part in text.split(","))
        (step,) = rest or (None,)
        return Range(low, high, kind == "log", step, whole)
    except ValueError:
        raise InputError(
            f"{key}={kind}({text[:80]}): expected {kind}(LOW,HIGH) with LOW below HIGH"
            + (", above 0" if kind == "log" else ", or with a step: linear(LOW,HIGH,STEP)")
            + (", whole numbers" if whole else "")
        ) from None
