"""Read a configuration: YAML file, then section.key=value, with all errors at once.

Also writes the configuration's own documentation (`describe_keys`), from the same fields that
check it, so that the two cannot drift apart.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

import annotated_types
import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, nearest, quoted, shown
from ferkeras.config.schema import Config, Section

_LARGEST_FILE = 1 << 16
_LONGEST_VALUE = 4096
_DEEPEST = 16
_MOST_PROBLEMS = 20


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of the YAML file at `path`, changed by `overrides`.

    Args:
        path: a YAML file whose top level is `name`, `seed` and the sections; None for the
            defaults alone. A file that gives no `name` is named after itself.
        overrides: texts `section.key=value`; the value is read as YAML.

    Raises:
        InputError: no such file, not YAML, or keys and values that break a rule; the message
            lists every one of them with its place, its rule and the nearest valid key.
    """
    places: dict[str, str] = {}
    values: dict[str, Any] = {}
    problems: list[str] = []
    if path is not None:
        values, lines = _read_yaml(path)
        places = {key: f"{shown(path)}:{line}" for key, line in lines.items()}
        values.setdefault("name", path.stem)
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign or not key:
            problems.append(
                f"{quoted(text, 80)}: expected section.key=value, for example train.epochs=5"
            )
            continue
        try:
            _put(values, key, _read_value(value) if value else "")
        except _UNREADABLE as error:
            problems.append(
                f"command line: {_cut(key)}={_cut(value)}: not readable as YAML ({_brief(error)})"
            )
            continue
        places[key] = "command line"
    config, found = _validate(values, places)
    problems += found
    if config is None or problems:
        count = f"{len(problems)} error{'s' if len(problems) > 1 else ''}"
        if len(problems) > _MOST_PROBLEMS:
            count = f"more than {_MOST_PROBLEMS} errors"
        listed = (f"  {text}" for text in problems[:_MOST_PROBLEMS])
        raise InputError("\n".join([f"{count} in the configuration:", *listed]))
    return config


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without anchors, aliases and tags, and bounded: it holds no more than it shows.

    An alias doubles a list in a few bytes, and a tag hands text to a constructor that may not
    expect it; a configuration needs neither.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._refuse(event, "anchors (&) and aliases (*) are not read; write the value out")
        if event.tag is not None:
            self._refuse(event, "tags (!) are not read; write the plain value")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST_VALUE:
            self._refuse(event, f"a value of more than {_LONGEST_VALUE:,} characters")
        if self.depth == _DEEPEST:
            self._refuse(event, f"nested more than {_DEEPEST} deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def _refuse(self, event: Any, problem: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


_UNREADABLE = (yaml.YAMLError, ValueError, OverflowError)
"""What PyYAML raises; the last two for numbers and dates that are none."""


def dump_config(config: Config) -> str:
    """The configuration as YAML that `load_config` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def flat(config: Section, prefix: str = "") -> dict[str, Any]:
    """Every value by its dotted key, in the order of definition."""
    result: dict[str, Any] = {}
    for key in type(config).model_fields:
        value = getattr(config, key)
        if isinstance(value, Section):
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


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
        raise InputError("\n".join(["these values do not go together:", *problems]))
    return changed


def as_arguments(values: Mapping[str, Any]) -> str:
    """Values by dotted key as they stand on a command line, quoted, `section.key=value` each."""
    words = (f"{key}={_as_yaml(value)}".replace(", ", ",") for key, value in values.items())
    return " ".join(map(shlex.quote, words))


def describe_keys() -> str:
    """Every key with its default, meaning, type and range, one block a section."""
    lines: list[str] = []
    section = ""
    for key, field in _fields(Config):
        if key.rpartition(".")[0] != section:
            section = key.rpartition(".")[0]
            annotation = Config.model_fields[section].annotation
            lines += ["", f"{section}: {annotation.__doc__}"]
        lines.append(f"  {key}={_as_yaml(field.get_default())}")
        lines.append(f"      {field.description} ({rule_of(field)})")
    return "\n".join(lines)


def rule_of(field: FieldInfo) -> str:
    """A field's type and range in words, such as ``number, 0 to 1`` or ``one of adam, sgd``."""
    return _rule(field.annotation, field.metadata)


def _rule(annotation: Any, metadata: Sequence[Any]) -> str:
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if get_origin(annotation) is Literal:
        names = ", ".join(map(str, arguments))
        return f"one of {names}" if len(arguments) > 1 else names
    if type(None) in get_args(annotation):
        return f"{_unwrapped(arguments[0], metadata)}, or null"
    if get_origin(annotation) is tuple:
        return f"list{_length(metadata)}, each {_unwrapped(arguments[0], ())}"
    if len(arguments) > 1:
        return ", or ".join(_unwrapped(argument, metadata) for argument in arguments)
    words = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    text = words.get(annotation, str(annotation))
    low = high = pattern = ""
    for item in metadata:
        if isinstance(item, annotated_types.Ge):
            low = f"{item.ge:,}" if annotation is int else f"{item.ge:g}"
        elif isinstance(item, annotated_types.Gt):
            low = f"above {item.gt:g}"
        elif isinstance(item, annotated_types.Le):
            high = f"{item.le:,}" if annotation is int else f"{item.le:g}"
        elif isinstance(item, annotated_types.Lt):
            high = f"below {item.lt:g}"
        elif getattr(item, "pattern", None):
            pattern = f" matching {item.pattern}"
    if low and high:
        return f"{text}, {low} to {high}"
    if low:
        return f"{text}, {low}" if low.startswith("above") else f"{text}, at least {low}"
    return f"{text}{', ' + high if high else ''}{pattern}"


def _length(metadata: Sequence[Any]) -> str:
    low = next((m.min_length for m in metadata if isinstance(m, annotated_types.MinLen)), 0)
    high = next((m.max_length for m in metadata if isinstance(m, annotated_types.MaxLen)), None)
    return "" if high is None else f" of {low} to {high}"


def _unwrapped(annotation: Any, metadata: Sequence[Any]) -> str:
    if not hasattr(annotation, "__metadata__"):
        return _rule(annotation, metadata)
    for item in annotation.__metadata__:
        metadata = (*metadata, *getattr(item, "metadata", (item,)))
    return _rule(annotation.__origin__, metadata)


def _fields(section: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for key, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _fields(field.annotation, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", field


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Values, and the line of each dotted key."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
        if len(raw) > _LARGEST_FILE:
            raise InputError(f"{shown(path)}: larger than 64 KiB, which no configuration is")
        loader = _PlainLoader(raw.decode("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{shown(path)}: no such file{_near_file(path)}") from None
    except OSError as error:
        raise cannot_read(path, error) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{shown(path)}: not a YAML text ({_brief(error)})") from None
    except ValueError as error:
        raise InputError(f"{shown(path)}: not a path ({error})") from None
    lines: dict[str, int] = {}
    try:
        root = loader.get_single_node()
        if root is None:
            return {}, {}
        values = _construct(loader, root, "", lines, shown(path))
    except _UNREADABLE as error:
        raise InputError(f"{shown(path)}: not valid YAML ({_brief(error)})") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{shown(path)}: expected `section:` and `key: value` lines, found something else"
        )
    return values, lines


def _read_value(text: str) -> Any:
    loader = _PlainLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _construct(
    loader: yaml.SafeLoader, node: yaml.Node, prefix: str, lines: dict[str, int], path: str
) -> Any:
    # Two levels of mappings are all there is; anything deeper is left to the field's own check.
    if not isinstance(node, yaml.MappingNode) or prefix.count(".") > 1:
        return loader.construct_object(node, deep=True)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        line = key_node.start_mark.line + 1
        if key in result:
            raise InputError(
                f"{path}:{line}: {_cut(prefix + key)} stands twice (first in line "
                f"{lines[prefix + key]}); keep one"
            )
        lines[prefix + key] = line
        result[key] = _construct(loader, value_node, f"{prefix}{key}.", lines, path)
    return result


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
    keys = {tuple(key.split(".")) for key, _ in _fields(Config)}
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
    known = dict(_fields(Config))
    where = places.get(key, places.get(location[0], "")) if location else ""
    where = f"{where}: " if where else ""
    if item["type"] == "extra_forbidden":
        near = _nearest(key, [*known, *Config.model_fields])
        hint = f"did you mean {near}?" if near else "see --help for all keys"
        return f"{where}{_cut(key)}: no such key; {hint}"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "model_type":
        return (
            f"{where}{key}: expected a section of `key: value` lines, found "
            f"{_cut(repr(item['input']))}"
        )
    if key not in known:
        return f"{where}{key + ': ' if key else ''}{message[0].lower()}{message[1:]}"
    field = known[key]
    value = f"{key} = {_as_yaml(item['input'])}"
    if item["type"] == "value_error":
        return f"{where}{value}: {message} (rule: {rule_of(field)})"
    return f"{where}{value}: expected {rule_of(field)}; default {_as_yaml(field.get_default())}"


def _nearest(key: str, known: Sequence[str]) -> str | None:
    last = key.rpartition(".")[2]
    same_name = [name for name in known if name.rpartition(".")[2] == last]
    near = same_name or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        names = {name.rpartition(".")[2]: name for name in known}
        near = [names[name] for name in difflib.get_close_matches(last, names, n=1)]
    return near[0] if near else None


def _near_file(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return f" (nor is there a folder {shown(path.parent)})"
    near = nearest(path.name, names)
    return f"; did you mean {shown(path.parent / near)}?" if near else ""


def _as_yaml(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    try:
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"
    return text.removesuffix("\n").removesuffix("\n...")[:200]


def _cut(text: str) -> str:
    return shown(text if len(text) <= 80 else text[:80] + "...")


def _brief(error: Exception) -> str:
    return shown(" ".join(str(error).split())[:200])
