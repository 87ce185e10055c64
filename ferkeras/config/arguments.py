"""The configuration on a command line: --config, --name and section.key=value."""

from __future__ import annotations

import argparse
from pathlib import Path

from ferkeras.cli.command import parser
from ferkeras.config.file import load_config
from ferkeras.config.keys import describe_keys
from ferkeras.config.schema import Config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def config_parser(module: str, documentation: str | None) -> argparse.ArgumentParser:
    """A `parser` that takes --config, --name and section.key=value, and documents every key."""
    result = parser(
        module,
        documentation,
        epilog=f"Keys, with what holds where none is given:\n\n{describe_keys()}",
    )
    result.add_argument(
        "--config",
        type=Path,
        default=CONFIGS / "demo.yaml",
        metavar="FILE",
        help="YAML file (default: configs/demo.yaml, synthetic faces)",
    )
    result.add_argument("--name", help="name of the run (default: the configuration's)")
    result.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="change one key of the file"
    )
    return result


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments of a `config_parser` ask for.

    Raises:
        InputError: see `ferkeras.config.file.load_config`.
    """
    overrides = list(arguments.overrides)
    if arguments.name is not None:
        overrides.append(f"name={arguments.name}")
    return load_config(arguments.config, overrides)
