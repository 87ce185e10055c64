"""Predict the emotion that faces show.

  python -m ferkeras.predict face.png
  python -m ferkeras.predict saved_models/demo-001 face.png faces/ 'more/*.jpg'
  python -m ferkeras.predict saved_models/demo-001 --detect photo.jpg --draw predictions
  python -m ferkeras.predict saved_models/demo-001 clip.mp4 --detect --csv > predictions.csv

RUN is the folder of a run or a .tflite file made by python -m ferkeras.export; without one the
network that comes with ferkeras is used, saved_models/fer2013. PATH is a picture, a folder (with
what is below it), a glob pattern or a video. A picture that is not cut out closely is searched for
faces; where none is found, the prediction is for all of it, and the last line says so. --detect
searches every picture and --no-detect none. What cannot be read is named on stderr and skipped, and
so are runs of ferkeras in a folder, and what --draw drew before.
Exit codes: 0 done, 1 something could not be read, 2 wrong usage or input.

A network that recognises facial expressions is often wrong, and does not know what people feel:
see saved_models/fer2013/README.md, or the model card that python -m ferkeras.export writes.
"""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Sequence
from pathlib import Path

from ferkeras.cli.command import parser, verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded, named_path
from ferkeras.cli.invocation import command_line
from ferkeras.cli.streams import tell
from ferkeras.cli.wording import shown
from ferkeras.runs.record import Run
from ferkeras.runs.shipped import SHIPPED, located


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.cli.console import Console
    from ferkeras.data.pictures import quiet_pillow
    from ferkeras.predict.cuts import chosen_cut
    from ferkeras.predict.network import load_network
    from ferkeras.predict.output import Csv, Hints, JsonLines, Output, Table, WithoutFace
    from ferkeras.predict.predictions import predict_views
    from ferkeras.predict.sources import find_files, is_video, views_of

    run, paths = _run_and_paths(arguments.paths)
    files = find_files(
        paths,
        follow_symlinks=arguments.follow_symlinks,
        drawing=arguments.draw,
        left_out=lambda path: tell(f"left out: {shown(path)}: what ferkeras itself made"),
    )
    # What is for programs alone goes to stdout.
    with Console(sys.stderr) as console:
        network = load_network(run, console)
    if network.about.of_synthetic_faces:
        words = sys.argv[1:] if argv is None else argv
        better = command_line("predict", *(word for word in words if word != str(run)))
        tell(
            f"note: {run} was trained on synthetic faces and has seen no real one; the network "
            f"that comes with ferkeras has: {better}"
        )
    if unfinished := network.about.provenance.get("unfinished"):
        tell(f"note: {run}: {unfinished}: its network so far predicts")
    emotions = network.about.emotions
    cut = chosen_cut(arguments.detect)
    for_programs = arguments.json or arguments.csv
    unreadable = 0
    with Console(sys.stderr if for_programs else None) as console, quiet_pillow():
        outputs: list[Output] = [
            JsonLines(emotions)
            if arguments.json
            else Csv(emotions)
            if arguments.csv
            else Table(emotions, console)
        ]
        if not arguments.json:
            outputs.append(WithoutFace(console))
        if arguments.draw is not None:
            from ferkeras.predict.drawing import Drawing

            outputs.append(Drawing(arguments.draw, emotions))
        if arguments.detect is None:
            outputs.append(Hints(console))
        total = None if any(map(is_video, files)) else len(files)
        with console.progress("looking at pictures", total) as advance:
            for seen in predict_views(
                views_of(files, arguments.every), network, cut, arguments.tta
            ):
                if seen.error is not None:
                    unreadable += 1
                    tell(f"skipped: {seen.name}: {seen.error}")
                else:
                    for output in outputs:
                        output.add(seen)
                advance(1)
        for output in outputs:
            output.close()
        if arguments.draw is not None:
            console.print(f"drawn into: {arguments.draw}")
    if unreadable:
        what = "1 file was" if unreadable == 1 else f"{unreadable:,} files were"
        tell(f"{what} unreadable, see above")
    return 1 if unreadable else 0


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.predict", __doc__)
    result.usage = "%(prog)s [options] [RUN] PATH [PATH ...]"
    result.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="picture, folder, glob or video; before them RUN, the folder of a finished run or a "
        ".tflite file",
    )
    form = result.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a face")
    form.add_argument("--csv", action="store_true", help="comma-separated values, a line a face")
    result.add_argument(
        "--draw",
        type=named_path,
        metavar="DIR",
        help="draw into this folder: photographs with a frame around each face found, and sheets "
        "of the first 400 faces",
    )
    result.add_argument(
        "--detect",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="find the faces first, in every picture; --no-detect: take every picture for one "
        "face, cut out already; neither: as each picture looks. OpenCV's cascade for frontal faces "
        "misses faces from the side, tilted by more than about 20 degrees, half covered, dark, or "
        "smaller than 1/24 of the picture or than 24 pixels, more often of some groups of people "
        "than of others, and now and then takes something else for a face",
    )
    result.add_argument(
        "--tta",
        choices=("none", "flip", "multiscale"),
        default="none",
        help="test-time augmentation: the mean probabilities of a face and its mirror image "
        "(flip), or of three sizes, each mirrored too (multiscale): slightly more accurate, "
        "less confident, and two or six times the work (default: none)",
    )
    result.add_argument(
        "--follow-symlinks",
        action="store_true",
        help="follow symbolic links to folders, and allow links in a folder to lead out of it",
    )
    result.add_argument(
        "--every",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="time between two frames of a video, 0 for all of them (default: 1)",
    )
    return result


def _run_and_paths(paths: Sequence[str]) -> tuple[str | Path, Sequence[str]]:
    """Which network is asked, and what it is asked about."""
    if "" in paths:
        raise InputError("an empty path; expected a picture, a folder, a pattern or a video")
    first, *rest = paths
    networks = [each for each in paths if _is_network(located(expanded(each)))]
    if late := [each for each in networks if each in rest]:
        others = [each for each in paths if each not in networks] or ["PATH"]
        raise InputError(
            f"{shown(late[0])}: this is a network, not what to predict; name one, before the "
            f"pictures: {command_line('predict', late[0], *others)}"
        )
    path = located(expanded(first))
    # A name without ending that means nothing is more likely a run misspelt than a picture.
    misspelt = rest and not path.exists() and not path.suffix and not glob.has_magic(first)
    if misspelt or _is_network(path):
        if not rest:
            raise InputError(
                f"{first}: this is a network; name what to predict too: "
                f"{command_line('predict', first, 'PATH')}"
            )
        return first, rest
    if not SHIPPED.is_dir():
        raise InputError(
            f"no RUN was named, and there is no {SHIPPED}, the network that comes with ferkeras; "
            f"name the folder of a finished run: {command_line('predict', 'RUN', first)}"
        )
    return SHIPPED, paths


def _is_network(path: Path) -> bool:
    return (
        path.suffix in (".tflite", ".keras")
        or Run(path).config.is_file()
        or (path / "saved_model.pb").is_file()
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0, found {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
