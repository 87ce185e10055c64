"""A finished run made small and clean enough to be given away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import keras
import tensorflow as tf

from ferkeras.cli.errors import InputError
from ferkeras.cli.foreign_text import last_part, leads_away, without_folders
from ferkeras.config.file import dump_config
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.sections.output import Output
from ferkeras.export.card.model_card import model_card
from ferkeras.export.formats import Exported, export_network
from ferkeras.export.origin import record_of
from ferkeras.export.probe import Probe
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import temporary_name, write_bytes, write_json, write_text
from ferkeras.metrics.calibration import temperatures_of
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.history import read_history
from ferkeras.runs.keras_file import save_network
from ferkeras.runs.network import load_trained
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, EvaluationRecord, read_record

_CARD = "README.md"
_LARGEST_RECORD = 256 << 20


def publish(finished: FinishedRun, folder: Path, probe: Probe) -> list[Exported]:
    """Write what others need of a run, and nothing of the machine that it was made on.

    The folder is a finished run to every command: `best.keras` without the optimizer's state,
    configuration, environment, history, figures of evaluations, a SavedModel, a LiteRT file in
    float16, and the model card as its README.md. Of paths only the last part is kept. Weights
    that the training rounds to bfloat16 whenever it uses them are stored rounded, which changes
    no prediction of the trained network and lets compression halve them.

    Args:
        finished: the run.
        folder: must not exist; appears whole or not at all. Its parent must exist.
        probe: faces on which exports are compared.

    Raises:
        InputError: the folder exists, a file of the run is damaged, or its network cannot be
            loaded.
        RunError: an export predicts otherwise than the network.
        OSError: the folder cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder}: exists already; name a folder that does not, or remove it")
    # These are copied as they stand: whatever else is in them would be given away too.
    if finished.run.history.is_file():
        read_history(finished)
    if finished.run.predictions.is_file():
        read_predictions(finished.run.predictions, finished.task.classes)
    # Weights are rounded by the precision of their layers, the same on every machine.
    model = load_trained(finished, as_trained=True).model
    round_as_trained(model)
    temporary = folder.parent / temporary_name()
    temporary.mkdir()
    made = Run(temporary / folder.name)
    made.folder.mkdir()
    try:
        about = of_no_machine(finished, made)
        _write_records(about, finished.run)
        told = about.about().with_temperatures(temperatures_of(made))
        # What the card says of the weights is of this file.
        told = told.also(**{key: finished.kept[key] for key in finished.kept.keys() & {"averaged"}})
        save_network(model, made.best, told, compressed=True)
        exported = [
            each
            for format in ("saved_model", "litert-float16")
            for each in export_network(
                model,
                (format,),
                made.exports,
                told,
                probe=probe,
                compact=format == "saved_model",
            )
        ]
        records = {
            f"{made.exports.name}/{each.path.name}": record_of(each, about) for each in exported
        }
        write_text(made.folder / _CARD, model_card(about, records))
        made.folder.rename(folder)
    finally:
        InnerPath(temporary).remove_tree()
    return exported


def round_as_trained(model: keras.Model) -> None:
    """Round each weight to the precision in which its layer uses it."""
    for layer in model.layers:
        if layer.compute_dtype == "bfloat16":
            for variable in layer.weights:
                # The others are used as they are: BatchNormalization's, dropout's.
                if variable.name in ("kernel", "bias"):
                    variable.assign(tf.cast(tf.cast(variable, tf.bfloat16), tf.float32))


def word_without_folders(word: str, known: Sequence[str] = ()) -> str:
    """A word of a command line with all paths that lead away cut to their last part.

    `data.path=/home/ann/fer2013.csv` becomes `data.path=fer2013.csv`, and
    `distill.teachers=[/home/ann/a-001,b-001]` becomes `distill.teachers=[a-001,b-001]`.
    """
    if leads_away(word):
        return last_part(word)
    key, sign, value = word.partition("=")
    if value.startswith("["):
        names = [last_part(each.strip(" '\"")) for each in value.strip("[]").split(",")]
        value = f"[{','.join(names)}]"
    return without_folders(f"{key}{sign}{last_part(value) if leads_away(value) else value}", known)


def of_no_machine(finished: FinishedRun, made: Run) -> FinishedRun:
    """The same run in another folder, of whose paths the last part is kept."""
    config = finished.config
    known = _paths_of(finished)

    def cut(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: cut(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [cut(each) for each in value]
        if not isinstance(value, str):
            return value
        # Of a sentence with a path in it the rest is kept.
        path = leads_away(value) or value in known
        return without_folders(last_part(value) if path else value, known)

    def last(path: str | None) -> str | None:
        return None if path is None else last_part(path)

    network = config.network
    network = network.model_copy(update={"start_from": last(network.start_from)})
    if isinstance(network, Backbone):
        network = network.model_copy(update={"weights": last_part(network.weights)})
    data = {"path": last_part(config.data.path), "votes": last(config.data.votes)}
    command = [word_without_folders(word, known) for word in finished.environment["command"]]
    teachers = tuple(last_part(each) for each in config.distill.teachers)
    return replace(
        finished,
        run=made,
        config=config.model_copy(
            update={
                "data": config.data.model_copy(update=data),
                "network": network,
                "distill": config.distill.model_copy(update={"teachers": teachers}),
                "output": Output(),
            }
        ),
        environment=cast(EnvironmentRecord, {**cut(finished.environment), "command": command}),
        metrics=cut(finished.metrics),
    )


def _paths_of(finished: FinishedRun) -> list[str]:
    """Paths that the run's records may speak of."""
    config = finished.config
    found = [
        str(finished.run.folder),
        str(finished.run.folder.absolute()),
        str(finished.environment["data"].get("source")),
        config.data.path,
        config.output.folder,
        *config.distill.teachers,
        *(
            str(each[when])
            for each in finished.environment.get("changes", [])
            for when in ("was", "now")
        ),
    ]
    weights = config.network.weights if isinstance(config.network, Backbone) else None
    return [*found, *filter(None, (config.data.votes, config.network.start_from, weights))]


def _write_records(about: FinishedRun, run: Run) -> None:
    made = about.run
    write_text(made.config, dump_config(about.config))
    write_json(made.environment, about.environment)
    write_json(made.metrics, about.metrics)
    for path in (run.history, run.predictions, run.calibration):
        if path.is_file():
            write_bytes(made.inner / path.name, path.read_bytes(_LARGEST_RECORD))
    for split in ("validation", "test"):
        figures = run.figures(split)
        if figures.is_file():
            made.evaluation(split).mkdir(parents=True)
            content = read_record(figures, EvaluationRecord)
            source = content["source"]
            content["source"] = last_part(source)
            content["remark"] = content["remark"].replace(source, last_part(source))
            write_json(made.evaluation(split) / figures.name, content)
