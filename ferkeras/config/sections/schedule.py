"""The section `schedule`: what changes during a training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferkeras.config.section import Count, Epoch, Fraction, Rate, Section


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
