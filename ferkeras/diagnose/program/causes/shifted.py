"""Labels of steps that belong to the step before, or to the next one."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import FEWEST

_FAR = 3
"""Steps that labels may be away from their words."""

_KNOWN, _LESS = 0.5, 0.5
"""What words must tell of labels so far away, and what part of that the words beside them may."""

_OWN = 0.8
"""Of the words, how many have a label of their own where the labels are words themselves."""


def labels_of_other_steps(program: Program) -> ProgramFinding | None:
    """Words tell the labels of other steps, and hardly those of their own."""
    words, labels = program.inputs.looked_up, program.labels
    rows = program.inputs.rows
    if words is None or labels.counted.ndim != 2 or not labels.exclusive:
        return None
    if words.shape[1:] != labels.counted.shape[1:] or len(rows) < FEWEST:
        return None
    basis = program.trials.basis
    if basis is not None and program.trials.learns(basis):
        return None
    classes = np.full(labels.counted.shape, -1)
    classes[labels.counted] = labels.index
    known = {
        away: _known(*_pairs(np.trunc(words).astype(np.int64), classes[rows], away))
        for away in range(-_FAR, _FAR + 1)
    }
    best = max(known, key=known.__getitem__)
    if best == 0 or known[best] < _KNOWN or known[0] > _LESS * known[best]:
        return None
    if _are_words(*_pairs(np.trunc(words).astype(np.int64), classes[rows], best)):
        return None
    count = abs(best)
    steps = f"{count} step{'s' * (count > 1)}"
    return ProgramFinding(
        cause="labels_of_other_steps",
        verdict=f"The labels stand {steps} too {'early' if best > 0 else 'late'}: they are those "
        f"of the words {steps} {'behind' if best > 0 else 'before'} them.",
        evidence=(
            Evidence(
                "labels named rightly, above the majority, from the word at their own step",
                f"{known[0]:.2f}",
                f"{known[best]:.2f}, as from the word {steps} away",
                known[0],
            ),
        ),
        remedies=(
            CodeRemedy(
                "move labels and words together: what is put before a row (such as a mark of its "
                "beginning), split or cut off goes for both",
                "labels that are read from their words",
                code=f"y = np.roll(y, {best}, axis=1)  # or a label, that counts nothing, for each "
                "mark",
            ),
        ),
        reason="The class that a word has most often in one half of the rows is held against the "
        f"other half, for words up to {_FAR} steps away. Where labels are words themselves, as of "
        "models of language, nothing is said.",
        source="Hugging Face documentation: token classification, aligning labels with tokens",
        confidence=MEASURED,
    )


def _pairs(words: np.ndarray, classes: np.ndarray, away: int) -> tuple[np.ndarray, ...]:
    """Words, classes and rows of all steps that count, each with the word so many steps behind."""
    steps = words.shape[1]
    at = np.arange(max(0, -away), min(steps, steps - away))
    word, kind = words[:, at + away], classes[:, at]
    counts = (kind >= 0) & (word != 0)
    row = np.broadcast_to(np.arange(len(words))[:, None], word.shape)
    return word[counts], kind[counts], row[counts]


def _known(words: np.ndarray, classes: np.ndarray, rows: np.ndarray) -> float:
    """How many classes of odd rows the word tells as in even rows, above the majority; 1: all."""
    learnt, asked = rows % 2 == 0, rows % 2 == 1
    if not learnt.any() or not asked.any():
        return 0.0
    usual = np.bincount(classes[learnt]).argmax()
    most = _most_often(words[learnt], classes[learnt])
    told = np.array([most.get(word, usual) for word in words[asked].tolist()])
    majority = float((classes[asked] == usual).mean())
    return (float((told == classes[asked]).mean()) - majority) / max(1e-9, 1 - majority)


def _most_often(words: np.ndarray, classes: np.ndarray) -> dict[int, int]:
    """The class that each word has most often."""
    counts = np.zeros((len(values := np.unique(words)), classes.max() + 1), np.int64)
    np.add.at(counts, (np.searchsorted(values, words), classes), 1)
    return dict(zip(values.tolist(), counts.argmax(axis=1).tolist(), strict=True))


def _are_words(words: np.ndarray, classes: np.ndarray, rows: np.ndarray) -> bool:
    """Whether nearly each word has a class of its own: what is to be told is another word."""
    most = _most_often(words, classes)
    return len(set(most.values())) > _OWN * len(most)
