"""What all commands have in common: how they are called, and how they end.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted from the keyboard, 143
terminated.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from ferkeras.cli.errors import InputError, Interrupted, RunError
from ferkeras.cli.invocation import as_typed_here, command_line
from ferkeras.cli.wording import nearest, shown


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


Hint = Callable[[str, str | None], str]
"""Says what is meant by an option that does not exist, and its value; empty: nothing is known."""


class _Parser(argparse.ArgumentParser):
    """Takes options and section.key=value in any order."""

    hint: Hint | None = None

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        words = sys.argv[1:] if args is None else list(args)
        found, unknown = self.parse_known_intermixed_args(words, namespace)
        if unknown:
            self.error(f"unknown: {' '.join(map(shown, unknown))}{self._meant(unknown[0], words)}")
        return found

    def _meant(self, word: str, words: list[str]) -> str:
        option, sign, value = word.partition("=")
        following = words[words.index(word) + 1 :][:1] if word in words else []
        given = value if sign else next((w for w in following if not w.startswith("-")), None)
        if self.hint is not None and (text := self.hint(option, given)):
            return f"; {text}"
        near = nearest(option, self._option_string_actions, cutoff=0.75)
        return f"; did you mean {near}?" if near else ""


def parser(
    module: str, documentation: str | None, epilog: str | None = None, hint: Hint | None = None
) -> argparse.ArgumentParser:
    """An argument parser for `python -m <module>` whose help is the module's docstring.

    Args:
        module: of the command.
        documentation: the module's docstring.
        epilog: what stands below the options.
        hint: asked about options that do not exist; else the nearest one is named.
    """
    result = _Parser(
        prog=command_line(module.removeprefix("ferkeras.")),
        description=None if documentation is None else as_typed_here(documentation),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog=epilog,
    )
    result.hint = hint
    return result
