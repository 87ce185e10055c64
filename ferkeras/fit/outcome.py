"""The console output at the end of a run."""

from __future__ import annotations

from ferkeras.callbacks import score_classes
from ferkeras.cli.console import Console
from ferkeras.cli.invocation import command_line, opening, program_line
from ferkeras.config.schema import Config
from ferkeras.fit.ending import Outcome
from ferkeras.report.verdict import verdict_on
from ferkeras.runs.record import newest_version


def print_outcome(outcome: Outcome, config: Config, console: Console) -> None:
    """Print the result per class, the verdict and the exact next commands."""
    scores = score_classes(outcome.validation.matrix())
    console.print()
    console.result_table(
        f"Validation faces, network of epoch {outcome.best_epoch}",
        outcome.validation.classes.names,
        scores.precision,
        scores.recall,
        scores.f1,
        scores.support,
        scores.predicted,
    )
    console.print(verdict_on(outcome.metrics["validation"]))
    if outcome.stopped:
        console.print(f"stopped: {outcome.stopped}")
    elif outcome.collapse is not None and outcome.failed:
        name = outcome.validation.classes[outcome.collapse.label]
        console.print(
            f"failed: the network that is kept calls {outcome.collapse.fraction:.1%} of the "
            f"validation faces {name}"
        )
    run = outcome.run
    saved_model = run.exports / str(newest_version(run.exports))
    console.print()
    show = opening(run.report)
    if show is None:
        console.print(f"The report, for a browser: {run.report}")
    console.commands(
        "Next",
        {
            **(
                {"find out why it does not learn": command_line("diagnose", run.folder)}
                if outcome.failed or outcome.collapse is not None
                else {}
            ),
            **({} if show is None else {"read the report": show}),
            "evaluate": command_line("evaluate", run.folder),
            "predict pictures": command_line("predict", run.folder, "PATH..."),
            "see every curve": program_line("tensorboard", "--logdir", config.output.folder),
            "inspect the export": program_line(
                "saved_model_cli", "show", "--dir", saved_model, "--all"
            ),
        },
    )
