"""Line charts and the reliability diagram as inline SVG.

Colours, dashes and text follow the page's style sheet (`page.css`), so that a chart is as
readable in the dark, on paper and on a phone as the text around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import LogLocator, MaxNLocator

from ferkeras.metrics.calibration import BINS, Reliability
from ferkeras.report.events import Event
from ferkeras.report.palette import DECADES

_WIDTH, _HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 14, 30
_FEW_EPOCHS = 40
_FEW_ANSWERS = 20


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        epochs: shape (E,), rising.
        values: shape (E,); NaN is "not measured", and is bridged.
        style: class in the style sheet that gives colour and dash.
        low: lower end of a band around it, shape (E,), or None.
        high: upper end of it.
    """

    name: str
    epochs: np.ndarray
    values: np.ndarray
    style: str
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass
class Chart:
    """A chart: lines over epochs.

    Attributes:
        title: what is shown.
        lines: those without a finite value are left out; a chart without any draws nothing.
        percent: whether values are shares.
        log: logarithmic, where all values are above 0.
        least_range: the y axis shows at least from the one to the other.
        level: a horizontal line and its name.
        events: shaded or marked, lettered as by `letters`.
    """

    title: str
    lines: Sequence[Line]
    percent: bool = False
    log: bool = False
    least_range: tuple[float, float] | None = None
    level: tuple[float, str] | None = None
    events: Sequence[Event] = field(default_factory=tuple)

    def __html__(self) -> str:
        lines = [line for line in self.lines if np.isfinite(line.values).any()]
        if not lines:
            return ""
        axes = _Axes(self, lines)
        legend = "".join(
            f'<li><svg class="key" viewBox="0 0 24 8" aria-hidden="true"><path class="line '
            f'{line.style}" d="M0 4H24"/></svg>{escape(line.name)}</li>'
            for line in lines
        )
        if self.level is not None and axes.shows(self.level[0]):
            legend += (
                '<li><svg class="key" viewBox="0 0 24 8" aria-hidden="true">'
                f'<path class="level" d="M0 4H24"/></svg>{escape(self.level[1])}</li>'
            )
        return (
            f'<figure class="chart"><figcaption>{escape(self.title)}</figcaption>'
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(self.title)}">'
            f"{axes.grid()}{axes.events()}{axes.level()}"
            f"{''.join(axes.line(line) for line in lines)}</svg>"
            f'<ul class="legend">{legend}</ul></figure>'
        )


