"""Read a configuration: YAML file, then section.key=value, with all errors at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted, shown
from ferkeras.config.hints import hint_for_key, hint_for_word
from ferkeras.config.keys import as_yaml, fields_of, rule_of
from ferkeras.config.schema import Config
from ferkeras.config.yaml_text import UNREADABLE, brief, cut, read_value, read_yaml
from ferkeras.files.inner import AnyPath

_MOST_PROBLEMS = 20
_LONGEST = 4096


def load_config(path: AnyPath | None, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of the YAML file at `path`, changed by `overrides`.

    Args:
        path: a YAML file whose top level is `name`, `seed` and the sections; None for the
            defaults alone. A file that gives no `name` is named after itself.
        overrides: texts `section.key=value`, of which later ones win; the value is read as YAML.

    Raises:
        InputError: no such file, not YAML, or keys and values that break a rule; the message
            lists every one of them with its place, its rule and the nearest valid key.
    """
    places: dict[str, str] = {}
    values: dict[str, Any] = {}
    problems: list[str] = []
    if path is not None:
        values, lines = read_yaml(path)
        places = {key: f"{shown(path)}:{line}" for key, line in lines.items()}
        values.setdefault("name", path.stem)
    for text in overrides:
        try:
            key, value = read_override(text)
        except InputError as error:
            problems.append(str(error))
            continue
        _put(values, key, value)
        places[key] = "command line"
    config, found = _validate(values, places)
    problems += found
    if config is None or problems:
        raise _refused(problems)
    return config


def read_override(text: str) -> tuple[str, Any]:
    """The dotted key and the value of ``section.key=value``, read as YAML; both are not checked.

    Raises:
        InputError: it has another form, or the value is no YAML.
    """
    key, sign, value = text.partition("=")
    if not sign or not key:
        known = [name for name, _ in fields_of(Config)]
        raise InputError(f"{quoted(text, 80)}: {hint_for_word(text[:_LONGEST], known)}")
    try:
        return key, read_value(value) if value else ""
    except UNREADABLE as error:
        raise InputError(
            f"command line: {cut(key)}={cut(value)}: not readable as YAML ({brief(error)})"
        ) from None


def dump_config(config: Config) -> str:
    """The configuration as YAML that `load_config` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with other values at some dotted keys.

    Raises:
        InputError: they break a rule, alone or with the rest.
    """
    content = config.model_dump(mode="json")
    for key, value in values.items():
        _put(content, key, value)
    changed, problems = _validate(content, {})
    if changed is None or problems:
        raise _refused(problems)
    return changed


def _refused(problems: Sequence[str]) -> InputError:
    count = f"{len(problems)} error{'s' if len(problems) > 1 else ''}"
    if len(problems) > _MOST_PROBLEMS:
        count = f"more than {_MOST_PROBLEMS} errors"
    listed = (f"  {text}" for text in problems[:_MOST_PROBLEMS])
    return InputError("\n".join([f"{count} in the configuration:", *listed]))


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            inner = values[section] = {}
        values = inner
    values[last] = value


def _validate(values: dict[str, Any], places: dict[str, str]) -> tuple[Config | None, list[str]]:
    """The configuration, or every error: rules between keys are checked once keys are right."""
    problems: list[str] = []
    keys = {tuple(key.split(".")) for key, _ in fields_of(Config)}
    while True:
        try:
            return Config.model_validate(values), problems
        except ValidationError as error:
            found = error.errors(include_url=False)
        # Of a key that may be one thing or another there is an error for each.
        first: dict[tuple[str, ...], Any] = {}
        for item in found:
            first.setdefault(_location(item["loc"], keys), item)
        # A handful of them helps; looking for the names nearest to thousands takes minutes.
        for location, item in list(first.items())[: _MOST_PROBLEMS + 1]:
            problems.append(_explain(item, list(location), places))
        if not all(_drop(values, list(location)) for location in first):
            return None, problems


def _location(place: Sequence[int | str], keys: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Section and key; without the place in a list and the kind of value that was tried."""
    parts = tuple(part for part in place if isinstance(part, str))
    return next((parts[:count] for count in (1, 2) if parts[:count] in keys), parts)


def _drop(values: dict[str, Any], location: list[str]) -> bool:
    for part in location[:-1]:
        if not isinstance(values.get(part), dict):
            return False
        values = values[part]
    return bool(location) and values.pop(location[-1], values) is not values


def _explain(item: Any, location: list[str], places: dict[str, str]) -> str:
    key = ".".join(location)
    known = dict(fields_of(Config))
    where = places.get(key, places.get(location[0], "")) if location else ""
    where = f"{where}: " if where else ""
    if item["type"] == "extra_forbidden":
        hint = hint_for_key(key, list(known), Config.model_fields)
        return f"{where}{cut(key)}: no such key; {hint or 'see --help for all keys'}"
    message = item["msg"].removeprefix("Value error, ")
    if location[:1] == ["class_weight"] and item["type"] in ("model_type", "invalid_key"):
        return f"{where}class_weight: {hint_for_key('class_weight', list(known), ())}"
    if item["type"] == "model_type":
        return (
            f"{where}{key}: expected a section of `key: value` lines, found "
            f"{cut(repr(item['input']))}"
        )
    if key not in known:
        return f"{where}{key + ': ' if key else ''}{message[0].lower()}{message[1:]}"
    field = known[key]
    value = f"{key} = {as_yaml(item['input'])}"
    if item["type"] == "value_error":
        return f"{where}{value}: {message} (rule: {rule_of(field)})"
    return f"{where}{value}: expected {rule_of(field)}; default {as_yaml(field.get_default())}"
