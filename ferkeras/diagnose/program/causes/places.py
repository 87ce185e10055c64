"""Where something is, and in which order, where the model cannot see it."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.comparison import Comparison, told
from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rebuilt import GLOBAL_POOLING, flattened
from ferkeras.diagnose.program.trees import READ, readable

_LONGEST = 1600
"""Steps of a training that is done to its end."""

_SAME = 1e-3
"""Of the spread of the outputs, how far they may move where only rounding moves them."""

_BEHIND = 0.25
"""Skill in training mode beyond that in use, where running statistics are behind."""

_FEWEST_STEPS = 4
_LIKELY = 0.7
"""Confidence: what else keeps it from learning was looked for and not found."""


def places_dropped(program: Program) -> ProgramFinding | None:
    """Trained as long as planned it stays far behind the same network that keeps the places."""
    basis, planned = program.trials.basis, program.planned_steps
    if basis is None or program.trials.learns(basis):
        return None
    if basis.training_skill - basis.skill > _BEHIND:
        # With the statistics of the batch it knows the rows.
        return None
    if program.validation is None or planned is None:
        return None
    pooling = next(
        (each for each in program.model.layers if isinstance(each, GLOBAL_POOLING)), None
    )
    if pooling is None or planned > _LONGEST:
        return None
    # Without a pooling a network learns sooner; what counts is how it ends.
    whole = program.trials.patient(planned)
    if whole is None or whole.steps < planned or program.trials.learns(whole):
        return None
    other = flattened(program)
    if other is None:
        return None
    kept = other.trials.patient(planned)
    if kept is None or kept.steps < planned:
        return None
    comparison, longer = Comparison((whole,), (kept,)), program.trials.longer()
    if not comparison.frees or longer is None:
        return None
    if not Comparison((longer,), (kept,)).halves_errors:
        # It gets there with more steps.
        return None
    return ProgramFinding(
        cause="places_dropped",
        verdict=f"{pooling.name!r} keeps what there is and not where, and where it is tells these "
        f"classes apart: with Flatten in its place the same training knows far more, of "
        "validation rows too.",
        evidence=(
            Evidence(
                f"rows named rightly, above the majority, after {whole.steps:,} steps: training; "
                "validation",
                f"{told(whole.skill)}; {told(whole.held_skill or 0.0)}",
                f"{told(kept.skill)}; {told(kept.held_skill or 0.0)}, with Flatten",
                whole.skill,
            ),
        ),
        remedies=(
            CodeRemedy(
                "keep the places, or tell the model of them (an embedding of the positions)",
                "outputs that depend on where something is",
                code=f"layers.Flatten()  # in place of {type(pooling).__name__}()",
                tried=comparison.words,
            ),
        ),
        reason="Both are trained with the same rows for the same steps, as many as are planned; "
        "with many more, the model as it is still makes twice the mistakes.",
        source="Lin et al. 2014, Network in network: global average pooling",
        confidence=comparison.confidence,
        layer=pooling.name,
    )


def order_not_seen(program: Program) -> ProgramFinding | None:
    """Steps of a sequence in any order give the same outputs, and nothing is learnt."""
    basis = program.trials.basis
    if basis is None or program.trials.learns(basis) or len(program.train.arrays) != 1:
        return None
    steps = program.train.arrays[0]
    sequences = steps.ndim == 3 or (steps.ndim == 2 and program.inputs.looked_up is not None)
    if not sequences or steps.shape[1] < _FEWEST_STEPS or (readable(program) or 0.0) >= READ:
        return None
    rows = program.judged_rows(64)
    outputs = program.forward.predict(rows, program.train.x)
    shuffled = np.random.default_rng(0).permuted(
        np.broadcast_to(np.arange(steps.shape[1]), (len(steps), steps.shape[1])), axis=1
    )
    others = np.take_along_axis(steps, shuffled if steps.ndim == 2 else shuffled[..., None], axis=1)
    moved = (
        program.forward.predict(rows, keras.tree.pack_sequence_as(program.train.x, [others]))
        - outputs
    )
    spread = float(outputs.std(axis=0).max())
    if not spread > 0 or float(np.abs(moved).max()) > _SAME * spread:
        return None
    return ProgramFinding(
        cause="order_not_seen",
        verdict="It learns nothing, and it cannot see the order of the steps: rows whose steps are "
        "shuffled give the same outputs. If the order tells the classes apart, it is lost here.",
        evidence=(
            Evidence(
                "most that an output moves when the steps of a row are shuffled, of the spread of "
                "the outputs",
                f"{float(np.abs(moved).max()) / spread:.1g}",
                "about 1 where order counts",
                float(np.abs(moved).max()) / spread,
            ),
        ),
        remedies=(
            CodeRemedy(
                "tell the model where each step is, or use layers that go by order (GRU, Conv1D)",
                "outputs that depend on the order",
                code="x = x + layers.Embedding(steps, width)(keras.ops.arange(steps))",
            ),
        ),
        reason="The steps of each row are shuffled at the first weights. Attention and pooling "
        "treat them as a set.",
        source="Vaswani et al. 2017, Attention is all you need, 3.5",
        confidence=_LIKELY,
    )
