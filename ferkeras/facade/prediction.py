"""What a network says of one face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferkeras.data.box import Box

if TYPE_CHECKING:
    from ferkeras.predict.cuts import Source


@dataclass(frozen=True)
class Prediction:
    """What a network says of one face.

    Attributes:
        emotion: the most probable one.
        confidence: its probability, 0 to 1.
        probabilities: of every emotion, in class order; they sum to 1.
        picture: index of the picture that the face is in.
        box: where it is, in pixels of the upright picture; None: the whole picture.
        source: ``detected``: a face that was found in the picture; ``crop``: a picture that looks
            like one face, cut out already, or was said to be one; ``uncertain``: one in which no
            face was found, and that looks like none: it was taken whole all the same.
    """

    emotion: str
    confidence: float
    probabilities: dict[str, float]
    picture: int
    box: Box | None
    source: Source
