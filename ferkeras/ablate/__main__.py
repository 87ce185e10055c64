"""Measure what changes of a configuration are worth, with paired seeds and intervals.

  python -m ferkeras.ablate --variant "lr 5e-4" train.learning_rate=5e-4 \\
      --variant "no dropout" network.conv_dropout=0 network.dense_dropout=0 \\
      schedule.dropout_from_epoch=null
  python -m ferkeras.ablate --config fer2013 --variants variants.yaml --hours 6
  python -m ferkeras.ablate --between analysis-before analysis-after train.epochs=8 \\
      --group dropout 'network.*dropout'
  python -m ferkeras.ablate --join saved_models/ablate-fer2013      help with it, or go on

Where neither --config nor data.path is given, as in the first line, the faces are the synthetic
ones of demo.

Trains every variant and the configuration as it is with the same seeds. --between takes the
settings in which two configurations differ, grouped by section or by --group, and trains each
change alone on top of the first, each taken away from the second, and the stairs from one to the
other. section.key=value before the first --variant holds for all. --hours spends its trainings
where the interval of accuracy is widest.

Everything lands in a folder, by default saved_models/ablate-<name>: a page, tables, a forest plot
and the runs (tensorboard --logdir FOLDER/runs shows them as HParams). The same command again goes
on where it was stopped; any number of processes may --join. What was trained before, here or in
output.folder, is not trained again. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 or
143 stopped by a signal.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import named_path
from ferkeras.cli.invocation import command_line
from ferkeras.config.arguments import (
    config_parser,
    configured,
    find_config,
    given_beside,
    keys_given,
)

_SEEDS = 3


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.ablate.ablation import Ablation
    from ferkeras.cli.console import Console
    from ferkeras.study.endings import going_on

    if arguments.join is not None:
        _refuse_more(arguments)
        ablation, same = Ablation.join(arguments.join), []
    else:
        plan, folder, same = _plan(arguments)
        ablation = Ablation.begin(folder, plan)
    with Console() as console:
        seeds = ablation.plan.seeds
        console.header(
            f"ferkeras: ablation {ablation.folder}",
            {
                "arms": ", ".join(ablation.plan.arms),
                "trainings": f"{len(ablation.plan.arms)} arms, {seeds} seeds"
                if ablation.plan.hours is None
                else f"for {ablation.plan.hours:g} hours, two seeds of each arm first",
            },
        )
        if same:
            console.print(
                f"note: {', '.join(same)}: differ, and are the first's for all arms; where both "
                "shall have others, give them here"
            )
        with going_on("ablation", command_line("ablate", "--join", ablation.folder)):
            ablation.work(console)

            from ferkeras.ablate.report import report

            report(ablation, console)
    return 0


def _plan(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from ferkeras.ablate.plan import (
        MOST_SEEDS,
        differing,
        left_as_first,
        plan_between,
        plan_variants,
    )
    from ferkeras.ablate.variants import read_groups, read_variants
    from ferkeras.config.file import load_config
    from ferkeras.config.idle import refuse_idle
    from ferkeras.data.load import need_source

    if arguments.seeds is not None and arguments.hours is not None:
        raise InputError("--seeds and --hours: give one of them; hours decide the number of seeds")
    seeds = _SEEDS if arguments.seeds is None else arguments.seeds
    if not 2 <= seeds <= MOST_SEEDS:
        raise InputError(
            f"--seeds {seeds}: expected 2 to {MOST_SEEDS}; one cannot tell a change from chance"
        )
    if arguments.hours is not None and not 0 < arguments.hours < math.inf:
        raise InputError(f"--hours {arguments.hours:g}: expected a number above 0")
    if arguments.between is None:
        if arguments.group:
            raise InputError(
                "--group: groups the changes of --between; name two configurations with that, or "
                "leave it out"
            )
        base = configured(arguments)
        variants = read_variants(arguments.variant, arguments.variants)
        plan = plan_variants(base, variants, seeds, arguments.hours)
        name, same = base.name, []
    else:
        if arguments.variant or arguments.variants:
            raise InputError(
                "--between and --variant: give one of them; --between makes its variants itself"
            )
        if arguments.config is not None:
            raise InputError("--between and --config: give one of them; --between names both ends")
        keys = keys_given(arguments.overrides)
        first, second = (
            load_config(find_config(each), arguments.overrides) for each in arguments.between
        )
        # What is turned off at one end may be turned on at the other.
        refuse_idle(first, keys, undecided=differing(first, second))
        groups = read_groups(arguments.group)
        plan = plan_between(first, second, groups, seeds, arguments.hours)
        base, name = first, f"{first.name}-{second.name}"
        same = left_as_first(first, second)
    need_source(base.data)
    folder = Path(base.output.folder) / f"ablate-{arguments.name or name}"
    return plan, arguments.output or folder, same


def _refuse_more(arguments: argparse.Namespace) -> None:
    if given_beside(arguments, "join"):
        raise InputError(
            "--join FOLDER: takes nothing else, as the ablation is the one that was begun; leave "
            "the rest out"
        )


def _parser() -> argparse.ArgumentParser:
    result = config_parser("ferkeras.ablate", __doc__)
    result.add_argument(
        "--variant",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "section.key=value"),
        help="a variant: its name and the settings that it changes; may be given again",
    )
    result.add_argument(
        "--variants",
        type=named_path,
        metavar="FILE",
        help="YAML file: NAME: {section.key: value, ...}",
    )
    result.add_argument(
        "--between", nargs=2, metavar=("FIRST", "SECOND"),
        help="two configurations: measure each change on the way from one to the other",
    )  # fmt: skip
    result.add_argument(
        "--group",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "KEY"),
        help="keys (or patterns such as 'schedule.*') that are one change of --between",
    )
    result.add_argument("--seeds", type=int, metavar="N", help=f"of each arm (default: {_SEEDS})")
    result.add_argument(
        "--hours", type=float, metavar="H", help="hours of training, in place of a number of seeds"
    )
    result.add_argument(
        "--output", type=named_path, metavar="FOLDER", help="folder of the ablation"
    )
    result.add_argument(
        "--join", type=named_path, metavar="FOLDER", help="work at the ablation in this folder"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
