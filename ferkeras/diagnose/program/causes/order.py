"""Rows in the order of their classes, which nothing mixes."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.labels import Labels
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_SURE = 0.5
"""Of the classes' information that a batch's place gives; in a mixed order it is a few percent."""

_OFTEN = 3
"""Times that each class comes, from which on rows may be in the order of time."""

_CHANCE = 0.01
"""Of streams in a mixed order, how many may begin as one that is said not to be mixed."""


def not_shuffled(program: Program) -> ProgramFinding | None:
    """Batches of one class each, or a validation split of classes that training never sees."""
    labels = program.all_index
    if labels is None:
        return None
    if len(np.unique(labels)) < 2:
        return _begins_with_one_class(program)
    return _split_by_order(program) or _batches_by_class(program, labels)


def begins_with_one_class(program: Program) -> bool:
    """Whether all rows that were read are of one class, and more rows and classes are to come."""
    held = program.validation_labels
    return more_is_to_come(program) and held is not None and len(held.classes) > 1


def more_is_to_come(program: Program) -> bool:
    """Whether a stream was not read to its end."""
    return program.train.streamed and not program.train.ends


def _begins_with_one_class(program: Program) -> ProgramFinding | None:
    held, rows = program.validation_labels, len(program.train.all_labels)
    if held is None or not begins_with_one_class(program):
        return None
    chance = _all_of_one_class(program.labels.classes[0], rows, held)
    if chance >= _CHANCE:
        return None  # The others are rare.
    return _finding(
        f"The first {rows:,} rows are all of one class, validation rows are of several, and more "
        "rows follow: they come class by class, and each step unlearns what the ones before it "
        "learnt.",
        Evidence("classes of the first rows", "1", f"several in {rows:,} rows", 1.0),
        "mix the rows, or the files before they are read",
        "image_dataset_from_directory(..., shuffle=True)  # or "
        "dataset.shuffle(number_of_rows) before .batch()",
        reason="With as many rows of other classes as validation has, fewer than one in "
        f"{1 / _CHANCE:.0f} mixed streams would begin like this.",
        confidence=MEASURED,
    )


def _all_of_one_class(only: object, rows: int, held: Labels) -> float:
    """How likely so many rows are all of one class, were they drawn as the validation rows are.

    That is how likely all rows of other classes, of both splits, are validation rows.
    """
    count = len(held.index)
    others = np.arange(int((held.classes[held.index] != only).sum()))
    return float(np.prod((count - others) / (rows + count - others)))


def splits_by_order(program: Program) -> tuple[float, float] | None:
    """How far `validation_split` holds out other classes than it trains on, and how far it would
    in a mixed order, as `_apart` has it; None where it does not clearly."""
    held, labels = program.fit.validation_split, program.all_index
    if not held or labels is None or program.train.streamed:
        return None
    at = int(len(labels) * (1 - held))
    apart = _apart(labels, at)
    mixed = _apart(np.random.default_rng(0).permutation(labels), at)
    return None if apart < max(_SURE, 2 * mixed) else (apart, mixed)


def _split_by_order(program: Program) -> ProgramFinding | None:
    held, found = program.fit.validation_split, splits_by_order(program)
    if found is None:
        return None
    apart, mixed = found
    return _finding(
        f"The rows are in the order of their classes, so validation_split={held:g}, which takes "
        "the last ones, holds out other classes than those that are trained on.",
        Evidence(
            "of the rows, in classes that one part has and the other has not",
            f"{apart:.0%}",
            f"{mixed:.0%} in a mixed order",
            apart,
        ),
        "mix the rows before `fit`",
        "rows = np.random.permutation(len(x)); x, y = x[rows], y[rows]",
    )


def _apart(labels: np.ndarray, at: int) -> float:
    """Total variation between the classes of the rows before a place and from it on, 0 to 1."""
    classes = labels.max() + 1
    before, after = (np.bincount(part, minlength=classes) for part in (labels[:at], labels[at:]))
    return float(abs(before / max(1, before.sum()) - after / max(1, after.sum())).sum() / 2)


def _batches_by_class(program: Program, labels: np.ndarray) -> ProgramFinding | None:
    if not program.train.streamed and program.fit.shuffle:
        return None
    sizes = program.train.sizes or [program.batch] * (len(labels) // program.batch)
    if len(sizes) < 4 or np.mean(sizes) < 4:
        return None
    batches = np.split(labels[: sum(sizes)], np.cumsum(sizes)[:-1])
    told = _told(batches)
    mixed = np.random.default_rng(0).permutation(np.concatenate(batches))
    # Of many classes a small batch holds few in any order.
    by_chance = _told(np.split(mixed, np.cumsum(sizes)[:-1]))
    if told - by_chance <= _SURE * (1 - by_chance) or _learns_in_its_order(program, labels):
        return None
    alone = float(np.mean([len(np.unique(batch)) == 1 for batch in batches]))
    return _finding(
        f"{alone:.0%} of the batches hold one class only, as the rows are not mixed before they "
        "are put into batches: each step unlearns what the ones before it learnt.",
        Evidence(
            "how far the batch alone tells the class of a row",
            f"{told:.0%}",
            f"{by_chance:.0%} in a mixed order",
            told,
        ),
        "mix the rows",
        "dataset.shuffle(number_of_rows) before .batch()"
        if program.train.streamed
        else "model.fit(..., shuffle=True)",
    )


def _learns_in_its_order(program: Program, labels: np.ndarray) -> bool:
    """Whether classes come and go, as states do over time, and are learnt in that order."""
    stays = labels[1:] == labels[:-1]
    classes = len(np.unique(labels))
    if len(program.train) < len(labels) or len(stays) - stays.sum() < _OFTEN * classes:
        return False
    trial = program.trials.tried(Change(shuffled=False))
    return trial is not None and program.trials.learns(trial)


def _told(batches: list[np.ndarray]) -> float:
    """How much of the entropy of the classes is gone within a batch, by Miller-Madow, 0 to 1."""
    whole = _entropy(np.concatenate(batches))
    within = float(np.mean([_entropy(batch) for batch in batches]))
    return max(0.0, 1 - within / whole) if whole else 0.0


def _entropy(labels: np.ndarray) -> float:
    counts = np.unique(labels, return_counts=True)[1]
    p = counts / counts.sum()
    # A few rows show less entropy than there is.
    return float(-(p * np.log(p)).sum() + (len(counts) - 1) / (2 * counts.sum()))


def _finding(
    verdict: str,
    evidence: Evidence,
    what: str,
    code: str,
    reason: str = "Half of the information about the class is far from what chance leaves.",
    confidence: float = PROVEN,
) -> ProgramFinding:
    return ProgramFinding(
        cause="not_shuffled",
        verdict=verdict,
        evidence=(evidence,),
        remedies=(CodeRemedy(what, "batches and splits with every class", code=code),),
        reason=reason,
        source="Keras documentation: fit, validation_split takes the last rows before shuffling",
        confidence=confidence,
    )
