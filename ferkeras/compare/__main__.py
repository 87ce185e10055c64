"""Put finished runs side by side: figures, settings that differ, curves, differences by class.

  python -m ferkeras.compare saved_models/demo-001 saved_models/demo-002

Every other run is compared with the first one named; differences have bootstrap intervals, paired
where the runs were validated on the same faces. Prints a table, and writes one page like a run's
report: compare-<run>-<run>.html beside the first run (for the network that comes along, in
saved_models/ of the current folder), or where --output says. Of what is there already only an
earlier comparison is replaced. Needs no data and no TensorFlow.
Exit codes: 0 done, 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ferkeras.cli.command import parser, verb
from ferkeras.cli.home import named_path


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.runs.finished import open_run

    finished = [open_run(path) for path in [arguments.run, *arguments.others]]

    from ferkeras.cli.console import Console
    from ferkeras.cli.errors import InputError
    from ferkeras.cli.wording import shown

    folders = [each.run.folder.resolve() for each in finished]
    for each, folder in zip(finished, folders, strict=True):
        if folders.count(folder) > 1:
            raise InputError(f"{shown(each.run.folder)}: named twice; name runs to compare it with")

    with Console() as console:
        with console.working("comparing"):
            from ferkeras.compare.comparison import load_compared
            from ferkeras.compare.page import compare_page
            from ferkeras.compare.report import check_page, default_page, print_comparison
            from ferkeras.files.writing import demand_room, write_text

            runs = load_compared(finished)
            page = arguments.output or default_page(runs)
            try:
                if arguments.output is None:
                    page.parent.mkdir(parents=True, exist_ok=True)
                check_page(page)
                demand_room(page.parent, "say where with --output FILE")
                write_text(page, compare_page(runs))
            except OSError as error:
                raise InputError(
                    f"{page}: cannot be written ({error.strerror}); say where with --output FILE"
                ) from None
        print_comparison(runs, console)
        console.print(f"written: {page}")
    return 0


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.compare", __doc__)
    result.add_argument("run", metavar="RUN", help="folder of a finished run")
    result.add_argument("others", metavar="RUN", nargs="+", help="folders of more of them")
    result.add_argument("--output", type=named_path, metavar="FILE", help="where to write the page")
    return result


if __name__ == "__main__":
    sys.exit(main())
