"""Say which emotion faces show, with the network of a finished run.

  python -m ferkeras.predict saved_models/demo-001 face.png faces/ 'more/*.jpg'
  python -m ferkeras.predict saved_models/demo-001 --detect photo.jpg --draw answers
  python -m ferkeras.predict saved_models/demo-001 clip.mp4 --detect --csv > answers.csv

RUN is the folder of a finished run or a .tflite file made by python -m ferkeras.export. PATH is a
PNG or JPEG file, a folder (with what is below it), a glob pattern or a video. Each picture is
taken to be one face, cut out already; --detect finds the faces in ordinary photographs. What
cannot be read is named on stderr and skipped.
Exit codes: 0 done, 1 something could not be read, 2 wrong usage or input.

A network that recognises facial expressions is often wrong, and does not know what people feel:
see the model card that python -m ferkeras.export writes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ferkeras.command import parser, verb


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.data.pictures import quiet_pillow
    from ferkeras.inference.answers import Cut, look_at, whole_picture
    from ferkeras.inference.load import load_network
    from ferkeras.inference.output import Csv, JsonLines, Output, Table
    from ferkeras.inference.sources import find_files, is_video, views_of
    from ferkeras.report.console import Console

    files = find_files(arguments.paths, follow_symlinks=arguments.follow_symlinks)
    network = load_network(arguments.run)
    emotions = network.about.emotions
    cut: Cut = whole_picture
    if arguments.detect:
        from ferkeras.inference.detection import FaceDetector

        cut = FaceDetector()
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
        if arguments.draw is not None:
            from ferkeras.inference.drawing import Drawing

            outputs.append(Drawing(arguments.draw, emotions))
        total = None if any(map(is_video, files)) else len(files)
        with console.progress("looking at pictures", total) as advance:
            for seen in look_at(views_of(files, arguments.every), network, cut):
                if seen.error is not None:
                    unreadable += 1
                    print(f"skipped: {seen.name}: {seen.error}", file=sys.stderr)
                else:
                    for output in outputs:
                        output.add(seen)
                advance(1)
        for output in outputs:
            output.close()
        if arguments.draw is not None:
            console.say(f"drawn into: {arguments.draw}")
    if unreadable:
        what = "1 file was" if unreadable == 1 else f"{unreadable:,} files were"
        print(f"{what} unreadable, see above", file=sys.stderr)
    return 1 if unreadable else 0


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.predict", __doc__)
    result.add_argument("run", metavar="RUN", help="folder of a finished run, or a .tflite file")
    result.add_argument("paths", metavar="PATH", nargs="+", help="picture, folder, glob or video")
    form = result.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a face")
    form.add_argument("--csv", action="store_true", help="comma-separated values, a line a face")
    result.add_argument(
        "--draw",
        type=Path,
        metavar="DIR",
        help="draw into this folder: photographs with a frame around each face found, and sheets "
        "of the first 400 faces",
    )
    result.add_argument(
        "--detect",
        action="store_true",
        help="find the faces first, with OpenCV's cascade for frontal faces. It misses faces from "
        "the side, tilted by more than about 20 degrees, half covered, dark, or smaller than 1/24 "
        "of the picture, more often of some groups of people than of others, and now and then "
        "takes something else for a face",
    )
    result.add_argument(
        "--follow-symlinks",
        action="store_true",
        help="allow symbolic links in a folder to lead out of it",
    )
    result.add_argument(
        "--every",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="time between two frames of a video, 0 for all of them (default: 1)",
    )
    return result


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0, found {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
