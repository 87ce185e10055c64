"""The section `checkpoint`: when the state of a training is saved."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferkeras.config.section import Count, Section


class CheckpointTimes(Section):
    """When the state of a running training is saved, besides after each epoch."""

    every_seconds: Annotated[float, Field(gt=0)] | None = Field(
        60.0, description="seconds between two checkpoints; null: not by the clock"
    )
    every_steps: Count | None = Field(
        None, description="steps between two checkpoints; null: not by steps"
    )
