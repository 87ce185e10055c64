"""The configuration that a run was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown

if TYPE_CHECKING:
    from ferkeras.config.schema import Config
    from ferkeras.runs.record import Run


def config_of(run: Run) -> Config:
    """Read `config.yaml` of a run, which names every key.

    Raises:
        InputError: it is missing or damaged; an empty one too, which would be all defaults.
    """
    # `predict` finds a folder in less time than this takes.
    from ferkeras.config.file import load_config

    config = load_config(run.config)
    if not run.config.read_text().strip():
        raise InputError(
            f"{shown(run.config)}: damaged: it is empty; take it from a copy of the run"
        )
    return config
