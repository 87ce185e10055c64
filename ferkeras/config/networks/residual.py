"""The residual network: a stem, stages of residual blocks, an average."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ferkeras.config.networks.common import AnyNetwork, stride_for, words
from ferkeras.config.section import Fraction, Units

_SIDE = 32
"""Pixels that the first stage is given at most."""


class Residual(AnyNetwork):
    """A stem, stages of residual blocks, averaged."""

    kind: Literal["residual"] = Field(
        "residual", description="a stem, stages of residual blocks, averaged"
    )
    filters: tuple[Units, ...] = Field(
        (32, 96, 192),
        min_length=1,
        max_length=5,
        description="filters of each stage; all but the first stage halve the side",
    )
    stem_filters: Units = Field(32, description="filters of the convolution before the stages")
    stem_stride: Annotated[int, Field(ge=1, le=16)] | None = Field(
        None,
        description="what the stem divides the side by; null: what brings faces to 32 pixels or "
        "less, 2 for those of 48",
    )
    residual_blocks: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (2,),
        min_length=1,
        max_length=5,
        description="blocks of each stage; one number serves all stages",
    )
    squeeze_excite: Fraction = Field(
        0.0,
        description="width of each block's squeeze and excitation, as a fraction of its filters; "
        "0: none",
    )
    separable: bool = Field(
        False,
        description="depthwise and 1 x 1 convolutions in place of 3 x 3: a fraction of the "
        "parameters",
    )
    batchnorm_epsilon: float = Field(
        1e-5, gt=0, le=0.1, description="BatchNormalization: added to the variance"
    )

    @model_validator(mode="after")
    def _one_number_of_blocks_a_stage(self) -> Self:
        if len(self.residual_blocks) not in (1, len(self.filters)):
            raise ValueError(
                f"residual_blocks has {len(self.residual_blocks)} numbers for the "
                f"{len(self.filters)} stages of network.filters; give one for each, or one for all"
            )
        return self

    @property
    def blocks_of_stages(self) -> tuple[int, ...]:
        """Residual blocks of each stage, as many numbers as there are `filters`."""
        if len(self.residual_blocks) == 1:
            return self.residual_blocks * len(self.filters)
        return self.residual_blocks

    def for_faces(self, height: int, width: int) -> Residual:
        """The same with `stem_stride` as faces of this size have it."""
        return self.model_copy(
            update={"stem_stride": self.stem_stride or stride_for(height, width, _SIDE)}
        )

    def fewest_weights(self, height: int, width: int) -> int:
        """Of the blocks' convolutions and dense layers."""
        kernel = 1 if self.separable else 9
        stages = zip(
            pairwise((self.stem_filters, *self.filters)), self.blocks_of_stages, strict=True
        )
        convolved = sum(kernel * b * (a + b * (2 * blocks - 1)) for (a, b), blocks in stages)
        return convolved + super().fewest_weights(height, width)

    def describe(self, height: int, width: int) -> str:
        """Kind and sizes in one line, for people."""
        kind = "separable residual" if self.separable else "residual"
        return (
            f"{kind}, stem {self.stem_filters}, stages {words(self.filters)} of "
            f"{words(self.blocks_of_stages)} blocks, dense {words(self.dense_units)}"
        )
