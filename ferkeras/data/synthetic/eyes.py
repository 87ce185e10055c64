"""Eyes, lids, brows, the wrinkles around them, and glasses."""

from __future__ import annotations

import numpy as np

from ferkeras.data.synthetic.action_units import ActionUnits
from ferkeras.data.synthetic.canvas import Canvas, Patch, ellipse, glow, stroke
from ferkeras.data.synthetic.people import People
from ferkeras.data.synthetic.random_rows import Array, Draws

COLUMNS = 4
"""Random columns that `draw_eyes` uses up."""

_EYE_BELOW_PATCH = 0.14


def draw_eyes(
    canvas: Canvas, people: People, units: ActionUnits, skew: Array, draws: Draws
) -> None:
    """Draw forehead, brows, eyes and glasses.

    Args:
        canvas: with the head on it.
        people: whose features.
        units: what moves them.
        skew: how much stronger the viewer's right half moves, as a fraction.
        draws: `COLUMNS` columns.
    """
    gaze = draws.around(0, 0.035), draws.around(0, 0.014)
    _forehead(canvas, people, units)
    for side in (-1, 1):
        moved: ActionUnits = {unit: amount * (1 + side * skew) for unit, amount in units.items()}
        at = side * people.eye_gap, people.eye_height - _EYE_BELOW_PATCH
        with canvas.patch(*at, height=24, width=23) as patch:
            out, down = side * patch.u, patch.v - _EYE_BELOW_PATCH
            tilted = down + people.eye_tilt * out
            _eye(patch, out, tilted, (side * gaze[0], gaze[1]), people, moved)
            _brow(patch, out, down, people, moved)
            _glasses(patch, side, people)


def _eye(
    patch: Patch,
    out: Array,
    down: Array,
    gaze: tuple[Array, Array],
    people: People,
    units: ActionUnits,
) -> None:
    width = people.eye_width
    squeeze = 0.3 * units[6] + 0.28 * units[7] + 0.25 * units[9]
    upper = 0.105 * people.eye_open * (1 + 0.85 * units[5] - 0.75 * units[43] - squeeze)
    upper = np.maximum(upper, 0.015)
    lower = np.maximum(0.07 * people.eye_open * (1 - 1.1 * squeeze + 0.25 * units[5]), 0.005)
    t = out / width
    bow = np.clip(1 - t * t, 0, 1)
    # Sadness lifts the lid's inner part with the brow and lets the outer part droop.
    droop = 0.05 * units[1] * units[4] * t
    top = -upper * np.sqrt(bow) + droop
    bottom = lower * np.sqrt(bow) + 0.5 * droop
    opening = patch.cover(np.maximum(np.maximum(top - down, down - bottom), np.abs(out) - width))
    patch.paint(opening, np.minimum(0.86 * patch.light, 1.0) * 0.95)
    pupil_out, pupil_down = out - gaze[0], down - gaze[1] + 0.012
    radius = 0.108
    iris = patch.cover(ellipse(pupil_out, pupil_down, radius, radius))
    patch.paint(opening * iris, people.iris)
    patch.paint(opening * patch.cover(ellipse(pupil_out, pupil_down, 0.045, 0.045)), 0.02)
    spark = patch.cover(ellipse(pupil_out - 0.03, pupil_down + 0.04, 0.025, 0.025))
    patch.paint(opening * spark, 0.9)
    patch.darken(patch.cover(stroke(out, down - top, -width, width * 1.06, 0.075)), 0.75)
    patch.darken(patch.cover(stroke(out, down - bottom, -width, width, 0.035)), 0.4)
    crease = top - 0.085 + 0.03 * units[5]
    patch.darken(patch.cover(stroke(out, down - crease, -width, width * 1.1, 0.03)), 0.3)
    bag = bottom + 0.075 + 0.03 * (1 - squeeze)
    tension = 0.12 + 0.3 * people.age + 0.4 * units[6] + 0.3 * units[7]
    under = stroke(out, down - bag + 0.05 * t * t, -0.8 * width, width, 0.045)
    patch.darken(patch.cover(under), np.minimum(tension, 0.6))
    feet = np.minimum((0.15 + 0.6 * people.age) * units[6], 0.5)
    # Three rays from the eye's corner, folded into one.
    ray = np.abs(np.abs(down) - 0.25 * (out - width)) - 0.25 * np.abs(out - width)
    rays = stroke(out, np.abs(ray), width * 1.15, width * 1.15 + 0.15, 0.035)
    patch.darken(patch.cover(rays), feet)


