"""A Normalization that was adapted to other numbers than the model gets."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_OFF = 20.0
"""Times by which what it makes may be spread wider or narrower than 1."""


def adapted_to_other_numbers(program: Program) -> ProgramFinding | None:
    """What a Normalization makes of the rows is far from a standard deviation of 1."""
    if program.inputs.normalised is None:
        return None
    layer, values = program.inputs.normalised
    columns = values.astype(np.float64).reshape(len(values), -1)
    if values.ndim > 2:
        # Channels of pictures, steps of series.
        columns = values.astype(np.float64).reshape(-1, values.shape[-1])
    spreads = np.nanstd(columns, axis=0)
    spreads = spreads[spreads > 0]
    if not len(spreads) or 1 / _OFF < float(np.median(spreads)) < _OFF:
        return None
    spread, mean = float(np.median(spreads)), float(np.nanmean(columns))
    return ProgramFinding(
        cause="adapted_to_other_numbers",
        verdict=f"{layer.name!r} was adapted to other numbers than the model gets: what it is to "
        f"give a mean of 0 and a standard deviation of 1 leaves it with {mean:.3g} and "
        f"{spread:.2g}.",
        evidence=(
            Evidence("standard deviation behind the layer (median)", f"{spread:.2g}", "1", spread),
            Evidence("mean behind the layer", f"{mean:.3g}", "0", mean),
        ),
        remedies=(
            CodeRemedy(
                "adapt it to the rows as `fit` gets them, or scale these nowhere else",
                "inputs of the size that first weights are made for",
                code=f"{layer.name}.adapt(x_train)  # behind x_train / 255, where that is done",
            ),
        ),
        reason=f"Rows are put through the layer; a spread that is {_OFF:.0f} times off is none of "
        "the data that it was adapted to.",
        source="Keras documentation: Normalization",
        severity=program.trials.severity,
        confidence=MEASURED,
        layer=layer.name,
    )
