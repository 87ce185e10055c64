"""The configuration on a command line: --config, --name and section.key=value.

What reads it is imported when it is needed: verbs import this, and end well without any package.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.cli.command import parser
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.config.hints import CONFIGS, hint_for_option, missing_config

if TYPE_CHECKING:
    from ferkeras.config.schema import Config

DEFAULT = "demo"
"""The configuration that is taken where none is named."""


def config_parser(module: str, documentation: str | None) -> argparse.ArgumentParser:
    """A `parser` that takes --config, --name and section.key=value, and documents every key."""
    from ferkeras.config.keys import all_keys, describe_keys

    known = all_keys()
    # As wide as argparse makes the options above.
    width = max(shutil.get_terminal_size().columns - 2, 40)
    result = parser(
        module,
        documentation,
        epilog=f"Keys, with what holds where none is given:\n\n{describe_keys(width)}",
        hint=lambda option, value: hint_for_option(option, value, known),
    )
    result.add_argument(
        "--config",
        metavar="FILE",
        help="YAML file, or the name of a configuration that comes along (default: demo, synthetic "
        "faces)",
    )
    result.add_argument("--name", help="name of the run (default: the configuration's)")
    result.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="change one key of the file"
    )
    return result


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments of a `config_parser` ask for.

    Raises:
        InputError: a key is given twice, or changes nothing; or see `find_config` and
            `ferkeras.config.file.load_config`.
    """
    from ferkeras.config.file import load_config
    from ferkeras.config.idle import refuse_idle

    overrides = list(arguments.overrides)
    if arguments.name is not None:
        overrides.append(f"name={arguments.name}")
    keys = keys_given(overrides)
    config = load_config(find_config(config_of(arguments)), overrides)
    refuse_idle(config, keys)
    return config


def config_of(arguments: argparse.Namespace) -> str:
    """The --config of a `config_parser`, or the one that holds where none is named."""
    return DEFAULT if arguments.config is None else arguments.config


def given_beside(arguments: argparse.Namespace, key: str) -> list[str]:
    """The arguments that were given, other than this one, of a parser whose defaults are none."""
    return [
        other
        for other, value in vars(arguments).items()
        if other != key and value is not None and value != []
    ]


def keys_given(overrides: Sequence[str]) -> list[str]:
    """The dotted keys of some section.key=value.

    Raises:
        InputError: one is given twice.
    """
    keys = [each.partition("=")[0] for each in overrides if "=" in each]
    for at, key in enumerate(keys):
        for before in keys[:at]:
            # A section as a whole sets its keys too.
            if before == key or before.startswith(f"{key}.") or key.startswith(f"{before}."):
                from ferkeras.config.yaml_text import cut

                what = cut(key) if before == key else f"{cut(before)} and {cut(key)}"
                raise InputError(f"command line: {what}: given twice; keep one")
    return keys


def find_config(text: str) -> Path:
    """The file that is meant by a path, or by the name of a configuration that comes along.

    A file that is there goes before one that comes along. `configs/NAME.yaml` means that one too,
    from whatever folder.

    Raises:
        InputError: it is neither; the message lists the names.
    """
    if not text:
        raise InputError("--config: an empty path; expected a YAML file or a name")
    path = expanded(text)
    try:
        if path.is_file():
            return path
    except ValueError as error:
        raise InputError(f"--config {text!r:.200}: not a path ({error})") from None
    if path.parent in (Path(), Path("configs")):
        along = CONFIGS / f"{path.name.removesuffix('.yaml')}.yaml"
        if along.is_file():
            return along
    if path.exists():
        return path
    raise InputError(missing_config(text))
