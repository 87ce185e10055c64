"""Check faces before anything is trained on them: what is there, what is wrong, what to do.

  python -m ferkeras.check_data fer2013.csv
  python -m ferkeras.check_data fer2013.csv --votes fer2013new.csv     with the votes of FER+
  python -m ferkeras.check_data faces/ --label-errors                  trains small networks

PATH is whatever python -m ferkeras.fit reads, or 'demo'. Counted in seconds: faces per class and
split, missing classes, whole photographs, unreadable, flat, blank images, exact and
near-duplicates, contradicting labels, leaks from training into held-out splits and what they are
worth, people on both sides of the split, grey values before and after the network's normalisation,
labels in another order, also by what the network that comes along says of them. A table is
printed; the table, lists of rows and pictures go to a new folder.

Exit codes: 0 training can go ahead. 1 training would be wrong: a picture is unreadable, training
lacks a class or validation has no faces; more than 5 % of the faces are blank, are no faces or are
bound to be predicted wrong because identical images have different labels; leaks are worth more
than 5 points of accuracy; a split has other grey values or another order of labels; the network
that comes along recalls less than by chance, and much with the names exchanged. 2 wrong usage or
input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from ferkeras.cli.command import parser, verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import nearest, quoted

_KEYS = (
    "data.classes",
    "data.size",
    "data.color",
    "data.group_column",
    "data.detect_faces",
    "data.votes",
    "data.votes_as",
    "data.validation_fraction",
    "data.folds",
    "data.fold",
    "data.drop_leaked",
    "data.cache",
)
"""Keys of a configuration that say which faces there are, and how they are split."""


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.check_data.check import check_material
    from ferkeras.check_data.checks.known_network import check_known_network
    from ferkeras.check_data.checks.votes import read_votes
    from ferkeras.check_data.finding import Level
    from ferkeras.check_data.material import gather
    from ferkeras.check_data.report import print_check, write_check
    from ferkeras.cli.console import Console
    from ferkeras.cli.extras import need_extra
    from ferkeras.config.file import load_config
    from ferkeras.data.load import DEMO, fold_of, reading_progress, wanted
    from ferkeras.files.new_folder import check_output, make_folder
    from ferkeras.runs.finished import open_run
    from ferkeras.runs.litert import LiteRtNetwork
    from ferkeras.runs.shipped import SHIPPED

    check_output(arguments.output)
    _refuse_keys_without_effect(arguments.overrides)
    # Whether votes can be had depends on it. As JSON it is text to YAML, whatever it looks like.
    config = load_config(
        None, [f"data.path={json.dumps(arguments.path, ensure_ascii=False)}", *arguments.overrides]
    )
    if arguments.label_errors:
        need_extra("labels", "--label-errors")
    with Console() as console:
        with reading_progress(console, f"reading {arguments.path}") as progress:
            material = gather(
                arguments.path,
                wanted(config.data),
                seed=arguments.seed,
                validation_fraction=config.data.validation_fraction,
                fold=fold_of(config.data),
                drop_leaked=config.data.drop_leaked,
                cache=config.data.cache,
                follow_symlinks=arguments.follow_symlinks,
                progress=progress,
            )
        with console.working("checking"):
            votes = None if arguments.votes is None else read_votes(arguments.votes, material)
            checked = check_material(material, votes)
            if arguments.path != DEMO and SHIPPED.is_dir():
                # Synthetic faces are strange to it.
                known = open_run(SHIPPED)
                network = LiteRtNetwork(known.run.half_litert)
                finding = check_known_network(material, known.name, known.task, network)
                checked = replace(checked, findings=(*checked.findings, finding))
        if arguments.label_errors:
            from ferkeras.cli.quiet import import_tensorflow

            with console.working("loading TensorFlow"):
                import_tensorflow()
                from ferkeras.check_data.checks.label_errors import EPOCHS, with_label_errors

            with console.working("training on folds", EPOCHS) as advance:
                checked = with_label_errors(checked, arguments.seed, advance)
        print_check(checked, console)
        name = expanded(arguments.path).resolve().name.split(".")[0]
        folder = make_folder(arguments.output, f"check_data-{name}")
        with console.working("drawing pictures"):
            write_check(checked, folder)
        console.print(f"\nwritten: {folder}")
    return 1 if checked.level is Level.WRONG else 0


def _refuse_keys_without_effect(overrides: Sequence[str]) -> None:
    from ferkeras.config.keys import all_keys

    for each in overrides:
        key, sign, _ = each.partition("=")
        if not sign:
            raise InputError(
                f"{quoted(each, 80)}: one source is checked at a time; settings are key=value"
            )
        if key in _KEYS:
            continue
        if key not in all_keys() and (near := nearest(key, _KEYS)):
            raise InputError(f"{quoted(key, 80)}: no such key here; did you mean {near}?")
        if key:
            raise InputError(
                f"{quoted(key, 80)}: changes nothing of what is checked; leave it out (seed and "
                "links are --seed and --follow-symlinks here); the keys that act are "
                f"{', '.join(_KEYS)}"
            )


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.check_data", __doc__)
    result.add_argument("path", metavar="PATH", help="table, folder of class folders, or 'demo'")
    result.add_argument(
        "overrides",
        metavar="data.key=value",
        nargs="*",
        default=[],
        help=f"as in training: {', '.join(_KEYS)}",
    )
    result.add_argument("--votes", metavar="CSV", help="fer2013new.csv of FER+, row for row")
    result.add_argument(
        "--label-errors",
        action="store_true",
        help="find suspicious labels with cleanlab, from networks trained on the other folds "
        "(about a processor minute for 1,000 faces)",
    )
    result.add_argument(
        "--output", metavar="DIR", help="a new or empty folder (default: check_data-<name>)"
    )
    result.add_argument(
        "--seed", type=int, default=0, help="of the split where the source has none, as in training"
    )
    result.add_argument(
        "--follow-symlinks", action="store_true", help="allow links that leave the folder"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
