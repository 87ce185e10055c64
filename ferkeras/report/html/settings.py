"""Settings as pages show them."""

from __future__ import annotations

from typing import Any

from ferkeras.config.keys import as_yaml, flat
from ferkeras.config.schema import Config


def settings_by_section(config: Config) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Every section with its keys: name, value, and whether it differs from its kind's default."""
    defaults = flat(Config(network=type(config.network)()))
    sections: dict[str, list[tuple[str, str, bool]]] = {}
    for key, value in flat(config).items():
        section, _, name = key.rpartition(".")
        changed = value != defaults[key]
        sections.setdefault(section or "run", []).append((name, setting(value), changed))
    return list(sections.items())


def setting(value: Any) -> str:
    """A setting's value as YAML has it; text as it stands."""
    return value if isinstance(value, str) else as_yaml(value)
