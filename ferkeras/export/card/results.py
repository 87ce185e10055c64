"""The parts of the card about figures, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ferkeras.cli.figures import percent
from ferkeras.cli.foreign_text import for_markdown
from ferkeras.export.card.table import table
from ferkeras.metrics.measures import MEASURES, formatted, formatted_interval
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.records import EvaluationRecord

_MEASURES = ("accuracy", "balanced_accuracy", "macro_f1", "top2_accuracy", "log_loss", "ece")
_TTA = {
    "flip": "with flip test-time augmentation (`predict --tta flip`)",
    "multiscale": "with multi-scale test-time augmentation (`predict --tta multiscale`)",
}


def evaluation_parts(split: str, evaluation: EvaluationRecord, temperature: float) -> Iterator[str]:
    """Yield the figures of an evaluation, one part for each set of faces.

    Args:
        split: the faces'.
        evaluation: may be older than the run's temperature, or younger than one that is gone.
        temperature: of the run now; 1.0 without one.
    """
    calibrated = evaluation["temperature"] == temperature != 1.0 and any(
        each["variant"] == "calibrated" for each in evaluation["results"]
    )
    for result in evaluation["results"]:
        if result["variant"] == ("calibrated" if calibrated else "plain"):
            tta = [
                (
                    f"{MEASURES[key].name} {how}",
                    *_figures(key, each["metrics"], each["intervals"]),
                )
                for each in evaluation["results"]
                for variant, how in _TTA.items()
                if each["variant"] == (f"{variant}_calibrated" if calibrated else variant)
                and each["faces"] == result["faces"]
                for key in ("accuracy", "ece")
            ]
            yield _results(
                split,
                result["metrics"],
                result["intervals"],
                evaluation["bootstrap"]["confidence"],
                tta,
                all_faces=result["faces"] == "all",
                note=_note(temperature, calibrated=calibrated),
            )


def _note(temperature: float, *, calibrated: bool) -> str:
    """Of which probabilities the figures of a calibrated run are."""
    if temperature == 1.0:
        return ""
    which = "with the temperature" if calibrated else "without a temperature"
    return f"Log loss and calibration error are those of probabilities {which}.\n\n"


def training_part(finished: FinishedRun, temperature: float) -> str:
    """Return the figures of the validation faces that the training itself left.

    Args:
        finished: the run.
        temperature: its own now; these figures are without one.
    """
    # They bring scikit-learn along, for which a wrong path shall not wait.
    from ferkeras.metrics.bootstrap import CONFIDENCE
    from ferkeras.metrics.intervals import intervals_of
    from ferkeras.metrics.predictions import read_predictions

    predicted = read_predictions(finished.run.predictions, finished.task.classes)
    ranges = intervals_of(predicted, seed=finished.config.seed)
    note = _note(temperature, calibrated=False)
    return _results("validation", finished.metrics["validation"], ranges, CONFIDENCE, note=note)


def _results(
    split: str,
    metrics: Mapping[str, Any],
    ranges: Mapping[str, Sequence[float]],
    confidence: float,
    tta: Sequence[tuple[str, str, str]] = (),
    *,
    all_faces: bool = True,
    note: str = "",
) -> str:
    which = "" if all_faces else ", without those that also occur in training"
    rows = [
        (MEASURES[key].name, *_figures(key, metrics, ranges))
        for key in _MEASURES
        if metrics.get(key) is not None
    ]
    rows += tta
    title = f"## Results on {metrics['faces']:,} {split} faces{which}\n\n"
    text = title + note + table(("measure", "value", f"{confidence:.0%} interval"), rows)
    return text + ("\n" + _emotions(metrics["emotions"], ranges) if all_faces else "")


def _emotions(
    emotions: Mapping[str, Mapping[str, float]], ranges: Mapping[str, Sequence[float]]
) -> str:
    rows = [
        (
            for_markdown(name),
            *(
                " ".join(
                    filter(None, (percent(row[key]), _interval(key, ranges.get(f"{key}/{name}"))))
                )
                for key in ("precision", "recall", "f1")
            ),
            f"{row['support']:,}",
        )
        for name, row in emotions.items()
    ]
    return table(("class", "precision", "recall", "F1", "faces"), rows)


def _figures(
    key: str, metrics: Mapping[str, Any], ranges: Mapping[str, Sequence[float]]
) -> tuple[str, str]:
    """Value and interval of one measure, as the card writes them."""
    return formatted(key, metrics[key]), _interval(key, ranges.get(key))


def _interval(key: str, interval: Sequence[float] | None) -> str:
    return f"({formatted_interval(key, (interval[0], interval[1]))})" if interval else ""
