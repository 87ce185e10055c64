"""Figures as inline SVG whose colours follow the page, light or dark, on screen and on paper."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from ferkeras.report.fonts import every_letter
from ferkeras.report.palette import DARK, without_mathematics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOR = re.compile("|".join(re.escape(color.lower()) for color in DARK))


def inline_svg(figure: Figure, title: str) -> Markup:
    """A figure as one `<svg>` element; its text stays text, its colours are the page's variables.

    Args:
        figure: made by `ferkeras.report.palette.new_figure`.
        title: what it shows, for screen readers; two figures of a page have different ones.
    """
    import matplotlib

    file = io.StringIO()
    # The salt makes the names of shapes those of this figure: a page holds several.
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}),
        every_letter(without_mathematics(figure)),
    ):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<title>.*?</title>|<desc>.*?</desc>", "", text, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    head = head.replace("<svg", f'<svg class="drawing" role="img" aria-label="{escape(title)}"', 1)
    text = f"{head}>{rest}"
    return Markup(_COLOR.sub(lambda found: f"var(--c{found[0][1:]}, {found[0]})", text))
