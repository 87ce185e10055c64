"""Which level of folders says what is shown, and which who is seen."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import listed, shown
from ferkeras.data.emotions import known_emotion
from ferkeras.data.readers.files import Files

LIKE_A_SPLIT = re.compile(
    r"(train|val|test|dev)(ings?|id|idation|idierungs?|elopment)?"
    r"(s?(sets?|data|daten|splits?|images|bilder|imgs|pictures|faces|folder)|x)?(?![^\W\d_])",
    re.IGNORECASE,
)
"""How names of splits begin in other words than those that are known."""

_NUMBER_AND_NAME = re.compile(r"[0-9]+[ _-]+(.+)")

FEWEST_PEOPLE = 3
"""Different names from which folders may be of people."""

MOSTLY = 0.5
"""Fraction of the names at a level that are of emotions, from which it is that of the classes."""

_MANY_PEOPLE = 8
_MANY_RECORDINGS = 5
_TWICE = 2


def label_of(folder: str) -> str:
    """The class that a folder is named after; without the number that may stand before it."""
    name = folder.strip()
    match = _NUMBER_AND_NAME.fullmatch(name)
    return match[1].strip() if match and known_emotion(match[1]) else name


def levels_of(rests: Sequence[tuple[str, ...]]) -> list[set[str]]:
    """The names at each level of folders that all pictures lie in."""
    return [{label_of(rest[level]) for rest in rests} for level in range(min(map(len, rests)))]


def class_level(files: Files, rests: Sequence[tuple[str, ...]]) -> int:
    """Which level of folders names the classes, counted from 0, the outermost.

    Args:
        files: for messages.
        rests: of each picture the folders that it lies in, the outermost first, without those of
            splits.

    Raises:
        InputError: a picture lies in no folder, or either of two levels may be the classes.
    """
    depth = min(map(len, rests))
    if not depth:
        stray = next(each for each, rest in zip(files.pictures, rests, strict=True) if not rest)
        raise InputError(
            f"{shown(files.root / stray.name)}: a picture outside the class folders; put it into "
            "a folder named after what it shows, or list it with its class in a table "
            "(image,emotion)"
        )
    levels = levels_of(rests)
    known = parts_known(rests)
    best = max(range(depth), key=lambda level: (known[level], -level))
    if known[best] >= MOSTLY:
        return best
    numbers = [level for level in range(depth) if all(name.isdigit() for name in levels[level])]
    if numbers:
        fewest = min(numbers, key=lambda level: len(levels[level]))
        named = [at for at in range(fewest) if 1 < len(levels[at]) < len(levels[fewest])]
        if named:
            raise _either(files, levels, named[-1], fewest)
        return fewest
    several = [level for level in range(depth) if len(levels[level]) > 1] or [0]
    classes = [level for level in several if not all(map(LIKE_A_SPLIT.match, levels[level]))]
    fewest = min(classes or several, key=lambda level: (len(levels[level]), level))
    outer = min(classes or several)
    # People lie in the folders of the classes, or there are more of them.
    if outer != fewest and len(levels[outer]) < _TWICE * len(levels[fewest]):
        raise _either(files, levels, outer, fewest)
    return fewest


def parts_known(rests: Sequence[tuple[str, ...]]) -> list[float]:
    """What part of the names at each level of folders is of emotions."""
    return [
        sum(known_emotion(name) is not None for name in each) / len(each)
        for each in levels_of(rests)
    ]


def people_in_folders(rests: Sequence[tuple[str, ...]], classes_at: int) -> tuple[list[str], str]:
    """Who is seen by the folders, and folders that were passed over for that, for people.

    Of several levels besides that of the classes one is of people: the one with the most names, or
    one around the classes with hardly fewer; or one around it, in which each of its names lies
    once, such as a person's around those of his recordings. Names of all levels together would
    take one person for several.
    """
    around = [rest[:classes_at] for rest in rests]
    others = [(*rest[:classes_at], *rest[classes_at + 1 :]) for rest in rests]
    depth = min(map(len, others))
    if depth < 1 or {len(each) for each in others} == {1}:
        return ["/".join(each) for each in others], ""
    levels = [[each[level] for each in others] for level in range(depth)]
    counts = [len(set(each)) for each in levels]
    chosen = max(range(depth), key=lambda level: (counts[level], -level))
    outer = max(range(len(around[0])), key=lambda level: counts[level], default=chosen)
    # Recordings lie in the folders of the classes, where people lie around these.
    if counts[outer] >= FEWEST_PEOPLE and _TWICE * counts[outer] >= counts[chosen]:
        chosen = outer
    for other in sorted(range(depth), key=lambda level: -counts[level]):
        lies_once = len(set(zip(levels[chosen], levels[other], strict=True))) == counts[chosen]
        # Many people of few places are told apart; a few recordings of each person are his.
        few = counts[other] >= _MANY_PEOPLE or counts[chosen] < _MANY_RECORDINGS * counts[other]
        if lies_once and few and FEWEST_PEOPLE <= counts[other] < counts[chosen]:
            chosen = other
    passed = sorted({n for at, each in enumerate(levels) if at != chosen for n in each})
    several = any(counts[at] > 1 for at in range(depth) if at != chosen)
    several |= any(len(each) > depth for each in others)
    return levels[chosen], listed([f"{shown(name)}/" for name in passed], 3) if several else ""


def _either(files: Files, levels: Sequence[set[str]], outer: int, inner: int) -> InputError:
    one, other = (
        listed([f"{shown(name)}/" for name in sorted(levels[level])], 3) for level in (outer, inner)
    )
    return InputError(
        f"{shown(files.root)}: either {one} or, in them, {other} may be the classes: none of these "
        "names is of an emotion, and there are about as many of both; list the pictures in a table "
        "(image,emotion,person), or name the classes with the emotions' English names, which "
        "data.classes renames"
    )
