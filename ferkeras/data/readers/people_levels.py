"""Which level of folders says who is seen."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from ferkeras.cli.wording import listed, shown
from ferkeras.data.readers.folder_levels import FEWEST_PEOPLE, MOSTLY, label_of

_RECORDING = re.compile(
    r"(.*[ _.-])?(take|clip|rec|recording|vid|video|seq|sequence|session|frame|trial)s?[ _.-]*\d+",
    re.IGNORECASE,
)
"""Names of what there are several of for each person."""

_COUNTED = re.compile(r"[ _.-]*\d+")

_MANY_PEOPLE = 8
_MANY_RECORDINGS = 5
_TWICE = 2


def people_in_folders(rests: Sequence[tuple[str, ...]], classes_at: int) -> tuple[list[str], str]:
    """Who is seen by the folders, and folders that were passed over for that, for people.

    Of several levels besides that of the classes one is of people: of those whose names are not of
    recordings, the one with the most names, or one around the classes with hardly fewer; or one
    around it, in which each of its names lies once, such as a person's around those of his
    recordings. Names of all levels together would take one person for several.
    """
    others = [(*rest[:classes_at], *rest[classes_at + 1 :]) for rest in rests]
    depth = min(map(len, others))
    if depth < 1 or {len(each) for each in others} == {1}:
        return ["/".join(each) for each in others], ""
    levels = [[each[level] for each in others] for level in range(depth)]
    counts = [len(set(each)) for each in levels]
    of_people = _of_people(levels, [label_of(rest[classes_at]) for rest in rests], classes_at)
    chosen = max(of_people, key=lambda level: (counts[level], -level))
    around = [level for level in of_people if level < classes_at]
    outer = max(around, key=lambda level: counts[level], default=chosen)
    # Recordings lie in the folders of the classes, where people lie around these.
    if counts[outer] >= FEWEST_PEOPLE and _TWICE * counts[outer] >= counts[chosen]:
        chosen = outer
    for other in sorted(of_people, key=lambda level: -counts[level]):
        lies_once = len(set(zip(levels[chosen], levels[other], strict=True))) == counts[chosen]
        # Many people of few places are told apart; a few recordings of each person are his.
        few = counts[other] >= _MANY_PEOPLE or counts[chosen] < _MANY_RECORDINGS * counts[other]
        if lies_once and few and FEWEST_PEOPLE <= counts[other] < counts[chosen]:
            chosen = other
    passed = sorted({n for at, each in enumerate(levels) if at != chosen for n in each})
    several = any(counts[at] > 1 for at in range(depth) if at != chosen)
    several |= any(len(each) > depth for each in others)
    return levels[chosen], listed([f"{shown(name)}/" for name in passed], 3) if several else ""


def _of_people(
    levels: Sequence[Sequence[str]], labels: Sequence[str], classes_at: int
) -> list[int]:
    """The levels that may be of people; all of them where none has names enough for that."""
    found: list[int] = []
    for level, names in enumerate(levels):
        around = levels[found[-1]] if found else None
        inside = level >= classes_at
        if len(set(names)) >= FEWEST_PEOPLE and not _are_recordings(
            names, around, labels, inside=inside
        ):
            found.append(level)
    return found or [*range(len(levels))]


def _are_recordings(
    names: Sequence[str], around: Sequence[str] | None, labels: Sequence[str], *, inside: bool
) -> bool:
    """Whether most names at a level are of recordings.

    Args:
        names: of each picture's folder at this level.
        around: those at the level around it that may be of people; None where there is none.
        labels: what each picture shows.
        inside: whether the folders lie in those of the classes.
    """
    recordings = {name for name in names if _RECORDING.fullmatch(name)}
    if around is not None:
        recordings |= {name for name in names if _COUNTED.fullmatch(name)}
        recordings |= _of_one_class(names, labels)
        if inside:
            recordings |= _counted_of(names, around)
    return len(recordings) > MOSTLY * len(set(names))


def _of_one_class(names: Sequence[str], labels: Sequence[str]) -> set[str]:
    """Names that lie in one class only, as those of people, who show several, do not."""
    shown_in: dict[str, set[str]] = defaultdict(set)
    for name, label in zip(names, labels, strict=True):
        shown_in[name].add(label)
    if len(set(labels)) == 1:
        return set()
    return {name for name, classes in shown_in.items() if len(classes) == 1}


def _counted_of(names: Sequence[str], around: Sequence[str]) -> set[str]:
    """Names that are the one of the folder around them and a number."""
    return {
        name
        for name, outer in {*zip(names, around, strict=True)}
        if name.startswith(outer) and _COUNTED.fullmatch(name[len(outer) :])
    }
