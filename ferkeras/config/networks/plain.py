"""The plain network: blocks of two convolutions and a pooling."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from ferkeras.cli.errors import InputError
from ferkeras.config.networks.common import AnyNetwork, stride_for, words
from ferkeras.config.section import Units

_FILTERS = (32, 64, 128, 256)
_SIDE = 64
"""Pixels that the first block is given at most."""


class Plain(AnyNetwork):
    """Blocks of two convolutions and a pooling, flattened, then dense layers."""

    kind: Literal["plain"] = Field(
        "plain", description="blocks of two convolutions and a pooling, flattened"
    )
    filters: tuple[Units, ...] | None = Field(
        None,
        min_length=1,
        max_length=5,
        description="filters of each block (two convolutions and a pooling that halves the side); "
        "null: 32, 64, 128, 256, of them as many as faces below 32 pixels allow",
    )
    first_stride: Annotated[int, Field(ge=1, le=16)] | None = Field(
        None,
        description="what the first convolution divides the side by; null: 1, and for faces above "
        "64 pixels what brings them to 64 or less",
    )
    dense_units: tuple[Units, ...] = Field(
        (256,), max_length=8, description=AnyNetwork.model_fields["dense_units"].description
    )
    batchnorm_epsilon: float = Field(
        1e-5, gt=0, le=0.1, description="BatchNormalization: added to the variance"
    )

    def for_faces(self, height: int, width: int) -> Plain:
        """The same with `filters` and `first_stride` as faces of this size have them.

        Raises:
            InputError: the blocks halve the faces to nothing.
        """
        stride = self.first_stride or stride_for(height, width, _SIDE)
        least = -(-min(height, width) // stride)
        most = least.bit_length() - 1
        filters = self.filters or _FILTERS[: max(1, most - 1)]
        if len(filters) > most:
            raise InputError(
                f"network.filters: {len(filters)} blocks halve faces of {height} x {width} pixels "
                f"to nothing; give at most {max(1, most)}, or larger faces (data.size)"
            )
        return self.model_copy(update={"filters": filters, "first_stride": stride})

    def fewest_weights(self, height: int, width: int) -> int:
        """Of convolutions and dense layers."""
        sized = self.for_faces(height, width)
        filters, stride = sized.filters or (), sized.first_stride or 1
        side = -(-min(height, width) // stride) >> len(filters)
        flat = side * side * filters[-1] * self.dense_units[0] if self.dense_units else 0
        convolved = sum(9 * b * (a + b) for a, b in pairwise((1, *filters)))
        return convolved + flat + super().fewest_weights(height, width)

    def describe(self, height: int, width: int) -> str:
        """Kind and sizes in one line, for people."""
        filters = self.for_faces(height, width).filters or ()
        return f"blocks {words(filters)}, dense {words(self.dense_units)}"
