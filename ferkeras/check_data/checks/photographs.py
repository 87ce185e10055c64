"""Whether the pictures are cut out to the face, and in which no face was found."""

from __future__ import annotations

from ferkeras.check_data.finding import MOST_LISTED, Finding, Level, counted
from ferkeras.check_data.material import Material

_CHECK = "whole photographs"


def check_photographs(material: Material) -> Finding:
    """Whether faces fill the pictures, as a look at some of them tells; or what was cut out.

    A network that is given whole photographs sees a face of a few pixels, and much else that it
    can memorise.
    """
    read = material.read
    if read.left_out:
        return Finding(
            _CHECK,
            Level.LOOK,
            f"{counted(len(read.left_out), 'picture')} left out, no face was found in them",
            "look at them: side faces, dark or small ones are missed, and cut out by hand they "
            "are read",
            {
                "left_out": list(read.left_out[:MOST_LISTED]),
                "count": len(read.left_out),
                "table": None if read.table is None else str(read.table),
            },
        )
    sample = read.sample
    if sample is None:
        return Finding(_CHECK, Level.OK, "none: faces are cut out, or were not looked for")
    numbers = sample._asdict()
    if sample.mostly_photographs:
        return Finding(
            _CHECK,
            Level.LOOK,
            str(sample),
            "data.detect_faces=true cuts the faces out",
            numbers,
        )
    found = str(sample) if sample.photographs else f"none of {sample.looked_at:,} looked at"
    return Finding(_CHECK, Level.OK, found, "", numbers)