def letters(events: Sequence[Event]) -> list[str]:
    """A, B, C ... for events."""
    return [
        chr(ord("A") + at % 26) + (str(at // 26) if at >= 26 else "") for at in range(len(events))
    ]


class _Axes:
    """Where things stand in one chart."""

    def __init__(self, chart: Chart, lines: Sequence[Line]) -> None:
        self._chart = chart
        epochs = np.concatenate([line.epochs for line in lines]).astype(float)
        parts = [part for line in lines for part in (line.values, line.low, line.high)]
        values = np.concatenate([part for part in parts if part is not None]).astype(float)
        values = values[np.isfinite(values)]
        self._log = chart.log and bool((values > 0).all())
        self._first, self._last = epochs.min(), epochs.max()
        low, high = values.min(), values.max()
        if chart.least_range is not None:
            low, high = min(low, chart.least_range[0]), max(high, chart.least_range[1])
        if self._log:
            low = max(low, high / DECADES)
            low, high = math.log10(low), math.log10(high)
            room = max(0.05 * (high - low), 0.5 - (high - low) / 2, 0.0)
        else:
            room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
        self._low, self._high = low - room, high + room

    def shows(self, value: float) -> bool:
        """Whether a value lies within the y axis."""
        return self._low <= self._scaled(value) <= self._high

    def grid(self) -> str:
        """Grid, ticks and their labels."""
        parts = []
        for tick in self._ticks():
            if not self.shows(tick):
                continue
            y = self._y(tick)
            label = f"{100 * tick:.3g}%" if self._chart.percent else f"{tick:.4g}"
            parts.append(
                f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
                f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>'
            )
        locator = MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1)
        bottom = _HEIGHT - _BOTTOM
        for tick in locator.tick_values(self._first, self._last):
            if self._first <= tick <= self._last:
                x = self._x(tick)
                parts.append(
                    f'<path class="grid" d="M{x:.1f} {bottom}v3"/>'
                    f'<text x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{tick:.0f}</text>'
                )
        parts.append(
            f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">epoch</text>'
        )
        return "".join(parts)

    def events(self) -> str:
        """Shades of ramps, marks of single changes, and their letters."""
        parts: list[str] = []
        told: dict[int, list[str]] = {}
        for letter, event in zip(letters(self._chart.events), self._chart.events, strict=True):
            left, right = self._x(event.first), self._x(event.last)
            height = _HEIGHT - _TOP - _BOTTOM
            if right > left:
                parts.append(
                    f'<rect class="ramp" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" '
                    f'height="{height}"/>'
                )
            else:
                parts.append(f'<path class="event" d="M{left:.1f} {_TOP}v{height}"/>')
            told.setdefault(round(left), []).append(letter)
        for x, names in told.items():
            parts.append(
                f'<text class="letter" x="{x}" y="{_TOP - 4}" text-anchor="middle">'
                f"{','.join(names)}</text>"
            )
        return "".join(parts)

    def level(self) -> str:
        """The horizontal line."""
        if self._chart.level is None or not self.shows(self._chart.level[0]):
            return ""
        y = self._y(self._chart.level[0])
        return f'<path class="level" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'

    def line(self, line: Line) -> str:
        """Band, line and dots."""
        there = np.isfinite(line.values)
        points = [
            (self._x(epoch), self._y(value))
            for epoch, value in zip(line.epochs[there], line.values[there], strict=True)
        ]
        parts = [self._band(line)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path class="line {line.style}" d="M{path}"/>')
        if len(points) <= _FEW_EPOCHS:
            shown = "{:.1%}" if self._chart.percent else "{:.4g}"
            for (x, y), epoch, value in zip(
                points, line.epochs[there], line.values[there], strict=True
            ):
                told = f"{escape(line.name)}, epoch {epoch:.0f}: {shown.format(value)}"
                parts.append(
                    f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" r="2.2">'
                    f"<title>{told}</title></circle>"
                )
        return "".join(parts)

    def _band(self, line: Line) -> str:
        if line.low is None or line.high is None:
            return ""
        there = np.isfinite(line.low) & np.isfinite(line.high)
        upper = [
            f"{self._x(e):.1f} {self._y(v):.1f}"
            for e, v in zip(line.epochs[there], line.high[there], strict=True)
        ]
        lower = [
            f"{self._x(e):.1f} {self._y(v):.1f}"
            for e, v in zip(line.epochs[there], line.low[there], strict=True)
        ]
        if not upper:
            return ""
        return f'<path class="band {line.style}" d="M{"L".join([*upper, *reversed(lower)])}Z"/>'

    def _ticks(self) -> Sequence[float]:
        if self._log:
            locator = LogLocator(subs=(1.0, 2.0, 5.0), numticks=12)
            return list(locator.tick_values(10**self._low, 10**self._high))
        return list(MaxNLocator(nbins=5).tick_values(self._low, self._high))

    def _scaled(self, value: float) -> float:
        if not self._log:
            return value
        return math.log10(value) if value > 0 else -math.inf

    def _x(self, epoch: float) -> float:
        span = self._last - self._first
        fraction = (epoch - self._first) / span if span else 0.5
        return _LEFT + 8 + fraction * (_WIDTH - _RIGHT - _LEFT - 16)

    def _y(self, value: float) -> float:
        fraction = (max(self._low, self._scaled(value)) - self._low) / (self._high - self._low)
        return _HEIGHT - _BOTTOM - fraction * (_HEIGHT - _TOP - _BOTTOM)


def reliability_diagram(reliability: Reliability, title: str) -> Markup:
    """How often answers are right by how sure they were; below, how many there are."""
    side, left, top, strip = 240, 44, 8, 46
    width, height = left + side + 20, top + side + 30 + strip + 18
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = left + tick * side, top + (1 - tick) * side
        parts.append(
            f'<path class="grid" d="M{left} {y:.1f}h{side}"/>'
            f'<text x="{left - 5}" y="{y + 3.5:.1f}" text-anchor="end">{tick:.0%}</text>'
            f'<text x="{x:.1f}" y="{top + side + 13}" text-anchor="middle">{tick:.0%}</text>'
        )
    most = reliability.counts.max()
    floor = top + side + 30 + strip
    wide = side / BINS
    for at, count in enumerate(reliability.counts):
        if not count:
            continue
        x = left + at * wide
        accuracy, confidence = reliability.accuracy[at], reliability.confidence[at]
        told = f"{count:,} answers: {confidence:.1%} sure, {accuracy:.1%} right"
        lower, upper = sorted((accuracy, confidence))
        kind = "gap" if confidence > accuracy else "more"
        faint = ' opacity="0.35"' if count < _FEW_ANSWERS else ""
        bars = (
            ("right", lower, lower * side),
            (kind, upper, (upper - lower) * side),
        )
        drawn = "".join(
            f'<rect class="{name}" x="{x + 0.5:.1f}" y="{top + (1 - reach) * side:.1f}" '
            f'width="{wide - 1:.1f}" height="{tall:.1f}"/>'
            for name, reach, tall in bars
        )
        tall = count / most * strip
        parts.append(
            f"<g><title>{told}</title><g{faint}>{drawn}</g>"
            f'<rect class="count" x="{x + 0.5:.1f}" y="{floor - tall:.1f}" '
            f'width="{wide - 1:.1f}" height="{tall:.1f}"/></g>'
        )
    parts.append(
        f'<path class="level" d="M{left} {top + side}L{left + side} {top}"/>'
        f'<path class="grid" d="M{left} {floor}h{side}"/>'
        f'<text x="{left + side}" y="{top + side + 25}" text-anchor="end">confidence</text>'
        f'<text x="{left - 5}" y="{floor - strip + 8}" text-anchor="end">{most:,}</text>'
        f'<text x="{left + side}" y="{floor + 12}" text-anchor="end">answers in each bin</text>'
    )
    return Markup(
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
        '<ul class="legend"><li><span class="box right"></span>right</li>'
        '<li><span class="box gap"></span>surer than right</li>'
        '<li><span class="box more"></span>right more often than sure</li>'
        f"<li>faint: fewer than {_FEW_ANSWERS} answers</li></ul></figure>"
    )
