"""Faces from folders whose names, or whose pictures' names, say what is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import listed, shown
from ferkeras.data.classes import ClassesWanted
from ferkeras.data.emotions import known_emotion
from ferkeras.data.faces import USAGES
from ferkeras.data.presets import ckplus, jaffe, kdef, rafdb
from ferkeras.data.presets.preset import Preset
from ferkeras.data.readers.files import Files, Found
from ferkeras.data.readers.folder_levels import (
    FEWEST_PEOPLE,
    LIKE_A_SPLIT,
    MOSTLY,
    class_level,
    label_of,
    levels_of,
    parts_known,
)
from ferkeras.data.readers.people_levels import people_in_folders
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
_AS_SPLITS = "if they are splits, name them train, validation and test"
_TOLD_APART = (
    "people need three folders, or a list with data.group_column; splits are called train, "
    "validation and test"
)
_AROUND_A_SPLIT = re.compile(r"^(fer2013|ferplus|fer|rafdb|affectnet)|(set|data|images)$")

_WRAPPERS = {"images", "image", "imgs", "img", "pictures", "faces", "aligned", "original", "data"}
"""Folders that say nothing of what is in them."""


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


def read_class_folders(files: Files, wanted: ClassesWanted = None) -> Source:
    """Find out what each picture shows.

    The level of folders whose names are emotions, or else the one that `wanted` names, or else
    numbers, or else the one with the fewest different names, is that of the classes. Folders named
    train, validation or test are the official split; those at another level are people. Names of
    the pictures say the split (FER2013, RAF-DB where no folder does), what is shown (KDEF, JAFFE)
    and who is seen (CK+).

    Args:
        files: at least one picture.
        wanted: what `data.classes` says.

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
            _refuse_other_names(files, naming, matches, rests, wanted)
        if all(rests):
            _refuse_sequences(files, naming, matches, rests)
        level = class_level(files, rests, wanted)
        labels = [label_of(rest[level]) for rest in rests]
        _refuse_sequences(files, naming, matches, [(label,) for label in labels])
        people, passed = people_in_folders(rests, level)
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
        set(level) <= rafdb.PRESET.names.keys() for level in levels_of(rests)
    )
    return rafdb_numbers or any(part >= MOSTLY for part in parts_known(rests))


def says_names(files: Files) -> bool:
    """Whether folders at some level have two names or more, as those of classes have."""
    rests = _without_wrapper([_rest(each.folders) for each in files.pictures])
    return any(len(level) > 1 for level in levels_of(rests))


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
        and known_emotion(label_of(rests[0][0])) is None
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
    wanted: ClassesWanted,
) -> None:
    """Refuse a picture of which neither its name, as those of most do, nor a folder says all."""
    if _are_classes(files, matches, rests, wanted):
        return
    for each, match in zip(files.pictures, matches, strict=True):
        if match is None and not any(known_emotion(label_of(name)) for name in each.folders):
            raise InputError(
                f"{shown(files.root / each.name)}: not named as most pictures here are, those of "
                f"{naming.data_set}, whose names tell what is shown; move it away, or all of them "
                "into folders named after what they show"
            )


def _are_classes(
    files: Files,
    matches: Sequence[re.Match[str] | None],
    rests: Sequence[tuple[str, ...]],
    wanted: ClassesWanted,
) -> bool:
    """Whether folders divide the pictures by what the names tell, as those of people do not."""
    if not all(rests):
        return False
    level = class_level(files, rests, wanted)
    told = {
        (m[2].upper(), label_of(rest[level])) for m, rest in zip(matches, rests, strict=True) if m
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


def _refuse_sequences(
    files: Files,
    naming: _Naming | None,
    matches: Sequence[re.Match[str] | None],
    folders: Sequence[tuple[str, ...]],
) -> None:
    """Refuse CK+ as its authors give it away: its folders are people and their recordings."""
    told = [(m, set(names)) for m, names in zip(matches, folders, strict=False) if m]
    if (
        naming is not None
        and naming.data_set == "CK+"
        and all(names <= {*m[0].split("_")[:2]} for m, names in told)
    ):
        raise InputError(
            f"{shown(files.root)}: {naming.data_set} as its authors distribute it: folders of "
            "people and recordings, with the emotions in text files elsewhere, which are not read; "
            "put the pictures into folders named after what they show, or list them in a table "
            "(image,emotion)"
        )


def _title(names: Sequence[str], people: Sequence[str]) -> tuple[str, Preset | None]:
    if all(rafdb.PICTURE.fullmatch(name) for name in names):
        return "RAF-DB's class folders, by its file names", rafdb.PRESET
    if all(ckplus.PICTURE.fullmatch(name) for name in names):
        return "CK+'s class folders, people by its file names", None
    each_person = " with a folder for each person" if _are_people(people) else ""
    return f"class folders{each_person}", None


def _are_people(names: Sequence[str]) -> bool:
    return len(set(names)) >= FEWEST_PEOPLE and all(names)


def _notes(files: Files, people: Sequence[str], labels: Sequence[str], *, split: bool) -> list[str]:
    """What is said of what is passed over, and of folders that may mean something else."""
    notes = _passed_over(files)
    shown_in = _classes_in(people, labels)
    names = listed([f"{shown(each)}/" for each in sorted(shown_in) if each])
    several = _are_people(people)
    if not names or (several and len(shown_in) > FEWEST_PEOPLE):
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
    level_of_classes: int | None,
) -> None:
    """Refuse a level of `Trainingsdaten` and `Testdaten` alone, which would pass for people."""
    for level in range(min(map(len, rests))):
        if level == level_of_classes:
            continue
        classes_in = _classes_in([rest[level] for rest in rests], labels)
        stems = {m[1].lower() for name in classes_in if (m := LIKE_A_SPLIT.match(name))}
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
