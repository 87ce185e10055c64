"""From labels as they are written to classes: known emotions, own names, class indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import nearest, quoted
from ferkeras.data.emotions import KNOWN, SPELLINGS, composed, known_emotion
from ferkeras.data.presets import ckplus, rafdb
from ferkeras.data.presets.all import PRESETS
from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.data.presets.preset import Preset, numbered
from ferkeras.data.task import LONGEST_NAME, MOST_CLASSES, Classes

ClassesWanted = str | Sequence[str] | Mapping[str, Sequence[str]] | None
"""A preset's name, names to keep, names with what becomes them, or None for what there is."""

DROPPED = -1
"""Class index of a face that is left out."""

_LISTED = 12

_NO_LABEL = {"nan", "null", "none", "n/a", "na"}
"""What programs write, in any case, where there is no label."""


@dataclass(frozen=True)
class Chosen:
    """Which classes there are, and what became of each way of writing a label.

    Attributes:
        classes: the classes.
        index_of: class index by label as it is written, its accents composed; `DROPPED` for those
            left out.
        left_out: the name of each label that is left out; the label itself where it has none.
    """

    classes: Classes
    index_of: Mapping[str, int]
    left_out: Mapping[str, str]

    def indices(self, labels: Sequence[str]) -> np.ndarray:
        """Class index of each label, int32, shape (N,)."""
        found = (self.index_of[composed(each)] for each in labels)
        return np.fromiter(found, np.int32, len(labels))

    def dropped(self, labels: Sequence[str]) -> dict[str, int]:
        """How many of these labels are left out, by name."""
        written = map(composed, labels)
        return dict(Counter(self.left_out[each] for each in written if each in self.left_out))

    def summary(self) -> str:
        """What was renamed and what was left out, for people; empty where nothing was."""
        renamed = [
            f"{written} is {self.classes[index]}"
            for written, index in self.index_of.items()
            if index != DROPPED and written != self.classes[index]
        ]
        left_out = list(self.left_out)
        parts = [_listed(renamed), f"left out: {_listed(left_out)}" if left_out else ""]
        return "; ".join(filter(None, parts))


def choose_classes(
    source: str,
    places: Mapping[str, str],
    wanted: ClassesWanted,
    preset: Preset | None,
    expected: Classes | None = None,
) -> Chosen:
    """Decide what the labels of a source mean.

    Labels that are names: emotions that the field knows become its names, whatever their spelling,
    and stand first, in its order; others stay as they are, by the alphabet. Labels that are
    numbers are class indices: without a preset that the layout or `wanted` names, or a mapping,
    they are refused, since data sets number the same emotions differently. With one, what is
    neither a number nor an emotion is refused, unless `wanted` names it.

    Args:
        source: the path, for messages.
        places: every way in which a label is written, with where it first is.
        wanted: what `data.classes` says.
        preset: the data set that the layout is known to be of.
        expected: the classes of a network that is to predict these faces; others are left out,
            and some may be missing.

    Raises:
        InputError: class indices that nothing names or that seem to be counted from 1, names of
            `wanted` that do not occur, a preset that says nothing of any label, a name that is
            nearly that of an emotion or stands for no label, fewer than two classes or more than a
            thousand.
    """
    if wanted is None and expected is None and preset is ckplus.PRESET:
        _refuse_counted_from_one(source, places, preset)
    if isinstance(wanted, str):
        preset, wanted = preset_named(wanted), None
        _refuse_none_of(source, [*places], preset)
    # Backwards, so that the first place stays.
    places = {composed(label): place for label, place in [*places.items()][::-1]}
    wanted = _composed(wanted)
    written = sorted(places, key=_natural)
    names = _names(source, written, places, preset, wanted, lenient=expected is not None)
    if wanted is None:
        there = {name for name in names.values() if name is not None}
        if preset is not None and any(_number(label) or label.isdigit() for label in written):
            there |= {name for name in preset.names.values() if name is not None}
        becomes: Mapping[str, str] = {name: name for name in there}
        ordered = _ordered(there)
    else:
        merged = _merging(wanted)
        becomes = _merged(source, merged, names, lenient=expected is not None)
        ordered = list(merged)
    try:
        classes = expected or Classes(tuple(ordered))
    except ValueError as error:
        raise InputError(f"{source}: {error}: {_listed(ordered) or 'none'}") from None
    index_of: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for label, name in names.items():
        new = None if name is None else becomes.get(name)
        known = new is not None and new in classes.names
        index_of[label] = classes.index(str(new)) if known else DROPPED
        if not known:
            left_out[label] = name or label
    return Chosen(classes, index_of, left_out)


