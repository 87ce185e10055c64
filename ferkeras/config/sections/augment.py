"""The section `augment`: random changes to training faces."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ferkeras.config.section import Fraction, Rate, Section


class Augment(Section):
    """Random changes to training faces, stateless in (seed, epoch, face)."""

    flip: bool = Field(True, description="mirror every second face, by chance")
    shift: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.08, description="largest shift each way, as a fraction of the side"
    )
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = Field(
        10.0, description="largest turn each way, in degrees"
    )
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="largest zoom in or out, as a fraction"
    )
    brightness: Fraction = Field(
        0.1, description="largest brightness change, as a fraction of white"
    )
    contrast: Rate = Field(0.2, description="largest contrast change, as a fraction")
    erase: Fraction = Field(0.1, description="probability that a rectangle of the face is erased")
