"""Which level of folders says what is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import listed, shown
from ferkeras.config.keys import as_yaml
from ferkeras.data.classes import ClassesWanted, how_to_name, preset_named
from ferkeras.data.emotions import composed, known_emotion
from ferkeras.data.presets import rafdb
from ferkeras.data.presets.all import PRESETS
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

_TWICE = 2
_NAMED = 2


def label_of(folder: str) -> str:
    """The class that a folder is named after; without the number that may stand before it."""
    name = folder.strip()
    match = _NUMBER_AND_NAME.fullmatch(name)
    return match[1].strip() if match and known_emotion(match[1]) else name


def levels_of(rests: Sequence[tuple[str, ...]]) -> list[set[str]]:
    """The names at each level of folders that all pictures lie in."""
    return [{label_of(rest[level]) for rest in rests} for level in range(min(map(len, rests)))]


def class_level(
    files: Files, rests: Sequence[tuple[str, ...]], wanted: ClassesWanted = None
) -> int:
    """Which level of folders names the classes, counted from 0, the outermost.

    Args:
        files: for messages.
        rests: of each picture the folders that it lies in, the outermost first, without those of
            splits.
        wanted: what `data.classes` says.

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
    if (said := _level_said(files, levels, wanted)) is not None:
        return said
    several = _with_several(levels) or [0]
    classes = [at for at in several if not all(map(LIKE_A_SPLIT.match, levels[at]))] or several
    numbers = [level for level in classes if all(map(_is_number, levels[level]))]
    if numbers and len(classes) > 1:
        at = max(classes.index(numbers[-1]), 1)
        raise _either(files, levels, classes[at - 1], classes[at])
    if numbers:
        return numbers[0]
    fewest = min(classes, key=lambda level: (len(levels[level]), level))
    outer = min(classes)
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


def _with_several(levels: Sequence[set[str]]) -> list[int]:
    """The levels at which there are several names."""
    return [level for level, names in enumerate(levels) if len(names) > 1]


def _level_said(files: Files, levels: Sequence[set[str]], wanted: ClassesWanted) -> int | None:
    """The one level that `wanted`, or else how RAF-DB names its pictures, names the classes of.

    None where they name none, or more than one. Of two levels of numbers one is taken only if it
    alone has them as they are written.
    """
    of_rafdb = all(rafdb.PICTURE.fullmatch(each.file) for each in files.pictures)
    for said in (wanted, rafdb.PRESET.key if of_rafdb else None):
        for way, fits in enumerate(_ways_to_fit(said)):
            for among in (_with_several(levels), range(len(levels))):
                numbers = sum(all(map(_is_number, levels[level])) for level in among)
                found = [level for level in among if fits(levels[level])]
                if found and (way == 0 or numbers <= 1):
                    return found[0] if len(found) == 1 else None
    return None


def _ways_to_fit(wanted: ClassesWanted) -> Iterator[Callable[[set[str]], bool]]:
    """Whether `wanted` names these folders: as they are written, or else in another spelling.

    All folders have to be numbers of a preset; all that a list or a mapping names has to be there,
    or else, since some classes may be missing where a network is judged, any of it.
    """
    if not wanted:
        return
    if isinstance(wanted, str):
        numbers = preset_named(wanted).names.keys()
        yield lambda names: names <= numbers
        yield lambda names: _spelt_alike(names) <= numbers
        return
    lists = wanted.values() if isinstance(wanted, Mapping) else [wanted]
    named = {composed(each) for names in lists for each in names}
    yield lambda names: named <= names
    yield lambda names: _spelt_alike(named) <= _spelt_alike(names)
    yield lambda names: not _spelt_alike(named).isdisjoint(_spelt_alike(names))


def _spelt_alike(names: Iterable[str]) -> set[str]:
    """Numbers without zeros before them, emotions by their usual names, others as they are."""
    return {str(int(name)) if _is_number(name) else known_emotion(name) or name for name in names}


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _either(files: Files, levels: Sequence[set[str]], outer: int, inner: int) -> InputError:
    """Either of two levels may be that of the classes."""
    pair = (outer, inner)
    one, other = (_folders(levels[level]) for level in pair)
    numbers = [all(map(_is_number, levels[level])) for level in pair]
    why = ": none of these names is of an emotion, and there are about as many of both"
    if any(numbers):
        why = ": folders of people are numbered too"
    if all(numbers):
        why += "; where both levels have the same numbers, give people's other names (p1, p2, ...)"
    return InputError(
        f"{shown(files.root)}: either {one} or, in them, {other} may be the classes{why}; if "
        f"{one} are, {_how_to_say(files, levels, outer)}; if {other} are, "
        f"{_how_to_say(files, levels, inner)}; or list the pictures in a table "
        "(image,emotion,person)"
    )


def _how_to_say(files: Files, levels: Sequence[set[str]], level: int) -> str:
    """How `data.classes` says that the classes are those at a level, for people."""
    names = sorted(levels[level])
    if all(map(_is_number, names)):
        fitting = [
            each for each in PRESETS.values() if _level_said(files, levels, each.key) == level
        ]
        meanings = how_to_name(sorted(_spelt_alike(names), key=int), fitting)
        return f"say what the numbers mean: {meanings}"
    some = as_yaml(names[:_NAMED])
    return f"name them: 'data.classes={some[:-1] + ', ...]' if len(names) > _NAMED else some}'"


def _folders(names: Iterable[str]) -> str:
    return listed([f"{shown(name)}/" for name in sorted(names)], 3)
