"""The configuration: one typed, immutable tree, read from YAML and overridden as section.key=value.

Imports no TensorFlow, so that a typing error is reported at once.
Epochs are counted from 1 everywhere, as they are printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from ferkeras.config.networks import Network
from ferkeras.config.networks.plain import Plain
from ferkeras.config.processor import computes_bfloat16
from ferkeras.config.section import Count, Epoch, Fraction, Rate, Section

Side = Annotated[int, Field(ge=16, le=512)]

GREATEST_RATE = 10.0
"""The highest learning rate that is taken."""


_OF_A_SOURCE = ("classes", "size", "color", "group_column", "detect_faces", "votes")
"""Keys that say how a file or a folder is read."""


def _class_name(value: object) -> str:
    """A class, which may be called by its number."""
    if value is None or isinstance(value, (bool, float)):
        raise ValueError(
            f"{'null' if value is None else str(value).lower()} is no class; a class that is "
            "called so stands in quotes"
        )
    return str(value)


class Data(Section):
    """Where the faces come from."""

    path: Annotated[str, Field(min_length=1)] = Field(
        "demo", description="file or folder of faces; demo: synthetic faces, made from the seed"
    )
    demo_faces: int = Field(
        6000, ge=200, le=1_000_000, description="synthetic faces for path=demo, all splits together"
    )
    demo_label_noise: Rate = Field(
        0.03, description="fraction of synthetic training faces that get a wrong label"
    )
    classes: str | tuple[str, ...] | dict[str, tuple[str, ...]] | None = Field(
        None,
        description="null: the classes that the data holds; a list keeps only these; a mapping "
        "{new: [old, ...]} renames and merges; fer2013, ferplus, rafdb, affectnet7, affectnet8 or "
        "ckplus says what class indices without names mean",
    )
    size: Side | tuple[Side, Side] | None = Field(
        None,
        description="side of a face in pixels, or [height, width]; null: as the data has it, "
        "pictures 112 at most",
    )
    color: bool | None = Field(
        None, description="faces in colour or grey; null: as most of the data are"
    )
    group_column: str | None = Field(
        None,
        description="column, or array of an .npz, that says who is seen, whom a split keeps on one "
        "side; null: one named person or subject, or folders inside the class folders",
    )
    detect_faces: bool = Field(
        False,
        description="cut the largest face out of each picture that is a whole photograph; pictures "
        "in which none is found are left out, counted and listed",
    )
    votes: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="votes on the faces: FER+'s fer2013new.csv, which goes with path row by row; "
        "columns: the columns of path that are named after the classes, with votes or "
        "probabilities; null: none",
    )
    votes_as: Literal["filter", "soft", "auxiliary"] | None = Field(
        None,
        description="filter: the majority of the votes is the label, and faces without one are "
        "left out; soft: likewise, and their distribution is trained towards; auxiliary: labels "
        "stay, and a second head predicts the votes, in training only; votes",
    )
    folds: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None, description="divide training and validation faces into so many folds; null: do not"
    )
    fold: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="the fold that is validated on, from 1; folds"
    )
    validation_fraction: float = Field(
        0.15, gt=0, lt=0.9, description="fraction held out where the source has no split of its own"
    )
    drop_leaked: bool = Field(
        False,
        description="leave training faces out that are also, pixel for pixel, validation or test "
        "faces",
    )
    cache: bool = Field(True, description="keep what was read, so that the next start is faster")
    follow_symlinks: bool = Field(
        False, description="follow symbolic links that leave the data folder"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _class_indices_are_written_as_text(cls, value: object) -> object:
        if isinstance(value, dict):
            return {
                _class_name(new): tuple(map(_class_name, old))
                if isinstance(old, (list, tuple))
                else (_class_name(old),)
                for new, old in value.items()
            }
        return tuple(map(_class_name, value)) if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _synthetic_faces_are_as_they_are_made(self) -> Self:
        given = [key for key in _OF_A_SOURCE if getattr(self, key)]
        if given and self.path == "demo":
            raise ValueError(
                f"{given[0]}: synthetic faces are 48 x 48 grey ones of FER2013's seven emotions, "
                "on which nobody voted, and no photographs; set data.path"
            )
        return self

    @model_validator(mode="after")
    def _votes_are_used(self) -> Self:
        if self.votes is None:
            if self.votes_as is not None:
                raise ValueError(f"votes_as ({self.votes_as}) needs data.votes, the file of votes")
            return self
        if self.votes_as is None:
            raise ValueError("votes needs data.votes_as: filter, soft or auxiliary")
        names = self.votes != "columns" and self.votes_as != "auxiliary"
        if names and isinstance(self.classes, str):
            raise ValueError(
                f"classes={self.classes} says what class indices mean, and with votes_as="
                f"{self.votes_as} the columns of votes have names; give a list of those to keep, a "
                "mapping, or null"
            )
        return self

    @model_validator(mode="after")
    def _the_fold_is_one_of_them(self) -> Self:
        if self.fold > (self.folds or 1):
            raise ValueError(
                f"fold: {self.fold} is above data.folds, {self.folds}"
                if self.folds
                else f"fold: {self.fold} of how many? set data.folds"
            )
        return self


class Augment(Section):
    """Random changes to training faces, stateless in (seed, epoch, face)."""

    flip: bool = Field(True, description="mirror every second face, by chance")
    shift: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.08, description="largest shift each way, as a fraction of the side"
    )
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = Field(
        10.0, description="largest turn each way, in degrees"
    )
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="largest zoom in or out, as a fraction"
    )
    brightness: Fraction = Field(
        0.1, description="largest brightness change, as a fraction of white"
    )
    contrast: Rate = Field(0.2, description="largest contrast change, as a fraction")
    erase: Fraction = Field(0.1, description="probability that a rectangle of the face is erased")


def _of_this_processor(precision: str) -> str:
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if computes_bfloat16() else "float32"


class Train(Section):
    """Optimisation."""

    epochs: Count = Field(10, description="passes over the training faces")
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = Field(64, description="faces a step")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="sgd is with Nesterov momentum 0.9"
    )
    learning_rate: Annotated[float, Field(gt=0, le=GREATEST_RATE)] | Literal["auto"] = Field(
        1e-3,
        description="at the start; of the cosine schedule, the highest; auto: what a range test "
        "suggests, see lr_find",
    )
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        "constant", description="cosine: rises linearly while it warms up, then falls to 0"
    )
    warmup_epochs: Annotated[float, Field(ge=0, le=1_000_000)] = Field(
        0.0, description="epochs that the learning rate rises; may be broken; cosine"
    )
    ema_momentum: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="weight of the OLD average in the moving average of weights that is "
        "validated, kept and exported; null: the weights as they are",
    )
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="decoupled, kernels only (no biases, no BatchNormalization); adamw, sgd"
    )
    global_clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        5.0, description="largest norm of the gradient over all weights together; null: no clipping"
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="whose network is validated, kept and exported at the end: that of the epoch "
        "with the highest validation accuracy; or of the last one, which a schedule of the "
        "learning rate ends in and no validation face has chosen",
    )
    label_smoothing: Rate = Field(0.0, description="label smoothing at the start")
    sampler: Literal["shuffle", "balanced"] = Field(
        "shuffle",
        description="balanced draws every class equally often, with replacement "
        "(PyTorch's WeightedRandomSampler)",
    )
    allow_sampler_with_class_weight: bool = Field(
        False, description="true: correct for rare classes twice on purpose"
    )
    precision: Annotated[
        Literal["auto", "float32", "mixed_bfloat16"], AfterValidator(_of_this_processor)
    ] = Field(
        "float32",
        description="mixed_bfloat16 is faster on processors with AVX512-BF16 or AMX, far slower "
        "on others; auto: mixed_bfloat16 on the former, float32 on others and where none says "
        "(macOS, Windows); a run records which",
    )

    @property
    def first_learning_rate(self) -> float:
        """The learning rate as a number: the default's where it is auto and not yet known."""
        if self.learning_rate == "auto":
            return float(type(self).model_fields["learning_rate"].default)
        return self.learning_rate

    @model_validator(mode="after")
    def _weight_decay_needs_an_optimizer_that_has_it(self) -> Self:
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay: adam has none; set train.optimizer=adamw or sgd")
        return self

    @model_validator(mode="after")
    def _warm_up_ends_before_the_training(self) -> Self:
        if self.warmup_epochs and self.learning_rate_schedule == "constant":
            raise ValueError("warmup_epochs: needs train.learning_rate_schedule=cosine")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"train.warmup_epochs ({self.warmup_epochs:g}) must be below train.epochs "
                f"({self.epochs}); set train.warmup_epochs={self.epochs / 2:g}, or more epochs"
            )
        return self


