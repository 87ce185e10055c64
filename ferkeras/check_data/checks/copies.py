"""Images that occur more than once, pixel for pixel, and copies whose labels contradict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferkeras.check_data.finding import (
    MOST_LISTED,
    Exhibit,
    Finding,
    Level,
    counted,
    level_of_fraction,
)
from ferkeras.check_data.material import SPLITS, Material
from ferkeras.data.digests import digests_of_images
from ferkeras.data.faces import Faces

_SHOWN = 30


@dataclass(frozen=True)
class Copies:
    """Which faces are the same image.

    Attributes:
        image: int64, shape (N,): number of the image that each face shows, 0 to U - 1.
        first: int64, shape (U,): first face that shows each image.
        counts: int64, shape (U,): faces that show it.
    """

    image: np.ndarray
    first: np.ndarray
    counts: np.ndarray

    def groups(self, chosen: np.ndarray) -> list[np.ndarray]:
        """The faces of each image in `chosen`, each in the order of the source."""
        order = np.argsort(self.image, kind="stable")
        ends = np.cumsum(self.counts)
        return [order[ends[one] - self.counts[one] : ends[one]] for one in chosen]


def find_copies(faces: Faces) -> Copies:
    """Group faces by their pixels; labels do not matter."""
    _, first, image, counts = np.unique(
        np.array(digests_of_images(faces.images)).astype("V16"),
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    return Copies(image, first, counts)


def check_copies(material: Material, copies: Copies) -> Finding:
    """Exact copies: within each split, and across splits."""
    total = len(material.faces)
    surplus = total - len(copies.first)
    within = {}
    seen: dict[str, np.ndarray] = {}
    for split in material.present(SPLITS):
        images = copies.image[material.members(split)]
        seen[split] = np.bincount(images, minlength=len(copies.first)) > 0
        within[split] = len(images) - int(seen[split].sum())
    several = np.flatnonzero(copies.counts > 1)
    across = int((np.sum(list(seen.values()), axis=0) > 1).sum())
    most = int(copies.counts.max())
    found = f"{surplus:,} of {total:,} faces copy another ({counted(len(several), 'image')}"
    found += f", one {most:,} times)" if surplus else ")"
    inside = ", ".join(f"{count:,} in {split}" for split, count in within.items())
    groups = copies.groups(several[np.argsort(copies.first[several])][:MOST_LISTED])
    return Finding(
        "exact copies",
        Level.LOOK if surplus else Level.OK,
        f"{found}: {inside}, {counted(across, 'image')} in more than one split"
        if surplus
        else "none",
        "keep one of each, or nothing: the loss counts copies as often as they occur"
        if surplus
        else "",
        {
            "count": surplus,
            "images_with_copies": len(several),
            "within": within,
            "images_in_several_splits": across,
            "groups": [[material.place(i) for i in group] for group in groups],
        },
    )


def check_contradictions(material: Material, copies: Copies) -> Finding:
    """Identical images with different labels.

    No network can predict more than the majority label of an image correctly: the rest are errors
    that nothing can avoid. Above `TOO_MANY` of all faces training is wrong.
    """
    labels = material.faces.labels
    votes = np.zeros((len(copies.first), len(material.faces.classes)), np.int64)
    np.add.at(votes, (copies.image, labels), 1)
    differing = np.flatnonzero((votes > 0).sum(axis=1) > 1)
    unavoidable = int((votes[differing].sum(axis=1) - votes[differing].max(axis=1)).sum())
    fraction = unavoidable / len(labels)
    groups = copies.groups(differing[np.argsort(copies.first[differing])])
    pairs, captions = [], []
    for group in groups[:_SHOWN]:
        one = group[0]
        other = group[labels[group] != labels[one]][0]
        pairs.append((one, other))
        captions.append(material.pair_caption(one, other))
    exhibits = (
        Exhibit(
            "contradictions",
            f"Identical images, different labels: {len(pairs)} of {len(groups)}",
            np.array(pairs),
            captions,
        ),
    )
    return Finding(
        "contradicting copies",
        level_of_fraction(fraction),
        f"{counted(len(groups), 'image')} with different labels, "
        f"{counted(int(copies.counts[differing].sum()), 'face')}; "
        f"{unavoidable:,} of them ({fraction:.2%} of all) are wrong whatever is predicted"
        if groups
        else "none",
        "decide on one label for each, or remove them all" if groups else "",
        {
            "images": len(groups),
            "faces": int(copies.counts[differing].sum()),
            "unavoidable_errors": unavoidable,
            "groups": [
                [{"place": material.place(i), "label": material.label(i)} for i in group]
                for group in groups[:MOST_LISTED]
            ],
        },
        exhibits if groups else (),
    )
