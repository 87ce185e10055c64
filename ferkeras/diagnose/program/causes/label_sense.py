"""Training labels that do not belong to their rows."""

from __future__ import annotations

from ferkeras.diagnose.program.causes.inputs import validation_scaled_otherwise
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import FEWEST, none_of, read_by_trees


def labels_without_meaning(program: Program) -> ProgramFinding | None:
    """Trees read the classes from other validation rows, but not from other training rows."""
    basis, held = program.trials.basis, program.validation
    if (
        basis is None
        or program.trials.learns(basis)
        or held is None
        or program.inputs.first is None
        or min(len(program.train), len(held)) < FEWEST
        or program.labels.form not in ("index", "one_hot")
        or not program.labels.counted.all()
        or program.labels.counted.ndim > 1
        or program.validation_labels is None
        # Rows of another size hide what their labels say.
        or validation_scaled_otherwise(program) is not None
    ):
        return None
    in_training = read_by_trees(program.train, program.labels.index)
    in_validation = read_by_trees(held, program.validation_labels.index)
    if in_validation < 0.3 or in_training > none_of(in_validation, len(program.train)):
        return None
    return ProgramFinding(
        cause="labels_destroyed",
        verdict="The training labels do not belong to their rows: what tells the classes apart in "
        "the validation split tells nothing in the training split.",
        evidence=(
            Evidence(
                "training rows named rightly, above the majority, by trees grown on other "
                "training rows",
                f"{in_training:.2f}",
                f"{in_validation:.2f}, as within validation",
                in_training,
            ),
        ),
        remedies=(
            CodeRemedy(
                "look where rows and labels part: one of them shuffled, sorted or joined alone",
                "labels that are read from the rows",
                code="x, y = x[rows], y[rows], with the same rows",
            ),
        ),
        reason="Both splits are read in the same way, by trees grown on one half of each and "
        "held against the other.",
        source="Northcutt et al. 2021, Confident learning: out-of-fold predictions",
        confidence=MEASURED,
    )
