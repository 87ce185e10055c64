"""YAML as configurations use it: plain values, bounded, each key with its line."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, nearest, shown
from ferkeras.files.inner import AnyPath

_LARGEST_FILE = 1 << 16
_LONGEST_VALUE = 4096
_DEEPEST = 16


def read_yaml(path: AnyPath) -> tuple[dict[str, Any], dict[str, int]]:
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
        raise InputError(f"{shown(path)}: not a YAML text ({brief(error)})") from None
    except ValueError as error:
        raise InputError(f"{shown(path)}: not a path ({error})") from None
    lines: dict[str, int] = {}
    try:
        root = loader.get_single_node()
        if root is None:
            return {}, {}
        values = _construct(loader, root, "", lines, shown(path))
    except UNREADABLE as error:
        raise InputError(f"{shown(path)}: not valid YAML ({brief(error)})") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{shown(path)}: expected `section:` and `key: value` lines, found something else"
        )
    return values, lines


def read_value(text: str) -> Any:
    """The value in a text such as ``[8, 16]``; raises one of `UNREADABLE`."""
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
                f"{path}:{line}: {cut(prefix + key)} stands twice (first in line "
                f"{lines[prefix + key]}); keep one"
            )
        lines[prefix + key] = line
        result[key] = _construct(loader, value_node, f"{prefix}{key}.", lines, path)
    return result


_READ_OTHERWISE = {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp")}


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without anchors, aliases and tags, and bounded: it holds no more than it shows.

    An alias doubles a list in a few bytes, and a tag hands text to a constructor that may not
    expect it; a configuration needs neither.
    """

    depth = 0

    # No dates, and of whole numbers those that everybody reads alike: YAML 1.1 takes 010 for 8 and
    # 1:30 for 90, and yes and no, which may be classes, for true and false. Others are left as
    # text, of which the field makes a number, a truth value or an error.
    yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag not in _READ_OTHERWISE]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

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

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{cut(key)} stands twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def _refuse(self, event: Any, problem: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_WHOLE = r"(?:0|[1-9][0-9]*)"
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"[-+]?{_WHOLE}$"), list("-+0123456789")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    # No more than the writer of YAML puts into quotes where it is text.
    re.compile(
        rf"[-+]?{_WHOLE}\.[0-9]*(?:[eE][-+][0-9]+)?$|\.[0-9]+(?:[eE][-+][0-9]+)?$"
        r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)

UNREADABLE = (yaml.YAMLError, ValueError, OverflowError)
"""What PyYAML raises; the last two for numbers and dates that are none."""


def _near_file(path: AnyPath) -> str:
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")]
    except OSError:
        return f" (nor is there a folder {shown(path.parent)})"
    near = nearest(path.name, names, cutoff=0.75)
    return f"; did you mean {shown(path.parent / near)}?" if near else ""


def cut(text: str) -> str:
    """What was found, short and printable, for a message."""
    return shown(text if len(text) <= 80 else text[:80] + "...")


def brief(error: Exception) -> str:
    """What a reader says is wrong, on one short line."""
    return shown(" ".join(str(error).split())[:200])
