"""Whether a run had the faces that are there now, and the same of them held out for validation.

The fingerprint of the faces does not say how they were divided: by the seed, by folds, by who is
seen in them, by the version of a package.
"""

from __future__ import annotations

from ferkeras.data.faces import Splits
from ferkeras.runs.records import EnvironmentRecord


def had_same_faces(environment: EnvironmentRecord, splits: Splits) -> bool:
    """Whether a run had these faces, be they divided alike or not."""
    return environment["data"]["fingerprint"] == splits.fingerprint


def had_same_splits(environment: EnvironmentRecord, splits: Splits) -> bool:
    """Whether a run had these faces, and the same of them in training and in validation."""
    data = environment["data"]
    alike = data.get("division") == splits.division
    # A source divides its faces in one way only; but whoever has seen those that are left out here
    # has seen faces that are held out here.
    official = data["official_split"] and splits.official and not splits.leaked
    return had_same_faces(environment, splits) and (alike or official)


def held_out(environment: EnvironmentRecord) -> str:
    """A name for the faces that a run was validated on, as far as its record tells.

    Two runs with the same one had the same faces, but for those of before divisions were recorded.
    """
    data = environment["data"]
    how = "official" if data["official_split"] else data.get("division", "")
    return f"{data['fingerprint']}-{how}"


def may_have_held_out_alike(one: EnvironmentRecord, other: EnvironmentRecord) -> bool:
    """Whether nothing in two records says that the runs were validated on different faces."""
    first, second = one["data"], other["data"]
    if first["fingerprint"] != second["fingerprint"]:
        return False
    settings, others = (each.get("settings", {}) for each in (one, other))
    differing = {
        key
        for key in settings.keys() | others.keys()
        if (key == "seed" or key.startswith("data.")) and settings.get(key) != others.get(key)
    }
    # A division is of all faces: also of those that were left out of training alone.
    silent = not (first.get("division") and second.get("division"))
    return silent or differing == {"data.drop_leaked"} or held_out(one) == held_out(other)
