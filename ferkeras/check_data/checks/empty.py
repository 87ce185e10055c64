"""Images with nothing on them."""

from __future__ import annotations

import numpy as np

from ferkeras.check_data.finding import (
    MOST_LISTED,
    Exhibit,
    Finding,
    level_of_fraction,
)
from ferkeras.check_data.material import Material
from ferkeras.data.selection import Images, blocks

BLANK_BELOW = 4.0
"""Standard deviation in grey values (0 to 255) below which an image shows nothing: that is what
JPEG makes of an even grey. The palest face of FER2013 has 9."""

_SHOWN = 48


def stds(images: Images) -> np.ndarray:
    """Standard deviation of each image in grey values: float64, shape (N,); 0 only if flat.

    Args:
        images: uint8, shape (N, H, W, C).
    """
    found = []
    for block in blocks(images):
        whole = block.reshape(len(block), -1).astype(np.float32)
        count = whole.shape[1]
        # Sums of whole numbers; float64 keeps their difference exact.
        squares = np.einsum("ij,ij->i", whole, whole, dtype=np.float64)
        total = whole.sum(axis=1, dtype=np.float64)
        found.append(np.sqrt(count * squares - total**2) / count)
    return np.concatenate(found) if found else np.empty(0)


def check_empty(material: Material, std: np.ndarray) -> Finding:
    """Flat images (one grey value) and blank ones (std below `BLANK_BELOW`).

    Args:
        material: what is checked.
        std: of each face, see `stds`.
    """
    flat = np.flatnonzero(std == 0)
    empty = np.flatnonzero(std < BLANK_BELOW)
    chosen = empty[:_SHOWN]
    captions = [f"{material.short_place(i)}\n{material.label(i)}" for i in chosen]
    exhibit = Exhibit(
        "empty", f"Images with nothing on them: {len(chosen)} of {len(empty)}", chosen, captions
    )
    return Finding(
        "flat and blank",
        level_of_fraction(len(empty) / len(std)),
        f"{len(flat):,} flat (one grey value), {len(empty) - len(flat):,} more blank "
        f"(standard deviation below {BLANK_BELOW:g} of 255)"
        if len(empty)
        else "none",
        "remove these rows: their labels are noise" if len(empty) else "",
        {
            "flat": len(flat),
            "blank": len(empty) - len(flat),
            "places": [material.place(i) for i in empty[:MOST_LISTED]],
        },
        (exhibit,) if len(empty) else (),
    )
