"""Inputs that do not show the classes: lost on the way, mixed up, or learnt by heart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ferkeras.diagnose.program.causes.label_sense import has_other_shares
from ferkeras.diagnose.program.causes.reach import variables_not_tracked
from ferkeras.diagnose.program.comparison import told
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.head import calls_of_layers
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import read_rows_by_trees, readable
from ferkeras.diagnose.program.trial import Change, Trial, is_kernel

_READ = 0.3
_LEFT = 0.25
"""Of the skill of trees on the inputs, the most that is left where a layer loses the classes."""

_FEWEST = 50
_ALIKE = 0.5
"""Of different rows, how many different outputs are few."""

_FOLLOWED, _NUMBERS = 64, 65_536
"""Rows that are followed from layer to layer, and the most numbers of each that are compared."""

_KNOWN = 0.15
"""Skill from which on training rows are known, where there are enough validation rows."""

_HOLDS = 0.6
"""Of the skill on training rows, the share on validation rows from which on it holds there."""

_PICTURE = 16
"""Pixels of a side from which on an array is looked at as pictures."""

_ORDINAL = {2: "second", 3: "third", 4: "fourth"}

_FARTHER, _SMOOTH = 0.1, 0.5
"""More correlation than with the next row, and correlation along rows, of pictures cut wrongly."""

_UNLIKE = 0.1
"""Correlation of neighbours up to which they have nothing in common."""


def lost_before_the_weights(program: Program) -> ProgramFinding | None:
    """Trees read the classes from the inputs, but not from what reaches the first weights."""
    basis = program.trials.basis
    if (
        basis is None
        or program.trials.learns(basis)
        or program.inputs.first is None
        or variables_not_tracked(program) is not None
    ):
        return None
    passed = program.inputs.passed
    read = readable(program) if passed else None
    if read is None or read < _READ:
        return None
    labels = program.labels.index[program.inputs.rows]
    behind = ((layer, read_rows_by_trees(values, labels)) for layer, values in passed)
    layer, left = next((each for each in behind if each[1] < _LEFT * read), (None, read))
    if layer is None:
        return None
    return ProgramFinding(
        cause="lost_in_a_layer",
        verdict=f"What tells the classes apart is lost in {layer.name!r}: decision trees read them "
        "from the inputs, and not from what this layer makes of them.",
        evidence=(
            Evidence(
                f"rows named rightly, above the majority, by trees behind {layer.name!r}",
                f"{left:.2f}",
                f"{read:.2f}, as from the inputs",
                left,
            ),
        ),
        remedies=(
            CodeRemedy(
                "leave the layer out, or let it keep what differs from row to row",
                "inputs that still show their class",
                code=f"# without {type(layer).__name__}",
            ),
        ),
        reason="Trees are grown on half of the rows and held against the others, layer by layer up "
        "to the first one with weights.",
        source="Alain and Bengio 2017, Understanding intermediate layers using linear classifier "
        "probes",
        confidence=MEASURED,
        layer=layer.name,
    )


def pixels_mixed_up(program: Program) -> ProgramFinding | None:
    """Neighbouring pixels have nothing in common, and neither steps nor trees read the classes."""
    basis = program.trials.basis
    if basis is None or program.trials.learns(basis) or len(program.train.arrays) != 1:
        return None
    alike = neighbours_alike(program.train.arrays[0])
    if alike is None or alike > _UNLIKE or (readable(program) or 0.0) >= _READ:
        return None
    return ProgramFinding(
        cause="pixels_mixed_up",
        verdict="The inputs have the shape of pictures and are none: neighbouring pixels have "
        "nothing in common, and nobody reads the classes from them. A reshape or a wrong axis has "
        "mixed pixels or rows.",
        evidence=(
            Evidence(
                "correlation of neighbouring pixels, the mean picture taken away",
                f"{alike:.2f}",
                "above 0.3 in pictures",
                alike,
            ),
            Evidence(
                "rows named rightly, above the majority, by decision trees",
                f"{readable(program) or 0.0:.2f}",
                f"above {_READ:g}",
                readable(program) or 0.0,
            ),
        ),
        remedies=(
            CodeRemedy(
                "keep the axis of the rows first, and look at a few pictures",
                "pictures that show something",
                code="x = x.reshape(len(x), height, width, channels)  # and plt.imshow(x[0])",
            ),
        ),
        reason="Pixels of a picture resemble their neighbours; numbers in a wrong order do not.",
        source="Ruderman 1994, The statistics of natural images",
        confidence=MEASURED,
    )


def rows_of_another_width(program: Program) -> ProgramFinding | None:
    """A row of pixels resembles not the next one but one behind it: cut at a wrong width.

    As `numpy.resize` does, which repeats or cuts numbers and knows nothing of pictures, and a
    `reshape` that takes columns, or colours, for a part of the width.
    """
    if len(program.train.arrays) != 1:
        return None
    found = _period(program.train.arrays[0])
    if found is None:
        return None
    axis, period, next_one, behind = found
    one, many = ("row", "rows") if axis == 1 else ("column", "columns")
    return ProgramFinding(
        cause="pixels_mixed_up",
        verdict=f"In the pictures each {one} of pixels resembles the {_ORDINAL[period]} behind it, "
        f"and the next one less: they were reshaped, or resized by numpy, with a wrong width, so "
        f"that {many} that belong elsewhere lie between.",
        evidence=(
            Evidence(
                f"correlation of pixels with those {period} {many} on, and with the next",
                f"{behind:.2f}; {next_one:.2f}",
                "lower than with the next, in pictures",
                behind - next_one,
            ),
        ),
        remedies=(
            CodeRemedy(
                "resize pictures by a function that knows pictures, and look at a few",
                "pictures that show something",
                code="x = tf.image.resize(x, (height, width))  # and plt.imshow(x[0])",
            ),
        ),
        reason="In pictures the next row is always more alike than one farther away.",
        source="Ruderman 1994, The statistics of natural images",
        confidence=MEASURED,
    )


def _period(values: np.ndarray) -> tuple[int, int, float, float] | None:
    """Axis, period, correlation with the next and with the one a period on; None in pictures."""
    alike = _likeness(values, _PICTURE)
    if alike is None:
        return None
    for axis, other in ((1, 2), (2, 1)):
        next_one = alike(axis, 1)
        behind, period = max((alike(axis, lag), lag) for lag in _ORDINAL)
        if behind > next_one + _FARTHER and alike(other, 1) > _SMOOTH:
            return axis, period, next_one, behind
    return None


def neighbours_alike(values: np.ndarray) -> float | None:
    """Correlation of pixels with their neighbours beside and below; None of anything else."""
    alike = _likeness(values, 6)
    return None if alike is None else (alike(1, 1) + alike(2, 1)) / 2


def _likeness(values: np.ndarray, smallest: int) -> Callable[[int, int], float] | None:
    """Correlation of pixels along an axis at a lag, the mean picture taken away.

    None of anything but pictures, shape (N, H, W, C), of at least so many pixels a side.
    """
    if values.ndim != 4 or min(values.shape[1:3]) < smallest or values.dtype.kind not in "biuf":
        return None
    pictures = values[:512].astype(np.float64)
    pictures -= pictures.mean(axis=0)
    spread = float(np.mean(np.square(pictures)))
    if not spread > 0:
        return None

    def alike(axis: int, lag: int) -> float:
        moved = np.moveaxis(pictures, axis, 0)
        return float(np.mean(moved[lag:] * moved[:-lag])) / spread

    return alike


def rows_come_out_alike(program: Program) -> ProgramFinding | None:
    """Rows that differ give the same outputs, at the first weights and whatever these are."""
    basis, last = program.trials.basis, program.head.last_weighted
    if basis is None or program.trials.learns(basis) or last is None:
        return None
    if any(is_kernel(v.path) and not v.numpy().any() for v in last.trainable_variables):
        # A kernel of zeros, as some begin with, makes all outputs alike.
        return None
    rows = program.judged_rows(256)
    every = np.arange(len(rows))
    different = len(np.unique(_rounded(program.train.arrays, rows), axis=0))
    outputs = len(np.unique(_rounded([_before_activation(program, rows)], every), axis=0))
    if different < _FEWEST or outputs > _ALIKE * different:
        return None
    alike = _become_alike(program, rows, _ALIKE * different)
    evidence = Evidence(
        f"different outputs of {different} different rows",
        f"{outputs}",
        f"about {different}",
        float(outputs),
    )
    verdict = f"{different} different rows give {outputs} different output{'s' * (outputs != 1)}: "
    if alike is None:
        layer, verdict = "", f"{verdict}what they differ in does not reach the output."
    else:
        layer, before, after = alike
        verdict += f"{layer!r} makes {after} of {before} that reach it."
        evidence = Evidence(
            f"different outputs of {layer!r}, of {before} different inputs",
            f"{after}",
            f"about {before}",
            float(after),
        )
    return ProgramFinding(
        cause="rows_come_out_alike",
        verdict=verdict,
        evidence=(evidence,),
        remedies=(
            CodeRemedy(
                "look where rows become alike: a mask the wrong way round, an index, a pooling or "
                "a rounding that keeps next to nothing, units that are zero for every row",
                "outputs that differ where rows do",
                code="# print the output of one layer after another for two rows"
                if alike is None
                else f"# look at what {layer!r} is called with",
            ),
        ),
        reason="Weights drawn at random tell nearly all different rows apart.",
        source="-",
        confidence=MEASURED,
        layer=layer,
    )


def _become_alike(program: Program, rows: np.ndarray, few: float) -> tuple[str, int, int] | None:
    """The first layer that makes few different outputs of many different inputs: its name, and how
    many each."""
    part = program.portions(rows)[0]
    part = part if program.fixed_batch is not None else part[:_FOLLOWED]
    few *= len(part) / len(rows)
    x = program.train.take(part)
    for layer, given, made in calls_of_layers(program.model, x):
        if not given or not made or any(each.dtype.kind != "f" for each in made):
            continue
        before, after = _different(given), _different(made)
        if after <= few < before:
            return layer.name, before, after
    return None


def _different(arrays: list[np.ndarray]) -> int:
    """How many rows of some arrays differ, in at most so many of their numbers."""
    every = np.arange(len(arrays[0]))
    columns = [
        flat[:, :: -(-flat.shape[1] // _NUMBERS) or 1]
        for flat in (each.reshape(len(each), -1) for each in arrays)
    ]
    return len(np.unique(_rounded(columns, every), axis=0))


def _before_activation(program: Program, rows: np.ndarray) -> np.ndarray:
    """Outputs of rows; where it can be taken away without the last activation, which may saturate
    for all of them."""
    if not program.head.can_be_bared:
        return program.outputs
    with program.changed(Change(repaired=True)):
        return program.predict(rows, program.train.x)


def _rounded(arrays: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Rows as whole numbers, thousandths of the spread of their columns; text by its kinds."""
    columns = []
    for each in arrays:
        values = each[rows].reshape(len(rows), -1)
        if values.dtype.kind not in "biuf":
            columns.append(np.unique(values, return_inverse=True)[1].reshape(values.shape))
            continue
        numbers = values.astype(np.float64)
        spread = float(np.nanstd(numbers - np.nanmean(numbers, axis=0)))
        columns.append(np.nan_to_num(np.round(numbers / max(spread, 1e-9) * 1000)).astype(np.int64))
    return np.concatenate(columns, axis=1)


