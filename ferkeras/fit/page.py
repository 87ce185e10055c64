"""The report of a run: one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ferkeras
from ferkeras.cli.invocation import command_line, shell_words
from ferkeras.cli.wording import listed
from ferkeras.config.keys import as_yaml
from ferkeras.metrics.bootstrap import CONFIDENCE
from ferkeras.metrics.calibration import BINS, Reliability, reliability
from ferkeras.metrics.intervals import intervals_of
from ferkeras.metrics.predictions import Predictions
from ferkeras.report.curves import letters, panel_figures
from ferkeras.report.events import events_of
from ferkeras.report.html.figures import emotion_rows, measures
from ferkeras.report.html.inline import Tile
from ferkeras.report.html.page import confusion_cells, render
from ferkeras.report.html.settings import settings_by_section
from ferkeras.report.html.svg import inline_svg
from ferkeras.report.matrix import MOST_WRITTEN, confusion_figure
from ferkeras.report.reliability import reliability_figure
from ferkeras.report.verdict import verdict_on
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.healings import restart_text
from ferkeras.runs.records import HealingRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Mosaic:
    """Captioned faces with a title and a line of explanation."""

    title: str
    note: str
    tiles: Sequence[Tile]


def run_page(
    finished: FinishedRun,
    history: pd.DataFrame,
    validation: Predictions,
    mosaics: Sequence[Mosaic],
) -> str:
    """Everything about a run as one HTML page that fetches nothing and runs nothing.

    Args:
        finished: the run.
        history: one row an epoch.
        validation: predictions of the network on the validation faces.
        mosaics: faces to show; those without a tile are left out.
    """
    config, metrics = finished.config, finished.metrics
    results = metrics["validation"]
    ranges = intervals_of(validation)
    events = events_of(history, config.schedule)
    rows = emotion_rows(results, ranges)
    reliability_curve = reliability(validation.float64_probabilities, validation.labels)
    sentence = verdict_on(results)
    return render(
        "run.html.j2",
        title=finished.name,
        version=ferkeras.__version__,
        verdict=sentence[0].upper() + sentence[1:] + ".",
        stopped=metrics["stopped"],
        trained=_what_was_trained(finished),
        measures=measures(results, ranges),
        faces=results["faces"],
        best_epoch=metrics["best_epoch"],
        keep=config.train.keep,
        confidence=f"{CONFIDENCE:.0%}",
        events=list(zip(letters(len(events)), events, strict=False)),
        charts=[
            inline_svg(figure, title)
            for title, figure in panel_figures(
                history,
                [(event.first, event.text) for event in events],
                config.train.global_clip_norm,
            ).items()
        ],
        rows=rows,
        emotions=validation.classes.names,
        few=listed([row.name for row in rows if row.few]),
        confusion=confusion_cells(validation) if len(rows) <= MOST_WRITTEN else [],
        matrix=""
        if len(rows) <= MOST_WRITTEN
        else inline_svg(
            confusion_figure(validation.matrix(), validation.classes.names), "Confusion matrix"
        ),
        reliability=inline_svg(
            reliability_figure({"validation faces": reliability_curve}), "Confidence and accuracy"
        ),
        calibration=_about_calibration(reliability_curve, validation),
        bins=BINS,
        calibrate=command_line("evaluate", finished.run.folder, "--calibrate"),
        mosaics=[mosaic for mosaic in mosaics if mosaic.tiles],
        alarms=metrics["alarms"],
        diagnosis=metrics.get("diagnosis"),
        healings=[_healing(each) for each in finished.healings],
        settings=settings_by_section(config),
        environment=environment_facts(finished),
    )


def environment_facts(finished: FinishedRun) -> dict[str, str]:
    """Versions, machine, data and command, by name."""
    found = finished.environment
    packages = {name: version for name, version in found["packages"].items() if version}
    data = found["data"]
    who = "person" if data.get("by_person") else "ferkeras"
    counts = ", ".join(f"{name} {count:,}" for name, count in data["faces"].items())
    if leaked := data.get("leaked"):
        counts += f", {leaked:,} left out of training as leaked"
    changes = "; ".join(
        f"{change['key']}: {change['was']}, from epoch {change['epoch'] + 1} on {change['now']}"
        for change in found.get("changes", [])
    )
    return {
        "faces": f"{data['source']} ({counts}; "
        + ("official split)" if data["official_split"] else f"split by {who} from the seed)"),
        "fingerprint of the faces": data["fingerprint"],
        "pixels": f"mean {data['mean']:.4f}, standard deviation {data['std']:.4f} of pixel / 255",
        "ferkeras": found["ferkeras"],
        "Python": found["python"],
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "machine": f"{found['platform']}, {found['processor_cores']} processor cores",
        "command": shell_words(map(str, found["command"])),
        "seed": str(finished.config.seed),
        **({"changed when it was resumed": changes} if changes else {}),
    }


def _healing(healing: HealingRecord) -> dict[str, Any]:
    """One row of what was done about alarms."""
    return {
        **healing,
        "cause": (healing["cause"] or "no cause found").replace("_", " "),
        "changes": [(c["key"], as_yaml(c["was"]), as_yaml(c["now"])) for c in healing["changes"]],
        "went_on": restart_text(healing) if healing["changes"] else "as it was",
        "tried": [
            {
                **each,
                "accuracy": f"{each['accuracy']:.1%}",
                "accuracy_without": f"{each['accuracy_without']:.1%}",
            }
            for each in healing["tried"]
        ],
    }


def _what_was_trained(finished: FinishedRun) -> str:
    config, metrics = finished.config, finished.metrics
    train, image = config.train, finished.task.image
    described = config.network.describe(image.height, image.width)
    data = finished.environment["data"]
    return (
        f"A convolutional network of {metrics['parameters']:,} parameters ("
        f"{described}), trained for {metrics['epochs']} of {train.epochs} epochs on "
        f"{data['faces']['train']:,} faces ({data['source']}) with {train.optimizer}, learning "
        f"rate {train.first_learning_rate:g}, batches of {train.batch_size}, seed {config.seed}."
    )


def _about_calibration(reliability_curve: Reliability, predictions: Predictions) -> str:
    confidence = float(predictions.float64_probabilities.max(axis=1).mean())
    right = float((predictions.predicted == predictions.labels).mean())
    gap = confidence - right
    lean = (
        "calibrated on average"
        if abs(gap) < 0.01
        else f"{'over' if gap > 0 else 'under'}confident by {100 * abs(gap):.1f} points on average"
    )
    return (
        f"The network is {lean}: mean confidence {confidence:.1%}, accuracy {right:.1%}; expected "
        f"calibration error {reliability_curve.expected_error:.1%}."
    )
