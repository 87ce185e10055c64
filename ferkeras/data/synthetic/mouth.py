"""Nose, mouth, chin, and the folds between them."""

from __future__ import annotations

import numpy as np

from ferkeras.data.synthetic.action_units import ActionUnits
from ferkeras.data.synthetic.canvas import Canvas, Patch, ellipse, glow, stroke
from ferkeras.data.synthetic.people import People
from ferkeras.data.synthetic.random_rows import Array


def draw_nose(canvas: Canvas, people: People, units: ActionUnits) -> None:
    """Draw bridge, tip, nostrils and the wrinkles of a screwed-up nose."""
    zero = np.zeros_like(people.nose_length)
    tip = people.eye_height + people.nose_length
    wrinkled = units[9] + 0.3 * units[10]
    with canvas.patch(zero, tip - 0.2, height=26, width=20, out=0.15) as patch:
        side, down = np.abs(patch.u), patch.v - 0.2 + 0.05 * wrinkled
        width = people.nose_width * (1 + 0.15 * units[12] + 0.2 * wrinkled)
        bridge = stroke(down, side - 0.1 - 0.1 * np.clip(down + 0.3, 0, 1), -0.5, -0.02, 0.06)
        patch.darken(patch.cover(bridge), 0.16)
        patch.darken(glow(patch.u, down + 0.06, 0.13, 0.3), -0.16)
        wing = stroke(down, side - width - 0.03 + 2.2 * (down - 0.02) ** 2, -0.13, 0.09, 0.055)
        patch.darken(patch.cover(wing), 0.35 + 0.2 * np.minimum(wrinkled, 1))
        nostril = ellipse(side - 0.55 * width, down - 0.045, 0.4 * width, 0.035)
        patch.darken(patch.cover(nostril), 0.65)
        patch.darken(glow(patch.u, down - 0.12, 1.3 * width, 0.13), 0.24)
        strength = np.minimum((0.5 + 0.2 * people.age) * units[9], 0.65)
        for row in (-0.46, -0.34, -0.22):
            slant = down - row - 0.5 * side
            line = stroke(side, slant, 0.0, 0.17, 0.05)
            patch.darken(patch.cover(line), strength)


def draw_mouth(canvas: Canvas, people: People, units: ActionUnits, skew: Array) -> None:
    """Draw lips, teeth, chin, cheeks and the fold from nose to mouth.

    Args:
        canvas: with the head on it.
        people: whose features.
        units: what moves them.
        skew: how much stronger the viewer's right half moves, as a fraction.
    """
    x = np.zeros_like(skew)
    with canvas.patch(x, people.mouth_height - 0.02, height=32, width=36) as patch:
        width = people.mouth_width * (
            1
            + 0.3 * units[12]
            + 0.26 * units[20]
            - 0.24 * units[26] * (1 - np.minimum(units[12] + units[20], 1))
            - 0.14 * units[23]
            - 0.08 * units[17]
        )
        corner = people.mouth_corner - 0.22 * units[12] + 0.19 * units[15] + 0.02 * units[20]
        _folds(patch, people, units, width, corner)
        _moustache(patch, people, corner)
        _lips(patch, people, units, width, corner * (1 + skew * np.sign(patch.u)))