class Distill(Section):
    """Knowledge distillation from finished runs."""

    teachers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), max_length=8, description="folders of finished runs; none: the labels alone"
    )
    weight: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="weight of the teachers' soft targets in the loss; the labels have the rest",
    )


class ClassWeight(Section):
    """Weights of the loss by class: (N / (K n_c)) ** power, clipped."""

    rule: Literal["cube_root", "square_root", "inverse", "none"] = Field(
        "cube_root", description="power 1/3, 1/2, 1, or no weights"
    )
    min: Annotated[float, Field(gt=0)] = Field(0.7, description="smallest weight")
    max: Annotated[float, Field(gt=0)] = Field(1.3, description="largest weight")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min:g}) must not be above max ({self.max:g})")
        return self


class Schedule(Section):
    """Regularisation that is added once the model learns, and the learning rate's decay."""

    gate_accuracy: Fraction = Field(
        0.5, description="validation accuracy to be passed before any ramp begins"
    )
    dropout_from_epoch: Epoch | None = Field(
        20, description="first epoch of the dropout ramp; null: none"
    )
    dropout_over_epochs: Count = Field(10, description="epochs the dropout ramp takes")
    conv_dropout_end: Rate = Field(0.2, description="conv dropout at the end of the ramp")
    dense_dropout_end: Rate = Field(0.4, description="dense dropout at the end of the ramp")
    smoothing_from_epoch: Epoch | None = Field(
        30, description="first epoch of the label-smoothing ramp; null: none"
    )
    smoothing_over_epochs: Count = Field(10, description="epochs the smoothing ramp takes")
    smoothing_begin: Rate = Field(0.05, description="label smoothing in the ramp's first epoch")
    smoothing_end: Rate = Field(0.1, description="label smoothing at the end of the ramp")
    plateau_from_epoch: Epoch | None = Field(
        40, description="first epoch that may lower the learning rate; null: never"
    )
    plateau_patience: Count = Field(
        5, description="epochs without a better validation accuracy before it is lowered"
    )
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="what the learning rate is multiplied by"
    )
    plateau_min_learning_rate: Annotated[float, Field(ge=0)] = Field(
        1e-5, description="never lower than this"
    )


