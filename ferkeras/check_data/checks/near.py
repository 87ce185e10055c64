"""Near-duplicates: the same photograph, cropped, lit, compressed or marked a little differently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ferkeras.check_data.checks.copies import Copies
from ferkeras.check_data.checks.empty import BLANK_BELOW
from ferkeras.check_data.finding import MOST_LISTED, Exhibit, Finding, Level, counted
from ferkeras.check_data.material import Material
from ferkeras.check_data.thumbnails import correlations

SIMILAR = 0.95
"""Correlation of the pixels from which two images count as one photograph. Of pairs sampled evenly
from FER2013, all 160 above it were the same photograph to the eye; the first of two people came at
0.93. No two of 6,000 synthetic faces reach 0.93."""

_DIRECTIONS = 16
_MOST_CANDIDATES = 20_000_000
_SAMPLE = 500
_PART = 100_000
_SHOWN = 30


@dataclass(frozen=True)
class NearCopies:
    """Pairs of different images that show one photograph.

    Attributes:
        pairs: int64, shape (P, 2), numbers of images as in `Copies`, the smaller first.
        similarity: float32, shape (P,), correlation of their pixels, the highest first.
        too_many: whether the search was given up, because too many images are alike.
    """

    pairs: np.ndarray
    similarity: np.ndarray
    too_many: bool = False


def find_near_copies(material: Material, copies: Copies, std: np.ndarray) -> NearCopies:
    """Find all pairs of images whose pixels correlate by `SIMILAR` or more.

    Thumbnails are turned onto their principal directions and the first ones searched with a k-d
    tree: projections only shorten distances, so no pair is missed; the candidates are compared
    pixel by pixel. Perceptual hashes were not taken: two near images may differ in any of their
    bits, so buckets of equal hashes miss some.

    Args:
        material: what is checked.
        copies: which of its faces are identical.
        std: of each of its N images, in grey values; blank ones (below 4) are left out.
    """
    nothing = NearCopies(np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    kept = np.flatnonzero(std[copies.first] >= BLANK_BELOW)
    if len(kept) < 2:
        return nothing
    small = material.thumbnails[copies.first[kept]]
    directions = np.linalg.eigh(small.T @ small)[1][:, : -_DIRECTIONS - 1 : -1]
    points = small @ directions
    tree = cKDTree(points)
    # 1e-4: float32 rounds.
    radius = float(np.sqrt(2 * (1 - SIMILAR))) + 1e-4
    sample = points[:: max(1, len(points) // _SAMPLE)]
    neighbours = np.mean(tree.query_ball_point(sample, radius, return_length=True))
    if neighbours * len(points) / 2 > _MOST_CANDIDATES:
        return NearCopies(nothing.pairs, nothing.similarity, too_many=True)
    candidates = tree.query_pairs(radius, output_type="ndarray")
    # All directions of the thumbnails tell more apart, still without a look at the pixels.
    far = [
        np.linalg.norm(small[one] - small[other], axis=1) > radius
        for one, other in (
            part.T for part in np.array_split(candidates, len(candidates) // _PART + 1)
        )
    ]
    candidates = candidates[~np.concatenate(far)]
    similarity = correlations(material.faces.images, copies.first[kept[candidates]])
    near = np.flatnonzero(similarity >= SIMILAR)
    near = near[np.argsort(-similarity[near], kind="stable")]
    return NearCopies(np.sort(kept[candidates[near]], axis=1), similarity[near])


def check_near_copies(material: Material, copies: Copies, near: NearCopies) -> Finding:
    """How many images are nearly another one, and how often their labels differ."""
    if near.too_many:
        return Finding(
            "near-duplicates",
            Level.LOOK,
            "too many images are alike to compare pair by pair",
            "frames of one video? Split by person or by film, never by frame",
            {"pairs": None},
        )
    labels = material.faces.labels[copies.first]
    one, other = near.pairs.T
    differ = labels[one] != labels[other]
    faces = int(copies.counts[np.unique(near.pairs)].sum())
    return Finding(
        "near-duplicates",
        Level.LOOK if len(near.pairs) else Level.OK,
        f"{counted(len(near.pairs), 'pair')} of images with correlation {SIMILAR:g} or more "
        f"({counted(faces, 'face')}); {int(differ.sum()):,} pairs with different labels"
        if len(near.pairs)
        else "none",
        "one photograph each: keep them in one split, and settle their labels"
        if len(near.pairs)
        else "",
        {
            "threshold": SIMILAR,
            "pairs": len(near.pairs),
            "faces": faces,
            "pairs_with_different_labels": int(differ.sum()),
            "listed": [
                {
                    "places": [material.place(each) for each in pair],
                    "labels": [material.label(each) for each in pair],
                    "correlation": round(float(value), 4),
                }
                for pair, value in zip(
                    copies.first[near.pairs[:MOST_LISTED]],
                    near.similarity[:MOST_LISTED],
                    strict=True,
                )
            ],
        },
        (_exhibit(material, copies, near),) if len(near.pairs) else (),
    )


def _exhibit(material: Material, copies: Copies, near: NearCopies) -> Exhibit:
    # Evenly from the most to the least alike, so that the threshold can be judged.
    count = min(_SHOWN, len(near.pairs))
    chosen = np.linspace(0, len(near.pairs) - 1, count).astype(int)
    pairs = copies.first[near.pairs[chosen]]
    captions = [
        f"{material.pair_caption(*pair)}\ncorrelation {value:.3f}"
        for pair, value in zip(pairs, near.similarity[chosen], strict=True)
    ]
    title = f"Near-duplicates: {count} of {len(near.pairs)} pairs, most alike first"
    return Exhibit("near_duplicates", title, pairs, captions)
