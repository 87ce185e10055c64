"""Validation rows that are training rows."""

from __future__ import annotations

import hashlib

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.program import Program

_MANY = 0.05
_FEW_ROWS = 50


def leakage(program: Program) -> ProgramFinding | None:
    """Rows of the validation split stand in the training split as well."""
    train, validation = program.train, program.validation
    if validation is None or len(validation) < _FEW_ROWS:
        return None
    known = _digests(train)
    within = 1 - len(set(known)) / len(known)
    found = _digests(validation)
    shared = float(np.isin(found, known).mean())
    # Of a sample of the training rows as many are missed as were not drawn.
    seen = len(train) / (train.total or len(train))
    shared = min(1.0, shared / seen)
    # Rows of few different values repeat by themselves.
    if shared < _MANY or shared < 3 * within:
        return None
    return ProgramFinding(
        cause="leakage",
        verdict=f"{shared:.0%} of the validation rows are training rows, value by value: "
        "validation tells what was memorised.",
        evidence=(
            Evidence("validation rows that are training rows", f"{shared:.0%}", "none", shared),
            Evidence("training rows that repeat another", f"{within:.0%}", "-", within),
        ),
        remedies=(
            CodeRemedy(
                "split once, before anything repeats, oversamples or augments rows",
                "a validation score that holds elsewhere",
                code="train_test_split(...)",
            ),
        ),
        reason="One row in twenty, and three times as often as rows repeat by themselves.",
        source="Kaufman et al. 2012, Leakage in data mining",
        severity="broken" if shared > 0.5 else "suspicious",
        confidence=MEASURED,
    )


def _digests(material: Material) -> np.ndarray:
    rows = []
    for at in range(len(material)):
        digest = hashlib.blake2b(digest_size=8)
        for each in material.arrays:
            digest.update(np.ascontiguousarray(each[at]).tobytes())
        rows.append(int.from_bytes(digest.digest(), "little"))
    return np.array(rows, np.uint64)
