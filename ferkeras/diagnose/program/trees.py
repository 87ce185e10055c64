"""What decision trees read from rows: a yardstick that needs neither scaling nor steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.skill import best_renaming, counts

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program

FEWEST = 100
"""Rows below which trees say nothing."""

READ = 0.3
"""Skill of trees from which on they read the classes."""

MOST = 1500
_COLUMNS = 512


def readable(program: Program) -> float | None:
    """How well trees read the classes from the inputs; None where they cannot be asked."""
    labels = program.labels
    if (
        len(program.train) < FEWEST
        or not labels.exclusive
        or not labels.counted.all()
        or labels.counted.ndim > 1
    ):
        return None
    if program.inputs.first is not None:
        return read_by_trees(program.train, labels.index)
    if program.inputs.looked_up is None or len(program.train.arrays) != 1:
        return None
    if len(program.inputs.looked_up) != len(program.inputs.rows):
        return None  # what is looked up are places, say, and no words of a row
    counts = _counts(program.inputs.looked_up)
    skill = read_rows_by_trees(counts, labels.index[program.inputs.rows])
    # Where the order of the words is what tells, their counts say nothing.
    return skill if skill > READ else None


def _counts(words: np.ndarray) -> np.ndarray:
    """How often each of the most frequent numbers is in a row, shape (N, words)."""
    rows = words.reshape(len(words), -1).astype(np.int64)
    return counted(rows, frequent(rows))


def frequent(rows: np.ndarray) -> np.ndarray:
    """The most frequent numbers of words."""
    values, frequency = np.unique(rows, return_counts=True)
    return values[np.argsort(-frequency)][:_COLUMNS]


def counted(rows: np.ndarray, words: np.ndarray) -> np.ndarray:
    """How often each of some numbers is in a row, shape (N, words)."""
    return np.stack([(rows == each).sum(axis=1) for each in words], axis=1)


def read_by_trees(material: Material, labels: np.ndarray) -> float:
    """Skill of trees on rows that they were not grown on, above the majority."""
    rows, columns = _table(material)
    return read_rows_by_trees(columns, labels[rows])


def read_rows_by_trees(values: np.ndarray, labels: np.ndarray) -> float:
    """The same for rows of any shape (N, ...), of which some columns are taken."""
    from sklearn.model_selection import cross_val_predict

    if np.unique(labels, return_counts=True)[1].max() < 2:
        return 0.0  # nobody reads what is there once from anything
    columns = _some_columns(values.reshape(len(values), -1))
    return _skill(cross_val_predict(_trees(), columns, labels, cv=2), labels)


def read_across(
    train: Material,
    labels: np.ndarray,
    held: Material,
    others: np.ndarray,
    *,
    renamed: bool = False,
) -> float:
    """Skill on one split's rows of trees that were grown on the other's.

    Args:
        train: that they are grown on.
        labels: its classes, int.
        held: the other split.
        others: its classes.
        renamed: whether what they say is called what suits the other split best.
    """
    rows, columns = _table(train)
    held_rows, held_columns = _table(held)
    said, truth = _trees().fit(columns, labels[rows]).predict(held_columns), others[held_rows]
    if renamed:
        classes = int(max(labels.max(), others.max())) + 1
        said = best_renaming(counts(truth, said, classes))[said]
    return _skill(said, truth)


def read_by_one_column(
    values: np.ndarray, labels: np.ndarray, others: np.ndarray, other_labels: np.ndarray
) -> tuple[float, float]:
    """Skill of a small tree of one column: on other rows of the split, and on another split."""
    from sklearn.tree import DecisionTreeClassifier

    half = len(values) // 2
    column, other = (np.nan_to_num(each.astype(np.float32))[:, None] for each in (values, others))
    tree = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)
    tree.fit(column[:half], labels[:half])
    return _skill(tree.predict(column[half:]), labels[half:]), _skill(
        tree.predict(other), other_labels
    )


def told_apart(train: Material, held: Material) -> float:
    """How surely trees say which split a row is of: 0 no better than by chance, 1 always."""
    columns, others = _table(train)[1], _table(held)[1]
    count = min(len(columns), len(others))
    both = np.concatenate([columns[:count], others[:count]])
    return read_rows_by_trees(both, np.repeat([0, 1], count))


def nearness(train: Material, held: Material) -> float:
    """How far training rows are from the next one, of how far validation rows are from them."""
    from sklearn.neighbors import NearestNeighbors

    columns, others = _table(train)[1], _table(held)[1]
    spread = columns.std(axis=0)
    columns, others = (each[:, spread > 0] / spread[spread > 0] for each in (columns, others))
    near = NearestNeighbors(n_neighbors=2).fit(columns)
    own, theirs = near.kneighbors(columns)[0][:, 1], near.kneighbors(others)[0][:, 0]
    return float(np.median(own) / max(1e-9, np.median(theirs)))


def _trees() -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(60, random_state=0)


def _table(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Some rows, and their inputs in columns; the same columns for splits of one shape."""
    rows = np.random.default_rng(0).permutation(len(material))[:MOST]
    values = [each[rows].reshape(len(rows), -1) for each in material.arrays]
    return rows, _some_columns(np.concatenate(values, axis=1))


def _some_columns(values: np.ndarray) -> np.ndarray:
    """At most so many columns, the same ones of every table of this width; no NaN."""
    rng = np.random.default_rng(0)
    kept = np.sort(rng.choice(values.shape[1], min(values.shape[1], _COLUMNS), replace=False))
    return np.nan_to_num(values[:, kept].astype(np.float32))


def _skill(said: np.ndarray, truth: np.ndarray) -> float:
    base = np.bincount(truth).max() / len(truth)
    return float(((said == truth).mean() - base) / max(1e-9, 1 - base))


def none_of(skill: float, rows: int) -> float:
    """The most that is next to nothing beside a skill, on so many rows."""
    # The skill of rows without any meaning is known to half of this.
    return max(0.1 * skill, 2 / np.sqrt(min(rows, MOST)))
