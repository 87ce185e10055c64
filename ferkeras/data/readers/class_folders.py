"""Faces from folders whose names, or whose pictures' names, say what is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import listed, shown
from ferkeras.data.emotions import known_emotion
from ferkeras.data.faces import USAGES
from ferkeras.data.presets import ckplus, jaffe, kdef, rafdb
from ferkeras.data.presets.preset import Preset
from ferkeras.data.readers.files import Files, Found
from ferkeras.data.readers.source import EncodedPictures, Source

_TRAIN, _VALIDATION, _TEST = (USAGES.index(name) for name in ("train", "validation", "test"))

# Kaggle's folder `test` holds PublicTest and PrivateTest together; where the file names do not
# tell them apart all of it is the test split, so that nothing of PrivateTest is chosen on.
_SPLITS = {
    "train": _TRAIN,
    "training": _TRAIN,
    "validation": _VALIDATION,
    "valid": _VALIDATION,
    "val": _VALIDATION,
    "publictest": _VALIDATION,
    "test": _TEST,
    "testing": _TEST,
    "privatetest": _TEST,
}
_SPLIT_IN_NAME = re.compile(r"(training|publictest|privatetest)_", re.IGNORECASE)
_LIKE_A_SPLIT = re.compile(
    r"(train|val|test|dev)(ings?|id|idation|idierungs?|elopment)?"
    r"(s?(sets?|data|daten|splits?|images|bilder|imgs|pictures|faces|folder)|x)?(?![^\W\d_])",
    re.IGNORECASE,
)
_AS_SPLITS = "if they are splits, name them train, validation and test"
_TOLD_APART = (
    "people need three folders, or a list with data.group_column; splits are called train, "
    "validation and test"
)
_AROUND_A_SPLIT = re.compile(r"^(fer2013|ferplus|fer|rafdb|affectnet)|(set|data|images)$")

_WRAPPERS = {"images", "image", "imgs", "img", "pictures", "faces", "aligned", "original", "data"}
"""Folders that say nothing of what is in them."""

_NUMBER_AND_NAME = re.compile(r"[0-9]+[ _-]+(.+)")
_FEWEST_PEOPLE = 3
_MANY_PEOPLE = 8
_MANY_RECORDINGS = 5
_TWICE = 2
_MOSTLY = 0.5


class _Naming(NamedTuple):
    """How a data set names its pictures.

    Attributes:
        data_set: its name.
        pattern: of a picture's name; the first group is who is seen.
        emotion_of: what the second group says in capital letters; None where there is none.
    """

    data_set: str
    pattern: re.Pattern[str]
    emotion_of: Mapping[str, str] | None


_NAMINGS = (
    _Naming("JAFFE", jaffe.PICTURE, jaffe.EMOTION_OF),
    _Naming("KDEF", kdef.PICTURE, kdef.EMOTION_OF),
    _Naming("CK+", ckplus.PICTURE, None),
)


def read_class_folders(files: Files) -> Source:
    """Find out what each picture shows.

    The level of folders whose names are emotions, or else numbers, or else the one with the
    fewest different names, is that of the classes. Folders named train, validation or
    test are the official split; those at another level are people. Names of the pictures say the
    split (FER2013, RAF-DB where no folder does), what is shown (KDEF, JAFFE) and who is seen (CK+).

    Args:
        files: at least one picture.

    Raises:
        InputError: pictures outside of class folders, contradictory splits, or a name that does
            not say what is shown where those of most others do; or two levels of folders may be
            the classes.
    """
    found = files.pictures
    splits = [_split_of_folders(each) for each in found]
    rests = [_rest(each.folders) for each in found]
    names = [each.file for each in found]
    usage = np.array([_usage(files, *pair) for pair in zip(found, splits, strict=True)], np.int8)
    rests = _without_wrapper(rests)
    naming, matches = _naming_of(names)
    level = None
    if by_name := _by_file_name(naming, matches):
        title, labels, people = by_name
        preset, notes = None, _passed_over(files)
    else:
        if naming is not None and naming.emotion_of is not None:
            _refuse_other_names(files, naming, matches, rests)
        level = _class_level(files, rests)
        labels = [_label(rest[level]) for rest in rests]
        _refuse_sequences(files, naming, matches, labels)
        people, passed = _people_in_folders(rests, level)
        title, preset = _title(names, people)
        notes = _notes(files, people, labels, split=bool(usage.any()))
        if passed and _are_people(people):
            notes.append(
                f"folders such as {listed([f'{shown(each)}/' for each in sorted(set(people))], 3)} "
                f"taken for people, and not those such as {passed}"
            )
        if naming is not None:
            people, said = _people_in_names(files, naming, matches, people)
            notes += said
    if not usage.any():
        usage = _usage_in_names(names, usage)
    if not usage.any():
        _refuse_other_names_of_splits(files, rests, labels, level)
    _refuse_half_split(files, usage)
    places: dict[str, str] = {}
    for each, label in zip(found, labels, strict=True):
        places.setdefault(label, shown(files.root / str(PurePosixPath(each.name).parent)))
    return Source(
        title,
        labels,
        places,
        usage,
        people if _are_people(people) else None,
        preset,
        EncodedPictures(
            files.root, [each.name for each in found], lambda which: files.content(found[which])
        ),
        notes=tuple(notes),
    )


def says_classes(files: Files) -> bool:
    """Whether there is a folder level, or a way of naming pictures, that may tell classes."""
    rests = _without_wrapper([_rest(each.folders) for each in files.pictures])
    names = [each.file for each in files.pictures]
    return any(rests) or _by_file_name(*_naming_of(names)) is not None


def says_emotions(files: Files) -> bool:
    """Whether folders at some level are mostly named after emotions, or the pictures are."""
    rests = _without_wrapper([_rest(each.folders) for each in files.pictures])
    names = [each.file for each in files.pictures]
    if _by_file_name(*_naming_of(names)) is not None:
        return True
    rafdb_numbers = all(map(rafdb.PICTURE.fullmatch, names)) and any(
        set(level) <= rafdb.PRESET.names.keys() for level in _levels(rests)
    )
    return rafdb_numbers or any(part >= _MOSTLY for part in _parts_known(rests))


def says_names(files: Files) -> bool:
    """Whether folders at some level have two names or more, as those of classes have."""
    rests = _without_wrapper([_rest(each.folders) for each in files.pictures])
    return any(len(level) > 1 for level in _levels(rests))


def _levels(rests: Sequence[tuple[str, ...]]) -> list[set[str]]:
    """The names at each level of folders that all pictures lie in."""
    return [{_label(rest[level]) for rest in rests} for level in range(min(map(len, rests)))]


def split_of(name: str) -> int | None:
    """Index into `USAGES` of the split that a folder is named after; None for other names."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return _SPLITS.get(letters) or _SPLITS.get(_AROUND_A_SPLIT.sub("", letters))


