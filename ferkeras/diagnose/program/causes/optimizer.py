"""An optimizer that holds other variables than the model's."""

from __future__ import annotations

from typing import Any

from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program


def optimizer_holds_other_variables(program: Program) -> ProgramFinding | None:
    """What the optimizer was built for is not what the model trains."""
    optimizer: Any = program.model.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    held = getattr(optimizer, "_trainable_variables", None)
    if not held or not optimizer.built:
        return None
    wanted = program.model.trainable_variables
    ids = {id(variable) for variable in held}
    left_out = [v.path for v in wanted if id(v) not in ids]
    if not left_out:
        return None
    return ProgramFinding(
        cause="optimizer_holds_other_variables",
        verdict=f"The optimizer was built for {len(held)} variables; {len(left_out)} of the "
        f"model's {len(wanted)}, such as {left_out[0]}, are not among them.",
        evidence=(
            Evidence(
                "trainable variables that the optimizer does not hold",
                f"{len(left_out)}",
                "none",
                len(left_out),
            ),
        ),
        remedies=(
            CodeRemedy(
                "compile again, with a new optimizer, after layers were changed or thawed",
                "every trainable variable is moved",
                code="model.compile(optimizer=keras.optimizers.Adam(), ...)",
            ),
        ),
        reason="The optimizer's list of variables is compared with the model's.",
        source="Keras documentation: transfer learning, compile again after changing `trainable`",
        confidence=PROVEN,
    )
