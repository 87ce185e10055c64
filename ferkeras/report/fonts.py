"""Letters that matplotlib's own font does not have, drawn with fonts of this machine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN = "DejaVu Sans"
_OTHERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic",
    "PingFang SC", "Hiragino Sans", "Hiragino Sans GB", "Apple SD Gothic Neo", "Arial Unicode MS",
    "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "Nirmala UI",
    "Leelawadee UI", "Kohinoor Devanagari", "Thonburi",
)  # fmt: skip
"""Fonts of Linux, Windows and macOS for Chinese, Japanese, Korean and the scripts of India and
Thailand; matplotlib's own has those of Europe, Arabic and Hebrew."""


@contextmanager
def every_letter(figure: Figure) -> Iterator[Figure]:
    """Let text of a figure that is drawn in the block use every font that this machine has for it.

    A letter that none has is drawn as a box; matplotlib's warning of each is left out.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if not text.get_text().isascii():
            text.set_fontfamily([_OWN, *_installed()])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield figure


@cache
def _installed() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _OTHERS if name in there)
