"""What all commands have in common: how they are called, and how they end.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted from the keyboard, 143
terminated, 129 the terminal was closed.
"""

from __future__ import annotations

import argparse
import errno
import functools
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ferkeras.cli.endings import is_of_the_machine, words_for
from ferkeras.cli.environment import is_of_a_package, without_package
from ferkeras.cli.errors import InputError, Interrupted, RunError
from ferkeras.cli.invocation import as_typed_here, command_line
from ferkeras.cli.signals import Stopped, signals_raise
from ferkeras.cli.streams import flushed, secure_streams, tell
from ferkeras.cli.wording import nearest, shown


class Main(Protocol):
    """A command's entry: what tests call."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run with `argv` (default: the process's arguments); return the exit code."""


def verb(main: Main) -> Main:
    """Make a command end well: whatever stops it is told in a sentence, with an exit code.

    Errors in the input, of the disk, of the memory, signals and standard streams that are closed
    or full end here; only a mistake in the program itself is a traceback. What a command has
    written by then is whole, as everything is written whole or not at all.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        secure_streams()
        try:
            with signals_raise():
                code = _ended(main, argv)
        except Stopped as stop:
            # It came while another ending was told.
            code = 128 + stop.signal
        except SystemExit:
            # Of --help, --version and wrong usage.
            if flushed() is not None:
                raise SystemExit(1) from None
            raise
        refused = flushed()
        if refused is not None and not isinstance(refused, BrokenPipeError):
            tell(f"error: {words_for(refused)}")
        return 1 if refused is not None and code == 0 else code

    return guarded


def _ended(main: Main, argv: Sequence[str] | None) -> int:
    try:
        return main(argv)
    except (InputError, RunError) as error:
        flushed()
        tell(f"error: {error}")
        return error.exit_code
    except Interrupted as stop:
        tell(str(stop))
        return stop.exit_code
    except KeyboardInterrupt:
        tell(f"\ninterrupted{_AGAIN}")
        return 128 + signal.SIGINT
    except Stopped as stop:
        tell(f"{stop}{_AGAIN}")
        return 128 + stop.signal
    except BrokenPipeError:
        # The reader of our output has gone.
        flushed()
        return 1
    except ModuleNotFoundError as error:
        if error.name is None or not is_of_a_package(error.name):
            raise
        tell(f"error: {without_package(error.name)}")
        return 1
    except Exception as error:
        if not is_of_the_machine(error):
            raise
        flushed()
        tell(f"error: {words_for(error)}")
        # A path that no system could have is not the machine's fault.
        return 2 if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG else 1


_AGAIN = "; what was written is whole, and the same command begins anew"


Hint = Callable[[str, str | None], str]
"""Says what is meant by an option that does not exist, and its value; empty: nothing is known."""


class _Once(argparse._StoreAction):
    """An option that takes one value: the first of two would be forgotten without a word."""

    given = False

    def __call__(self, parser, namespace, values, option_string=None):  # type: ignore[no-untyped-def]
        if option_string is not None and self.given:
            raise argparse.ArgumentError(self, "given twice; keep one")
        self.given = option_string is not None
        super().__call__(parser, namespace, values, option_string)


class _Parser(argparse.ArgumentParser):
    """Takes options and section.key=value in any order."""

    hint: Hint | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name in (None, "store"):
            self.register("action", name, _Once)

    def _print_message(self, message, file=None):  # type: ignore[no-untyped-def]
        # Of --help that nobody can read argparse says nothing.
        if message and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        words = _without_end_of_options(sys.argv[1:] if args is None else list(args))
        for action in self._actions:
            if isinstance(action, _Once):
                action.given = False
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
        known = list(self._option_string_actions)
        # What others abbreviate to its first letter.
        meant = [each for each in known if len(option) == 2 and each.startswith(f"-{option}")]
        near = meant[0] if meant else nearest(option, known, cutoff=0.75)
        return f"; did you mean {near}?" if near else ""


def _without_end_of_options(words: list[str]) -> list[str]:
    """Words without a `--`; what follows it and begins with a dash is a path in this folder.

    Arguments that are parsed among options would lose the `--`.
    """
    if "--" not in words:
        return words
    at = words.index("--")
    following = (f"./{word}" if word.startswith("-") else word for word in words[at + 1 :])
    return [*words[:at], *following]


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