def _split_of_folders(found: Found) -> int:
    return next((usage for name in found.folders if (usage := split_of(name)) is not None), 0)


def _rest(folders: Sequence[str]) -> tuple[str, ...]:
    """Folders that are neither a split nor a wrapper."""
    return tuple(
        name for name in folders if split_of(name) is None and name.lower() not in _WRAPPERS
    )


def _without_wrapper(rests: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Without outer folders that all pictures are in and that are no emotion."""
    while (
        all(len(rest) > 1 for rest in rests)
        and len({rest[0] for rest in rests}) == 1
        and known_emotion(_label(rests[0][0])) is None
    ):
        rests = [rest[1:] for rest in rests]
    return rests


def _naming_of(names: Sequence[str]) -> tuple[_Naming | None, list[re.Match[str] | None]]:
    """The data set that more than half of the names are those of, with what each name says."""
    for naming in _NAMINGS:
        matches = [naming.pattern.fullmatch(name) for name in names]
        if 2 * sum(match is not None for match in matches) > len(names):
            return naming, matches
    return None, []


def _by_file_name(
    naming: _Naming | None, matches: Sequence[re.Match[str] | None]
) -> tuple[str, list[str], list[str]] | None:
    """Title, labels and people where all file names tell both; None where they do not."""
    told = [match for match in matches if match]
    if naming is None or naming.emotion_of is None or len(told) < len(matches):
        return None
    labels = [naming.emotion_of[match[2].upper()] for match in told]
    people = [match[1].upper() for match in told]
    return f"{naming.data_set}, by its file names", labels, people


def _refuse_other_names(
    files: Files,
    naming: _Naming,
    matches: Sequence[re.Match[str] | None],
    rests: Sequence[tuple[str, ...]],
) -> None:
    """Refuse a picture of which neither its name, as those of most do, nor a folder says all."""
    if _are_classes(files, matches, rests):
        return
    for each, match in zip(files.pictures, matches, strict=True):
        if match is None and not any(known_emotion(_label(name)) for name in each.folders):
            raise InputError(
                f"{shown(files.root / each.name)}: not named as most pictures here are, those of "
                f"{naming.data_set}, whose names tell what is shown; move it away, or all of them "
                "into folders named after what they show"
            )


def _are_classes(
    files: Files, matches: Sequence[re.Match[str] | None], rests: Sequence[tuple[str, ...]]
) -> bool:
    """Whether folders divide the pictures by what the names tell, as those of people do not."""
    if not all(rests):
        return False
    level = _class_level(files, rests)
    told = {
        (m[2].upper(), _label(rest[level])) for m, rest in zip(matches, rests, strict=True) if m
    }
    return len({emotion for emotion, _ in told}) == len(told) and len({f for _, f in told}) > 1


def _people_in_names(
    files: Files,
    naming: _Naming,
    matches: Sequence[re.Match[str] | None],
    in_folders: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Who is seen by the file names, else by the folders, and what is said where neither tells."""
    people, nobody = [], []
    for each, match, who in zip(files.pictures, matches, in_folders, strict=True):
        people.append(match[1].upper() if match else who or each.name)
        if not (match or who):
            nobody.append(shown(each.name))
    said = (
        f"{listed(nobody, 3)} not named as {naming.data_set}'s pictures, whose names tell who is "
        "seen: taken for somebody else each"
    )
    return people, [said] if nobody else []


def _usage_in_names(names: Sequence[str], usage: np.ndarray) -> np.ndarray:
    """The split of RAF-DB's pictures, if their names tell of more than one; else as it was."""
    if not all(rafdb.PICTURE.fullmatch(name) for name in names):
        return usage
    told = np.array([_SPLITS[name.partition("_")[0]] for name in names], np.int8)
    return told if len(np.unique(told)) > 1 else usage


def _class_level(files: Files, rests: Sequence[tuple[str, ...]]) -> int:
    """Which level of folders names the classes, counted from 0, the outermost."""
    depth = min(map(len, rests))
    if not depth:
        stray = next(each for each, rest in zip(files.pictures, rests, strict=True) if not rest)
        raise InputError(
            f"{shown(files.root / stray.name)}: a picture outside the class folders; put it into "
            "a folder named after what it shows, or list it with its class in a table "
            "(image,emotion)"
        )
    levels = _levels(rests)
    known = _parts_known(rests)
    best = max(range(depth), key=lambda level: (known[level], -level))
    if known[best] >= _MOSTLY:
        return best
    numbers = [level for level in range(depth) if all(name.isdigit() for name in levels[level])]
    if numbers:
        fewest = min(numbers, key=lambda level: len(levels[level]))
        named = [at for at in range(fewest) if 1 < len(levels[at]) < len(levels[fewest])]
        if named:
            raise _either(files, levels, named[-1], fewest)
        return fewest
    several = [level for level in range(depth) if len(levels[level]) > 1] or [0]
    classes = [level for level in several if not all(map(_LIKE_A_SPLIT.match, levels[level]))]
    fewest = min(classes or several, key=lambda level: (len(levels[level]), level))
    outer = min(classes or several)
    # People lie in the folders of the classes, or there are more of them.
    if outer != fewest and len(levels[outer]) < _TWICE * len(levels[fewest]):
        raise _either(files, levels, outer, fewest)
    return fewest


def _parts_known(rests: Sequence[tuple[str, ...]]) -> list[float]:
    """What part of the names at each level of folders is of emotions."""
    return [
        sum(known_emotion(name) is not None for name in each) / len(each) for each in _levels(rests)
    ]


def _people_in_folders(rests: Sequence[tuple[str, ...]], class_level: int) -> tuple[list[str], str]:
    """Who is seen by the folders, and folders that were passed over for that, for people.

    Of several levels besides that of the classes one is of people: the one with the most names, or
    one around the classes with hardly fewer; or one around it, in which each of its names lies
    once, such as a person's around those of his recordings. Names of all levels together would
    take one person for several.
    """
    around = [rest[:class_level] for rest in rests]
    others = [(*rest[:class_level], *rest[class_level + 1 :]) for rest in rests]
    depth = min(map(len, others))
    if depth < 1 or {len(each) for each in others} == {1}:
        return ["/".join(each) for each in others], ""
    levels = [[each[level] for each in others] for level in range(depth)]
    counts = [len(set(each)) for each in levels]
    chosen = max(range(depth), key=lambda level: (counts[level], -level))
    outer = max(range(len(around[0])), key=lambda level: counts[level], default=chosen)
    # Recordings lie in the folders of the classes, where people lie around these.
    if counts[outer] >= _FEWEST_PEOPLE and _TWICE * counts[outer] >= counts[chosen]:
        chosen = outer
    for other in sorted(range(depth), key=lambda level: -counts[level]):
        lies_once = len(set(zip(levels[chosen], levels[other], strict=True))) == counts[chosen]
        # Many people of few places are told apart; a few recordings of each person are his.
        few = counts[other] >= _MANY_PEOPLE or counts[chosen] < _MANY_RECORDINGS * counts[other]
        if lies_once and few and _FEWEST_PEOPLE <= counts[other] < counts[chosen]:
            chosen = other
    passed = sorted({n for at, each in enumerate(levels) if at != chosen for n in each})
    several = any(counts[at] > 1 for at in range(depth) if at != chosen)
    several |= any(len(each) > depth for each in others)
    return levels[chosen], listed([f"{shown(name)}/" for name in passed], 3) if several else ""


def _refuse_sequences(
    files: Files,
    naming: _Naming | None,
    matches: Sequence[re.Match[str] | None],
    labels: Sequence[str],
) -> None:
    """Refuse CK+ as its authors give it away: its folders are people and their recordings."""
    told = [(m, label) for m, label in zip(matches, labels, strict=False) if m]
    if (
        naming is not None
        and naming.data_set == "CK+"
        and all(label in m[0].split("_")[:2] for m, label in told)
    ):
        raise InputError(
            f"{shown(files.root)}: {naming.data_set} as its authors distribute it: folders of "
            "people and recordings, with the emotions in text files elsewhere, which are not read; "
            "put the pictures into folders named after what they show, or list them in a table "
            "(image,emotion)"
        )


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


def _label(folder: str) -> str:
    """The class that a folder is named after; without the number that may stand before it."""
    name = folder.strip()
    match = _NUMBER_AND_NAME.fullmatch(name)
    return match[1].strip() if match and known_emotion(match[1]) else name


def _title(names: Sequence[str], people: Sequence[str]) -> tuple[str, Preset | None]:
    if all(rafdb.PICTURE.fullmatch(name) for name in names):
        return "RAF-DB's class folders, by its file names", rafdb.PRESET
    if all(ckplus.PICTURE.fullmatch(name) for name in names):
        return "CK+'s class folders, people by its file names", None
    each_person = " with a folder for each person" if _are_people(people) else ""
    return f"class folders{each_person}", None


def _are_people(names: Sequence[str]) -> bool:
    return len(set(names)) >= _FEWEST_PEOPLE and all(names)


def _notes(files: Files, people: Sequence[str], labels: Sequence[str], *, split: bool) -> list[str]:
    """What is said of what is passed over, and of folders that may mean something else."""
    notes = _passed_over(files)
    shown_in = _classes_in(people, labels)
    names = listed([f"{shown(each)}/" for each in sorted(shown_in) if each])
    several = _are_people(people)
    if not names or (several and len(shown_in) > _FEWEST_PEOPLE):
        return notes
    if not several:
        return [*notes, f"{names} not told apart ({_TOLD_APART})"]
    said = f"{names} taken for {len(shown_in)} people"
    if _alike(shown_in) and not split:
        said += f", and each holds the same classes: {_AS_SPLITS}"
    return [*notes, said]


def _passed_over(files: Files) -> list[str]:
    """What is said of folders that hold nothing, or files of unknown kinds."""
    notes = []
    if files.empty:
        names = listed([f"{shown(each)}/" for each in files.empty])
        notes.append(f"{names} hold{'s' if len(files.empty) == 1 else ''} no pictures")
    if files.unread:
        names = listed([shown(each) for each in files.unread])
        notes.append(f"files such as {names} are not read: no pictures by their names")
    return notes


def _classes_in(folders: Sequence[str], labels: Sequence[str]) -> dict[str, frozenset[str]]:
    """The classes that each folder holds, by the folder and the label of every picture."""
    found: dict[str, set[str]] = {}
    for folder, label in zip(folders, labels, strict=True):
        found.setdefault(folder, set()).add(label)
    return {folder: frozenset(classes) for folder, classes in found.items()}


def _alike(classes_in: Mapping[str, frozenset[str]]) -> bool:
    return len(classes_in) > 1 and len(set(classes_in.values())) == 1


def _refuse_other_names_of_splits(
    files: Files,
    rests: Sequence[tuple[str, ...]],
    labels: Sequence[str],
    class_level: int | None,
) -> None:
    """Refuse a level of `Trainingsdaten` and `Testdaten` alone, which would pass for people."""
    for level in range(min(map(len, rests))):
        if level == class_level:
            continue
        classes_in = _classes_in([rest[level] for rest in rests], labels)
        stems = {m[1].lower() for name in classes_in if (m := _LIKE_A_SPLIT.match(name))}
        if len(stems) == len(classes_in) and _alike(classes_in):
            names = listed([f"{shown(name)}/" for name in sorted(classes_in)])
            raise InputError(
                f"{shown(files.root)}: {names} look like splits, but these names are not known; "
                f"{_AS_SPLITS}"
            )


def _usage(files: Files, found: Found, folder_usage: int) -> int:
    match = _SPLIT_IN_NAME.match(found.file)
    if not match:
        return folder_usage
    usage = _SPLITS[match[1].lower()]
    # Kaggle's folder `test` holds both.
    if folder_usage not in {0, usage} and (folder_usage, usage) != (_TEST, _VALIDATION):
        raise InputError(
            f"{shown(files.root / found.name)}: named {match[1]} but lies in the folder of the "
            f"{USAGES[folder_usage]} split; move or rename it"
        )
    return usage


def _refuse_half_split(files: Files, usage: np.ndarray) -> None:
    silent = np.flatnonzero(usage == 0)
    if 0 < len(silent) < len(usage):
        raise InputError(
            f"{shown(files.root / files.pictures[silent[0]].name)}: neither its folder nor its "
            f"name tells a split, as {len(usage) - len(silent):,} of {len(usage):,} others do; "
            "move it into train, validation or test, or name all of them Training_, PublicTest_ "
            "or PrivateTest_"
        )
