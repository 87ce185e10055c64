"""New run folders under saved_models/: made, named, recorded."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ferkeras
from ferkeras.cli.errors import InputError
from ferkeras.config.file import dump_config
from ferkeras.config.schema import Config
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import temporary_name, write_json, write_text
from ferkeras.runs.conditions import settings_of, versions
from ferkeras.runs.record import Run


def create_run(config: Config) -> Run:
    """Make the next free folder `<output.folder>/<name>-NNN`; an existing one is never reused.

    It appears under that name together with its `config.yaml`, so that a run can be resumed
    whenever it was cut off.

    Raises:
        InputError: the folder cannot be made.
    """
    parent = Path(config.output.folder)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = parent / temporary_name()
        made.mkdir()
        try:
            write_text(Run(made).config, dump_config(config))
            return Run(_move_to_free_number(made, parent / config.name))
        except BaseException:
            with suppress(OSError):
                InnerPath(made).remove_tree()
            raise
    except OSError as error:
        raise InputError(
            f"output.folder = {parent}: no run folder can be made in it ({error.strerror}); "
            "name one that can be written"
        ) from None


def _move_to_free_number(made: Path, name: Path) -> Path:
    pattern = re.compile(re.escape(name.name) + r"-(\d+)")
    matches = (pattern.fullmatch(path.name) for path in name.parent.iterdir())
    number = max((int(match[1]) for match in matches if match), default=0)
    while True:
        number += 1
        folder = name.with_name(f"{name.name}-{number:03d}")
        try:
            return made.rename(folder)
        except OSError as error:
            # Another process was faster; its folder is not empty, so it cannot be replaced.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise


def record_start(
    run: Run,
    config: Config,
    data: dict[str, Any],
    teachers: Sequence[Mapping[str, str]] = (),
    start: Mapping[str, str] | None = None,
) -> None:
    """Write down what a run that begins is made from and with."""
    write_json(
        run.environment,
        {
            "ferkeras": ferkeras.__version__,
            "python": platform.python_version(),
            "packages": versions(),
            # Neither the machine's name and kernel nor where Python lies: runs are given away.
            "platform": f"{platform.system()} {platform.machine()}",
            "processor_cores": os.cpu_count(),
            "command": [Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]],
            "data": data,
            "teachers": list(teachers),
            "start_from": start,
            "settings": settings_of(config),
        },
    )
