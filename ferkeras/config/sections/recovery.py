"""The section `recovery`: what is done about losses that are not finite."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferkeras.config.section import Count, Section


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
