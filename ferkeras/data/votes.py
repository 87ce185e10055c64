"""From votes on faces to labels, to probabilities to train towards, or to a second head's target.

Source:
    Barsoum et al. 2016, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution", and its authors' program for the rule of the majority.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ferkeras.data.classes import DROPPED, Chosen, ClassesWanted, choose_classes
from ferkeras.data.emotions import composed
from ferkeras.data.presets.ferplus import NO_FACE, UNKNOWN
from ferkeras.data.readers.votes import NO_CLASS, Votes
from ferkeras.data.task import Classes

COLUMNS = "columns"
"""The `data.votes` that means the columns of the classes in the faces' own table."""

VotesAs = Literal["filter", "soft", "auxiliary"]


@dataclass(frozen=True)
class Labelled:
    """Classes of the faces of a source.

    Attributes:
        classes: the classes.
        labels: class index of each face, int32, shape (N,); `DROPPED` for those left out.
        summary: what became of the labels, for people; may be empty.
        targets: as in `ferkeras.data.faces.Faces`, shape (N, K).
        votes: as there, shape (N, V).
        usage: the split of each face where the votes say it, int8, shape (N,); None: they do not.
        dropped: how many faces are left out, by class or by the reason.
    """

    classes: Classes
    labels: np.ndarray
    summary: str
    targets: np.ndarray | None = None
    votes: np.ndarray | None = None
    usage: np.ndarray | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)


def labelled_by_votes(
    source: str, votes: Votes, wanted: ClassesWanted, expected: Classes | None, *, soft: bool
) -> Labelled:
    """Give each face the class that most people voted for, and leave out those that have none.

    A class has the majority if it got more than half of the votes, those for no class included.
    Where `votes.slips` says so, opinions with a single vote are not counted, as FER+'s authors do
    it. Votes for classes that `wanted` merges are added up first.

    Args:
        source: the faces, for messages.
        votes: of each face.
        wanted: what `data.classes` says.
        expected: the classes of a network that is to predict these faces.
        soft: whether the votes for the classes, divided by their sum, become targets.

    Raises:
        InputError: see `ferkeras.data.classes.choose_classes`.
    """
    classes, of_class = _by_class(source, votes, wanted, expected)
    counts = votes.counts.astype(np.float64)
    if votes.slips:
        counts[counts == 1] = 0
    sums = np.stack(
        [counts[:, of_class == index].sum(axis=1) for index in range(len(classes.classes))], axis=1
    )
    half = counts.sum(axis=1) / 2
    labels = np.where(sums.max(axis=1) > half, sums.argmax(axis=1), DROPPED).astype(np.int32)
    targets = None
    if soft:
        there = np.maximum(sums.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        targets = (sums / there).astype(np.float32)
    how = "the distribution of votes" if soft else "the majority of votes"
    dropped = _dropped(votes, counts > half[:, None], labels)
    parts = (f"labels by {how}", classes.summary(), _left_out(dropped, labels))
    return Labelled(
        classes.classes,
        labels,
        "; ".join(filter(None, parts)),
        targets,
        usage=votes.usage,
        dropped=dropped,
    )


def fractions(votes: Votes) -> np.ndarray:
    """What fraction of a face's votes each opinion got, float32 (N, V); zeros without votes."""
    total = votes.counts.sum(axis=1, keepdims=True)
    return np.divide(votes.counts, total, out=np.zeros_like(votes.counts), where=total > 0)


def _by_class(
    source: str, votes: Votes, wanted: ClassesWanted, expected: Classes | None
) -> tuple[Chosen, np.ndarray]:
    """What the columns mean, and the class index of each; `DROPPED` where it is for none."""
    named = [name for name in votes.names if name.lower() not in NO_CLASS]
    chosen = choose_classes(
        source, dict.fromkeys(named, votes.place), wanted, preset=None, expected=expected
    )
    return chosen, np.array([chosen.index_of.get(composed(name), DROPPED) for name in votes.names])


def _dropped(votes: Votes, most: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """How many faces have no label, by the reason."""
    none = labels == DROPPED
    names = [name.lower() for name in votes.names]
    reasons: list[tuple[str, np.ndarray]] = []
    for column, words in ((NO_FACE, "without a face"), (UNKNOWN, "unknown")):
        if column in names:
            reasons.append((words, most[:, names.index(column)]))
    other = [k for k, name in enumerate(names) if name not in NO_CLASS]
    voted = np.asarray(most[:, other].any(axis=1))
    reasons.append(("of classes that are left out", voted))
    reasons.append(("without a majority", ~np.asarray(most.any(axis=1))))
    counts = {words: int((none & which).sum()) for words, which in reasons}
    return {words: count for words, count in counts.items() if count}


def _left_out(dropped: Mapping[str, int], labels: np.ndarray) -> str:
    """The same, for people; empty where all have one."""
    if not dropped:
        return ""
    none = int((labels == DROPPED).sum())
    listed = ", ".join(f"{count:,} {words}" for words, count in dropped.items())
    return f"{none:,} of {len(labels):,} faces left out: {listed}"
