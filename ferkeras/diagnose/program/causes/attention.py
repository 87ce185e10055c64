"""Attention that looks at padding, and at nothing else."""

from __future__ import annotations

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.head import attention_masks, tokens_of
from ferkeras.diagnose.program.program import Program

_SAME = 0.99
"""Of the places, how many must be masked the wrong way round."""


def attention_mask_inverted(program: Program) -> ProgramFinding | None:
    """An attention mask is true where a row has padding, and false where it has words."""
    if program.inputs.embedding is None:
        return None
    x = program.forward.few_rows
    words = tokens_of(program.model, x)
    if words is None or words.ndim != 2:
        return None
    padding = words == 0
    if not padding.any() or padding.all():
        return None
    for layer, allowed in attention_masks(program.model, x):
        if allowed.shape != padding.shape:
            continue
        same = float((allowed == padding).mean())
        if same < _SAME:
            continue
        return ProgramFinding(
            cause="attention_mask_inverted",
            verdict=f"The attention_mask of {layer.name!r} is true where rows have padding (zeros) "
            "and false where they have words: attention looks at padding alone. In Keras true "
            "means that a place is looked at.",
            evidence=(
                Evidence(
                    "places whose mask says that they are padding, where they are",
                    f"{same:.0%}",
                    "none",
                    same,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "turn the mask round",
                    "attention that sees words",
                    code="attention_mask=keras.ops.logical_not(mask)  # or tokens != 0",
                ),
            ),
            reason="What the layer is called with is held against the words of the same rows. "
            "PyTorch's key_padding_mask is true where a place is left out.",
            source="Keras documentation: MultiHeadAttention, attention_mask",
            severity=program.trials.severity,
            confidence=MEASURED,
            layer=layer.name,
        )
    return None
