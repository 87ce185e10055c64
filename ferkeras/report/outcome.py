"""What the console says when a run has ended."""

from __future__ import annotations

from callbacks.per_class_report import score_classes
from ferkeras.config import Config
from ferkeras.labels import EMOTIONS
from ferkeras.learning.training import Outcome
from ferkeras.report.console import Console


def say_outcome(outcome: Outcome, config: Config, console: Console) -> None:
    """Print the result per emotion, the verdict and the exact next commands."""
    scores = score_classes(outcome.validation.matrix())
    console.say()
    console.emotion_table(
        f"Validation faces, network of epoch {outcome.best_epoch}",
        EMOTIONS,
        scores.precision,
        scores.recall,
        scores.f1,
        scores.support,
        scores.predicted,
    )
    console.say(verdict(outcome))
    if outcome.stopped:
        console.say(f"stopped: {outcome.stopped}")
    run = outcome.run
    console.say()
    console.commands(
        "Next",
        {
            "look at the pictures": f"ls {run.folder}/*.png",
            "see every curve": f"tensorboard --logdir {config.output.folder}",
            "look into the exported model": f"saved_model_cli show --dir {run.export} --all",
        },
    )


def verdict(outcome: Outcome) -> str:
    """One sentence: how accurate, against what, and which emotions it misses."""
    scores = score_classes(outcome.validation.matrix())
    results = outcome.metrics["validation"]
    majority = int(scores.support.argmax())
    share = scores.support[majority] / scores.support.sum()
    missed = [name for name, recall in zip(EMOTIONS, scores.recall, strict=True) if recall == 0]
    return (
        f"accuracy {results['accuracy']:.1%}, balanced {results['balanced_accuracy']:.1%}; always "
        f"answering {EMOTIONS[majority]} would give {share:.1%}; "
        + (f"never recognised: {', '.join(missed)}" if missed else "every emotion is recognised")
    )
