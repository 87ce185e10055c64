"""A recurrent layer that goes on from rows that have nothing to do with the next ones."""

from __future__ import annotations

import keras

from ferkeras.diagnose.program.code_names import names_of
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_RESETS = {"reset_state", "reset_states"}


def state_of_other_rows(program: Program) -> ProgramFinding | None:
    """A layer keeps its state from batch to batch, and `fit` mixes the rows."""
    layer = next(
        (
            each
            for each in program.model._flatten_layers(include_self=False)
            if isinstance(each, keras.layers.RNN) and each.stateful
        ),
        None,
    )
    if layer is None or program.train.streamed or not program.fit.shuffle:
        return None
    for callback in program.rehearsals.given:
        if any(_RESETS & names_of(getattr(type(callback), hook)) for hook in _BATCH_HOOKS):
            return None
    return ProgramFinding(
        cause="state_of_other_rows",
        verdict=f"{layer.name!r} is stateful, and `fit` shuffles: each row begins with the state "
        "that another row, drawn by chance, has left.",
        evidence=(
            Evidence("shuffle, with stateful=True", "True", "False, and rows in order", 1.0),
        ),
        remedies=(
            CodeRemedy(
                "leave stateful out where a row does not go on from another one",
                "every row begins with a state of zeros",
                code=f"layers.{type(layer).__name__}({getattr(layer, 'units', '...')})",
            ),
            CodeRemedy(
                "or give rows in the order of time, one series at each place of the batch",
                "states that are those of the row before",
                code="model.fit(..., shuffle=False)",
            ),
        ),
        reason="Read from the layers and from the arguments of `fit`; callbacks that reset states "
        "with every batch are looked for.",
        source="Keras documentation: RNN, stateful",
        severity=program.trials.severity,
        confidence=PROVEN,
        layer=layer.name,
    )
