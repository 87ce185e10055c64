"""The model card: what an exported network is, how good it is, and how it may not be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferkeras.cli.figures import percent
from ferkeras.cli.foreign_text import for_code, for_markdown, last_part
from ferkeras.export.card.files import files_part
from ferkeras.export.card.recipe import recipe_part
from ferkeras.export.card.results import evaluation_parts, training_part
from ferkeras.export.card.table import table
from ferkeras.export.card.warnings import LIMITS, USES
from ferkeras.metrics.calibration import temperatures_of
from ferkeras.runs.finished import FinishedRun, TrainedRun
from ferkeras.runs.records import EvaluationRecord, read_record


def model_card(finished: TrainedRun, exports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the card of a run's exported network, as Markdown.

    Figures come with 95 % intervals: those that `python -m ferkeras.evaluate` has measured;
    without it, those of the validation faces that the training itself left.

    Args:
        finished: the run.
        exports: what `record_of` gave by name of the file or folder; those of other runs are
            named, and nothing else is said of them.

    Raises:
        InputError: an evaluation of the run, or its `predictions.npz`, is damaged.
    """
    parts = [
        _head(finished),
        USES,
        files_part(finished, exports),
        _data(finished),
        recipe_part(finished),
    ]
    evaluated, temperature = False, temperatures_of(finished.run).get("none", 1.0)
    for split in ("validation", "test"):
        path = finished.run.figures(split)
        if path.is_file():
            evaluation = read_record(path, EvaluationRecord)
            # A run that went on may have another network now, and other faces are not its own.
            if evaluation["epoch"] == finished.best_epoch and evaluation["same_data_as_training"]:
                evaluated = evaluated or split == "validation"
                parts += evaluation_parts(split, evaluation, temperature)
    if not evaluated and isinstance(finished, FinishedRun):
        parts.append(training_part(finished, temperature))
    parts.append(LIMITS)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _head(finished: TrainedRun) -> str:
    accuracy = finished.accuracy
    unfinished = (
        f"\n**The training is {finished.unfinished}**: this is its {finished.config.train.keep} "
        "network so far.\n"
        if finished.unfinished
        else ""
    )
    *names, last = map(for_markdown, finished.task.classes)
    image = finished.task.image
    values = "grey values" if image.channels == 1 else "pixels in colour"
    return f"""\
# {for_markdown(finished.name)}: facial expressions

A convolutional network that takes one face ({image.height} x {image.width} {values}, uint8)
and gives each of {", ".join(names)} and {last} a probability. It is right on {percent(accuracy)} of
its validation faces, and so wrong on {percent(1 - accuracy)}. Trained with ferkeras
{for_markdown(finished.environment["ferkeras"])}.
{unfinished}"""


def _data(finished: TrainedRun) -> str:
    data = finished.environment["data"]
    source = data["source"]
    # The folders of the machine it was trained on do not belong into a card.
    source = for_markdown(last_part(source))
    rows = [(for_markdown(name), f"{count:,}") for name, count in data["faces"].items()]
    how = "made by ferkeras from the seed"
    if data.get("by_person"):
        how += ", nobody on both sides of it"
    if data.get("official_split"):
        how = "the source's own"
        if "(FER2013)" in data.get("recognised", ""):
            how += " (FER2013 calls validation PublicTest and test PrivateTest)"
    if leaked := data.get("leaked"):
        how += f", without {leaked:,} training faces that are validation or test faces too"
    evaluated = finished.run.figures("test").exists()
    used = "No test faces were used"
    if leaked and "test" in data["faces"]:
        used = "Of its test faces only the pixels were looked at, to leave their copies out"
    test = "" if evaluated else f"{used}: no figure here is of them.\n"
    return (
        f"## Data\n\n{source}, fingerprint\n`{for_code(data['fingerprint'])}`.\n"
        f"The split is {how};\n{_choice_of_the_epoch(finished)} {test}\n"
        f"{table(('split', 'faces'), rows)}"
    )


def _choice_of_the_epoch(finished: TrainedRun) -> str:
    if finished.config.train.keep == "last":
        return "the network is that of the last epoch, which no validation face has chosen."
    return (
        "the epoch was chosen by the accuracy on the validation faces, whose figures are therefore "
        "slightly\ntoo good."
    )
