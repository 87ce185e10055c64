"""A network of Keras Applications, with a new head."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ferkeras.config.networks.common import AnyNetwork, words

_SIDE = 96
"""Pixels that a backbone is given at least: it halves the side five times."""


class Backbone(AnyNetwork):
    """A network of Keras Applications, averaged, under a head of its own."""

    kind: Literal["backbone"] = Field("backbone", description="a network of Keras Applications")
    backbone: Literal["MobileNetV3Small", "MobileNetV3Large", "EfficientNetV2B0"] = Field(
        "MobileNetV3Small", description="which: 0.9, 3.0 or 5.9 million parameters"
    )
    weights: Annotated[str, Field(min_length=1)] = Field(
        "imagenet",
        description="imagenet: those of ImageNet, downloaded once; none: begin at random; or a "
        ".keras or .h5 file that holds those of this backbone",
    )
    unfreeze_after_epochs: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="epochs in which the backbone stays as it is and only the head is trained; "
        "null: 2, and 0 for one that begins at random",
    )
    unfreeze_over_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1,
        description="epochs over which the backbone is then thawed, from its last layers to its "
        "first; 1: all of it at once",
    )
    input_side: Annotated[int, Field(ge=32, le=512)] | None = Field(
        None,
        description="side in pixels to which faces are resized inside the network; null: as they "
        "are, those below 96 pixels twice or more as large",
    )
    first_layer_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description=AnyNetwork.model_fields["first_layer_rate"].description
    )
    batchnorm_momentum: float = Field(
        0.99,
        ge=0.5,
        lt=1,
        description="BatchNormalization, of the backbone too: weight of the OLD running average",
    )

    batchnorm_epsilon: ClassVar[float] = 1e-5
    """Of BatchNormalization after dense layers; that of the backbone is what it was trained with.
    """

    @model_validator(mode="after")
    def _nothing_is_frozen_that_has_learned_nothing(self) -> Self:
        if self.has_learned:
            return self
        for key, given, free in (
            ("unfreeze_after_epochs", self.unfreeze_after_epochs, 0),
            ("unfreeze_over_epochs", self.unfreeze_over_epochs, 1),
        ):
            if given is not None and given > free:
                raise ValueError(
                    f"{key} ({given}) would freeze a backbone that begins at random; set it to "
                    f"{free}, or network.weights=imagenet"
                )
        return self

    @model_validator(mode="after")
    def _it_begins_with_one_thing(self) -> Self:
        if self.start_from is not None and self.weights_file is not None:
            raise ValueError(
                f"weights ({self.weights}) and start_from ({self.start_from}) both say what the "
                "backbone begins with; leave one of them out"
            )
        return self

    @property
    def weights_file(self) -> str | None:
        """The file that it begins with; None for no file."""
        return None if self.weights in ("imagenet", "none") else self.weights

    @property
    def trained_weights(self) -> str:
        """Which trained weights it begins with, for people; empty where it begins at random."""
        if self.weights_file is not None:
            return f"the weights in {PurePath(self.weights_file).name}"
        return "" if self.weights == "none" else "the weights of ImageNet"

    @property
    def has_learned(self) -> bool:
        """Whether it begins with weights that were trained."""
        return self.weights != "none" or self.start_from is not None

    @property
    def frozen_epochs(self) -> int:
        """Epochs in which only the head is trained."""
        if self.unfreeze_after_epochs is None:
            return 2 if self.has_learned else 0
        return self.unfreeze_after_epochs

    def thawed(self, epoch: int) -> float:
        """Which part of the backbone's layers, from the last on, an epoch (from 1) trains."""
        return min(1.0, max(0.0, (epoch - self.frozen_epochs) / self.unfreeze_over_epochs))

    def for_faces(self, height: int, width: int) -> Backbone:
        """The same: nothing of it follows the size of the faces but `size_inside`."""
        return self

    def size_inside(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the faces that the backbone sees."""
        if self.input_side is not None:
            return self.input_side, self.input_side
        factor = -(-_SIDE // min(height, width))
        return height * factor, width * factor

    def describe(self, height: int, width: int) -> str:
        """Kind and sizes in one line, for people."""
        high, wide = self.size_inside(height, width)
        return f"{self.backbone} at {high} x {wide} pixels, dense {words(self.dense_units)}"
