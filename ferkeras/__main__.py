"""Trains facial-expression classifiers in Keras 3 that do not collapse, or says why they did.

python -m ferkeras.fit                   train on built-in, synthetic faces
python -m ferkeras.predict face.png      say which emotion a face shows
python -m ferkeras.VERB --help           what a verb does, and all its options
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ferkeras import __version__
from ferkeras.cli.command import Main, verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.invocation import as_typed_here
from ferkeras.cli.wording import nearest, quoted

_OTHER_WORDS = {
    "check": "check_data",
    "convert": "export",
    "detect": "predict",
    "eval": "evaluate",
    "infer": "predict",
    "inference": "predict",
    "resume": "fit --resume",
    "test": "evaluate",
    "train": "fit",
    "val": "evaluate",
    "validate": "evaluate",
}
"""What a verb is called elsewhere."""


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-"):
        return _main_of(words[0])(words[1:])
    parser = argparse.ArgumentParser(
        prog="ferkeras",
        usage="%(prog)s [-h] [--version] VERB ...",
        description=as_typed_here(__doc__),
        epilog=_listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ferkeras {__version__}")
    parser.parse_args(words)
    parser.print_help()
    return 0


def verbs() -> dict[str, str]:
    """Every verb, by the alphabet, and what it does in one line; imports none of them."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*/__main__.py")):
        documentation = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        found[path.parent.name] = documentation.partition("\n")[0]
    return found


def _listed() -> str:
    known = verbs()
    width = max(map(len, known))
    return "verbs:\n" + "\n".join(f"  {name:{width}}  {does}" for name, does in known.items())


def _main_of(word: str) -> Main:
    name = word.replace("-", "_")
    known = verbs()
    if name not in known:
        near = _OTHER_WORDS.get(name) or nearest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        raise InputError(f"{quoted(word)}: no such verb{hint}\n{_listed()}")
    entry: Main = import_module(f"ferkeras.{name}.__main__").main
    return entry


if __name__ == "__main__":
    sys.exit(main())
