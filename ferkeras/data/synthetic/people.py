"""Who is drawn: the features of a face that stay the same whatever it expresses."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ferkeras.data.synthetic.random_rows import Array, Draws

COLUMNS = 72
"""Random columns reserved for one person."""


@dataclass(frozen=True)
class People:
    """Features of several people, each an array of shape (people, 1, 1).

    Lengths are in face units (half the width of a head), shades from 0 (black) to 1 (white),
    flags are 0 or 1.
    """

    skin: Array
    hair: Array
    hair_volume: Array
    hairline: Array
    hairline_curve: Array
    parting: Array
    long_hair: Array
    bald: Array
    head_height: Array
    jaw_taper: Array
    ear: Array
    eye_width: Array
    eye_open: Array
    eye_gap: Array
    eye_height: Array
    eye_tilt: Array
    iris: Array
    brow_thickness: Array
    brow_height: Array
    brow_arch: Array
    brow_slope: Array
    brow_depth: Array
    nose_length: Array
    nose_width: Array
    mouth_height: Array
    mouth_width: Array
    mouth_corner: Array
    lip_thickness: Array
    lip_shade: Array
    age: Array
    beard: Array
    moustache: Array
    glasses: Array
    glasses_shade: Array
    glasses_size: Array
    clothes: Array

    def take(self, index: np.ndarray) -> People:
        """The people at `index`, in that order and as often as it names them."""
        return People(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def meet(draws: Draws) -> People:
    """Make up one person for each row of `draws` (which needs `COLUMNS` columns)."""

    def flag(probability: float) -> Array:
        return draws.chance(probability).astype(np.float32)

    skin = 0.3 + 0.5 * np.sqrt(draws.unit())
    dark_hair = draws.chance(0.75)
    # An old person's hair may be lighter than the skin, which no fixed threshold survives.
    hair = np.where(dark_hair, draws.between(0.04, 0.25), draws.between(0.3, 0.9))
    male = draws.chance(0.5)
    beard = np.where(male & draws.chance(0.35), draws.between(0.25, 0.9), 0.0)
    moustache = np.where(male & draws.chance(0.35), draws.between(0.3, 0.9), 0.0)
    bald = (male & draws.chance(0.12)).astype(np.float32)
    long_hair = np.where(male, draws.unit() < 0.1, draws.unit() < 0.75)
    return People(
        skin=skin,
        hair=hair.astype(np.float32),
        hair_volume=draws.between(0.06, 0.3),
        hairline=draws.between(-1.05, -0.68),
        hairline_curve=draws.between(0.05, 0.75),
        parting=draws.around(0.0, 0.16),
        long_hair=long_hair.astype(np.float32),
        bald=bald,
        head_height=draws.between(1.24, 1.46),
        jaw_taper=draws.between(0.1, 0.36),
        ear=draws.between(0.7, 1.15),
        eye_width=draws.between(0.2, 0.26),
        eye_open=draws.around(1.0, 0.13),
        eye_gap=draws.between(0.39, 0.46),
        eye_height=draws.around(-0.12, 0.03),
        eye_tilt=draws.around(0.0, 0.07),
        iris=draws.between(0.03, 0.3),
        brow_thickness=draws.between(0.05, 0.12),
        brow_height=draws.around(0.29, 0.03),
        brow_arch=draws.between(0.0, 0.08),
        brow_slope=draws.around(0.0, 0.035),
        brow_depth=draws.between(0.4, 0.95),
        nose_length=draws.between(0.42, 0.56),
        nose_width=draws.between(0.15, 0.24),
        mouth_height=draws.around(0.78, 0.03),
        mouth_width=draws.between(0.31, 0.41),
        mouth_corner=draws.around(0.0, 0.025),
        lip_thickness=draws.between(0.05, 0.11),
        lip_shade=draws.between(0.5, 0.92),
        age=draws.unit() ** 2,
        beard=beard.astype(np.float32),
        moustache=moustache.astype(np.float32),
        glasses=flag(0.14),
        glasses_shade=draws.between(0.0, 0.45),
        glasses_size=draws.between(0.28, 0.36),
        clothes=draws.between(0.05, 0.9),
    )
