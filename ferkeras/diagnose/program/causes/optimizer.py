"""An optimizer that holds other variables, was given wrong settings, or undoes its own steps."""

from __future__ import annotations

from typing import Any

from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.optimizers import settings_of
from ferkeras.diagnose.program.program import Program

_UPDATES = 30
"""Updates that are too few for any classifier."""

_FOLLOWED = 0.3
"""Of what steps did, how much must be left in the average that overwrites them."""

_USUAL = {
    "weight_decay": "0 to 0.1",
    "beta_1": "0.9; 0 or 0.5 in a few trainings",
    "momentum": "0.9",
}
_DECAY, _LONG, _SHORT = 0.5, 0.99, 0.05
"""Weight decay beyond, and momentum from and up to which, they were meant for something else."""


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


def arguments_shifted(program: Program) -> ProgramFinding | None:
    """A setting holds what is meant for another, as arguments without names do in other places."""
    optimizer, config = program.optimizer, settings_of(program.optimizer)
    kind = type(optimizer).__name__
    decay, first = config.get("weight_decay") or 0.0, config.get("beta_1") or 0.0
    momentum = config.get("momentum") or 0.0
    if decay > _DECAY and first >= _LONG:
        found, code = (
            {"weight_decay": decay, "beta_1": first},
            f"beta_1={decay:g}, beta_2={first:g}",
        )
    elif 0 < first < _SHORT:
        found, code = {"beta_1": first}, f"weight_decay={first:g}"
    elif 0 < momentum < _SHORT / 5:
        found, code = {"momentum": momentum}, f"weight_decay={momentum:g}"
    else:
        return None
    settings = ", ".join(f"{name}={value:g}" for name, value in found.items())
    return ProgramFinding(
        cause="optimizer_arguments_shifted",
        verdict=f"{kind} has {settings}, which looks like values for other arguments: Keras takes "
        "them in the order of its signature, not in that of other optimizers.",
        evidence=tuple(
            Evidence(name, f"{value:g}", _USUAL[name], float(value))
            for name, value in found.items()
        ),
        remedies=(
            CodeRemedy(
                "give the arguments of the optimizer by name",
                "settings that are what they were meant to be",
                code=f"keras.optimizers.{kind}(learning_rate={program.rate:g}, {code})",
            ),
        ),
        reason="Read from the settings of the optimizer; hardly anybody chooses such values.",
        source="Keras documentation: optimizers",
        severity="suspicious",
        confidence=MEASURED,
    )


def gradients_gathered_too_long(program: Program) -> ProgramFinding | None:
    """The optimizer gathers gradients of so many steps that few updates are made in all."""
    gathered = settings_of(program.optimizer).get("gradient_accumulation_steps") or 1
    planned = program.planned_steps
    if gathered < 2 or planned is None or planned / gathered > _UPDATES:
        return None
    updates = planned // gathered
    return ProgramFinding(
        cause="gradients_gathered_too_long",
        verdict=f"gradient_accumulation_steps={gathered} makes {updates:,} update"
        f"{'s' * (updates != 1)} of the weights of all {planned:,} steps.",
        evidence=(Evidence("updates of the weights", f"{updates:,}", "hundreds", float(updates)),),
        remedies=(
            CodeRemedy(
                "gather fewer steps, or train for more epochs",
                "weights that are moved often enough",
                code=f"gradient_accumulation_steps={max(1, planned // 300)}",
            ),
        ),
        reason="Steps of the training are divided by those that are gathered.",
        source="Keras documentation: optimizers, gradient_accumulation_steps",
        confidence=PROVEN,
    )


def averages_overwrite_weights(program: Program) -> ProgramFinding | None:
    """The optimizer puts its average in the place of the weights before it has followed them."""
    config = settings_of(program.optimizer)
    every, momentum = config.get("ema_overwrite_frequency"), config.get("ema_momentum") or 0.0
    if not config.get("use_ema") or not every or (left := 1 - momentum**every) > _FOLLOWED:
        return None
    return ProgramFinding(
        cause="averages_overwrite_weights",
        verdict=f"Every {every} steps the weights become their average, which follows them with "
        f"momentum {momentum:g}: {left:.0%} of what these steps did is left.",
        evidence=(
            Evidence("ema_overwrite_frequency, steps", f"{every}", "1 / (1 - ema_momentum) or more,"
                     f" {1 / max(1e-9, 1 - momentum):.0f}; or None", float(every)),
        ),
        remedies=(
            CodeRemedy(
                "overwrite at the end of a training only, or leave the average out",
                "steps that count",
                code="ema_overwrite_frequency=None",
            ),
        ),
        reason="Read from the settings of the optimizer.",
        source="Keras documentation: optimizers, use_ema",
        confidence=PROVEN,
    )  # fmt: skip