class Monitor(Section):
    """What is monitored, how often, and what an alarm does."""

    per_class_every: Count = Field(5, description="epochs between tables of the classes")
    layer_norms_every: Count = Field(5, description="epochs between gradient norms per layer")
    vanishing_norm: Annotated[float, Field(ge=0)] = Field(
        1e-4, description="warn when the mean gradient norm of an epoch is below this"
    )
    exploding_norm: Annotated[float, Field(gt=0)] = Field(
        100.0, description="warn when the mean gradient norm of an epoch is above this"
    )
    collapse_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="alarm when one class gets this fraction of all validation predictions"
    )
    collapse_action: Literal["warn", "stop", "heal"] = Field(
        "warn",
        description="stop ends the run with exit code 1; heal looks for the cause, tries the "
        "remedies briefly and goes on with the best that helps, from before the collapse or from "
        "the start, also where the run has diverged",
    )
    heal_at_most: Annotated[int, Field(ge=1, le=5)] = Field(
        2, description="how often a cause is looked for and remedies are tried; heal"
    )
    diagnose: bool = Field(
        True,
        description="diagnose the cause, once, when that alarm fires: half a minute to "
        "some minutes, and a page",
    )
    overfit_every: Count = Field(
        5, description="epochs between measurements of accuracy on training faces"
    )
    overfit_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="fraction of the training faces it is measured on, without augmentation"
    )
    overfit_gap: Fraction = Field(
        0.15, description="warn when training accuracy is this far above validation accuracy"
    )
    tensorboard: bool = Field(True, description="write TensorBoard events")
    images_every: Count = Field(
        5, description="epochs between TensorBoard images and weight histograms"
    )
    trackers: tuple[Literal["mlflow", "wandb"], ...] = Field(
        (),
        description="experiment trackers that are told settings, epochs, pictures and the network; "
        "where they are, their own environment variables say",
    )

    @model_validator(mode="after")
    def _what_heals_diagnoses(self) -> Self:
        if self.collapse_action == "heal" and not self.diagnose:
            raise ValueError(
                "collapse_action=heal looks for the cause: set monitor.diagnose=true, or "
                "monitor.collapse_action=warn"
            )
        return self


