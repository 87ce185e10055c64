"""How numbers are written for people."""

from __future__ import annotations

import math
import numbers

Cell = str | int | float | None
"""What stands in a table: int gets thousands separators, float three digits, None a dash."""


def percent(fraction: float) -> str:
    """Write a fraction (0 to 1) as `44.0%`; a dash when it is NaN."""
    return "-" if math.isnan(fraction) else f"{100 * fraction:.1f}%"


def duration(seconds: float) -> str:
    """Write seconds as `0:07`, `1:52` or `2:05:09`."""
    whole = round(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def significant(value: float) -> str:
    """Write a number with two digits, and whole from 10 on."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def cell(value: Cell) -> str:
    """Write what stands in a cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    return "-" if math.isnan(value) else f"{value:.3g}"


def is_number(value: Cell) -> bool:
    """Whether a cell holds a number, as a number or written."""
    if not isinstance(value, str):
        return True
    return value in ("-", "\N{EN DASH}") or value.lstrip("+-<>= ")[:1].isdigit()
