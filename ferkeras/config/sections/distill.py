"""The section `distill`: runs whose predictions are trained towards."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferkeras.config.section import Section


class Distill(Section):
    """Knowledge distillation from finished runs."""

    teachers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), max_length=8, description="folders of finished runs; none: the labels alone"
    )
    weight: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="weight of the teachers' soft targets in the loss; the labels have the rest",
    )
