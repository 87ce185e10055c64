"""Held-out faces that are also in training, and how much accuracy that can be worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array

from ferkeras.check_data.checks.copies import Copies
from ferkeras.check_data.checks.near import NearCopies
from ferkeras.check_data.finding import MOST_LISTED, TOO_MANY, Exhibit, Finding, Level
from ferkeras.check_data.material import HELD_OUT, Material

PEOPLE = 0.65
"""Accuracy of people on FER2013 (Goodfellow et al. 2013: 65 +- 5 %), taken for that of an honest
network on faces it has not met."""

_SHOWN = 30


def check_leaks(material: Material, copies: Copies, near: NearCopies) -> Finding:
    """Held-out faces whose image, or nearly that image, is among the training faces.

    A network that has memorised its training faces predicts for a leaked face the majority
    label of its training copies (of equally common ones, the lowest class index). If `a` is its
    accuracy on other faces, n faces of which L are leaked and A of these agree give it (A - L a) /
    n more than it is worth; with a = 0, the most it can be, A / n. Above `TOO_MANY` at the accuracy
    of people the split is no measure.

    Where near copies were not compared, exact ones alone are counted, which is said.
    """
    numbers: dict[str, Any] = {
        "accuracy_assumed": PEOPLE,
        "near_compared": not near.too_many,
        "splits": {},
    }
    found, exhibits, worst = [], [], 0.0
    training = material.members("train")
    votes = np.zeros((len(copies.first), len(material.faces.classes)), np.int64)
    np.add.at(votes, (copies.image[training], material.faces.labels[training]), 1)
    near_votes = _neighbours(near, len(copies.first)) @ votes
    for split in material.present(HELD_OUT):
        held_out = material.members(split)
        image, labels = copies.image[held_out], material.faces.labels[held_out]
        exact = votes[image].any(axis=1)
        nearly = near_votes[image].any(axis=1) & ~exact
        majority = np.where(exact[:, None], votes[image], near_votes[image]).argmax(axis=1)
        agree = majority == labels
        leaked = exact | nearly
        most = float((agree & leaked).sum() / len(held_out))
        gain = most - PEOPLE * float(leaked.sum()) / len(held_out)
        worst = max(worst, gain)
        numbers["splits"][split] = {
            "faces": len(held_out),
            "exact": int(exact.sum()),
            "exact_label_agrees": int((exact & agree).sum()),
            "near": None if near.too_many else int(nearly.sum()),
            "near_label_agrees": None if near.too_many else int((nearly & agree).sum()),
            "accuracy_at_most": most,
            "accuracy_gain": gain,
            "places": [material.place(i) for i in held_out[leaked][:MOST_LISTED]],
        }
        if leaked.any():
            more = "" if near.too_many else f", {nearly.sum():,} more nearly"
            found.append(
                f"{split}: {exact.sum():,} of {len(held_out):,} faces ({exact.mean():.1%}) are in "
                f"training{more}; label the same for "
                f"{(agree & leaked).sum():,}; worth up to {100 * most:.1f} points of accuracy, "
                f"{100 * gain:+.1f} where it is {PEOPLE:.0%}"
            )
        if exact.any():
            exhibits.append(_exhibit(material, copies, split, held_out[exact], training))
    chosen_by, tested = (material.members(split) for split in ("validation", "test"))
    overlap = int(np.isin(copies.image[tested], copies.image[chosen_by]).sum())
    numbers["test_in_validation"] = overlap
    if overlap:
        found.append(
            f"test: {overlap:,} of {len(tested):,} faces are in validation, by which the epoch and "
            "a temperature are chosen"
        )
    advice = []
    if len(found) > bool(overlap):
        advice.append(
            "leave them out of training (data.drop_leaked=true does with exact copies), or report "
            "the accuracy without them (python -m ferkeras.evaluate gives both)"
        )
    if overlap:
        advice.append("take out of test what is in validation, or out of validation")
    if near.too_many:
        found.append(
            f"{'' if found else 'no exact copies; '}near copies were not compared: too many images "
            "are alike"
        )
        advice.append(
            "split by person or by film, never by frame: near copies on both sides of the split "
            "leak as well"
        )
    level = Level.WRONG if worst > TOO_MANY else Level.LOOK if found else Level.OK
    return Finding(
        "leaks into held-out splits",
        level,
        "; ".join(found) or "none",
        "; ".join(advice),
        numbers,
        tuple(exhibits),
    )


def _neighbours(near: NearCopies, count: int) -> coo_array:
    """Symmetric adjacency of the images, shape (U, U), 1 for a near pair."""
    one, other = near.pairs.T
    ends = (np.concatenate([one, other]), np.concatenate([other, one]))
    return coo_array((np.ones(len(ends[0]), np.int64), ends), shape=(count, count)).tocsr()


def _exhibit(
    material: Material, copies: Copies, split: str, leaked: np.ndarray, training: np.ndarray
) -> Exhibit:
    labels = material.faces.labels
    twin = np.full(len(copies.first), -1)
    twin[copies.image[training[::-1]]] = training[::-1]
    # Those that contradict come first: they are what to look at.
    differ = labels[leaked] != labels[twin[copies.image[leaked]]]
    chosen = leaked[np.argsort(~differ, kind="stable")][:_SHOWN]
    pairs = np.stack([chosen, twin[copies.image[chosen]]], axis=1)
    captions = [material.pair_caption(*pair) for pair in pairs]
    shown = f"{len(chosen)} of {len(leaked)}, other labels first"
    title = f"{split} above, its copy in train below: {shown}"
    return Exhibit(f"leaks_{split}", title, pairs, captions)