def learnt_by_heart(program: Program) -> ProgramFinding | None:
    """It comes to know its training rows, and nothing of that holds for validation rows."""
    basis, held = program.trials.basis, program.validation
    if held is None or len(held) < _FEWEST or not _holds(basis, len(held), at_most=_HOLDS):
        return None
    if has_other_shares(program):
        return None
    known = max(_KNOWN, 4 / np.sqrt(min(len(held), 512)))
    # So little may be chance, and what holds is learnt later than what is known by heart.
    basis = program.trials.longer()
    if basis is None or basis.skill < known or not _holds(basis, len(held), at_most=0.0):
        return None
    return ProgramFinding(
        cause="learnt_by_heart",
        verdict="It learns its training rows and knows no more of validation rows than guessing "
        "gives: what tells the classes apart is not in the inputs, or is prepared otherwise for "
        "validation.",
        evidence=(
            Evidence(
                f"rows named rightly, above the majority, after {basis.steps:,} steps: training; "
                "validation",
                f"{told(basis.skill)}; {told(basis.held_skill or 0.0)}",
                "about the same",
                basis.held_skill or 0.0,
            ),
        ),
        remedies=(
            CodeRemedy(
                "look at a few rows as the model gets them, of both splits: is what a person "
                "would go by still there?",
                "something that holds for other rows",
                code="print(next(iter(train)), next(iter(validation)))",
            ),
        ),
        reason="Both splits are asked after the same brief training.",
        source="Zhang et al. 2017, Understanding deep learning requires rethinking generalization",
        confidence=MEASURED,
    )


def _holds(trial: Trial | None, rows: int, *, at_most: float) -> bool:
    """Whether so little of the skill on training rows, or no more than chance, holds elsewhere."""
    if trial is None or trial.held_skill is None:
        return False
    # About three standard errors.
    noise = 2 / np.sqrt(min(rows, 512))
    return trial.skill > noise and trial.held_skill < max(at_most * trial.skill, noise)
