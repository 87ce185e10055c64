"""Ask every probe what is wrong with a program, and rank what they find."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np

import ferkeras
from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program.causes import (
    callback,
    capacity,
    class_weight,
    hidden,
    inputs,
    label_sense,
    label_values,
    leakage,
    loss,
    lost,
    metric,
    modes,
    optimizer,
    order,
    output_activation,
    rate,
    reach,
    reading,
    regularisation,
    tokens,
    training_step,
    units,
    weights,
)
from ferkeras.diagnose.program.finding import CodeRemedy, ProgramFinding
from ferkeras.diagnose.program.material import Material, read_material
from ferkeras.diagnose.program.prepared import build, labelled
from ferkeras.diagnose.program.program import Fit, Program
from ferkeras.diagnose.program.rehearsal import OwnFit, Rehearsal
from ferkeras.diagnose.program.several import OneOutput, outputs_of
from ferkeras.diagnose.program.trees import readable
from ferkeras.diagnose.program.trial import Change, Trial
from ferkeras.diagnose.program.untouched import untouched

Probe = Callable[[Program], ProgramFinding | None]

HEAD: tuple[Probe, ...] = (
    label_values.labels_scaled,
    label_values.labels_ill_defined,
    units.output_units,
    output_activation.softmax_on_one_unit,
    output_activation.softmax_over_another_axis,
    output_activation.softmax_for_independent_labels,
    output_activation.relu_output,
    output_activation.sigmoid_for_exclusive_classes,
    output_activation.no_output_activation,
    output_activation.activation_doubled,
    loss.wrong_loss,
    loss.loss_rewards_mistakes,
    label_values.labels_out_of_range,
)
"""Labels, loss and the end of the model: what does not fit there makes everything else moot."""

MEASURED: tuple[Probe, ...] = (
    inputs.missing_values,
    inputs.beyond_half_precision,
    tokens.tokens_cut_off,
    tokens.tokens_alike,
    class_weight.classes_without_weight,
    class_weight.class_weights_exchanged,
    class_weight.rows_weigh_next_to_nothing,
    class_weight.class_ignored,
    order.not_shuffled,
    optimizer.optimizer_holds_other_variables,
    optimizer.averages_overwrite_weights,
    optimizer.gradients_gathered_too_long,
    rate.schedule_ends_too_early,
    label_values.class_missing_in_training,
    weights.initialisation,
    metric.wrong_metric,
    leakage.leakage,
    leakage.column_of_the_labels,
    inputs.channels_first,
    lost.rows_of_another_width,
    inputs.grey_levels_lost,
    inputs.validation_scaled_otherwise,
    modes.random_in_use,
    reach.variables_not_tracked,
    reading.rows_change_as_they_are_read,
    reading.labels_part_from_rows,
    callback.watches_the_wrong_way,
)
"""What can be measured beside it."""

TRIED: tuple[Probe, ...] = (
    inputs.unscaled_inputs,
    reach.frozen_layers,
    reach.gradient_does_not_reach,
    label_sense.labels_without_meaning,
    label_sense.validation_labels_of_others,
    tokens.padding_behind,
    lost.lost_before_the_weights,
)
"""What a brief training with a change tells of data and layers."""

TIMED: tuple[Probe, ...] = (
    # A lower rate makes both weaker too, and would be named for them.
    regularisation.penalty_too_strong,
    regularisation.too_much_dropout,
    regularisation.too_much_augmentation,
    regularisation.gradients_clipped_away,
    regularisation.weights_held,
    rate.learning_rate_too_high,
    rate.learning_rate_too_low,
    hidden.hidden_activation,
    rate.too_few_steps,
    modes.running_statistics,
)
"""What it tells of rate, steps and activations; the first that explains it ends the search. Of a
program whose end was wrong they are what remains: its rate was never tried with a right loss."""

LAST: tuple[Probe, ...] = (
    # Of pictures of noise, and of dead units, these are true as well.
    lost.pixels_mixed_up,
    lost.rows_come_out_alike,
    lost.learnt_by_heart,
)
"""What is a cause only where nothing else explains it; the first one ends the search."""

OWN: tuple[Probe, ...] = (
    callback.watches_what_is_not_there,
    training_step.training_step_changes_nothing,
    callback.callback_in_the_way,
    training_step.own_training_step,
)
"""What the program's own `fit` does that brief trainings leave out, where these learn."""

_NOTHING = 0.05
"""Accuracy above the majority's, 1 for the truth, that is no more than chance gives 1,024 rows;
fall of the loss, of itself, that is no more than batches differ by."""