def _merging(wanted: Sequence[str] | Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """What becomes each class, where classes are named."""
    return wanted if isinstance(wanted, Mapping) else {name: [name] for name in wanted}


def _composed(
    wanted: Sequence[str] | Mapping[str, Sequence[str]] | None,
) -> Sequence[str] | Mapping[str, Sequence[str]] | None:
    if isinstance(wanted, Mapping):
        return {composed(new): [*map(composed, olds)] for new, olds in wanted.items()}
    return None if wanted is None else [*map(composed, wanted)]


def preset_named(key: str) -> Preset:
    """The data set that `data.classes` names.

    Raises:
        InputError: there is none of this name.
    """
    if key not in PRESETS:
        near = nearest(key, PRESETS)
        raise InputError(
            f"data.classes = {quoted(key)}: no such data set"
            f"{f'; did you mean {near}?' if near else ';'} expected one of {', '.join(PRESETS)}, "
            "a list of names, or a mapping"
        )
    return PRESETS[key]


def _refuse_none_of(source: str, labels: Sequence[str], preset: Preset) -> None:
    """Refuse a preset that says nothing of the labels: names of people, such as folders have."""
    emotions = {*filter(None, preset.names.values())}
    if not any(
        _number(label) or label.isdigit() or known_emotion(label) in emotions for label in labels
    ):
        raise InputError(
            f"{source}: data.classes={preset.key} says what class indices mean "
            f"({preset.mapping()}), but no label here is one, or the name of one of these "
            f"emotions: there are {_listed(sorted(labels))}; if these are the classes, leave "
            "data.classes out, or name those to keep: 'data.classes=[...]'; if not, give what "
            "holds the labels as data.path"
        )


def _refuse_counted_from_one(source: str, places: Mapping[str, str], preset: Preset) -> None:
    """FER2013's numbers from 1, and RAF-DB's, have a 7, as CK+'s have, and no 0."""
    found = sorted({number for label in places if (number := _number(label)) is not None}, key=int)
    counted = numbered(EMOTIONS, first=1)
    if "7" not in found or not set(found) <= set(counted):
        return
    shifted = ", ".join(f"{counted[number]}: [{number}]" for number in found)
    others = " or ".join(
        f"data.classes={each.key} ({each.title}: {each.mapping()})"
        for each in (rafdb.PRESET, preset)
    )
    raise InputError(
        f"{source}: the labels are {_listed(found)} without a 0, and for the 7 they would be read "
        f"as {preset.title}; if they are FER2013's counted from 1, every name would be off by one: "
        f"say 'data.classes={{{shifted}}}'; if not, {others}, or what each number means"
    )


def _names(
    source: str,
    written: Sequence[str],
    places: Mapping[str, str],
    preset: Preset | None,
    wanted: Sequence[str] | Mapping[str, Sequence[str]] | None,
    *,
    lenient: bool,
) -> dict[str, str | None]:
    """Name of the class that each label stands for; None for what is to be left out."""
    numbers = {label: number for label in written if (number := _number(label)) is not None}
    if all(label.isascii() and label.isdigit() and len(label) < 7 for label in written):
        # Folders are numbered 01, 02, ... too.
        numbers = {label: str(int(label)) for label in written}
    names: dict[str, str | None] = {}
    for label in written:
        if label not in numbers:
            names[label] = _name(label, places)
        elif preset is not None:
            if numbers[label] not in preset.names:
                raise _unknown(label, places, preset)
            names[label] = preset.names[numbers[label]]
        else:
            names[label] = numbers[label]
    if numbers and preset is None and not isinstance(wanted, Mapping):
        if len(numbers) < len(written):
            name = next(label for label in written if label not in numbers)
            raise InputError(
                f"{source}: some labels are numbers ({next(iter(numbers))}) and some are names "
                f"({name}); write all of them as names"
            )
        raise _unnamed(source, sorted(set(numbers.values()), key=int))
    if wanted is None:
        _refuse_misspelt(names, places)
    # Elsewhere what is not named is left out, and counted.
    if wanted is None and not lenient:
        _refuse_no_label(names, places)
        if numbers and preset is not None:
            _refuse_beside_numbers(
                [each for each in written if each not in numbers], places, preset
            )
    return names


def _refuse_beside_numbers(
    labels: Sequence[str], places: Mapping[str, str], preset: Preset
) -> None:
    for label in labels:
        if known_emotion(label) is None:
            raise _unknown(label, places, preset)


def _unknown(label: str, places: Mapping[str, str], preset: Preset) -> InputError:
    return InputError(
        f"{places[label]}: unknown emotion {quoted(label)}: {preset.title} has the class indices "
        f"{preset.mapping()}; data.classes can say what others mean"
    )


def _name(label: str, places: Mapping[str, str]) -> str:
    if not label or len(label) > LONGEST_NAME or not label.isprintable():
        raise InputError(
            f"{places[label]}: unknown emotion {quoted(label)}; expected a class index or a name "
            f"of 1 to {LONGEST_NAME} printable characters"
        )
    return known_emotion(label) or label


def _refuse_misspelt(names: Mapping[str, str | None], places: Mapping[str, str]) -> None:
    """Where most classes are emotions, a name that is nearly that of one is a slip."""
    emotions = sum(name in KNOWN for name in names.values())
    for label, name in names.items():
        near = nearest(label, SPELLINGS, cutoff=0.7)
        if name is not None and name not in KNOWN and near and 2 * emotions >= len(names):
            raise InputError(
                f"{places[label]}: unknown emotion {quoted(label)}; did you mean {quoted(near)}? "
                "rename it, or name every class that is to be kept in data.classes"
            )


def _refuse_no_label(names: Mapping[str, str | None], places: Mapping[str, str]) -> None:
    for label in names:
        if label.lower() in _NO_LABEL:
            raise InputError(
                f"{places[label]}: {quoted(label)}, which is no label; leave out what has none, or "
                "name every class that is to be kept in data.classes"
            )


def _unnamed(source: str, numbers: Sequence[str]) -> InputError:
    fitting = [each for each in PRESETS.values() if set(numbers) <= set(each.names)]
    return InputError(
        f"{source}: the labels are class indices without names ({_listed(numbers)}), and data sets "
        f"number emotions differently; say what they mean: {how_to_name(numbers, fitting)}"
    )


def how_to_name(numbers: Sequence[str], presets: Iterable[Preset]) -> str:
    """What `data.classes` may say of class indices, for people: those of a data set, or others."""
    pairs = ", ".join(f"name{number}: [{number}]" for number in numbers[:2])
    proposals = [f"data.classes={each.key} ({each.title}: {each.mapping()})" for each in presets]
    return "; or ".join([*proposals, f"'data.classes={{{pairs}, ...}}' (your own names)"])


def _merged(
    source: str,
    wanted: Mapping[str, Sequence[str]],
    names: Mapping[str, str | None],
    *,
    lenient: bool,
) -> dict[str, str]:
    """Wanted class by name that occurs."""
    there = {name: name for name in names.values() if name is not None}
    there |= {label: name for label, name in names.items() if name is not None}
    # Of 1.0, as tables write it, also 1.
    there |= {
        number: name
        for label, name in names.items()
        if name is not None and (number := _number(label)) is not None
    }
    becomes: dict[str, str] = {}
    for new, olds in wanted.items():
        for old in olds:
            name = there.get(old) or there.get(known_emotion(old) or old)
            if name is None:
                if lenient:
                    continue
                near = nearest(old, there)
                raise InputError(
                    f"{source}: data.classes names {quoted(old)}, which is no class here"
                    f"{f'; did you mean {quoted(near)}?' if near else ';'} there are "
                    f"{_listed(sorted(set(there.values()), key=_natural))}"
                )
            if becomes.setdefault(name, new) != new:
                raise InputError(
                    f"data.classes: {quoted(old)} cannot be both {becomes[name]} and {new}"
                )
    return becomes


def _ordered(names: set[str]) -> list[str]:
    emotions = [name for name in KNOWN if name in names]
    return emotions + sorted(names - set(KNOWN), key=_natural)[: MOST_CLASSES + 1]


def _number(label: str) -> str | None:
    """A class index without the zeros that tables write behind it; None for a name."""
    head, dot, tail = label.partition(".")
    if not (head.isascii() and head.isdigit() and len(head) < 7) or head != str(int(head)):
        return None
    return None if dot and tail.strip("0") else head


def _natural(label: str) -> tuple[int, str]:
    """Numbers in their order, before names in that of the alphabet."""
    number = _number(label)
    return (1, label) if number is None else (0, number.zfill(7))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
