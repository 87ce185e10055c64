"""What every kind of network has."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from ferkeras.cli.errors import InputError
from ferkeras.config.section import Rate, Section, Units

MOST_WEIGHTS = 200_000_000
"""Of a network; training one of them takes 16 bytes."""


_NO_SHAPE = {
    "start_from",
    "weights",
    "unfreeze_after_epochs",
    "unfreeze_over_epochs",
    "first_layer_rate",
    "conv_dropout",
    "dense_dropout",
    "batchnorm_momentum",
    "batchnorm_epsilon",
}
"""Keys that leave every weight its place."""


class AnyNetwork(Section):
    """Keys of every kind of network: where it starts, and what stands before its outputs."""

    kind: str
    start_from: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="folder of a finished run whose weights are taken over as far as they fit; "
        "null: begin at random, or with the weights of a backbone",
    )
    first_layer_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="learning rate of the first layer, as a fraction of that of the last; rates of "
        "layers between rise evenly (geometrically). Below 1 for networks that begin with what "
        "another has learned",
    )
    dense_units: tuple[Units, ...] = Field(
        (),
        max_length=8,
        description="units of each dense layer; delete a number to remove its layer",
    )
    conv_dropout: Rate = Field(
        0.1,
        description="dropout rate after each block or stage, or after a backbone, at the start",
    )
    dense_dropout: Rate = Field(
        0.3, description="dropout rate after each dense layer, at the start"
    )
    batchnorm_momentum: float = Field(
        0.9,
        ge=0.5,
        lt=1,
        description="BatchNormalization: weight of the OLD running average (PyTorch's 0.1 is 0.9)",
    )

    @field_validator("batchnorm_momentum", mode="before")
    @classmethod
    def _name_the_pytorch_habit(cls, value: object) -> object:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 0.5:
            raise ValueError(
                f"in Keras this is the weight of the OLD average, so {value:g} throws "
                f"{1 - value:.0%} of it away at every step; PyTorch's momentum {value:g} is "
                f"written {1 - value:g} here, which was probably meant"
            )
        return value

    def differs_in(self, other: AnyNetwork) -> dict[str, object]:
        """Another network's values of the keys that decide which layers there are, where they
        are not this one's."""
        own, theirs = self.model_dump(mode="json"), other.model_dump(mode="json")
        return {
            key: value
            for key, value in theirs.items()
            if key not in _NO_SHAPE and (key not in own or own[key] != value)
        }

    def fewest_weights(self, height: int, width: int) -> int:
        """Weights of the largest layers for faces of this size: how many there are at least."""
        return sum(before * after for before, after in pairwise(self.dense_units))

    def demand_memory(self, height: int, width: int) -> None:
        """Refuse what no machine for this work could hold, before any of it is built.

        Raises:
            InputError: it would have more than `MOST_WEIGHTS`.
        """
        fewest = self.fewest_weights(height, width)
        if fewest > MOST_WEIGHTS:
            raise InputError(
                f"network: {self.describe(height, width)}: {fewest:,} weights or more for faces of "
                f"{height} x {width} pixels; at most {MOST_WEIGHTS:,} are built: lower "
                "network.filters, network.dense_units or data.size"
            )

    def describe(self, height: int, width: int) -> str:
        """Kind and sizes in one line, for people."""
        raise NotImplementedError


def stride_for(height: int, width: int, side: int) -> int:
    """The smallest power of two that brings faces to at most `side` pixels, in the mean of sides.

    What follows then costs about the same whatever the size of the faces.
    """
    stride = 1
    while height * width > (side * stride) ** 2:
        stride *= 2
    return stride


def words(numbers: tuple[int, ...]) -> str:
    """Numbers one after the other, for people."""
    return " ".join(map(str, numbers)) or "none"
