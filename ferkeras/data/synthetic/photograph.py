"""What turns a synthetic face into a small grey photograph: things in front, lens, sensor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ferkeras.data.presets.fer2013 import SIZE
from ferkeras.data.synthetic.canvas import Canvas, Patch, ellipse
from ferkeras.data.synthetic.people import People
from ferkeras.data.synthetic.random_rows import Array, Draws

COLUMNS = 24
"""Random columns that `cover_up` and `expose` use up together."""

GRAIN_WORDS = SIZE * SIZE // 2
"""64-bit random words for the grain of one face: two 16-bit numbers a pixel."""

_BLOCK = 8


def _dct_matrix() -> Array:
    row, column = np.mgrid[0:_BLOCK, 0:_BLOCK]
    matrix = np.cos(np.pi * (2 * column + 1) * row / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


_DCT = _dct_matrix()
# Coarser steps for finer waves, close to the luminance table of JPEG (ITU-T T.81, annex K).
_STEPS = (10 + 7 * np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK))).astype(np.float32)


def cover_up(canvas: Canvas, people: People, draws: Draws) -> None:
    """Put a hand, a lock of hair, or a bar in front of some faces (about one in six)."""
    what = draws.unit()
    x, y = draws.between(-0.9, 0.9), draws.between(0.55, 1.3)
    angle, shade = draws.between(-0.7, 0.7), draws.unit()
    whole = canvas.whole()
    pick = np.flatnonzero(what < 0.06)
    if len(pick):
        patch = whole.some(pick)
        u, v = _turned(patch, x[pick], y[pick], angle[pick])
        fingers = ellipse(u, v - 0.75, 0.48, 0.62)
        for place in (-0.33, -0.11, 0.11, 0.33):
            finger = np.maximum(np.abs(u - place) - 0.1, np.abs(v - 0.2) - 0.38)
            fingers = np.minimum(fingers, finger)
        patch.paint(patch.cover(fingers - 0.03), people.skin[pick] * 0.45)
        patch.paint(patch.cover(fingers), people.skin[pick] * 0.95 * patch.light)
        canvas.shade[pick] = patch.shade
    pick = np.flatnonzero((what >= 0.06) & (what < 0.11))
    if len(pick):
        patch = whole.some(pick)
        u, v = _turned(patch, x[pick], y[pick] - 1.4, angle[pick] * 1.5)
        lock = np.abs(u + 0.1 * np.sin(3 * v)) - 0.11 - 0.06 * np.sin(2 * v)
        patch.paint(patch.cover(lock) * 0.9, people.hair[pick] * patch.light)
        canvas.shade[pick] = patch.shade
    pick = np.flatnonzero((what >= 0.11) & (what < 0.16))
    if len(pick):
        patch = whole.some(pick)
        u, v = _turned(patch, x[pick], 1.6 * y[pick] - 1.3, angle[pick])
        bar = np.maximum(np.abs(v) - 0.14, np.abs(u) - 0.9)
        patch.paint(patch.cover(bar), shade[pick])
        canvas.shade[pick] = patch.shade


def expose(canvas: Canvas, draws: Draws, grain: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Blur, light unevenly, expose, add grain, compress; return grey bytes.

    Args:
        canvas: finished faces.
        draws: random columns.
        grain: random words, shape (faces, `GRAIN_WORDS`).

    Returns:
        uint8, shape (faces, 48, 48).
    """
    shade = _blur(canvas.shade, draws.between(0.0, 0.2))
    row = np.linspace(-1, 1, SIZE, dtype=np.float32)
    slope_x, slope_y = draws.around(0, 0.13), draws.around(0, 0.1)
    gain = 1 + slope_x * row[None, None, :] + slope_y * row[None, :, None]
    shade = np.clip(shade * gain, 0.002, 1)
    shade **= np.exp(draws.around(0.0, 0.25))
    contrast, middle = draws.between(0.14, 0.27), draws.between(0.36, 0.6)
    shade -= shade.mean(axis=(1, 2), keepdims=True)
    shade *= contrast / np.sqrt(np.square(shade).mean(axis=(1, 2), keepdims=True) + 1e-4)
    shade += middle
    amount = 0.06 * draws.unit() ** 2
    halves = grain.view(np.uint16).reshape(canvas.faces, 2, SIZE, SIZE)
    noise = halves[:, 0].astype(np.float32)
    noise += halves[:, 1]
    noise *= np.float32(6**0.5 / 65535)
    noise -= np.float32(6**0.5)
    shade += amount * noise
    strength = draws.between(-0.6, 0.9)
    pick = np.flatnonzero(strength > 0.1)
    shade[pick] = _compress(shade[pick], strength[pick])
    return np.rint(np.clip(shade, 0, 1) * 255).astype(np.uint8)


def _turned(patch: Patch, x: Array, y: Array, angle: Array) -> tuple[Array, Array]:
    u, v = patch.u - x, patch.v - y
    return u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)


def _blur(shade: Array, side: Array) -> Array:
    """Weigh each pixel with its neighbours: `side` for each, the rest for itself."""
    wide = np.pad(shade, ((0, 0), (0, 0), (1, 1)), mode="edge")
    wide = wide[..., 1:-1] * (1 - 2 * side) + (wide[..., :-2] + wide[..., 2:]) * side
    tall = np.pad(wide, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return tall[:, 1:-1] * (1 - 2 * side) + (tall[:, :-2] + tall[:, 2:]) * side


def _compress(shade: Array, strength: Array) -> Array:
    """Round the cosine waves of 8 x 8 blocks, as JPEG does; `strength` 1 is quality 50."""
    blocks = SIZE // _BLOCK
    tiles = shade.reshape(-1, blocks, _BLOCK, blocks, _BLOCK).transpose(0, 1, 3, 2, 4)
    waves = _DCT @ np.ascontiguousarray(tiles) @ _DCT.T
    step = _STEPS / 255 * strength[:, :, :, None, None]
    tiles = _DCT.T @ (np.rint(waves / step) * step) @ _DCT
    return tiles.transpose(0, 1, 3, 2, 4).reshape(shade.shape)
