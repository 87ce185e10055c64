"""Variants as they are named on the command line or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted, shown
from ferkeras.config.arguments import keys_given
from ferkeras.config.file import read_override
from ferkeras.config.keys import with_dots
from ferkeras.config.yaml_text import read_yaml


def read_variants(given: Sequence[Sequence[str]], file: Path | None) -> dict[str, dict[str, Any]]:
    """Values by dotted key, by the variant's name.

    Args:
        given: for each `--variant` its name and its settings ``section.key=value``.
        file: a YAML file of such, ``name: {section.key: value}``.

    Raises:
        InputError: one is not readable, has no settings, one of them twice, or has the name of
            another.
    """
    found: dict[str, dict[str, Any]] = {}
    if file is not None:
        for name, values in read_yaml(file)[0].items():
            if not isinstance(values, dict) or not values:
                raise InputError(
                    f"{shown(file)}: {quoted(name)}: expected settings, such as "
                    "{train.learning_rate: 0.0005}"
                )
            found[name] = with_dots(values)
    for name, *settings in given:
        if name in found:
            raise InputError(f"--variant {quoted(name)} is there twice; give it another name")
        if "=" in name or not settings:
            raise InputError(
                f"--variant {quoted(name)}: expected a name and settings: --variant NAME "
                "section.key=value..."
            )
        keys_given(settings)
        found[name] = dict(read_override(text) for text in settings)
    return found


def read_groups(given: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Patterns by the name of their change, from the words of each `--group`.

    Raises:
        InputError: a name has no patterns, or is there twice.
    """
    found: dict[str, list[str]] = {}
    for name, *patterns in given:
        if not patterns or name in found:
            raise InputError(
                f"--group {quoted(name)}: expected a name of its own and keys: --group NAME KEY..."
            )
        found[name] = patterns
    return found
