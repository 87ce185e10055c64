"""What all commands have in common: how they are called, and how they end.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted from the keyboard, 143
terminated.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from ferkeras.cli.errors import InputError, Interrupted, RunError
from ferkeras.cli.invocation import as_typed_here, command_line


class Main(Protocol):
    """A command's entry: what tests call."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run with `argv` (default: the process's arguments); return the exit code."""


def verb(main: Main) -> Main:
    """Turn the errors that are meant for people into their text on stderr and an exit code."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except (InputError, RunError) as error:
            sys.stdout.flush()
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
        except Interrupted as stop:
            print(stop, file=sys.stderr)
            return stop.exit_code
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            return 130
        except BrokenPipeError:
            # The reader of our output has gone; nothing may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1

    return guarded


class _Parser(argparse.ArgumentParser):
    """Takes options and section.key=value in any order."""

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        return self.parse_intermixed_args(args, namespace)


def parser(
    module: str, documentation: str | None, epilog: str | None = None
) -> argparse.ArgumentParser:
    """An argument parser for `python -m <module>` whose help is the module's docstring."""
    return _Parser(
        prog=command_line(module.removeprefix("ferkeras.")),
        description=None if documentation is None else as_typed_here(documentation),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog=epilog,
    )
