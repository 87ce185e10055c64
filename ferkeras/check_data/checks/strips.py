"""Pictures like a ribbon, of which the face is a strip between repeated edges."""

from __future__ import annotations

import numpy as np

from ferkeras.check_data.checks.empty import BLANK_BELOW
from ferkeras.check_data.finding import MOST_LISTED, Exhibit, Finding, Level, counted
from ferkeras.check_data.material import Material
from ferkeras.cli.wording import listed, shown
from ferkeras.data.selection import Images, blocks

REPEATED = 0.29
"""Part of a side, on both ends of it, from which little is left in between. Pictures of 3 to 1
are filled up by a third on each; resizing takes up to two pixels of 48 off it."""

_ROUNDING = 1
_SHOWN = 48


def repeated(images: Images) -> np.ndarray:
    """Part of the height, or of the width, that repeats the edge on both ends: (N,), 0 to 1.

    It is 0 where it is less than `REPEATED`.
    """
    found = [
        np.maximum(_along(block), _along(block.transpose(0, 2, 1, 3))) for block in blocks(images)
    ]
    return np.concatenate(found) if found else np.empty(0)


def check_strips(material: Material, std: np.ndarray) -> Finding:
    """Whether pictures are so long or wide that edges fill most of the face.

    Args:
        material: what is checked.
        std: of each face, see `ferkeras.check_data.checks.empty.stds`.
    """
    strips = np.flatnonzero((repeated(material.faces.images) >= REPEATED) & (std >= BLANK_BELOW))
    places = [material.place(i) for i in strips.tolist()]
    chosen = strips[:_SHOWN]
    captions = [f"{material.short_place(i)}\n{material.label(i)}" for i in chosen]
    title = f"Strips between repeated edges: {len(chosen)} of {len(strips)}"
    named = [shown(each) if isinstance(each, str) else f"row {each}" for each in places]
    return Finding(
        "strips",
        Level.LOOK if len(strips) else Level.OK,
        f"{counted(len(strips), 'picture')} with little between repeated edges: {listed(named, 3)}"
        if len(strips)
        else "none",
        "edges that repeat (long or wide pictures that were filled up, bars, plain margins): cut "
        "them out to the face, or remove them"
        if len(strips)
        else "",
        {"count": len(strips), "places": places[:MOST_LISTED]},
        (Exhibit("strips", title, chosen, captions),) if len(strips) else (),
    )


def _along(images: np.ndarray) -> np.ndarray:
    """Part of the rows that equal the first, or the last; the fewer of both: float64, (n,)."""
    found = np.zeros(len(images))
    far = int(REPEATED * images.shape[1]) - 1
    # Of most pictures two rows at each end say that it is less.
    likely = _near(images[:, far], images[:, 0]) & _near(images[:, -1 - far], images[:, -1])
    rows = images[likely]
    ends = [
        np.logical_and.accumulate(_near(each, each[:, :1]), axis=1).mean(axis=1)
        for each in (rows, rows[:, ::-1])
    ]
    part = np.minimum(*ends)
    found[likely] = np.where(part >= REPEATED, part, 0)
    return found


def _near(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows, (..., W, C), are equal but for rounding: bool, (...)."""
    return (np.maximum(rows, others) - np.minimum(rows, others) <= _ROUNDING).all(axis=(-2, -1))
