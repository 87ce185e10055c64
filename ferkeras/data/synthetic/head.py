"""Background, shoulders, head, ears and hair; and the light on them."""

from __future__ import annotations

import numpy as np

from ferkeras.data.synthetic.action_units import ActionUnits
from ferkeras.data.synthetic.canvas import Canvas, Patch, ellipse, glow
from ferkeras.data.synthetic.people import People
from ferkeras.data.synthetic.random_rows import Array, Draws

COLUMNS = 16
"""Random columns that `draw_head` uses up."""


def draw_head(canvas: Canvas, people: People, units: ActionUnits, draws: Draws) -> None:
    """Draw everything that lies behind the features."""
    patch = canvas.whole()
    _background(patch, draws)
    _shine(canvas, patch, draws)
    chin = people.head_height * (0.94 + 0.16 * units[26])
    crown = people.head_height + people.hair_volume
    hair_width = 1 + 0.8 * people.hair_volume
    below_crown = np.where(patch.v > 0, 2.0 + 0.6 * people.hair_volume, crown)
    behind = patch.cover(ellipse(patch.u, patch.v, hair_width + 0.12, below_crown))
    strands = people.hair * (0.55 + 0.45 * patch.light + 0.07 * _strands(patch, draws))
    patch.paint(behind * people.long_hair, strands * 0.85)
    _shoulders(patch, people)
    for side in (-1, 1):
        ear = ellipse(side * patch.u - 1.0, patch.v - 0.08, 0.13 * people.ear, 0.27 * people.ear)
        patch.paint(patch.cover(ear), people.skin * 0.8 * patch.light)
    narrowed = patch.u / (1 - people.jaw_taper * np.clip(patch.v / chin, 0, 1) ** 2)
    height = np.where(patch.v > 0, chin, people.head_height)
    head = ellipse(narrowed, patch.v, 1.0, height)
    patch.paint(patch.cover(head), people.skin * patch.light)
    _relief(patch, people)
    line = people.hairline + people.hairline_curve * (patch.u - people.parting) ** 2
    fringe = patch.v - line + 0.04 * np.sin(9 * patch.u + 20 * people.parting)
    cap = ellipse(patch.u, patch.v, hair_width, crown)
    sideburns = np.where(patch.v < 0.1, 1.0, people.long_hair)
    hair = patch.cover(np.maximum(cap, fringe)) * (1 - people.bald) * sideburns
    patch.paint(hair, strands)
    _beard(patch, people, chin, head)


def _background(patch: Patch, draws: Draws) -> None:
    low, high = draws.between(0.05, 0.9), draws.between(0.05, 0.9)
    angle = draws.between(0, 2 * np.pi)
    ramp = np.clip(0.5 + 0.3 * (patch.u * np.cos(angle) + patch.v * np.sin(angle)), 0, 1)
    patch.shade += low + (high - low) * ramp
    spot = glow(patch.u - draws.between(-1.4, 1.4), patch.v - draws.between(-1.4, 1.0), 0.8, 1.1)
    patch.paint(spot, draws.unit())


def _shine(canvas: Canvas, patch: Patch, draws: Draws) -> None:
    across, down = patch.u / 1.2, patch.v / 1.65
    towards = np.sqrt(np.clip(1 - across * across - down * down, 0.04, 1))
    azimuth, height = draws.around(0, 0.55), draws.around(0.35, 0.3)
    ambient = draws.between(0.35, 0.75)
    lit = (
        across * (np.sin(azimuth) * np.cos(height))
        - down * np.sin(height)
        + towards * (np.cos(azimuth) * np.cos(height))
    )
    canvas.light[:] = ambient + (1.15 - ambient) * np.clip(lit, 0, 1)


def _strands(patch: Patch, draws: Draws) -> Array:
    angle, fine = draws.between(-0.9, 0.9), draws.between(24, 42)
    return np.sin(fine * (patch.u * np.cos(angle) + 0.4 * patch.v * np.sin(angle)))


def _shoulders(patch: Patch, people: People) -> None:
    body = ellipse(patch.u, patch.v - 2.5, 1.9, 0.95)
    patch.paint(patch.cover(body), people.clothes)
    neck = np.maximum(np.abs(patch.u) - 0.58 - 0.2 * np.clip(patch.v - 1.4, 0, 1), 0.5 - patch.v)
    neck = np.maximum(neck, patch.v - 1.8)
    patch.paint(patch.cover(neck), people.skin * 0.62 * patch.light)


def _relief(patch: Patch, people: People) -> None:
    side = np.abs(patch.u)
    sockets = glow(side - people.eye_gap, patch.v - people.eye_height + 0.06, 0.4, 0.3)
    patch.darken(sockets, 0.26)
    patch.darken(glow(side - 0.6, patch.v - 0.32, 0.4, 0.35), -0.1)
    patch.darken(glow(side - 0.72, patch.v - 0.72, 0.35, 0.6), 0.14 + 0.1 * people.age)


def _beard(patch: Patch, people: People, chin: Array, head: Array) -> None:
    lower = np.clip((patch.v - 0.35 - 0.3 * (1 - np.abs(patch.u))) * 3, 0, 1)
    around_mouth = 1 - glow(patch.u, patch.v - people.mouth_height, 0.5, 0.28)
    hairy = patch.cover(head) * lower * around_mouth * people.beard
    patch.paint(hairy * 0.75, people.hair * patch.light)