def _brow(patch: Patch, out: Array, down: Array, people: People, units: ActionUnits) -> None:
    inner = -0.31 - 0.09 * units[4] - 0.04 * units[9]
    outer = 0.34
    t = np.clip((out - inner) / (outer - inner), 0, 1)
    lowered = units[4] * (1 - 0.8 * np.minimum(units[1], 1)) + 0.8 * units[9]
    height = (
        -people.brow_height
        - people.brow_arch * np.sin(np.pi * t)
        + people.brow_slope * (t - 0.5)
        - 0.2 * units[1] * (1 - t) ** 1.3
        - 0.19 * units[2] * np.sin(np.pi * (0.15 + 0.6 * t))
        + 0.17 * lowered * (1 - 0.75 * t)
        + 0.05 * units[1] * units[4] * t
        - 0.03 * units[5]
    )
    line = stroke(out, down - height, inner, outer, people.brow_thickness * (1.25 - 0.5 * t))
    shade = 0.6 * people.hair * patch.light
    patch.paint(patch.cover(line) * people.brow_depth, np.minimum(shade, patch.shade))


def _forehead(canvas: Canvas, people: People, units: ActionUnits) -> None:
    brows = people.eye_height - people.brow_height
    with canvas.patch(np.zeros_like(brows), brows - 0.12, height=24, width=32) as patch:
        side = np.abs(patch.u)
        raised = np.maximum(units[1], units[2])
        # The inner brow raiser alone wrinkles the middle, both together the whole forehead.
        reach = 0.28 + 0.32 * np.minimum(units[2], 1)
        depth = np.minimum(0.08 * people.age + (0.14 + 0.3 * people.age) * raised, 0.45)
        for row in (-0.36, -0.22, -0.08):
            sag = patch.v - row + 0.05 * side * side
            patch.darken(patch.cover(stroke(patch.u, sag, -reach, reach, 0.035)), depth)
        frown = np.minimum((0.4 + 0.25 * people.age) * units[4] + 0.3 * units[9], 0.7)
        furrow = stroke(patch.v, side - 0.085, -0.02, 0.34, 0.05)
        patch.darken(patch.cover(furrow), frown)
        patch.darken(glow(patch.u, patch.v - 0.2, 0.22, 0.2), 0.2 * frown)


def _glasses(patch: Patch, side: int, people: People) -> None:
    pick = np.flatnonzero(people.glasses)
    if not len(pick):
        return
    worn = patch.some(pick)
    out, down = side * worn.u, worn.v - _EYE_BELOW_PATCH
    size = people.glasses_size[pick]
    rim = np.abs(ellipse(out, down - 0.02, size, size * 0.85)) - 0.02
    bridge = np.maximum(np.abs(down + 0.04) - 0.02, np.maximum(out + size, -out - 0.5))
    temple = np.maximum(np.abs(down + 0.06) - 0.02, size - out)
    frame = worn.cover(np.minimum(np.minimum(rim, bridge), temple))
    worn.paint(frame, people.glasses_shade[pick])
    shine = worn.cover(stroke(out, down + 0.5 * out - 0.02, -0.16, 0.1, 0.08))
    worn.paint(shine * 0.25, 0.95)
    patch.shade[pick] = worn.shade
