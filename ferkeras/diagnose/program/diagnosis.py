"""Ask every probe what is wrong with a program, and rank what they find."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import keras
import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.causes import callback, capacity, order
from ferkeras.diagnose.program.causes.mixed_up import neighbours_alike
from ferkeras.diagnose.program.finding import CodeRemedy, ProgramFinding
from ferkeras.diagnose.program.labels import NoClassifier
from ferkeras.diagnose.program.lent import as_it_runs
from ferkeras.diagnose.program.material import Material, read_material
from ferkeras.diagnose.program.prepared import build, labelled
from ferkeras.diagnose.program.probes import HEAD, LAST, MEASURED, OWN, TIMED, TRIED, Probe
from ferkeras.diagnose.program.program import Fit, Program
from ferkeras.diagnose.program.quantities import quantities_in_labels
from ferkeras.diagnose.program.record import STEPS, ProgramDiagnosis, learns, learns_nothing
from ferkeras.diagnose.program.rehearsal import OwnFit
from ferkeras.diagnose.program.several import OneOutput, functional, outputs_of
from ferkeras.diagnose.program.trees import readable
from ferkeras.diagnose.program.trial import Change
from ferkeras.diagnose.program.untouched import random_states, untouched

_LEARNT = 0.5
"""Skill from which on a training has learnt."""

_HARMLESS = 0.6
"""Confidence that what is unusual, and costs nothing in a brief training, is a fault."""

_ALIKE = 0.3
"""Correlation of neighbouring pixels from which on inputs are pictures."""

_BEGUN = 0.15
"""Skill from which on it has begun to."""


@random_states()
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
    model = functional(model, train)
    if names := outputs_of(model):
        whole = {
            "batch_size": batch_size,
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "shuffle": shuffle,
            "validation_split": validation_split,
            "seconds": seconds,
        }
        return _of_several(model, train, validation, whole, [output] if output else names, begun)
    if output is not None:
        raise InputError(f"output: the model has one output, and none that is called {output!r}")
    # As in Keras, rows that are given go before a fraction of the others.
    split = 0.0 if validation is not None else validation_split
    fit = Fit(batch_size, epochs, steps_per_epoch, shuffle, split, class_weight)
    material = read_material(train, batch_size)
    held = None if validation is None else read_material(validation, role="validation")
    if split and not material.streamed:
        material, held = material.divided(split)
    with warnings.catch_warnings():
        # What Keras would say of the first call is said below, with the remedy.
        warnings.simplefilter("ignore")
        own = None if callbacks is None else OwnFit(train, tuple(callbacks))
        return _diagnosis(model, material, held, fit, own, seconds, begun)


def _of_several(
    model: keras.Model,
    train: Any,
    validation: Any,
    fit: dict[str, Any],
    names: Sequence[str],
    begun: float,
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
        others = ", ".join(each for each in outputs_of(model) if each != name)
        if others and not found.findings and found.brief is not None and learns(found.brief):
            held_back = one.held_back(train, fit, found.brief, fit["seconds"] / 4)
            if held_back is not None:
                found = dataclasses.replace(found, findings=(held_back,), severity="broken")
        shown = {"outputs": f"{name} alone; not examined: {others}"} if others else {}
        return dataclasses.replace(
            found, facts=shown | dict(found.facts), seconds=time.monotonic() - begun
        )
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
    with untouched(model), as_it_runs(model, material.take(np.arange(1))):
        program = Program(model, material, held, fit, seconds, own)
        program.forward.must_predict()
        if order.splits_by_order(program) is not None:
            # That is the fault; what such rows are unlike is not said beside it.
            program = Program(model, material, None, fit, seconds, own)
        if (labels := quantities_in_labels(program)) is not None:
            raise NoClassifier(
                f"the labels are {labels}, not classes; diagnose_model examines classifiers"
            )
        findings, remaining = _examine(program)
        learnt = program.rehearsals.whole if _own_fit_learns(program) else None
        alike = program.labels.alike
        seen = bool(findings or learnt) or not program.has_loss
        brief = None if seen or alike else program.trials.basis
        if brief is not None and brief.steps < STEPS and not learns(brief):
            brief = program.trials.patient(STEPS)
        far_behind = not findings and callback.is_behind_for_no_known_reason(program)
        behind = program.rehearsals.whole if far_behind else None
        read, smooth = None, None
        if brief is not None and learns_nothing(brief):
            read = readable(program)
            smooth = neighbours_alike(material.arrays[0])
    worst: Literal["healthy", "suspicious", "broken"] = "healthy"
    if findings:
        broken = any(finding.severity == "broken" for finding in findings)
        worst = "broken" if broken else "suspicious"
    elif learnt is None and (brief is None or not learns(brief) or behind is not None):
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
        (smooth or 0.0) > _ALIKE,
        learnt,
        str(program.labels.classes[0]) if alike and not findings else "",
        behind,
        majority=program.labels.majority if program.labels.exclusive else None,
    )


def _examine(
    program: Program,
) -> tuple[tuple[ProgramFinding, ...], tuple[ProgramFinding, ...]]:
    findings = list(_asked(program, HEAD))
    program.trials.head_is_wrong = bool(findings)
    findings += _asked(program, MEASURED)
    tried = list(_asked(program, TRIED))
    # Units that cannot be trained, or rows that say nothing, are not for want of width.
    tiny = capacity.is_tiny(program)
    # Of rows of one class no brief training tells whether a change helps.
    told = not program.labels.alike
    if told and tiny and not tried:
        tried = list(_asked(program, [capacity.network_too_small]))
    findings += tried
    remaining: list[ProgramFinding] = []
    explained = any(finding.severity == "broken" for finding in findings)
    if explained:
        # What remains is told where there is time left for it.
        program.trials.hurry(program.trials.seconds / 4)
    if told and (not explained or program.trials.repaired) and not _own_fit_learns(program):
        # Of a small network it was asked; it takes a quarter of the time, and is seldom the cause.
        width = [] if tried or tiny else [capacity.network_too_small]
        found = next(_asked(program, [*TIMED, *width]), None)
        if found is not None:
            (remaining if explained or program.trials.head_is_wrong else findings).append(found)
    if told and not findings:
        findings += islice(_asked(program, LAST), 1)
    if not explained and program.rehearsals.tells_more:
        findings += _asked(program, OWN)
    frozen = next((found for found in findings if found.cause == "frozen_layers"), None)
    if frozen is not None or not explained:
        for found in _asked(program, [callback.trained_from_now_on]):
            # What a callback means to thaw is frozen too, and costs as much.
            cost = found.severity if frozen is None else frozen.severity
            findings = [dataclasses.replace(found, severity=cost), *findings]
    tried_out = [_tried(program, finding) for finding in findings]
    ranked = sorted(tried_out, key=lambda finding: finding.severity != "broken")
    return tuple(ranked), tuple(remaining)


def _asked(program: Program, probes: Sequence[Probe]) -> Iterator[ProgramFinding]:
    """What these probes find, one after another."""
    for probe in probes:
        try:
            finding = probe(program)
        except InputError:
            raise
        except Exception as error:
            # Of somebody else's model one thing may not be measured where others are.
            program.cannot_measure(probe.__name__, error)
            continue
        if finding is not None:
            yield finding


def _own_fit_learns(program: Program) -> bool:
    """Whether `fit` learns with callbacks or a step of its own where a brief training does not.

    A callback may set the rate that it trains with.
    """
    basis = program.trials.basis
    if not program.rehearsals.tells_more:
        return False
    if not program.has_loss:
        # Brief trainings had to take another loss than the step of its own.
        own = program.rehearsals.whole
        return own is not None and own.skill >= _BEGUN
    if basis is None or program.trials.learns(basis):
        return False
    own = program.rehearsals.whole
    return own is not None and own.skill >= _LEARNT


def _tried(program: Program, finding: ProgramFinding) -> ProgramFinding:
    """The finding, with what its remedies brought where a repaired copy was trained."""
    remedies = []
    repairs = Change(repaired=True) in [getattr(each, "change", None) for each in finding.remedies]
    if repairs and program.trials.learns_all_the_same:
        # What a trial disproves is broken for nobody.
        finding = dataclasses.replace(
            finding,
            severity="suspicious",
            verdict=f"{finding.verdict} It learns all the same.",
            confidence=min(finding.confidence, _HARMLESS),
        )
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
    if program.not_measured:
        facts["not measured"] = shown("; ".join(program.not_measured))
    if program.rehearsals.told:
        facts["own fit"] = program.rehearsals.told
    return facts