def _lips(patch: Patch, people: People, units: ActionUnits, width: Array, corner: Array) -> None:
    t = patch.u / width
    square = np.minimum(t * t, 1)
    bow, gape = 1 - square, np.sqrt(1 - square)
    down = patch.v
    # The corners move along a parabola; its middle moves a third of that the other way.
    oval = 0.17 * units[26] * (1 - np.minimum(1.3 * units[12], 1))
    line = (corner + oval) * (square - 0.3) - 0.07 * units[17] * bow
    parted = np.minimum(2.5 * (units[25] + units[26] + units[16]), 1)
    thin = 1 - 0.3 * units[12] - 0.3 * units[20] - 0.65 * np.minimum(units[23], 1)
    thin = np.clip(thin, 0.2, 1)
    up_gap = parted * (0.05 * units[25] + 0.1 * units[26] + 0.09 * units[10] + 0.05 * units[12])
    low_gap = parted * (0.1 * units[25] + 0.36 * units[26] + 0.1 * units[16] + 0.06 * units[20])
    lift = (0.07 * units[10] + 0.05 * units[9]) * bow
    upper, lower = line - lift - up_gap * gape, line - 0.6 * lift + low_gap * gape
    dip = 1 - 0.3 * np.clip(1 - (t / 0.22) ** 2, 0, 1)
    upper_edge = upper - people.lip_thickness * thin * bow * dip
    lower_edge = lower + 1.25 * people.lip_thickness * thin * bow
    beyond = np.abs(patch.u) - width
    upper_lip = np.maximum(np.maximum(upper_edge - down, down - upper), beyond)
    lower_lip = np.maximum(np.maximum(lower - down, down - lower_edge), beyond)
    shadow = glow(patch.u, down - lower_edge - 0.08, 0.75 * width, 0.11)
    patch.darken(shadow, 0.24 + 0.1 * units[17])
    patch.darken(patch.cover(upper_lip), 1 - 0.85 * people.lip_shade)
    patch.darken(patch.cover(lower_lip), 1 - people.lip_shade)
    inside = patch.cover(np.maximum(np.maximum(upper - down, down - lower), beyond))
    inside *= parted
    patch.paint(inside, 0.1)
    teeth = np.minimum(0.85 * patch.light, 0.95)
    bared = 0.13 * (1 - 0.75 * np.minimum(units[26] * (1 - np.minimum(units[12], 1)), 1))
    patch.paint(inside * patch.cover(down - upper - bared), teeth)
    low_teeth = 0.08 * np.minimum(units[16] + 0.5 * units[20], 1)
    patch.paint(inside * patch.cover(lower - low_teeth - down), 0.85 * teeth)
    closed = (1 - 0.9 * parted) * (0.6 + 0.15 * units[23])
    patch.darken(patch.cover(stroke(patch.u, down - line + lift, -width, width, 0.055)), closed)
    ends = glow(np.abs(patch.u) - width, down - corner * 0.7, 0.09, 0.09)
    patch.darken(ends, 0.35 + 0.2 * np.minimum(units[12] + units[15], 1))


def _folds(patch: Patch, people: People, units: ActionUnits, width: Array, corner: Array) -> None:
    side = np.abs(patch.u)
    begin = people.eye_height + people.nose_length - people.mouth_height - 0.06
    begin = begin - 0.06 * units[9]
    end = corner * 0.7 + 0.08
    s = np.clip((patch.v - begin) / (end - begin), 0, 1)
    start_u = people.nose_width + 0.07
    path = start_u + (width + 0.09 - start_u) * s + 0.09 * units[12] * np.sin(np.pi * s)
    pulled = np.maximum(np.maximum(units[12], 0.9 * units[10]), 0.8 * units[9])
    depth = np.minimum(0.06 + 0.26 * people.age + (0.3 + 0.2 * people.age) * pulled, 0.65)
    patch.darken(patch.cover(stroke(patch.v, side - path, begin, end, 0.06)), depth)
    cheek = glow(side - 0.62, patch.v + 0.42, 0.3, 0.26)
    patch.darken(cheek, -0.16 * np.minimum(units[6] + units[12], 1.3))
    sag = stroke(patch.v, side - width - 0.1, corner * 0.7 + 0.02, corner * 0.7 + 0.24, 0.05)
    patch.darken(patch.cover(sag), np.minimum(0.4 * units[15] + 0.12 * people.age, 0.5))
    stretched = stroke(patch.v, side - width - 0.1, corner - 0.16, corner + 0.2, 0.05)
    patch.darken(patch.cover(stretched), 0.3 * np.minimum(units[20], 1))
    patch.darken(glow(patch.u, patch.v - 0.36, 0.26, 0.18), 0.25 * units[17])


def _moustache(patch: Patch, people: People, corner: Array) -> None:
    lip = patch.v + 0.16 - corner * (np.minimum(patch.u**2 / 0.12, 1) - 0.3)
    hairy = patch.cover(np.maximum(np.abs(lip) - 0.06, np.abs(patch.u) - 0.36))
    patch.paint(hairy * people.moustache * 0.8, people.hair * patch.light)
