"""The style of pictures: colours, background, and conversion to a PNG file or an array.

Colours are those of Okabe and Ito ("Color universal design", 2008), which people with every
kind of colour vision tell apart; each emotion has one for good, and a marker for grey printers.
Other classes get the pairs of colour and marker that are left.
matplotlib is imported when something is drawn, and its global state is left alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkeras.cli.foreign_text import for_terminal
from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import atomic_file
from ferkeras.report.fonts import every_letter

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN = "#0072B2"
VALIDATION = "#D55E00"
THIRD = "#009E73"
MUTED = "#6E6E6E"

_EMOTION_STYLES = {
    "angry": ("#D55E00", "o"),
    "disgust": ("#009E73", "s"),
    "fear": ("#CC79A7", "^"),
    "happy": ("#E69F00", "D"),
    "sad": ("#0072B2", "v"),
    "surprise": ("#56B4E9", "P"),
    "neutral": ("#555555", "X"),
    "contempt": ("#882255", "*"),
}

DARK = {
    TRAIN: "#5db3ea",
    VALIDATION: "#ff9350",
    THIRD: "#3ccf9f",
    "#CC79A7": "#ec9fc6",
    "#E69F00": "#ffc247",
    "#56B4E9": "#9adcff",
    "#555555": "#c2c8ce",
    "#882255": "#d98ab0",
    MUTED: "#a3adb8",
    "#333333": "#e6e9ec",
    "#999999": "#6b757f",
    "#E3E3E3": "#343b42",
    "#000000": "#e6e9ec",
    "#ffffff": "#14171a",
}
"""What each colour of a figure becomes on a page in the dark."""

RUN_STYLES = (
    (TRAIN, "-"),
    (VALIDATION, "--"),
    (THIRD, "-."),
    ("#CC79A7", ":"),
    ("#E69F00", "-"),
    ("#56B4E9", "--"),
    ("#555555", "-."),
    ("#882255", ":"),
)
"""Colour and line of runs that are drawn over each other, in their order."""

DECADES = 1e4
"""The largest value of a logarithmic axis, as a multiple of the smallest that has a place on it:
a schedule may end as good as at zero, and decades of nothing would hide the rest."""

LETTER = 0.0078
"""Inches of a letter of one point, see `letters_of`."""

TITLE_LETTER = 0.095
"""Inches of a letter of a title, which is of 11 points and bold."""

_DPI = 110
_LONGEST_NAME = 24
_LEGEND_POINTS = 8.5
_LEGEND_GAP = 0.52
"""Inches of a column of a legend beside its text."""


def styles_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Colour and marker of each class.

    Emotions have their own. Others have the pairs that these leave, in order: different ones up to
    64 classes, then again.
    """
    own = list(_EMOTION_STYLES.values())
    markers = [marker for _, marker in own]
    pairs = [
        (color, markers[(place + shift) % len(own)])
        for shift in range(len(own))
        for place, (color, _) in enumerate(own)
    ]
    taken = {_EMOTION_STYLES.get(name) for name in names}
    free = cycle([pair for pair in pairs if pair not in taken])
    return [_EMOTION_STYLES.get(name) or next(free) for name in names]


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of this size in inches, its parts kept from overlapping."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, title: str) -> None:
    """Give axes their title and a light style: no box, a faint grid behind the data."""
    axes.set_title(title, loc="left", pad=14, fontsize=11, fontweight="bold", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E3E3E3", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color="#999999")


def legend_below(
    axes: Axes,
    columns: int = 2,
    handles: Sequence[Artist] | None = None,
    drop: float | None = None,
) -> None:
    """Put the legend under the axes, where it covers no data.

    Args:
        axes: whose labelled artists are listed.
        columns: entries side by side, where they have room; else fewer.
        handles: what is listed instead of them.
        drop: how far below the axes it begins, in inches; a part of their height by default.
    """
    from matplotlib.transforms import ScaledTranslation

    if handles is None:
        handles = axes.get_legend_handles_labels()[0]
    if not handles:
        return
    figure = axes.get_figure(root=True)
    spec = axes.get_subplotspec()
    assert figure is not None
    room = figure.get_figwidth() / (spec.get_gridspec().ncols if spec else 1)
    below = axes.transAxes
    if drop is not None:
        below += ScaledTranslation(0, -drop, figure.dpi_scale_trans)
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16 if drop is None else 0),
        bbox_transform=below,
        ncols=_fitting([str(each.get_label()) for each in handles], columns, room),
        fontsize=_LEGEND_POINTS,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.4,
    )


def _fitting(labels: Sequence[str], most: int, room: float) -> int:
    """So many columns of a legend, at most `most`, as have this room in inches; or one."""
    for columns in range(min(most, len(labels)), 1, -1):
        # As matplotlib divides them.
        longest = [max(map(letters_of, part)) for part in np.array_split(labels, columns)]
        if LETTER * _LEGEND_POINTS * sum(longest) + _LEGEND_GAP * columns <= room:
            return columns
    return 1


def letters_of(text: str) -> float:
    """Its length in small letters: capitals are wider, letters of China and Japan twice as wide."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + 0.3 * sum(map(str.isupper, text)) + 0.8 * wide


def shortened(name: str) -> str:
    """A name of at most 24 characters; its ends, which tell classes apart, stay."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:12]}...{name[-9:]}"


def legend_name(name: str) -> str:
    """A name as it stands in a legend, which would leave out one that begins with `_`."""
    line = for_terminal(" ".join(name.split()))
    return f" {line}" if line.startswith("_") else line


def without_mathematics(figure: Figure) -> Figure:
    """Let no name in a legend or at an axis be read as a formula, which `$` begins and ends."""
    from matplotlib.ticker import LogFormatter

    for axes in figure.axes:
        legend = axes.get_legend()
        texts = [] if legend is None else list(legend.get_texts())
        # Labels of axes that are off would be made only to be asked for.
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            # Numbers of logarithmic axes are formulas.
            if not isinstance(axis.get_major_formatter(), LogFormatter):
                texts += axis.get_ticklabels()
        for text in texts:
            text.set_parse_math(False)
    return figure


def as_array(figure: Figure) -> np.ndarray:
    """Render a figure; uint8, shape (height, width, 3), as TensorBoard takes it."""
    canvas: Any = figure.canvas
    with every_letter(without_mathematics(figure)):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, path: AnyPath, texts: Mapping[str, str] | None = None) -> None:
    """Write a figure as PNG, whole or not at all; an older file is replaced.

    Args:
        figure: to be written.
        path: where to.
        texts: written into the file, by PNG's keyword.

    Raises:
        OSError: the folder is missing or cannot be written to.
    """
    canvas: Any = figure.canvas
    with atomic_file(path) as file, every_letter(without_mathematics(figure)):
        # What `figure.savefig` does, with one layout of the figure in place of two.
        canvas.print_png(file, metadata=texts)