class CheckpointTimes(Section):
    """When the state of a running training is saved, besides after each epoch."""

    every_seconds: Annotated[float, Field(gt=0)] | None = Field(
        60.0, description="seconds between two checkpoints; null: not by the clock"
    )
    every_steps: Count | None = Field(
        None, description="steps between two checkpoints; null: not by steps"
    )


class Recovery(Section):
    """What happens when losses or gradients are not finite, step after step."""

    after_skipped_steps: Count = Field(
        10, description="skipped steps in a row after which the last checkpoint is restored"
    )
    learning_rate_factor: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="what the learning rate is multiplied by then"
    )
    at_most: Annotated[int, Field(ge=0)] = Field(
        3, description="how often, before the run ends with a diagnosis and exit code 1"
    )


class Output(Section):
    """Where runs are kept."""

    folder: Annotated[str, Field(min_length=1)] = Field(
        "saved_models", description="each run gets a folder <name>-NNN in it"
    )

    @field_validator("folder")
    @classmethod
    def _home_is_a_folder(cls, value: str) -> str:
        try:
            return str(Path(value).expanduser()) if value.startswith("~") else value
        except RuntimeError as error:
            raise ValueError(f"{error}; write the folder out") from None


_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

IN_WORDS = {
    _NAME: "letters a to z, digits, `.`, `_` and `-`, at most 64, beginning with a letter or digit"
}
"""What each pattern of a text takes."""


class Config(Section):
    """All settings of one run."""

    name: Annotated[str, Field(pattern=_NAME)] = Field("run", description="name of the run")
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        0, description="the same seed gives the same run, bit for bit, on one machine"
    )
    data: Data = Field(default_factory=Data)
    augment: Augment = Field(default_factory=Augment)
    network: Network = Field(default_factory=Plain)
    train: Train = Field(default_factory=Train)
    distill: Distill = Field(default_factory=Distill)
    class_weight: ClassWeight = Field(default_factory=ClassWeight)
    schedule: Schedule = Field(default_factory=Schedule)
    monitor: Monitor = Field(default_factory=Monitor)
    checkpoint: CheckpointTimes = Field(default_factory=CheckpointTimes)
    recovery: Recovery = Field(default_factory=Recovery)
    output: Output = Field(default_factory=Output)

    def with_learning_rate(self, rate: float) -> Self:
        """The same configuration with this `train.learning_rate`."""
        train = self.train.model_copy(update={"learning_rate": rate})
        return self.model_copy(update={"train": train})

    @model_validator(mode="after")
    def _rare_classes_are_corrected_once(self) -> Self:
        if (
            self.train.sampler == "balanced"
            and self.class_weight.rule != "none"
            and not self.train.allow_sampler_with_class_weight
        ):
            raise ValueError(
                "train.sampler=balanced and class_weight.rule="
                f"{self.class_weight.rule} correct rare classes twice, a known way to collapse "
                "onto the rarest; set one of them to shuffle / none, or confirm with "
                "train.allow_sampler_with_class_weight=true"
            )
        return self

    @model_validator(mode="after")
    def _one_rule_moves_the_learning_rate(self) -> Self:
        if (
            self.train.learning_rate_schedule == "cosine"
            and self.schedule.plateau_from_epoch is not None
        ):
            raise ValueError(
                "train.learning_rate_schedule=cosine and schedule.plateau_from_epoch="
                f"{self.schedule.plateau_from_epoch} would both set the learning rate; set "
                "schedule.plateau_from_epoch=null, or learning_rate_schedule=constant"
            )
        return self

    @model_validator(mode="after")
    def _ramps_add_dropout(self) -> Self:
        ramp = self.schedule
        for key, start, end in (
            ("conv_dropout", self.network.conv_dropout, ramp.conv_dropout_end),
            ("dense_dropout", self.network.dense_dropout, ramp.dense_dropout_end),
        ):
            if ramp.dropout_from_epoch is not None and end < start:
                raise ValueError(
                    f"schedule.{key}_end ({end:g}) is below network.{key} ({start:g}): the ramp "
                    "adds dropout; raise the end or set schedule.dropout_from_epoch=null"
                )
        return self