_LEARNT = 0.5
"""Skill from which on a training has learnt."""

_STEPS = 100
"""Fewer of them teach a sound classifier nothing either."""


@dataclass(frozen=True)
class ProgramDiagnosis:
    """What is wrong with a program.

    Attributes:
        findings: the causes, the most certain and worst first; empty where none was found.
        severity: healthy, or the worst of the findings'; suspicious also where no cause was found
            and the model was not seen to learn.
        seconds: that the examination took.
        facts: what was examined, by name, for people.
        brief: a brief training of the program as it is, where no cause was found; None without
            time.
        read: where that learns nothing, accuracy above the majority's of trees grown on other rows
            of the same inputs; None where they cannot read such inputs.
        remaining: what a copy with the findings put in order still lacks, of rate and steps.
        output_layer: name of the layer that makes the output; empty where none does.
        own: the rehearsal of its own `fit`, where that learns and a brief training does not.
        program: the file that was run; empty where a model was given.
        lines: file and line of the program for each cause, where they are known.
        called: file and line where it calls `fit`; empty where a model was given.
    """

    findings: tuple[ProgramFinding, ...]
    severity: Literal["healthy", "suspicious", "broken"]
    seconds: float
    facts: Mapping[str, str]
    remaining: tuple[ProgramFinding, ...] = ()
    output_layer: str = ""
    brief: Trial | None = None
    read: float | None = None
    own: Rehearsal | None = None
    program: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)
    called: str = ""

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes, in order."""
        return tuple(finding.cause for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""
        if self.findings:
            return self.findings[0].verdict
        if self.own is not None:
            return (
                f"Its own `fit` learns: {self.own.accuracy:.0%} of the training rows are right "
                f"after {self.own.steps:,} steps."
            )
        if self.brief is not None and _learns_nothing(self.brief):
            return (
                f"It learns nothing in {self.brief.steps:,} steps ({_what_stays(self.brief)}), and "
                "nothing was found that explains it" + self._readable
            )
        if self.brief is not None and not self.brief.finite:
            return (
                f"The loss is {self.brief.loss():g} after {self.brief.steps:,} steps, and nothing "
                "was found that explains it."
            )
        if self.brief is None or not _learns(self.brief):
            steps = 0 if self.brief is None else self.brief.steps
            return (
                "Nothing was found that keeps this classifier from learning, but it was not seen "
                f"to learn either, in the {steps:,} steps that there was time for (`seconds`)."
            )
        return (
            "Nothing was found that keeps this classifier from learning: "
            f"{self.brief.accuracy:.0%} of its training rows are right after {self.brief.steps:,} "
            "steps."
        )

    @property
    def _readable(self) -> str:
        if self.read is None:
            return ": are the classes in the inputs at all?"
        if self.read < 0.3:
            return (
                "; decision trees do not read the classes from the inputs either: does each row "
                "still belong to its label, and did a reshape or a wrong axis mix the rows?"
            )
        return (
            "; decision trees read the classes from the same inputs (skill "
            f"{self.read:.2f}, 1 for the truth), so they are lost on the way through the model."
        )

    def to_html(self) -> str:
        """Everything as one HTML page that fetches and runs nothing."""
        from ferkeras.diagnose.program.page import program_page

        return program_page(self)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "ferkeras": ferkeras.__version__,
            "verdict": self.verdict,
            "severity": self.severity,
            "causes": list(self.causes),
            "findings": [
                {**finding.as_json(), "line": self.lines.get(finding.cause)}
                for finding in self.findings
            ],
            "remaining": [finding.as_json() for finding in self.remaining],
            "examined": dict(self.facts),
            "seconds": round(self.seconds, 1),
        }


def diagnose_model(
    model: keras.Model,
    train: Any,
    validation: Any = None,
    *,
    batch_size: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    shuffle: bool = True,
    validation_split: float = 0.0,
    class_weight: Mapping[int, float] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    seconds: float = 60.0,
    output: str | None = None,
) -> ProgramDiagnosis:
    """Say why a compiled Keras classifier does not learn, or that nothing speaks against it.

    The model is left as it was: weights, optimizer, metrics and random states. Call it before
    `fit`, with what `fit` will be given; causes that show only over time are sought in brief
    trainings, of the same steps with and without a change.

    Args:
        model: compiled; sequential, functional or a subclass. Of a functional model of several
            outputs one is examined, with its loss and its labels.
        train: (x, y), (x, y, sample_weight), a `tf.data.Dataset`, a `keras.utils.PyDataset` or
            batches. x may be an array or a dict, list or tuple of arrays; a sample of at most
            4,096 rows is read.
        validation: the same for the validation split.
        batch_size: as in `fit`.
        epochs: as in `fit`; without it nothing is said about too few steps.
        steps_per_epoch: as in `fit`.
        shuffle: as in `fit`.
        validation_split: as in `fit`.
        class_weight: as in `fit`.
        callbacks: as in `fit`. Where they are given, an empty list included, and they or the
            model's own `train_step` may be at fault, `fit` is rehearsed for some epochs. Keras's
            callbacks that write files are left out, and nothing is written, sent or started.
        seconds: for all brief trainings together; without them a few seconds are needed.
        output: name of the one that is examined; by default the first whose labels are classes.

    Raises:
        InputError: the model is not compiled, has no such output, or data cannot be read; the
            labels are quantities, not classes.

    Example:
        >>> diagnosis = diagnose_model(model, (x, y), epochs=10)  # doctest: +SKIP
        >>> print(diagnosis.verdict)  # doctest: +SKIP
        >>> Path("why.html").write_text(diagnosis.to_html(), "utf-8")  # doctest: +SKIP
    """
    begun = time.monotonic()
    _check(model)
    if names := outputs_of(model):
        whole = {
            "batch_size": batch_size,
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "shuffle": shuffle,
            "validation_split": validation_split,
            "seconds": seconds,
        }
        return _of_several(model, train, validation, whole, [output] if output else names)
    if output is not None:
        raise InputError(f"output: the model has one output, and none that is called {output!r}")
    fit = Fit(batch_size, epochs, steps_per_epoch, shuffle, validation_split, class_weight)
    material = read_material(train, batch_size)
    held = None if validation is None else read_material(validation, role="validation")
    with warnings.catch_warnings():
        # What Keras would say of the first call is said below, with the remedy.
        warnings.simplefilter("ignore")
        own = None if callbacks is None else OwnFit(train, tuple(callbacks))
        return _diagnosis(model, material, held, fit, own, seconds, begun)


def _of_several(
    model: keras.Model, train: Any, validation: Any, fit: dict[str, Any], names: Sequence[str]
) -> ProgramDiagnosis:
    """The diagnosis of the first of these outputs that can be examined."""
    refused: list[InputError] = []
    for name in names:
        try:
            one = OneOutput(model, name)
            held = None if validation is None else one.data(validation)
            found = diagnose_model(one.model, one.data(train), held, **fit)
        except InputError as error:
            refused.append(error)
            continue
        if not found.findings and found.brief is not None and _learns(found.brief):
            held_back = one.held_back(train, fit, found.brief, fit["seconds"] / 4)
            if held_back is not None:
                found = dataclasses.replace(found, findings=(held_back,), severity="broken")
        others = ", ".join(each for each in outputs_of(model) if each != name)
        shown = {"outputs": f"{name} alone; not examined: {others}"}
        return dataclasses.replace(found, facts=shown | dict(found.facts))
    raise refused[0]


def _diagnosis(
    model: keras.Model,
    material: Material,
    held: Material | None,
    fit: Fit,
    own: OwnFit | None,
    seconds: float,
    begun: float,
) -> ProgramDiagnosis:
    build(model, material)
    material = labelled(material, model)
    held = None if held is None else labelled(held, model)
    with untouched(model):
        program = Program(model, material, held, fit, seconds, own)
        if program.labels.is_a_quantity:
            raise InputError(
                "the labels are measured quantities (many different fractions), not classes; "
                "diagnose_model examines classifiers"
            )
        findings, remaining = _examine(program)
        learnt = program.rehearsals.whole if _own_fit_learns(program) else None
        brief = None if findings or learnt else program.trials.basis
        if brief is not None and brief.steps < _STEPS and not _learns(brief):
            brief = program.trials.patient(_STEPS)
        read = None
        if brief is not None and _learns_nothing(brief):
            read = readable(program)
    worst: Literal["healthy", "suspicious", "broken"] = "healthy"
    if findings:
        broken = any(finding.severity == "broken" for finding in findings)
        worst = "broken" if broken else "suspicious"
    elif learnt is None and (brief is None or not _learns(brief)):
        # Nothing was found, but it was not seen to learn either.
        worst = "suspicious"
    return ProgramDiagnosis(
        findings,
        worst,
        time.monotonic() - begun,
        _facts(program),
        remaining,
        program.head.layer,
        brief,
        read,
        learnt,
    )


def _learns_nothing(brief: Trial) -> bool:
    return brief.steps >= _STEPS and not _learns(brief)


def _learns(brief: Trial) -> bool:
    # Running statistics may lag behind after so few steps.
    skill = np.fmax(brief.skill, brief.training_skill)
    return bool(skill >= 0.5 or (skill >= _NOTHING and _falls(brief)))


def _falls(brief: Trial) -> bool:
    """Whether the loss is lower in the last tenth of the steps than in the first."""
    first = float(np.mean(brief.losses[: max(1, brief.steps // 10)]))
    return brief.loss() < (1 - _NOTHING) * first


def _what_stays(brief: Trial) -> str:
    if not np.fmax(brief.skill, brief.training_skill) >= _NOTHING:
        return (
            f"{brief.accuracy:.0%} of the training rows are right, no more than by always "
            "answering the most frequent class"
        )
    return f"the loss is {brief.losses[0]:.3g} at first and {brief.loss():.3g} in the end"


def _examine(
    program: Program,
) -> tuple[tuple[ProgramFinding, ...], tuple[ProgramFinding, ...]]:
    findings = [found for probe in HEAD if (found := probe(program))]
    program.trials.head_is_wrong = bool(findings)
    findings += [found for probe in MEASURED if (found := probe(program))]
    tried = [found for probe in TRIED if (found := probe(program))]
    # Units that cannot be trained, or rows that say nothing, are not for want of width.
    tiny = capacity.is_tiny(program)
    if not tried and tiny and (found := capacity.network_too_small(program)):
        tried = [found]
    findings += tried
    remaining: list[ProgramFinding] = []
    explained = any(finding.severity == "broken" for finding in findings)
    if explained:
        # What remains is told where there is time left for it.
        program.trials.hurry(program.trials.seconds / 4)
    if (not explained or program.trials.repaired) and not _own_fit_learns(program):
        found = next((found for probe in TIMED if (found := probe(program))), None)
        if found is None and not tried and not tiny:
            # It takes a quarter of the time and more, and is seldom the cause.
            found = capacity.network_too_small(program)
        if found is not None:
            (remaining if explained or program.trials.head_is_wrong else findings).append(found)
    if not findings:
        findings += [found for probe in LAST if (found := probe(program))][:1]
    if not explained and program.rehearsals.tells_more:
        findings += [found for probe in OWN if (found := probe(program))]
    ranked = sorted(findings, key=lambda finding: finding.severity != "broken")
    return tuple(_tried(program, finding) for finding in ranked), tuple(remaining)


def _own_fit_learns(program: Program) -> bool:
    """Whether `fit` learns with callbacks or a step of its own where a brief training does not.

    A callback may set the rate that it trains with.
    """
    basis = program.trials.basis
    if basis is None or program.trials.learns(basis) or not program.rehearsals.tells_more:
        return False
    own = program.rehearsals.whole
    return own is not None and own.skill >= _LEARNT


def _tried(program: Program, finding: ProgramFinding) -> ProgramFinding:
    """The finding, with what its remedies brought where a repaired copy was trained."""
    remedies = []
    for remedy in finding.remedies:
        if isinstance(remedy, CodeRemedy) and remedy.change == Change(repaired=True):
            tried = program.trials.repair
            remedy = dataclasses.replace(remedy, tried="" if tried is None else tried)
        remedies.append(remedy)
    return dataclasses.replace(finding, remedies=tuple(remedies))


def _check(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise InputError(f"model: expected a keras.Model, received {type(model).__name__}")
    if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None:
        raise InputError("model: it is not compiled; call model.compile(optimizer, loss) first")


def _facts(program: Program) -> dict[str, str]:
    labels, head = program.labels, program.head
    facts = {
        "model": f"{program.model.name}, {program.model.count_params():,} parameters",
        "output": f"{head.units} unit{'s' * (head.units != 1)}, {' after '.join(head.activations)}",
        "loss": program.loss.name + (" (from_logits=True)" if program.loss.from_logits else ""),
        "labels": f"{labels.form.replace('_', ' ')}, {len(labels.classes)} classes, "
        f"{labels.majority:.0%} of the most frequent",
        "rows": f"{program.train.total:,}, {len(program.train):,} examined"
        if program.train.total
        else f"{len(program.train):,} examined, of a stream without an end that is known",
    }
    if program.rehearsals.told:
        facts["own fit"] = program.rehearsals.told
    return facts
