"""What the schema says, as text: every key with its rule, and values as they are written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic.fields import FieldInfo

from ferkeras.cli.invocation import shell_words
from ferkeras.config.schema import IN_WORDS, Config
from ferkeras.config.section import Section

NULL = ("null", "Null", "NULL", "~")
"""How YAML writes that there is no value."""


@dataclass(frozen=True)
class Block:
    """Keys that stand together.

    Attributes:
        title: the section, and which kind of it.
        about: what it is, in a sentence.
        fields: each dotted key with its field, in the order of definition.
    """

    title: str
    about: str
    fields: Mapping[str, FieldInfo]


def blocks() -> Iterator[Block]:
    """Every key of every kind in the order of definition, name and seed first.

    Of a section of several kinds what all have alike stands first, then the rest of each kind.
    """
    fields = Config.model_fields
    alone = {key: field for key, field in fields.items() if not kinds_of(key)}
    yield Block("", Config.__doc__ or "", alone)
    for section in (key for key in fields if key not in alone):
        kinds = kinds_of(section)
        if len(kinds) == 1:
            (only,) = kinds.values()
            yield Block(section, only.__doc__ or "", _dotted(section, only))
            continue
        first, *others = (_dotted(section, kind) for kind in kinds.values())
        alike = {f"{section}.kind": _which(kinds)} | {
            key: field
            for key, field in first.items()
            if all(repr(field) == repr(other.get(key)) for other in others)
        }
        common = next(iter(kinds.values())).__base__
        yield Block(section, common.__doc__ or "" if common else "", alike)
        for name, kind in kinds.items():
            own = {k: f for k, f in _dotted(section, kind).items() if k not in alike}
            yield Block(f"{section}.kind={name}", kind.__doc__ or "", own)


def kinds_of(section: str) -> dict[str, type[Section]]:
    """The kinds of a section by name; one without a name where there is one only.

    Empty for a key that is no section.
    """
    annotation = Config.model_fields[section].annotation
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {"": annotation}
    classes = [get_args(each)[0] for each in get_args(annotation) if get_origin(each) is Annotated]
    return {
        each.model_fields["kind"].default: each for each in classes if issubclass(each, Section)
    }


def all_keys() -> list[str]:
    """Every dotted key, whatever the kind of its section."""
    return list(dict.fromkeys(key for block in blocks() for key in block.fields))


def kinds_with(key: str) -> list[str]:
    """The kinds of its section that have a dotted key."""
    section, _, name = key.partition(".")
    if section not in Config.model_fields:
        return []
    return [kind for kind, each in kinds_of(section).items() if name in each.model_fields]


def types_of(key: str) -> set[type]:
    """The types that a dotted key takes, in any kind of its section: ``{float, str}``."""
    found: set[type] = set()
    for part in _alternatives(key):
        if get_origin(part) is Literal:
            found |= {type(each) for each in get_args(part)}
        else:
            found.add(get_origin(part) or part)
    return found


def choices_of(field: FieldInfo) -> list[str]:
    """The words that a key takes, alone or in a list; empty where it takes others too."""
    parts = [part for each in _parts(field.annotation) for part in _items(each)]
    texts = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
    return [] if str in parts else [word for word in texts if isinstance(word, str)]


def is_text(key: str) -> bool:
    """Whether a dotted key takes any text, such as a path, and nothing else but null."""
    parts = _alternatives(key)
    return str in parts and set(parts) <= {str, NoneType}


def _alternatives(key: str) -> list[Any]:
    """What a dotted key may be, in any kind of its section."""
    section, _, name = key.partition(".")
    if section not in Config.model_fields:
        return []
    if not name:
        return [] if kinds_of(section) else _parts(Config.model_fields[section].annotation)
    kinds = kinds_of(section).values()
    fields = (kind.model_fields[name] for kind in kinds if name in kind.model_fields)
    return [each for field in fields for each in _parts(field.annotation)]


def _items(part: Any) -> list[Any]:
    """What a list is of; anything else as it is."""
    return _parts(get_args(part)[0]) if get_origin(part) is tuple else [part]


def _parts(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for part in get_args(annotation) for each in _parts(part)]
    return [annotation]


def field_of(key: str, kind: str = "") -> FieldInfo | None:
    """The field of a dotted key, in this kind of its section; None where it has no such key."""
    section, _, name = key.partition(".")
    if section not in Config.model_fields:
        return None
    kinds = kinds_of(section)
    if not name:
        return None if kinds else Config.model_fields[section]
    if name == "kind" and len(kinds) > 1:
        return _which(kinds)
    found = kinds.get(kind) or next(iter(kinds.values()), None)
    return found.model_fields.get(name) if found else None


def _which(kinds: Mapping[str, type[Section]]) -> FieldInfo:
    """The field `kind` of a section that is of one of these."""
    fields = {name: each.model_fields["kind"] for name, each in kinds.items()}
    return FieldInfo(
        annotation=Literal[tuple(kinds)],  # type: ignore[arg-type]
        default=next(iter(kinds)),
        description="; ".join(f"{name}: {field.description}" for name, field in fields.items()),
    )


def _dotted(prefix: str, section: type[Section]) -> dict[str, FieldInfo]:
    return {f"{prefix}.{key}": field for key, field in section.model_fields.items()}


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
        if isinstance(value, Mapping) and dict not in types_of(f"{prefix}{key}"):
            result |= with_dots(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def as_arguments(values: Mapping[str, Any]) -> str:
    """Values by dotted key as they stand on a command line, quoted, `section.key=value` each."""
    return shell_words(f"{key}={_as_given(key, value)}" for key, value in values.items())


def _as_given(key: str, value: Any) -> str:
    if isinstance(value, str):
        as_it_stands = is_text(key) and value[:1] not in ("", "'", '"') and value not in NULL
        return value if as_it_stands else as_yaml(value)
    return as_yaml(value).replace(", ", ",")


def describe_keys(width: int) -> str:
    """Every key with its default, meaning, type and range, one block a section.

    Args:
        width: most characters on a line, where words allow it.
    """

    def wrapped(text: str, indent: str = "") -> list[str]:
        return textwrap.wrap(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    lines: list[str] = []
    for block in blocks():
        if block.title:
            lines += ["", *wrapped(f"{block.title}: {block.about}")]
        for key, field in block.fields.items():
            lines.append(f"  {key}={as_yaml(field.get_default())}")
            lines += wrapped(f"{field.description} ({rule_of(field)})", " " * 6)
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
            pattern = f" of {IN_WORDS[item.pattern]}"
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
        # The order of `data.classes` is that of the classes.
        text = yaml.safe_dump(
            value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
        )
    except yaml.YAMLError:  # a value of a program that is none of YAML
        return " ".join(repr(value).split())[:200]
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"
    return text.removesuffix("\n").removesuffix("\n...")[:200]
