"""Teachers that have nothing to teach."""

from __future__ import annotations

from ferkeras.cli.invocation import command_line
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import CHANCE, can_measure
from ferkeras.diagnose.symptoms import HALF, skill_evidence


def teacher_knows_nothing(m: Measurements) -> Finding | None:
    """A teacher that knows less of the faces than half of what a simple classifier does."""
    if not m.case.config.distill.teachers or not can_measure(m.train.labels):
        return None
    reference = m.reference_within_train
    if reference.above_chance < CHANCE:
        return None
    worst = min(m.teachers, key=lambda name: m.teachers[name].skill, default=None)
    if worst is None or m.teachers[worst].skill >= HALF * reference.skill:
        return None
    teacher, weight = m.teachers[worst], m.case.config.distill.weight
    label = int(teacher.matrix.sum(axis=0).argmax())
    said = float((teacher.predicted == label).mean())
    others = tuple(path for path in m.case.config.distill.teachers if path != worst)
    return Finding(
        "teacher_knows_nothing",
        f"The teacher {worst} does not know these faces, and {weight:.0%} of the loss is of what "
        f"{'the teachers say' if others else 'it says'}.",
        (
            Evidence(
                f"skill of {worst} on training faces",
                f"{teacher.skill:.2f} (accuracy {teacher.accuracy:.1%})",
                f"above {HALF * reference.skill:.2f}, half of linear regression on gradients",
                teacher.skill,
            ),
            Evidence(
                f"faces that it calls {m.classes[label]}",
                f"{said:.0%}",
                f"about {(m.train.labels == label).mean():.0%}, their fraction",
                said,
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "go on without this teacher" if others else "learn from the labels alone",
                "what is learned is right",
                {"distill.teachers": others},
            ),
            Remedy(
                f"diagnose the teacher: {command_line('diagnose', worst)}",
                "a teacher that knows more than the network that learns from it",
            ),
        ),
        "who knows less than half of what linear regression does has nothing to add to the labels",
        "Hinton, Vinyals & Dean 2015, Distilling the knowledge in a neural network",
    )
