"""Everything that one training needs, built from the configuration and the faces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import tensorflow as tf

from ferkeras.callbacks import ConfusionMatrix
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.pipeline import TrainingPipeline, plain_dataset
from ferkeras.data.statistics import pixel_statistics
from ferkeras.data.task import Task
from ferkeras.network.architectures.backbone import load_file, load_imagenet
from ferkeras.network.distillation import Distillation
from ferkeras.network.loss import SmoothedCrossentropy
from ferkeras.network.model import build_network, dropout_layers
from ferkeras.network.precision import set_precision
from ferkeras.network.step import DistilledModel
from ferkeras.network.weights_file import find_weights
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.network import load_trained
from ferkeras.runs.start import open_start
from ferkeras.runs.teachers import need_same_task, open_teachers
from ferkeras.training.class_weights import ClassBalance, class_balance
from ferkeras.training.optimizer import build_optimizer
from ferkeras.training.rates import rates_by_depth
from ferkeras.training.transfer import Transferred, take_over
from ferkeras.training.unfreezing import freeze_backbone

RATE = "train.learning_rate"


@dataclass(frozen=True)
class TrainingSetup:
    """A compiled network with the data it is trained on.

    Attributes:
        task: what is learnt.
        model: compiled; uint8 faces to logits.
        confusion: its metric that counts truths against predictions.
        pipeline: batches of training faces.
        validation: batches of validation faces, in order.
        balance: weights by class, and what they come to with the sampler.
        mean: of the training pixels / 255.
        std: standard deviation of the same.
        teachers: the finished runs whose soft targets the model is trained on besides the labels.
        start: the finished run that the model begins from; None: at random.
        transferred: what the model has taken over of it.
    """

    task: Task
    model: DistilledModel
    confusion: ConfusionMatrix
    pipeline: TrainingPipeline
    validation: tf.data.Dataset
    balance: ClassBalance
    mean: float
    std: float
    teachers: list[FinishedRun]
    start: FinishedRun | None = None
    transferred: Transferred | None = None


def begin_values(model: DistilledModel) -> dict[str, list[keras.Variable]]:
    """The variables that begin with the value of a key, and may have another one later."""
    conv, dense = dropout_layers(model)
    return {
        RATE: [model.optimizer.learning_rate],
        "network.conv_dropout": [layer.rate for layer in conv],
        "network.dense_dropout": [layer.rate for layer in dense],
        "train.label_smoothing": [model.loss.smoothing],
    }


def make_reproducible(config: Config) -> None:
    """Seed everything and set the precision, for this process."""
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    set_precision(config.train.precision)


def build_setup(config: Config, splits: Splits) -> TrainingSetup:
    """Build and compile the configured network and its data; `make_reproducible` comes first.

    Raises:
        InputError: a run of `distill.teachers` or `network.start_from` is none, has lost its
            network, or has nothing in common with the one that is built; the weights of a backbone
            cannot be had; or the faces are too small for the network.
    """
    start, file = open_start(config.network.start_from), find_weights(config.network)
    begun = None if start is None else load_trained(start)
    # What was learnt was learnt with these, not with those of other faces.
    mean, std = pixel_statistics(splits.train) if start is None else start.pixel_statistics
    model = build_network(config.network, splits.task, mean=mean, std=std)
    transferred = None
    if begun is None and isinstance(config.network, Backbone):
        if file is not None:
            load_file(model, config.network, file)
        elif config.network.has_learned:
            load_imagenet(model, config.network)
    elif begun is not None:
        transferred = take_over(
            model, splits.task.classes, begun.model, begun.finished.task.classes
        )
    train = splits.train
    if config.data.votes_as != "auxiliary":
        train = replace(train, votes=None)
    else:
        assert train.votes is not None, "faces were read without the votes that are configured"
        model.predict_votes(train.votes.shape[1])
    confusion = ConfusionMatrix(len(splits.task.classes))
    first = config.network.first_layer_rate
    factors = rates_by_depth(model, first) if first < 1 else None
    model.compile(
        optimizer=build_optimizer(config.train, factors),
        loss=SmoothedCrossentropy(config.train.label_smoothing),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            # What the loss is without smoothing and weights: comparable over a whole run.
            keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy"),
            confusion,
        ],
        jit_compile=False,  # XLA is several times slower for convolutions on a processor
    )
    # Before anything is frozen, so that it knows what is trained later.
    model.optimizer.build(model.trainable_weights)
    if isinstance(config.network, Backbone):
        freeze_backbone(model, config.network.thawed(1))
    teachers = open_teachers(config.distill)
    need_same_task(teachers, splits.task)
    if teachers:
        networks = [load_trained(each).model for each in teachers]
        model.distillation = Distillation(networks, config.distill.weight)
    balanced = config.train.sampler == "balanced"
    pipeline = TrainingPipeline(
        train,
        batch_size=config.train.batch_size,
        seed=config.seed,
        augmentation=config.augment,
        balanced=balanced,
    )
    return TrainingSetup(
        splits.task,
        model,
        confusion,
        pipeline,
        plain_dataset(splits.validation),
        class_balance(splits.train.labels, config.class_weight, balanced=balanced),
        mean,
        std,
        teachers,
        start,
        transferred,
    )
