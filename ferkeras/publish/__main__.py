"""Copy a finished run, made small and clean, to be given away.

  python -m ferkeras.publish saved_models/fer2013-best-001 to_give_away

The copy has the best network (without the optimizer's state), as .keras, SavedModel and LiteRT
file, its model card, the configuration, the history and the figures of python -m ferkeras.evaluate;
no path of this machine. Every command takes it as a run, as python -m ferkeras.predict takes
saved_models/fer2013 where no run is named. Exports are compared with the network on 500
validation faces of the run's data, of --data, or on synthetic ones where there are none.
Exit codes: 0 done, 1 an export predicts otherwise than the network, 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ferkeras.cli.command import parser, verb
from ferkeras.cli.home import named_path

_PROBE = 500


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.cli.console import Console
    from ferkeras.cli.errors import InputError
    from ferkeras.export.probe import Probe, find_probe
    from ferkeras.files.writing import demand_room
    from ferkeras.runs.finished import check_name, open_run

    finished = open_run(arguments.run)
    folder = arguments.folder
    check_name(folder)
    if not folder.parent.is_dir():
        raise InputError(f"{folder}: there is no folder {folder.parent} to put it in")
    if folder.exists():
        raise InputError(f"{folder}: exists already; name a folder that does not, or remove it")
    demand_room(folder.parent, "name a folder elsewhere")
    with Console() as console:
        found = find_probe(finished, arguments.data, console)

        from ferkeras.cli.quiet import import_tensorflow

        with console.working("loading TensorFlow"):
            import_tensorflow()
            from ferkeras.publish.publication import publish

        with console.working("exporting the network"):
            exported = publish(finished, folder, Probe(found.images[:_PROBE], found.kind))
        for each in exported:
            console.print(
                f"{each.format}: {each.size / 1e6:.2f} MB; same label as the trained network on "
                f"{each.parity.label_agreement:.1%} of {each.parity.faces:,} {each.compared_on}"
            )
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        console.print(f"{folder}: {size / 1e6:.2f} MB in all; its model card is README.md")
    return 0


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.publish", __doc__)
    result.add_argument("run", metavar="RUN", help="folder of a finished run")
    result.add_argument("folder", metavar="DIR", type=named_path, help="where to; must not exist")
    result.add_argument(
        "--data", metavar="PATH", help="where the faces are (default: as the run was configured)"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
