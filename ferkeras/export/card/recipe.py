"""The part of the card about the recipe: network, optimiser, votes, teachers, seed."""

from __future__ import annotations

from pathlib import PurePath

from ferkeras.cli.foreign_text import for_markdown, without_folders
from ferkeras.config.networks import Network
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.export.card.table import table
from ferkeras.runs.finished import FinishedRun, TrainedRun
from ferkeras.runs.healings import healing_text

_VOTES = {
    "filter": "labels are by the majority of the votes, faces without one are left out",
    "soft": "trained towards their distribution, faces without a majority are left out",
    "auxiliary": "predicted by a second head, in training only",
}


def _votes(config: Config) -> str:
    """What was made of `data.votes`, without the folder they are in."""
    name = for_markdown(PurePath(config.data.votes or "").name)
    return f"{name}; {_VOTES[config.data.votes_as or 'filter']}"


def _begun_from(network: Network) -> str:
    """What the network began with, without the folders it is in; empty: at random."""
    if network.start_from is not None:
        return f"the network of {for_markdown(PurePath(network.start_from).name)}"
    return for_markdown(network.trained_weights) if isinstance(network, Backbone) else ""


def recipe_part(finished: TrainedRun) -> str:
    """Return how the network was trained, without the folders that were on the machine."""
    config: Config = finished.config
    network, train, distill = config.network, config.train, config.distill
    described = network.describe(finished.task.image.height, finished.task.image.width)
    packages = finished.environment["packages"]
    of_more = f" of {train.epochs}" if finished.epochs < train.epochs else ""
    rows = [
        (
            "network",
            described
            + (
                f", {finished.metrics['parameters']:,} parameters"
                if isinstance(finished, FinishedRun)
                else ""
            ),
        ),
        (
            "optimiser",
            f"{train.optimizer}, learning rate {train.first_learning_rate:g} "
            f"({train.learning_rate_schedule}), batches of {train.batch_size}, "
            + (
                "not clipped"
                if train.global_clip_norm is None
                else f"clipped at a norm of {train.global_clip_norm:g}"
            ),
        ),
        (
            "weights",
            _weights(finished),
        ),
        *([("votes", _votes(config))] if config.data.votes is not None else []),
        *(
            [("teachers", f"{names}; {distill.weight:g} of the loss is of their soft targets")]
            if (names := for_markdown(", ".join(PurePath(path).name for path in distill.teachers)))
            else []
        ),
        *([("begun from", begun)] if (begun := _begun_from(network)) else []),
        (
            "epochs",
            f"{finished.epochs}{of_more}; this is the network of epoch {finished.best_epoch}, "
            + (
                "the last"
                if train.keep == "last"
                else "the one with the highest validation accuracy"
            ),
        ),
        (
            "rare classes",
            f"sampler {train.sampler}, "
            + (
                "no class weights"
                if config.class_weight.rule == "none"
                else f"class weights {config.class_weight.rule} "
                f"({config.class_weight.min:g} to {config.class_weight.max:g})"
            ),
        ),
        ("precision, seed", f"{train.precision}, {config.seed}"),
        ("software", for_markdown(", ".join(f"{name} {v}" for name, v in packages.items() if v))),
    ]
    return (
        f"## Recipe\n\n{table(('what', 'how'), rows)}\n{_healings(finished)}"
        "All of it: `config.yaml` of the run.\n"
    )


def _weights(finished: TrainedRun) -> str:
    """Whether they are a moving average, which a short training has not got."""
    momentum = finished.config.train.ema_momentum
    if momentum is None:
        return "as the last step left them"
    # Earlier versions did not write it down.
    if finished.kept.get("averaged", True):
        return f"moving average of the steps' weights, momentum {momentum:g}"
    return (
        f"as the last step left them: their moving average (momentum {momentum:g}) was still of "
        "the start"
    )


def _healings(finished: TrainedRun) -> str:
    """What the training did about its alarms by itself, a line each."""
    if not finished.healings:
        return ""
    lines = "".join(
        f"- {for_markdown(without_folders(healing_text(each)))}\n" for each in finished.healings
    )
    return f"What the training did about its alarms by itself:\n\n{lines}\n"
