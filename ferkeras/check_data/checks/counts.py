"""Which pictures can be read, and whether every split has every class."""

from __future__ import annotations

import numpy as np

from ferkeras.check_data.finding import MOST_LISTED, Finding, Level, counted
from ferkeras.check_data.material import SPLITS, Material
from ferkeras.cli.wording import listed


def class_counts(material: Material) -> dict[str, np.ndarray]:
    """Faces of each class, int64, shape (K,), by split."""
    return {
        split: material.faces.take(material.members(split)).counts()
        for split in material.present(SPLITS)
    }


def check_readable(material: Material) -> Finding:
    """Whether all pictures could be read. Training refuses a folder with one that cannot."""
    wrong = material.unreadable
    return Finding(
        "unreadable",
        Level.WRONG if wrong else Level.OK,
        f"{counted(len(wrong), 'picture')} of {len(wrong) + len(material.faces):,}"
        if wrong
        else "none",
        "copy them again or remove them; training refuses the folder until then" if wrong else "",
        {"count": len(wrong), "messages": list(wrong[:MOST_LISTED])},
    )


def check_classes(material: Material) -> Finding:
    """Whether a split lacks a class.

    Without a class in training, or without validation faces, nothing can be trained. A class that
    a held-out split lacks is not measured there.
    """
    counts = class_counts(material)
    lacking = {
        split: [name for name, n in zip(material.faces.classes, of_split, strict=True) if not n]
        for split, of_split in counts.items()
    }
    said = [f"{split} has no {listed(names)}" for split, names in lacking.items() if names]
    said += [
        f"there are no {split} faces" for split in ("train", "validation") if split not in counts
    ]
    untrainable = "train" not in counts or lacking["train"] or "validation" not in counts
    level = Level.WRONG if untrainable else Level.LOOK if said else Level.OK
    fewer = "; or name the classes that are there in data.classes" if lacking.get("train") else ""
    emptied = material.leaked and ("train" not in counts or lacking["train"])
    keep = "set data.drop_leaked=false, or " if emptied else ""
    advice = {
        Level.WRONG: f"{keep}add faces: every class needs at least two different images{fewer}",
        Level.LOOK: "what is not there is not measured: accuracy is not that of all classes",
        Level.OK: "",
    }
    return Finding(
        "missing classes", level, "; ".join(said) or "none", advice[level], {"lacking": lacking}
    )
