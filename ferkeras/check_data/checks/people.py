"""People whose faces are in training and held out too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferkeras.check_data.finding import Finding, Level, counted
from ferkeras.check_data.material import HELD_OUT, Material

_CHECK = "people on both sides"


def check_people(material: Material) -> Finding:
    """Whether the split keeps people apart, where it is known who is seen.

    A network can learn the faces of people rather than their expressions; with the same people
    held out its accuracy is not what it will be on strangers.
    """
    people = material.read.groups
    if people is None:
        return Finding(
            _CHECK,
            Level.NOT_ASKED,
            "not known who is seen; data.group_column names a column that says it",
        )
    count = len(np.unique(people))
    trained = np.unique(people[material.members("train")])
    numbers: dict[str, Any] = {"people": count, "splits": {}}
    found = []
    for split in material.present(HELD_OUT):
        held_out = people[material.members(split)]
        known = np.isin(held_out, trained)
        shared = len(np.unique(held_out[known]))
        numbers["splits"][split] = {"people_in_training": shared, "faces": int(known.sum())}
        if shared:
            found.append(
                f"{split}: {known.sum():,} of {len(held_out):,} faces are of "
                f"{counted(shared, 'person', 'people')} seen in training"
            )
    return Finding(
        _CHECK,
        Level.LOOK if found else Level.OK,
        "; ".join(found) or f"none of {counted(count, 'person', 'people')}",
        "divide by person: leave out the source's own split, or move these people to one side"
        if found
        else "",
        numbers,
    )
