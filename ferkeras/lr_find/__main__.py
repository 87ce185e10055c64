"""Find a learning rate: train a few steps at ever higher ones, and compare the losses.

  python -m ferkeras.lr_find                                   synthetic faces, configs/demo.yaml
  python -m ferkeras.lr_find --config fer2013 data.path=fer2013.csv
  python -m ferkeras.fit train.learning_rate=auto              the same, and trains with it

The configured network takes some steps on the configured faces, as in training, while the
learning rate rises from --lowest to --highest. Where the loss begins to fall the network learns;
where it rises again the rate is too high. Two rules read the curve, steepest and valley; both are
printed, how they differ, what is suggested, and the command that trains with it. A picture and a
JSON file go to a new folder.

Exit codes: 0 a rate is suggested. 1 none can be: no rate lowers the loss, the loss is not finite
from the start, or steps at --lowest are too long already. 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.invocation import command_line
from ferkeras.config.arguments import config_of, config_parser, configured
from ferkeras.lr_find.limits import FEWEST, HIGHEST, LOWEST, MOST, STEPS


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)
    _check(arguments)
    config = configured(arguments)

    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits
    from ferkeras.files.new_folder import check_output, make_folder
    from ferkeras.lr_find.report import print_lr_range, write_lr_range

    check_output(arguments.output)
    with Console() as console:
        splits = load_splits(config, console)

        from ferkeras.cli.quiet import import_tensorflow

        with console.working("loading TensorFlow"):
            import_tensorflow()
            from ferkeras.lr_find.range_test import lr_range_test
            from ferkeras.training.setup import build_setup, make_reproducible

        with console.working("building the network"):
            make_reproducible(config)
            setup = build_setup(config, splits)
        with console.working("range test", arguments.steps) as advance:
            found = lr_range_test(
                setup,
                lowest=arguments.lowest,
                highest=arguments.highest,
                steps=arguments.steps,
                progress=advance,
            )
        print_lr_range(found, config, console)
        if found.suggestion is not None:
            command = _training_command(arguments, found.suggestion)
            console.commands("Next", {"train with it": command})
        folder = make_folder(arguments.output, f"lr_find-{config.name}")
        with console.working("drawing the curve"):
            write_lr_range(found, folder, config.name)
        console.print(f"written: {folder}")
    return 1 if found.suggestion is None else 0


def _training_command(arguments: argparse.Namespace, rate: float) -> str:
    """The same configuration, to be trained at this rate."""
    words = ["--config", config_of(arguments)]
    if arguments.name is not None:
        words += ["--name", arguments.name]
    words += [each for each in arguments.overrides if each.split("=")[0] != "train.learning_rate"]
    return command_line("fit", *words, f"train.learning_rate={rate:g}")


def _check(arguments: argparse.Namespace) -> None:
    from ferkeras.config.sections.train import GREATEST_RATE

    if not 0 < arguments.lowest < arguments.highest <= GREATEST_RATE:
        raise InputError(
            f"--lowest {arguments.lowest:g}, --highest {arguments.highest:g}: expected two rates "
            f"above 0 and up to {GREATEST_RATE:g}, the lowest below the highest"
        )
    if arguments.steps < FEWEST:
        raise InputError(f"--steps {arguments.steps}: expected at least {FEWEST}")
    if arguments.steps > MOST:
        raise InputError(
            f"--steps {arguments.steps:,}: expected at most {MOST:,}; more take long, and the "
            "curve says no more than it does with some hundreds"
        )


def _parser() -> argparse.ArgumentParser:
    result = config_parser("ferkeras.lr_find", __doc__)
    result.add_argument(
        "--steps",
        type=int,
        default=STEPS,
        metavar="N",
        help=f"how many to take, {FEWEST} to {MOST:,} (default: {STEPS}); more make a smoother "
        "curve",
    )
    for name, default, end in (("lowest", LOWEST, "first"), ("highest", HIGHEST, "last")):
        result.add_argument(
            f"--{name}",
            type=float,
            default=default,
            metavar="RATE",
            help=f"the {end} learning rate (default: {default:g})",
        )
    result.add_argument(
        "--output", metavar="DIR", help="a new or empty folder (default: lr_find-<name>)"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
