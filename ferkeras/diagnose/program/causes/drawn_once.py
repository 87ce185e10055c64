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
from ferkeras.diagnose.program.pipelines import Stage, stages_of
from ferkeras.diagnose.program.program import Program


def augmentation_drawn_once(program: Program) -> ProgramFinding | None:
    """A pipeline draws the numbers of its augmentation once, for all rows or for all epochs."""
    stages = stages_of(program.train.source)
    for stage in stages:
        name = name_of(stage)
        if stage.draws_alike:
            return _finding(
                stage,
                f"{name} draws with a seed that is written there: every row is changed alike, in "
                "every epoch.",
                "seed of what it draws: the same for each row",
                "use what draws anew for each row",
                "tf.image.random_flip_left_right(image)  # or seed=generator.make_seeds(2)[:, 0]",
            )
        if stage.draws or stage.asks_python:
            continue
        if drawn := drawn_once(stage.function, stage.element):
            return _finding(
                stage,
                f"{name} asks {drawn}, which is run once, when TensorFlow reads the function: "
                "every row is changed alike, in every epoch.",
                f"{drawn}: once, as the function is read",
                "let TensorFlow draw",
                "tf.random.uniform(()) < 0.5",
            )
    later = [each for each in stages if not each.cached]
    for stage in stages:
        if stage.cached and stage.draws and _are_pictures(stage) and not _draw(later):
            return _finding(
                stage,
                f"The pipeline keeps with cache() what {name_of(stage)} has drawn in the first "
                "epoch: every later one has the same rows.",
                "before cache(): once",
                "augment behind cache()",
                "data.cache().shuffle(1000).map(augment).batch(32)",
            )
    return None


def _draw(stages: list[Stage]) -> bool:
    return any(each.draws or each.asks_python for each in stages)


def _are_pictures(stage: Stage) -> bool:
    """Whether anything that it is given has two axes and more, so that there is what to augment."""
    return any(
        isinstance(each, tf.TensorSpec) and each.shape.rank is not None and each.shape.rank > 1
        for each in tf.nest.flatten(stage.element)
    )


def name_of(stage: Stage) -> str:
    """A function of a pipeline, for people."""
    name = getattr(stage.function, "__name__", "<lambda>")
    return "A lambda of map" if name == "<lambda>" else shown(name)


def _finding(stage: Stage, verdict: str, here: str, remedy: str, code: str) -> ProgramFinding:
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
        line=line_of(stage.function),
    )
