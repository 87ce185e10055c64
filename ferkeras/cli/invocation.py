"""Commands in messages, written so that they can be pasted where they are printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

_WINDOWS = sys.platform == "win32"
_PLAIN_ON_WINDOWS = re.compile(r"[\w:=.@/\\+-]+")


def command_line(verb: str, *words: str | os.PathLike[str]) -> str:
    """A command of ferkeras for the shell that ran this process, quoted.

    `ferkeras VERB` where that command is found first on the PATH, else the interpreter that is
    running: `python -m ferkeras.VERB` where the PATH leads to it, `.venv/bin/python -m ...` or
    its whole path where it does not.

    Args:
        verb: such as ``evaluate``.
        words: options and arguments; they follow as they are, each one word, but for paths that
            begin with a dash: `./-run` is no option.
    """
    return shell_words([*_start(verb), *map(_no_option, words)])


def as_typed_here(text: str) -> str:
    """Text that says `python -m ferkeras.VERB`, with `ferkeras VERB` where that works."""
    if "python -m ferkeras." not in text or not _on_path("ferkeras"):
        return text
    return text.replace("python -m ferkeras.", "ferkeras ")


def _no_option(word: str | os.PathLike[str]) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, os.PathLike) and text.startswith("-") else text


def program_line(name: str, *words: str | os.PathLike[str]) -> str:
    """A command of another program of this environment, such as ``tensorboard``, as above."""
    beside = _shortest(Path(sys.executable).with_name(name))
    return shell_words([name if _on_path(name) else beside, *words])


def shell_words(words: Iterable[str | os.PathLike[str]], windows: bool = _WINDOWS) -> str:
    """Words as one line for a shell: POSIX, or on Windows cmd and PowerShell alike."""
    if not windows:
        return " ".join(shlex.quote(str(word)) for word in words)
    # Both take double quotes, neither takes single ones; a backslash before one escapes it.
    return " ".join(
        word
        if _PLAIN_ON_WINDOWS.fullmatch(word)
        else '"' + re.sub(r'(\\*)(?:"|$)', _escaped, word) + '"'
        for word in map(str, words)
    )


def opening(path: str | os.PathLike[str]) -> str | None:
    """The command that shows a file in the program that people have for it; None: there is none."""
    if _WINDOWS:
        # `start` takes a path in quotes for a title in cmd, and for none in PowerShell.
        return shell_words(["explorer", path])
    program = "open" if sys.platform == "darwin" else "xdg-open"
    return shell_words([program, path]) if shutil.which(program) else None


def _start(verb: str) -> list[str]:
    if _on_path("ferkeras"):
        return ["ferkeras", verb]
    names = (name for name in ("python", "python3") if _on_path(name))
    return [next(names, _shortest(Path(sys.executable))), "-m", f"ferkeras.{verb}"]


def _on_path(name: str) -> bool:
    """Whether the shell would run the program of that name that lies beside the interpreter."""
    found = shutil.which(name)
    return found is not None and Path(found).absolute().parent == Path(sys.executable).parent


def _shortest(program: Path) -> str:
    """A path from the working folder where it lies below that; links are left as they are."""
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


def _escaped(match: re.Match[str]) -> str:
    backslashes = match[1]
    return backslashes * 2 + ('\\"' if match[0].endswith('"') else "")
