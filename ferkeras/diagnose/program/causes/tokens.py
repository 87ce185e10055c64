"""Numbers of words that reach an Embedding, and say nothing by the time they do."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.comparison import told
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.inputs import zeros_behind
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_CUT = 0.05
"""Of the numbers that reach an Embedding, the most that may be fractions."""

_ALIKE = 0.95
"""Of the words, how many may be the same one."""

_BEHIND = 0.5
"""Of the steps of a sequence, how many zeros behind the words are many."""


def tokens_cut_off(program: Program) -> ProgramFinding | None:
    """Fractions reach an Embedding, which looks up whole numbers."""
    looked_up = program.inputs.looked_up
    if looked_up is None or looked_up.dtype.kind != "f":
        return None
    fractions = float(np.mean(looked_up != np.trunc(looked_up)))
    if fractions <= _CUT:
        return None
    different = len(np.unique(looked_up))
    left = len(np.unique(np.trunc(looked_up)))
    scaled = CodeRemedy(
        "give it the numbers of the words as they are, unscaled",
        "different words that are looked up as different",
        code='x = x.astype("int32")  # and neither / x.max() nor a scaler',
    )
    measured = CodeRemedy(
        "leave the Embedding out where the inputs are measurements, not numbers of words",
        "inputs of which each digit counts",
        code="# the next layer on the inputs, scaled to a mean of 0 and a spread of 1",
    )
    words = _were_whole(looked_up)
    return ProgramFinding(
        cause="tokens_cut_off",
        verdict=f"Fractions reach the Embedding, which looks up whole numbers: {different:,} "
        f"different ones become {left:,}.",
        evidence=(
            Evidence(
                "of the numbers that reach the Embedding, fractions", f"{fractions:.0%}", "none",
                fractions,
            ),
        ),
        remedies=(scaled, measured) if words else (measured, scaled),
        reason="What reaches the layer is looked at.",
        source="Keras documentation: Embedding",
        confidence=PROVEN,
    )  # fmt: skip


def _were_whole(values: np.ndarray) -> bool:
    """Whether fractions are evenly spaced, as whole numbers are that were divided by one number."""
    steps = np.diff(np.unique(np.round(values.astype(np.float64), 7)))
    if not len(steps):
        return False
    # Between 0 and 1 as words over the number of words, and not as measurements lie.
    parts = steps / steps.min()
    return float(values.max()) <= 1 and bool(np.allclose(parts, np.round(parts), atol=0.01))


def tokens_alike(program: Program) -> ProgramFinding | None:
    """Nearly all words are one and the same, such as the one for unknown words."""
    looked_up = program.inputs.looked_up
    if looked_up is None or program.labels.counted.ndim > 1:
        return None
    if looked_up.size <= len(looked_up):
        return None  # one number a row is a category, and no text
    words = np.trunc(_between(looked_up.reshape(len(looked_up), -1)))
    if len(words) < 100 or tokens_cut_off(program) is not None:
        return None
    values, counts = np.unique(words, return_counts=True)
    share = float(counts.max() / len(words))
    if share < _ALIKE:
        return None
    word = int(values[counts.argmax()])
    return ProgramFinding(
        cause="tokens_alike",
        verdict=f"{share:.0%} of the words have the number {word}: to the model nearly all of "
        "them are the same word.",
        evidence=(
            Evidence(
                f"of the words (zeros at the ends left out), those of the number {word}",
                f"{share:.0%}",
                "a few percent",
                share,
            ),
        ),
        remedies=(
            CodeRemedy(
                "prepare texts as when the vocabulary was made: letters' case, splitting, the "
                "vocabulary itself",
                "words that are told apart",
                code="encode(text.lower())  # if the vocabulary is of small letters",
            ),
        ),
        reason="Zeros before the first and behind the last word, which are padding, are left out.",
        source="Keras documentation: TextVectorization, out-of-vocabulary",
        confidence=PROVEN,
    )


def _between(rows: np.ndarray) -> np.ndarray:
    """What stands between the first and the last number of a row that is not zero, of all rows."""
    used = rows != 0
    begun = np.maximum.accumulate(used, axis=1)
    to_come = np.maximum.accumulate(used[:, ::-1], axis=1)[:, ::-1]
    return rows[begun & to_come]


def padding_behind(program: Program) -> ProgramFinding | None:
    """A recurrent layer reads zeros for long after the words, and forgets these."""
    basis, rows = program.trials.basis, program.inputs.padded_in_front
    if basis is None or program.trials.learns(basis) or rows is None or not _ends_alone(program):
        return None
    behind = float(np.mean(zeros_behind(keras.tree.flatten(program.train.x)[0])))
    if behind < _BEHIND:
        return None
    comparison = program.trials.compared(Change(padding_first=True))
    if comparison is None or not comparison.helps:
        return None
    return ProgramFinding(
        cause="padding_behind_the_words",
        verdict=f"{behind:.0%} of each sequence are zeros behind the words, which the recurrent "
        "layer reads last, and nothing masks them; with the zeros in front the same steps learn.",
        evidence=(
            Evidence("zeros behind the words, of a sequence", f"{behind:.0%}", "none", behind),
            Evidence(
                "training rows named rightly, above the majority, so and with the zeros in front",
                told(comparison.skill_without),
                told(comparison.skill_with),
                comparison.skill_without,
            ),
        ),
        remedies=(
            CodeRemedy(
                "mask the padding, or put it in front",
                "a state that still knows the words",
                code="Embedding(..., mask_zero=True)  # or pad_sequences(..., padding='pre')",
                change=Change(padding_first=True),
                tried=comparison.words,
            ),
        ),
        reason="Named where the same steps learn once the zeros stand in front.",
        source="Keras documentation: masking and padding",
        confidence=comparison.confidence,
    )


def _ends_alone(program: Program) -> bool:
    """Whether a recurrent layer hands on its last state alone, and nothing masks steps for it."""
    layers = list(program.model._flatten_layers(include_self=False))
    masks = any(
        getattr(each, "mask_zero", False) or isinstance(each, keras.layers.Masking)
        for each in layers
    )
    return not masks and any(
        isinstance(each, keras.layers.RNN) and not each.return_sequences for each in layers
    )
