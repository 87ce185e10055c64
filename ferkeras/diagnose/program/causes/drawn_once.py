"""Augmentation that draws its numbers once, so that it changes every row, or epoch, alike."""

from __future__ import annotations

import tensorflow as tf

from ferkeras.cli.wording import shown
from ferkeras.diagnose.program.drawing import drawn_once
from ferkeras.diagnose.program.finding import (
    PROVEN,
    CodeRemedy,
    Evidence,
    ProgramFinding,
    line_of,
)
from ferkeras.diagnose.program.pipelines import Mapping, mappings_of
from ferkeras.diagnose.program.program import Program


def augmentation_drawn_once(program: Program) -> ProgramFinding | None:
    """A pipeline draws the numbers of its augmentation once, for all rows or for all epochs."""
    mappings = mappings_of(program.train.source)
    for mapping in mappings:
        name = name_of(mapping)
        if mapping.draws_alike:
            return _finding(
                mapping,
                f"{name} draws with a seed that is written there: every row is changed alike, in "
                "every epoch.",
                "seed of what it draws: the same for each row",
                "use what draws anew for each row",
                "tf.image.random_flip_left_right(image)  # or seed=generator.make_seeds(2)[:, 0]",
            )
        if mapping.draws or mapping.asks_python:
            continue
        if drawn := drawn_once(mapping.function, mapping.element):
            return _finding(
                mapping,
                f"{name} asks {drawn}, which is run once, when TensorFlow reads the function: "
                "every row is changed alike, in every epoch.",
                f"{drawn}: once, as the function is read",
                "let TensorFlow draw",
                "tf.random.uniform(()) < 0.5",
            )
    later = [each for each in mappings if not each.cached]
    for mapping in mappings:
        if mapping.cached and mapping.draws and _are_pictures(mapping) and not _draw(later):
            return _finding(
                mapping,
                f"The pipeline keeps with cache() what {name_of(mapping)} has drawn in the first "
                "epoch: every later one has the same rows.",
                "before cache(): once",
                "augment behind cache()",
                "data.cache().shuffle(1000).map(augment).batch(32)",
            )
    return None


def _draw(mappings: list[Mapping]) -> bool:
    return any(each.draws or each.asks_python for each in mappings)


def _are_pictures(mapping: Mapping) -> bool:
    """Whether anything that it is given has two axes and more, so that there is what to augment."""
    return any(
        isinstance(each, tf.TensorSpec) and each.shape.rank is not None and each.shape.rank > 1
        for each in tf.nest.flatten(mapping.element)
    )


def name_of(mapping: Mapping) -> str:
    """A function of a pipeline, for people."""
    name = getattr(mapping.function, "__name__", "<lambda>")
    return "A lambda of map" if name == "<lambda>" else shown(name)


def _finding(mapping: Mapping, verdict: str, here: str, remedy: str, code: str) -> ProgramFinding:
    return ProgramFinding(
        cause="augmentation_drawn_once",
        verdict=verdict,
        evidence=(Evidence("when numbers are drawn", here, "for each row of each epoch", 0.0),),
        remedies=(CodeRemedy(remedy, "rows that are others in each epoch", code=code),),
        reason="The graphs that TensorFlow has made of the pipeline's functions are read; where "
        "Python's or NumPy's numbers stand in one, TensorFlow reads it again, and whether they "
        "are drawn then is seen.",
        source="TensorFlow guide: tf.data, and better performance with tf.data (caching)",
        severity="suspicious",
        confidence=PROVEN,
        line=line_of(mapping.function),
    )
