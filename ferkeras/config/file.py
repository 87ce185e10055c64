"""Read a configuration: YAML file, then section.key=value, with all errors at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import yaml
from pydantic import ValidationError

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted, shown
from ferkeras.config.hints import (
    hint_for_key,
    hint_for_section,
    hint_for_value,
    hint_for_word,
)
from ferkeras.config.keys import (
    NULL,
    all_keys,
    as_yaml,
    choices_of,
    field_of,
    is_text,
    kinds_of,
    kinds_with,
    rule_of,
    types_of,
)
from ferkeras.config.networks import KINDS, kind_of
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
        overrides: texts `section.key=value`, in any order; of one key the last wins; the value is
            read as YAML, but for text. Another `network.kind` than the file's takes over what both
            kinds have.

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
        if "name" not in values:
            values["name"] = path.stem
            places["name"] = f"{shown(path)}, called so"
    given: dict[str, Any] = {}
    for text in overrides:
        try:
            key, value = read_override(text)
        except InputError as error:
            problems.append(str(error))
            continue
        given[key] = value
        # What stood below it is replaced.
        places = {each: at for each, at in places.items() if not each.startswith(f"{key}.")}
        places[key] = "command line"
    _change(values, given)
    config, found = _validate(values, places)
    problems += found
    if config is None or problems:
        raise _refused(problems)
    return config


def read_override(text: str, *, texts_alike: bool = False) -> tuple[str, Any]:
    """The dotted key and the value of ``section.key=value``; both are not checked.

    What takes nothing but text, such as a path, is taken as it stands, unless it is in quotes; the
    rest is read as YAML.

    Args:
        text: as it was given.
        texts_alike: read them as YAML too, for what is a list of texts.

    Raises:
        InputError: it has another form, or the value is no YAML.
    """
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise InputError(f"{quoted(text, 80)}: {hint_for_word(text[:_LONGEST], all_keys())}")
    if is_text(key) and not texts_alike and not value.startswith(('"', "'")):
        none = value in NULL and NoneType in types_of(key)
        return key, None if none else value
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

    Another `network.kind` takes over what both kinds have.

    Raises:
        InputError: they break a rule, alone or with the rest.
    """
    content = config.model_dump(mode="json")
    _change(content, values)
    changed, problems = _validate(content, {})
    if changed is None or problems:
        raise _refused(problems)
    return changed


def _refused(problems: Sequence[str]) -> InputError:
    # One setting may hold several keys, and be wrong for one reason.
    problems = list(dict.fromkeys(problems))
    count = f"{len(problems)} error{'s' if len(problems) > 1 else ''}"
    if len(problems) > _MOST_PROBLEMS:
        count = f"more than {_MOST_PROBLEMS} errors"
    listed = (f"  {text}" for text in problems[:_MOST_PROBLEMS])
    return InputError("\n".join([f"{count} in the configuration:", *listed]))


