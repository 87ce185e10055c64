"""A training that begins with what another one has left broken."""

from __future__ import annotations

from ferkeras.cli.invocation import command_line
from ferkeras.diagnose.causes.regularisation import fixes
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence


def starts_from_a_broken_network(m: Measurements) -> Finding | None:
    """Random weights learn in a brief training what those of another run did not."""
    begun = m.case.config.network.start_from
    if begun is None or not is_not_learning(m):
        return None
    anew = {"network.start_from": None}
    trial = m.trial(anew)
    if not fixes(m, trial):
        return None
    return Finding(
        "starts_from_a_broken_network",
        f"The network begins with the weights of {begun}, and with random ones it learns.",
        (
            Evidence(
                f"skill on training faces after {trial.steps} steps from random weights",
                f"{trial.on_train:.2f}",
                f"about {m.on_train.skill:.2f}, that after {m.case.steps} steps from these",
                trial.on_train,
            ),
            skill_evidence(m),
        ),
        (
            Remedy("begin at random", f"skill {trial.on_train:.2f} or more", anew),
            Remedy(
                f"diagnose what it begins with: {command_line('diagnose', begun)}",
                "weights that are worth taking over",
            ),
        ),
        "twice the skill in no more steps is no accident",
        "Yosinski et al. 2014, How transferable are features in deep neural networks?",
    )
