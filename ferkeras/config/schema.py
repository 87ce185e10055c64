"""The configuration: one typed, immutable tree, read from YAML and overridden as section.key=value.

Imports no TensorFlow, so that a typing error is reported at once.
Epochs are counted from 1 everywhere, as they are printed.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from ferkeras.config.networks import Network
from ferkeras.config.networks.plain import Plain
from ferkeras.config.section import Section
from ferkeras.config.sections.augment import Augment
from ferkeras.config.sections.checkpoint import CheckpointTimes
from ferkeras.config.sections.class_weight import ClassWeight
from ferkeras.config.sections.data import Data
from ferkeras.config.sections.distill import Distill
from ferkeras.config.sections.monitor import Monitor
from ferkeras.config.sections.output import Output
from ferkeras.config.sections.recovery import Recovery
from ferkeras.config.sections.schedule import Schedule
from ferkeras.config.sections.train import Train

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

IN_WORDS = {
    _NAME: "letters a to z, digits, `.`, `_` and `-`, at most 64, beginning with a letter or digit"
}
"""What each pattern of a text takes."""


HIGHEST_SEED = 2**31 - 1


class Config(Section):
    """All settings of one run."""

    name: Annotated[str, Field(pattern=_NAME)] = Field("run", description="name of the run")
    seed: Annotated[int, Field(ge=0, le=HIGHEST_SEED)] = Field(
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