def _change(values: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Put values at dotted keys; what another kind of network does not have goes."""
    before = values.get("network")
    if "network.kind" in given and isinstance(before, dict):
        old, new = (KINDS.get(each) for each in (kind_of(before), str(given["network.kind"])))
        if old is not None and new is not None:
            lost = old.model_fields.keys() - new.model_fields.keys()
            values["network"] = {key: v for key, v in before.items() if key not in lost}
    for key, value in given.items():
        _put(values, key, value)


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
    keys = {tuple(key.split(".")) for key in all_keys()}
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
            problems.append(_explain(item, list(location), places, kind_of(values.get("network"))))
        if not all(_drop(values, list(location)) for location in first):
            return None, problems


def _location(place: Sequence[int | str], keys: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Section and key; without the place in a list, and the kind of section or value."""
    parts = tuple(part for part in place if isinstance(part, str))
    if len(parts) > 1 and parts[1] in kinds_of(parts[0]):
        parts = (parts[0], *parts[2:])
    return next((parts[:count] for count in (1, 2) if parts[:count] in keys), parts)


def _drop(values: dict[str, Any], location: list[str]) -> bool:
    for part in location[:-1]:
        if not isinstance(values.get(part), dict):
            return False
        values = values[part]
    return bool(location) and values.pop(location[-1], values) is not values


def _place(key: str, places: dict[str, str]) -> str:
    """Where a key is written; of one that is not, where something in it is, or what it is in."""
    below = (place for other, place in places.items() if other.startswith(f"{key}."))
    above = places.get(key.partition(".")[0], "")
    return places.get(key) or next(below, above)


def _explain(item: Any, location: list[str], places: dict[str, str], kind: str) -> str:
    """One error as a line: where, what was found, and what was expected in this kind of network."""
    key = ".".join(location)
    where = f"{_place(key, places)}: " if places and location else ""
    if item["type"] == "union_tag_invalid":
        key, item = f"{key}.kind", {**item, "input": item["input"].get("kind")}
        where = f"{places[key]}: " if key in places else where
    if item["type"] == "extra_forbidden" and (about := _of_another_form(location)):
        return f"{where}{about}"
    if item["type"] == "extra_forbidden" and (owners := kinds_with(key)):
        section = location[0]
        return (
            f"{where}{cut(key)}: belongs to {section}.kind={' or '.join(owners)}, and this is "
            f"{kind}; leave it out, or set {section}.kind"
        )
    if item["type"] == "extra_forbidden":
        known = [each for each in all_keys() if {"", kind} & set(kinds_with(each) or [""])]
        hint = hint_for_key(key, known, Config.model_fields)
        return f"{where}{cut(key)}: no such key; {hint or 'see --help for all keys'}"
    message = item["msg"].removeprefix("Value error, ")
    if location[:1] == ["class_weight"] and item["type"] in ("model_type", "invalid_key"):
        return f"{where}class_weight: {hint_for_key('class_weight', all_keys(), ())}"
    if item["type"] == "model_type":
        return (
            f"{where}{key}: expected a section of `key: value` lines, found "
            f"{cut(repr(item['input']))}{hint_for_section(key, item['input'])}"
        )
    field = field_of(key, kind)
    name, colon, reason = message.partition(": ")
    if field is None and colon and (named := f"{key}.{name}") in places:
        # A rule of a whole section that names the key which breaks it.
        return f"{places[named]}: {named}: {reason}"
    if field is None:
        return _rule_between_keys(message, key, where, places)
    value = f"{key} = {as_yaml(item['input'])}"
    if item["type"] == "value_error":
        return f"{where}{value}: {message} (rule: {rule_of(field)})"
    return (
        f"{where}{value}: expected {rule_of(field)}"
        f"{hint_for_value(key, item['input'], choices_of(field))}; default "
        f"{as_yaml(field.get_default())}"
    )


def _of_another_form(location: Sequence[str]) -> str:
    """What is wrong with the form of a key, in whatever section it stands; empty: nothing."""
    if location[0] == "class_weight" and ":" in location[-1]:
        return f"class_weight: {hint_for_key('class_weight', all_keys(), ())}"
    section, dot, name = location[0].partition(".")
    if dot and section in Config.model_fields:
        return (
            f"{cut(location[0])}: a file has sections: `{section}:`, and below it `  {cut(name)}:`"
        )
    return ""


def _rule_between_keys(message: str, key: str, where: str, places: dict[str, str]) -> str:
    """A rule that several keys break together; where they were not written in one place, each."""
    broken = message.partition(";")[0]
    origins = {
        each: places[each]
        for each in all_keys()
        if each in places
        and (
            re.search(rf"(?<![\w.]){re.escape(each)}(?![\w.])", broken)
            # Within its section a key goes by its own name, which may be an English word too.
            or re.search(rf"(?:^|and ){re.escape(each.removeprefix(f'{key}.'))} [(]", broken)
        )
    }
    lowered = f"{message[0].lower()}{message[1:]}"
    if len(set(origins.values())) > 1:
        return f"{lowered} ({', '.join(f'{each}: {at}' for each, at in origins.items())})"
    where = f"{next(iter(origins.values()))}: " if origins else where
    return f"{where}{'' if origins or not key else f'{key}: '}{lowered}"
