"""What the schema says, as text: every key with its rule, and values as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import annotated_types
import yaml
from pydantic.fields import FieldInfo

from ferkeras.cli.invocation import shell_words
from ferkeras.config.schema import Config, Section


def fields_of(section: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key below a section with its field, in the order of definition."""
    for key, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields_of(field.annotation, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", field


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


def with_dots(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key, of ``{"train": {"epochs": 3}}`` as of ``{"train.epochs": 3}``."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            result |= with_dots(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def as_arguments(values: Mapping[str, Any]) -> str:
    """Values by dotted key as they stand on a command line, quoted, `section.key=value` each."""
    words = (f"{key}={as_yaml(value)}".replace(", ", ",") for key, value in values.items())
    return shell_words(words)


def describe_keys() -> str:
    """Every key with its default, meaning, type and range, one block a section."""
    lines: list[str] = []
    section = ""
    for key, field in fields_of(Config):
        if key.rpartition(".")[0] != section:
            section = key.rpartition(".")[0]
            annotation = Config.model_fields[section].annotation
            lines += ["", f"{section}: {annotation.__doc__}"]
        lines.append(f"  {key}={as_yaml(field.get_default())}")
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
        return ", or ".join([*(_unwrapped(each, metadata) for each in arguments), "null"])
    if get_origin(annotation) is dict:
        return "mapping of lists"
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


def as_yaml(value: Any) -> str:
    """A value as it is written after a key, on one line, at most 200 characters of it."""
    if isinstance(value, tuple):
        value = list(value)
    try:
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"
    return text.removesuffix("\n").removesuffix("\n...")[:200]
