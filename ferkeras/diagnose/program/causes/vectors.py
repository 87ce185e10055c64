"""Word vectors that were loaded, and are zeros for most words of the texts."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.finding import (
    MEASURED,
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
)
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_MOST = 0.5
"""Of the words, how many without a vector are more than rare ones and names."""

_OFTEN = 0.1
"""Of the texts, what such words must make up."""


def vectors_missing(program: Program) -> ProgramFinding | None:
    """A frozen Embedding has zeros for most of the words that are looked up."""
    layer, looked_up = program.inputs.embedding, program.inputs.looked_up
    if layer is None or looked_up is None or layer.trainable:
        return None
    table = keras.ops.convert_to_numpy(layer.embeddings)
    # 0 is padding, or no word.
    words = np.trunc(looked_up[looked_up > 0]).astype(np.int64)
    words = words[words < len(table)]
    empty = ~np.any(table, axis=1)
    if not len(words) or empty.all():
        return None
    different = np.unique(words)
    missing, share = float(empty[different].mean()), float(empty[words].mean())
    if missing < _MOST or share < _OFTEN:
        return None
    comparison = program.trials.compared(Change(everything=True))
    basis = program.trials.basis
    helps = comparison is not None and (comparison.helps or comparison.halves_errors)
    if basis is not None and program.trials.learns(basis) and not helps:
        return None
    return ProgramFinding(
        cause="vectors_missing",
        verdict=f"{layer.name!r} is frozen, and {missing:.0%} of the words that the rows have are "
        "zeros in it: to the model they are one and the same word.",
        evidence=(
            Evidence("of the different words, those of zeros", f"{missing:.0%}", "a few", missing),
            Evidence("of all words of the rows", f"{share:.0%}", "a few percent", share),
        ),
        remedies=(
            CodeRemedy(
                "look words up as the vectors write them: letters' case, splitting, accents",
                "a vector for nearly every word",
                code="matrix[number] = vectors.get(word, vectors.get(word.lower()))",
            ),
            CodeRemedy(
                "or let the Embedding learn",
                "words that become different",
                code=f"{layer.name}.trainable = True  # before compile",
                change=Change(everything=True),
                tried="" if comparison is None else comparison.words,
            ),
        ),
        reason="The rows of the table are looked at that words of the rows look up; 0, which is "
        "padding, is left out.",
        source="Keras documentation: using pre-trained word embeddings, misses",
        confidence=PROVEN if helps else MEASURED,
        layer=layer.name,
    )
