"""The section `class_weight`: what a class counts in the loss."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ferkeras.config.section import Section


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
