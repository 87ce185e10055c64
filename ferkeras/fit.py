"""Train a network on faces, report what it learnt, and export it as a SavedModel.

  python -m ferkeras.fit                                   drawn faces, configs/demo.yaml
  python -m ferkeras.fit --config configs/fer2013.yaml data.path=fer2013.csv

data.path is a CSV file (fer2013.csv, icml_face_data.csv, train.csv; plain, .gz or .zip), a folder
with one folder of png or jpg files an emotion, or 'demo'. Everything about the run lands in a new
folder saved_models/<name>-NNN. Exit codes: 0 done, 1 failed or collapsed, 2 wrong usage or input.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ferkeras.command import config_parser, configured, verb


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    config = configured(config_parser("ferkeras.fit", __doc__).parse_args(argv))

    from ferkeras.data.load import load_splits
    from ferkeras.report.console import Console

    with Console() as console:
        splits = load_splits(config, console)

        from ferkeras.quiet import import_tensorflow

        import_tensorflow()
        from ferkeras.learning.training import train
        from ferkeras.report.outcome import say_outcome

        outcome = train(config, splits, console)
        say_outcome(outcome, config, console)
    return 1 if outcome.stopped else 0


if __name__ == "__main__":
    sys.exit(main())
