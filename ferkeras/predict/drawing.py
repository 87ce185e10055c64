"""Pictures of predictions: photographs with a frame around each face, and sheets of faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from ferkeras.cli.errors import InputError
from ferkeras.cli.figures import percent
from ferkeras.cli.foreign_text import for_file_name
from ferkeras.cli.wording import shown
from ferkeras.data.pictures import decode
from ferkeras.files.writing import atomic_file, demand_room
from ferkeras.predict.drawn import DRAWN
from ferkeras.predict.predictions import PredictedView, Prediction
from ferkeras.predict.sources import read_bounded
from ferkeras.report.mosaic import mosaic_figure
from ferkeras.report.palette import save, styles_of

_SHEET = 80
_SHEETS = 5
_LONG_SIDE = 1600


class Drawing:
    """Draws into a folder.

    Each photograph in which faces were searched becomes `<number>-<name>.png` with a frame and a
    caption at each face; it is made smaller where it is large. The faces, as the network saw
    them, go on sheets `faces-1.png`, ... of 80, the first 400 of them. A name that is taken gets a
    number.

    Args:
        folder: made where it is missing.
        emotions: names of the classes, in class order.

    Raises:
        InputError: the folder cannot be made.
        OSError: nothing can be written in it.
    """

    def __init__(self, folder: Path, emotions: Sequence[str]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--draw {shown(folder)}: this folder cannot be made ({error.strerror}); name "
                "another"
            ) from None
        demand_room(folder, "name another with --draw DIR")
        self._folder = folder
        self._emotions = emotions
        styles = zip(emotions, styles_of(emotions), strict=True)
        self._color_of = {name: color for name, (color, _) in styles}
        self._faces: list[tuple[np.ndarray, str, str]] = []
        self._sheets = 0
        self._photographs = 0

    def add(self, seen: PredictedView) -> None:
        """Take one view that was readable."""
        for prediction in seen.predicted:
            label, caption = self._caption(prediction)
            self._faces.append((prediction.face, caption, self._color_of[label]))
        while len(self._faces) >= _SHEET:
            self._draw_sheet()
        if seen.seconds is None and any(prediction.box for prediction in seen.predicted):
            self._photographs += 1
            name = f"{self._photographs:03d}-{for_file_name(Path(seen.name).stem)}"
            picture = self._annotated(seen)
            with atomic_file(self._free(name)) as file:
                picture.save(file, format="PNG", pnginfo=_texts())

    def close(self) -> None:
        """Draw the last sheet."""
        self._draw_sheet()

    def _caption(self, prediction: Prediction) -> tuple[str, str]:
        best = int(prediction.probabilities.argmax())
        label = self._emotions[best]
        return label, f"{label} {percent(float(prediction.probabilities[best]))}"

    def _draw_sheet(self) -> None:
        faces, self._faces = self._faces[:_SHEET], self._faces[_SHEET:]
        if not faces or self._sheets == _SHEETS:
            return
        self._sheets += 1
        images, captions, colors = zip(*faces, strict=True)
        figure = mosaic_figure(np.stack(images), captions, colors=colors)
        save(figure, self._free(f"faces-{self._sheets}"), DRAWN)

    def _free(self, stem: str) -> Path:
        """A path that is not taken: nothing that is there is replaced."""
        path, number = self._folder / f"{stem}.png", 1
        while os.path.lexists(path):
            number += 1
            path = self._folder / f"{stem}-{number}.png"
        return path

    def _annotated(self, seen: PredictedView) -> Image.Image:
        picture = decode(read_bounded(Path(seen.name)), 3)
        scale = min(1.0, _LONG_SIDE / max(picture.size))
        if scale < 1:
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        pen = ImageDraw.Draw(picture)
        size = max(11, round(max(picture.size) / 55))
        font = ImageFont.load_default(size)
        for prediction in seen.predicted:
            if prediction.box is None:
                continue
            label, caption = self._caption(prediction)
            color = self._color_of[label]
            x, y, width, height = (value * scale for value in prediction.box)
            pen.rectangle((x, y, x + width, y + height), outline=color, width=max(2, size // 7))
            left, top, right, bottom = pen.textbbox((0, 0), caption, font=font)
            tall, pad = bottom - top, size // 4
            # Above the face, or inside its frame where the picture ends; never beyond the side.
            at_y = y - tall - 2 * pad if y >= tall + 2 * pad else y
            at_x = max(0.0, min(x, picture.width - (right - left) - 2 * pad))
            pen.rectangle(
                (at_x, at_y, at_x + right - left + 2 * pad, at_y + tall + 2 * pad), fill=color
            )
            place = (at_x + pad - left, at_y + pad - top)
            pen.text(place, caption, font=font, fill=_ink(color))
        return picture


def _texts() -> PngInfo:
    texts = PngInfo()
    for keyword, text in DRAWN.items():
        texts.add_text(keyword, text)
    return texts


def _ink(color: str) -> str:
    """Black or white, whichever is read better on a colour `#RRGGBB`."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "black" if 299 * red + 587 * green + 114 * blue > 140_000 else "white"
