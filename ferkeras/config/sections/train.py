"""The section `train`: how the weights are optimised."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ferkeras.config.processor import computes_bfloat16
from ferkeras.config.section import Count, Rate, Section

GREATEST_RATE = 10.0
"""The highest learning rate that is taken."""


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
