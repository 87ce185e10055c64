"""Predictions for people (a table) and for programs (JSON lines, CSV)."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import IO, Protocol

from ferkeras.cli.console import Console
from ferkeras.cli.figures import Cell, percent
from ferkeras.cli.foreign_text import for_csv, for_line, path_for_csv
from ferkeras.data.photographs import has_opencv
from ferkeras.predict.predictions import PredictedView, Prediction

_ROWS = 40
"""Faces that the table shows one by one; more than that are counted."""


_BOX = ("x", "y", "width", "height")


class Output(Protocol):
    """Takes what was seen, one view after the other."""

    def add(self, seen: PredictedView) -> None:
        """Take one view that was readable."""

    def close(self) -> None:
        """Write what is left."""


class Table:
    """A table of the first faces, and how often each class came when there were more.

    Args:
        emotions: names of the classes, in class order.
        console: where to print.
    """

    def __init__(self, emotions: Sequence[str], console: Console) -> None:
        self._emotions = emotions
        self._console = console
        self._rows: list[list[Cell]] = []
        self._counts: Counter[str] = Counter()

    def add(self, seen: PredictedView) -> None:
        """Take one view that was readable."""
        for prediction in seen.predicted:
            first, second = prediction.probabilities.argsort()[::-1][:2]
            self._counts[self._emotions[first]] += 1
            if len(self._rows) < _ROWS:
                self._rows.append(
                    [
                        _place(seen),
                        "" if prediction.box is None else "{} {} {}x{}".format(*prediction.box),
                        self._emotions[first],
                        percent(float(prediction.probabilities[first])),
                        f"{self._emotions[second]} "
                        + percent(float(prediction.probabilities[second])),
                    ]
                )

    def close(self) -> None:
        """Print everything."""
        total = self._counts.total()
        columns = ["picture", "face at", "class", "confidence", "next"]
        if self._rows:
            boxed = any(row[1] for row in self._rows)
            keep = [at for at in range(len(columns)) if boxed or at != 1]
            title = (
                "Predictions" if total <= _ROWS else f"Predictions, the first {_ROWS} of {total:,}"
            )
            rows = [[row[at] for at in keep] for row in self._rows]
            self._console.table(title, [columns[at] for at in keep], rows)
        if total > _ROWS:
            by_emotion: list[list[Cell]] = [
                [name, self._counts[name], percent(self._counts[name] / total)]
                for name in self._emotions
            ]
            self._console.table("All faces", ["class", "faces", "fraction"], by_emotion)
            self._console.print("every face by itself: --csv or --json")


class WithoutFace:
    """Says in which pictures no face was found.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._names: list[str] = []

    def add(self, seen: PredictedView) -> None:
        """Take one view that was readable."""
        if not seen.predicted:
            self._names.append(_place(seen))

    def close(self) -> None:
        """Print one line, where there was one."""
        if self._names:
            self._console.print(f"no face found in {_few(self._names)}")


class JsonLines:
    """One JSON object a face; `faces` is 0 in the object of a picture without one.

    Args:
        emotions: names of the classes, in class order.
        stream: where to print; the standard output by default.
    """

    def __init__(self, emotions: Sequence[str], stream: IO[str] | None = None) -> None:
        self._emotions = emotions
        self._stream = stream or sys.stdout
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._ascii = encoding.lower().replace("-", "") != "utf8"

    def add(self, seen: PredictedView) -> None:
        """Print one view that was readable."""
        place = {
            "picture": seen.name,
            "seconds": seen.seconds,
            "faces": len(seen.predicted),
            "source": seen.source,
        }
        lines = [place] if not seen.predicted else []
        for prediction in seen.predicted:
            values = _row(prediction, self._emotions)
            lines.append({**place, **values})
        for line in lines:
            self._stream.write(json.dumps(line, ensure_ascii=self._ascii) + "\n")

    def close(self) -> None:
        """Let a reader have the last line."""
        self._stream.flush()


class Hints:
    """Says of which pictures the predictions may be of no face, and where faces were looked for.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._uncertain: list[str] = []
        self._detected: list[str] = []

    def add(self, seen: PredictedView) -> None:
        """Take one view that was readable."""
        if seen.source == "uncertain":
            self._uncertain.append(_place(seen))
        elif seen.source == "detected":
            self._detected.append(_place(seen))

    def close(self) -> None:
        """Print a line for each kind that there was."""
        if self._detected:
            self._console.print(
                f"not cut out closely: {_few(self._detected)}; the predictions are for the faces "
                "found there, as with --detect (--no-detect: for the whole picture)"
            )
        if self._uncertain:
            why = "no face was found" if has_opencv() else "without OpenCV no face was looked for"
            self._console.print(
                f"may be no face: {_few(self._uncertain)}; {why}, and the prediction is for the "
                "whole picture (--detect: only for faces that are found)"
            )


class Csv:
    """A header and one line a face; a picture without one has no line.

    Args:
        emotions: names of the classes, in class order.
        stream: where to print; the standard output by default.
    """

    def __init__(self, emotions: Sequence[str], stream: IO[str] | None = None) -> None:
        self._emotions = emotions
        self._stream = stream or sys.stdout
        self._writer = csv.writer(self._stream, lineterminator="\n")
        self._writer.writerow(
            ["picture", "seconds", "source", *_BOX, "label", "confidence", *map(for_csv, emotions)]
        )

    def add(self, seen: PredictedView) -> None:
        """Print one view that was readable."""
        for prediction in seen.predicted:
            row = _row(prediction, self._emotions)
            self._writer.writerow(
                [
                    path_for_csv(seen.name),
                    seen.seconds,
                    seen.source,
                    *(prediction.box or (None,) * len(_BOX)),
                    for_csv(row["label"]),
                    row["confidence"],
                    *row["probabilities"].values(),
                ]
            )

    def close(self) -> None:
        """Let a reader have the last line."""
        self._stream.flush()


def _place(seen: PredictedView) -> str:
    name = for_line(seen.name)
    return name if seen.seconds is None else f"{name} at {seen.seconds:.2f} s"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _row(prediction: Prediction, emotions: Sequence[str]) -> dict:
    # Seven digits say all that a float32 holds; more would only be the binary fraction's tail.
    probabilities = [float(f"{value:.7g}") for value in prediction.probabilities]
    best = int(prediction.probabilities.argmax())
    return {
        "box": prediction.box,
        "label": emotions[best],
        "confidence": probabilities[best],
        "probabilities": dict(zip(emotions, probabilities, strict=True)),
    }
