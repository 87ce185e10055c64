"""What is said before the first step: faces, network, settings, classes and their weights."""

from __future__ import annotations

from ferkeras.cli.console import Console
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.lr_find.range_test import LrRange
from ferkeras.lr_find.report import describe_rules
from ferkeras.network.precision import fast_precision
from ferkeras.runs.start import was_trained_on_validation
from ferkeras.runs.teachers import describe, possibly_leaked
from ferkeras.training.memory import activation_bytes, physical_memory
from ferkeras.training.setup import TrainingSetup


def print_what_will_be_trained(
    config: Config, splits: Splits, setup: TrainingSetup, console: Console, found: LrRange | None
) -> None:
    """Print what is about to be trained, and on what, with alarms about where it starts from."""
    network, train, image = config.network, config.train, setup.task.image
    described = network.describe(image.height, image.width)
    # Without a second head, which is none of its layers.
    parameters = sum(layer.count_params() for layer in setup.model.layers)
    precision = "bfloat16" if train.precision == "mixed_bfloat16" else "float32"
    rate = f"learning rate {train.first_learning_rate:g}"
    if found is not None:
        rate += f" (auto, by a range test: {describe_rules(found)})"
    facts = {"teachers": describe(setup.teachers, config.distill)} if setup.teachers else {}
    if setup.start is not None:
        facts["starts from"] = f"{setup.start.name}: {setup.transferred}"
    elif isinstance(network, Backbone) and network.has_learned:
        facts["starts from"] = network.trained_weights
    if isinstance(network, Backbone) and network.thawed(1) < 1:
        facts["backbone"] = f"frozen for {network.frozen_epochs} of {train.epochs} epochs"
        if network.unfreeze_over_epochs > 1:
            facts["backbone"] += f", then thawed over {network.unfreeze_over_epochs}"
    console.header(
        f"ferkeras: {config.name}",
        {
            "faces": f"{splits.source} ({splits.how()})",
            **({"read as": splits.recognised} if splits.recognised else {}),
            "pixels": f"mean {setup.mean:.3f}, standard deviation {setup.std:.3f} of pixel / 255"
            + ("" if isinstance(network, Backbone) else ", standardised in the network"),
            "network": f"{described}, {parameters:,} parameters",
            "training": f"{train.epochs} epochs of {setup.pipeline.steps_per_epoch} steps of "
            f"{train.batch_size} faces, {train.optimizer}, {rate}, {precision}",
            **facts,
            "seed": str(config.seed),
        },
    )
    counts = {name: faces.counts() for name, faces in faces_by_split(splits).items()}
    names = splits.task.classes.names
    classes = range(len(names))
    weights, effective = setup.balance.weights, setup.balance.effective
    console.class_table(
        names,
        counts,
        class_weight=[weights[c] for c in classes],
        effective_weight=[effective[c] for c in classes],
        note=f"weight: class_weight.rule={config.class_weight.rule}; effective: with "
        f"train.sampler={train.sampler}, relative to unweighted, shuffled faces",
    )
    batch = min(train.batch_size, len(splits.train))
    needed, there = activation_bytes(setup.model, batch), physical_memory()
    if there is not None and needed > there:
        console.alarm(
            f"train.batch_size={train.batch_size}: a step keeps at least {needed / 2**30:.0f} GiB, "
            f"and this machine has {there / 2**30:.0f}; the system may end the training without a "
            "word. Lower train.batch_size, the size of the faces or the network"
        )
    if train.precision != fast_precision(train.precision):
        console.alarm(
            "train.precision=mixed_bfloat16: this processor has neither AVX512-BF16 nor AMX, and a "
            "step takes many times as long as with train.precision=auto"
        )
    if setup.start is not None and was_trained_on_validation(setup.start, splits):
        console.alarm(
            f"network.start_from: {setup.start.name} was trained on these faces with another "
            "split, so on faces that are held out of this training; then its validation accuracy "
            "is too good"
        )
    if unknown := possibly_leaked(setup.teachers, splits):
        console.alarm(
            f"distill.teachers: {', '.join(unknown)} had another split or other faces, and may "
            "have been trained on faces that are held out of this training; then its validation "
            "accuracy is too good, and the epoch chosen by it a bad choice"
        )


def faces_by_split(splits: Splits) -> dict[str, Faces]:
    """The faces of each split that there is."""
    named = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: faces for name, faces in named.items() if faces is not None}
