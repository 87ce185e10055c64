"""What tells rows apart, lost on its way through the model."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.causes.reach import variables_not_tracked
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.head import calls_of_layers
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import READ, read_rows_by_trees, readable
from ferkeras.diagnose.program.trial import Change, is_kernel

_LEFT = 0.25
"""Of the skill of trees on the inputs, the most that is left where a layer loses the classes."""

_FEWEST = 50
_ALIKE = 0.5
"""Of different rows, how many different outputs are few."""

_FOLLOWED, _NUMBERS = 64, 65_536
"""Rows that are followed from layer to layer, and the most numbers of each that are compared."""


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
    if read is None or read < READ:
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
    part = program.forward.portions(rows)[0]
    part = part if program.forward.fixed_batch is not None else part[:_FOLLOWED]
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
    with program.forward.changed(Change(repaired=True)):
        return program.forward.predict(rows, program.train.x)


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
