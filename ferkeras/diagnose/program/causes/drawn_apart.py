"""Pictures and the masks that are their labels, each moved by numbers of its own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ferkeras.diagnose.program.causes.drawn_once import name_of
from ferkeras.diagnose.program.finding import (
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.pipelines import stages_of
from ferkeras.diagnose.program.program import Program


def masks_drawn_apart(program: Program) -> ProgramFinding | None:
    """A pipeline draws for the masks of pictures other numbers than for the pictures."""
    for stage in stages_of(program.train.source):
        if not _is_picture_with_mask(stage.result) or len(stage.graph.outputs) < 2:
            continue
        of_pictures, of_masks = stage.drawn_for(0), stage.drawn_for(1)
        if not of_pictures or not of_masks or of_pictures & of_masks:
            continue
        name = name_of(stage)
        return ProgramFinding(
            cause="masks_drawn_apart",
            verdict=f"{name} draws for the pictures and for their masks apart: a mask is moved "
            "otherwise than its picture.",
            evidence=(
                Evidence("random numbers that picture and mask have in common", "0", "all", 0.0),
            ),
            remedies=(
                CodeRemedy(
                    "draw once for both",
                    "masks that lie where their pictures show them",
                    code="both = tf.image.random_flip_left_right(tf.concat([image, mask], -1))",
                ),
            ),
            reason="The graph that TensorFlow has made of the function is read: of what it draws, "
            "nothing leads to both.",
            source="TensorFlow tutorials: image segmentation",
            severity="suspicious",
            confidence=PROVEN,
            line=line_of(stage.function),
        )
    return None


def _is_picture_with_mask(result: Any) -> bool:
    """Whether labels have a picture's height and width."""
    if not isinstance(result, tuple) or len(result) < 2:
        return False
    picture, mask = result[:2]
    if not all(isinstance(e, tf.TensorSpec) and e.shape.rank is not None for e in (picture, mask)):
        return False
    if picture.shape.rank not in (3, 4) or mask.shape.rank not in (
        picture.shape.rank - 1,
        picture.shape.rank,
    ):
        return False
    first = picture.shape.rank - 3
    height_width = picture.shape[first : first + 2].as_list()
    return None not in height_width and height_width == mask.shape[first : first + 2].as_list()
