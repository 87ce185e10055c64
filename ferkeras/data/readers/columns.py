"""What the columns of a table are, told by its first line."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, nearest, quoted
from ferkeras.data.emotions import known_emotion
from ferkeras.data.faces import USAGES
from ferkeras.data.pictures import SUFFIXES
from ferkeras.data.presets import affectnet
from ferkeras.data.readers.source import NoPeople
from ferkeras.data.readers.votes import NO_CLASS

DELIMITERS = (b",", b";", b"\t")

_LABELS = (
    # Names before numbers, where a table has both.
    "emotion_name",
    "emotion_label",
    "class_name",
    "label_name",
    "emotion",
    "expression",
    "label",
    "labels",
    "class",
    "target",
    "category",
)
_IMAGES = (
    "image",
    "image_path",
    "image_name",
    "image_file",
    "img",
    "img_path",
    "picture",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "path",
    "pth",
    "subdirectory_filepath",
)
_USAGES = ("usage", "split", "subset", "set", "partition")
_PEOPLE = ("person", "subject", "identity", "participant")
_GROUPS = tuple(f"{name}{end}" for name in _PEOPLE for end in ("", "_id", "id"))

_PIXEL_COLUMN = re.compile(r"(?:pixel|px|p|x)?[ _.-]?\d{1,6}")
_FEWEST_PIXELS = 256
_MOST_COLUMNS = 1000
_NUMBERS = re.compile(rb"[\[\]\s\d.,]+")

_USAGE_NAMES = {
    "training": "train",
    "train": "train",
    "publictest": "validation",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "privatetest": "test",
    "testing": "test",
    "test": "test",
}


@dataclass(frozen=True)
class Columns:
    """Where the columns stand in a row, counted from 0; None for those that are not there.

    Attributes:
        delimiter: what stands between fields.
        count: fields of a row.
        header: whether the first line names the columns; else it is a row.
        label: the class.
        one_hot: place and name of each class where every class has a column.
        pixels: first and last but one column of pixels.
        image: path of a picture.
        usage: split.
        group: who is seen.
        fer2013: whether they are named as FER2013 names them.
        affectnet: whether they are AffectNet's.
        votes: place and name of each column of votes, where these were asked for.
    """

    delimiter: bytes
    count: int
    header: bool
    label: int | None
    one_hot: tuple[tuple[int, str], ...]
    pixels: tuple[int, int] | None
    image: int | None
    usage: int | None
    group: int | None
    fer2013: bool = False
    affectnet: bool = False
    votes: tuple[tuple[int, str], ...] = ()


def usage_of(text: str) -> int | None:
    """Index into `USAGES` of the name of a split, as tables write it; None for other words."""
    name = _USAGE_NAMES.get(text.strip().lower())
    return None if name is None else USAGES.index(name)


def fields_of(row: bytes, delimiter: bytes) -> list[bytes]:
    """The fields of a row.

    Raises:
        InputError: its quotes do not match.
    """
    if b'"' not in row:
        return row.split(delimiter) if delimiter != b" " else row.split()
    # A face of 512 pixels is one field; how long a row may be is asked where it is read.
    csv.field_size_limit(max(csv.field_size_limit(), len(row)))
    try:
        # Latin-1 maps every byte to one character and back.
        (fields,) = csv.reader(
            [row.decode("latin-1")],
            strict=True,
            skipinitialspace=True,
            delimiter=delimiter.decode("latin-1"),
        )
    except (csv.Error, ValueError) as error:
        raise InputError(f"quotes that do not match ({error})") from error
    return [field.encode("latin-1") for field in fields]


def fields_below(columns: Columns, row: bytes) -> list[bytes]:
    """The fields of a row below the header.

    Raises:
        InputError: see `fields_of`; or there are more or fewer than there are columns, or one that
            is read as text is not UTF-8.
    """
    fields = fields_of(row, columns.delimiter)
    if len(fields) != columns.count:
        raise InputError(f"{len(fields)} fields, expected {columns.count} as in the first line")
    if not row.isascii():
        for place in (columns.label, columns.image, columns.usage, columns.group):
            if place is not None and (wrong := _other_encoding(fields[place])):
                raise InputError(f"this text {wrong}")
    return fields


def _other_encoding(text: bytes) -> str:
    """What is wrong with text that is not UTF-8; empty where it is."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        word = text[max(0, error.start - 20) : error.end + 20].decode("cp1252", "replace")
        return (
            f"is not UTF-8 (as Windows-1252 it reads {quoted(word)}); save it as UTF-8, which "
            'spreadsheets call "CSV UTF-8"'
        )
    return ""


def columns_of(at: str, row: bytes, group_column: str | None, *, votes: bool = False) -> Columns:
    """Recognise the columns of a table.

    Args:
        at: where the row is, for messages.
        row: the first one.
        group_column: what `data.group_column` says.
        votes: whether the columns of the classes hold votes.

    Raises:
        InputError: it is no table of faces, or lacks a column; the message names the nearest.
    """
    if row.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{at}: this text is UTF-16; save it as UTF-8")
    if b"ustar" in row[:512]:
        raise InputError(f"{at}: a tar archive; unpack it and give the .csv in it")
    if b"\0" in row or row.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        raise InputError(f"{at}: not text; expected a table of faces, plain, gzipped or zipped")
    split: dict[bytes, list[bytes]] = {}
    for each in DELIMITERS:
        try:
            split[each] = fields_of(row, each)
        except InputError as error:
            # In quotes, and separated by another one.
            unsplit = error
    if not split:
        raise InputError(f"{at}: {unsplit}")
    delimiter = max(split, key=lambda each: len(split[each]))
    fields = split[delimiter]
    if without := _without_header(at, fields, delimiter, row):
        if group_column is not None:
            raise NoPeople(
                f"{at}: no column named {quoted(group_column)}, as data.group_column says: a row "
                "without a line of column names above; name the columns"
            )
        return without
    names = [field.decode("utf-8", "replace").strip() for field in fields]
    try:
        return columns_named(at, names, group_column, delimiter, votes=votes)
    except InputError as error:
        if wrong := _other_encoding(row):
            raise InputError(f"{error}; this line {wrong}") from None
        raise


def columns_named(
    at: str,
    names: list[str],
    group_column: str | None,
    delimiter: bytes = b"",
    *,
    votes: bool = False,
) -> Columns:
    """Recognise columns by their names.

    Args:
        at: where they are, for messages.
        names: in order.
        group_column: what `data.group_column` says.
        delimiter: what stands between fields, in text.
        votes: see `columns_of`.

    Raises:
        InputError: see `columns_of`.
    """
    found = [name.lower() for name in names]
    listed = ", ".join(quoted(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")
    for wanted in ("emotion", "pixels", "usage"):
        if found.count(wanted) > 1:
            raise InputError(f"{at}: {found.count(wanted)} columns are named {wanted}, expected 1")
    if found == ["pixels"]:
        raise InputError(
            f"{at}: pixels alone, without a column named emotion: this is Kaggle's test.csv, "
            "which has no labels to learn from; give train.csv"
        )
    pixels = _pixel_columns(found)
    image = None if pixels else _first(found, _IMAGES)
    if {"happiness", "nf"} <= set(found) and pixels is None and image is None:
        raise InputError(
            f"{at}: these are the votes of FER+, which hold no pixels; give the fer2013.csv "
            "they belong to"
        )
    label = _first(found, _LABELS)
    one_hot = tuple(
        (place, name) for place, name in enumerate(names) if known_emotion(name) is not None
    )
    voted = _columns_of_votes(at, names) if votes else ()
    if label is not None or len(one_hot) < 2 or votes:
        one_hot = ()
    if len(names) > _MOST_COLUMNS and (pixels is None or pixels[1] - pixels[0] == 1):
        raise InputError(f"{at}: {len(names):,} columns, expected emotion,pixels or a few more")
    if pixels is None and image is None:
        raise InputError(
            f"{at}: no column named pixels, nor one named image, among {listed}"
            f"{did_you_mean('pixels' if nearest('pixels', names) else 'image', names)} "
            "expected emotion,pixels or emotion,pixels,Usage, or image,emotion for a list of "
            "picture files"
        )
    if label is None and not one_hot and not voted:
        raise InputError(
            f"{at}: no column named emotion among {listed}{did_you_mean('emotion', names)} "
            f"expected {'emotion,pixels or emotion,pixels,Usage' if pixels else 'image,emotion'}; "
            "label, class and expression are understood too"
        )
    usage = _first(found, _USAGES)
    # Likelier than a misspelt name is a column of something else, such as age or image.
    almost_usage = nearest("usage", names, cutoff=0.8)
    if usage is None and almost_usage:
        raise InputError(
            f"{at}: no column named Usage, but one named {quoted(almost_usage)}; "
            "rename it, so that the official split is not lost"
        )
    return Columns(
        delimiter=delimiter,
        count=len(names),
        header=True,
        label=label,
        one_hot=one_hot,
        pixels=pixels,
        image=image,
        usage=usage,
        group=_group(at, names, group_column),
        fer2013=label is not None and found[label] == "emotion" and "pixels" in found,
        affectnet=set(found) >= affectnet.COLUMNS,
        votes=voted,
    )


def _columns_of_votes(at: str, names: Sequence[str]) -> tuple[tuple[int, str], ...]:
    emotions = [name for name in names if known_emotion(name) is not None]
    if len(emotions) < 2:
        raise InputError(
            f"{at}: data.votes=columns: {len(emotions)} columns are named after emotions, expected "
            "one for each class (neutral, happy, ...), with the votes for it or its probability"
        )
    return tuple(
        (place, name)
        for place, name in enumerate(names)
        if name in emotions or name.lower() in NO_CLASS
    )


def _first(found: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((found.index(name) for name in wanted if name in found), None)


def _pixel_columns(found: Sequence[str]) -> tuple[int, int] | None:
    if "pixels" in found:
        return found.index("pixels"), found.index("pixels") + 1
    places = [place for place, name in enumerate(found) if _PIXEL_COLUMN.fullmatch(name)]
    if len(places) < _FEWEST_PIXELS or places[-1] - places[0] + 1 != len(places):
        return None
    return places[0], places[-1] + 1


def _group(at: str, names: Sequence[str], wanted: str | None) -> int | None:
    found = [name.lower() for name in names]
    if wanted is None:
        return _first(found, _GROUPS)
    if wanted.strip().lower() not in found:
        raise NoPeople(
            f"{at}: no column named {quoted(wanted)}, as data.group_column says"
            f"{did_you_mean(wanted, names)} there are "
            f"{', '.join(quoted(name) for name in names[:12])}"
        )
    return found.index(wanted.strip().lower())


def _without_header(at: str, fields: list[bytes], delimiter: bytes, row: bytes) -> Columns | None:
    """The columns of a table whose first line is a row; None where it has a header."""
    if len(fields) == 1 and row.split():
        words = row.split()
        if len(words) == 2 and _is_picture(words[0]):
            return _only(b" ", 2, label=1, image=0)
    stripped = [field.strip() for field in fields]
    numbers = [bool(field) and _NUMBERS.fullmatch(field) is not None for field in stripped]
    if len(fields) > _FEWEST_PIXELS and sum(numbers) >= len(fields) - 1:
        if not _is_square(len(fields) - 1):
            raise InputError(
                f"{at}: {len(fields):,} columns of numbers without names, which are no class and "
                "the pixels of a square; name the columns in a first line: label,0,1,2,..."
            )
        last = not numbers[-1]
        label = len(fields) - 1 if last else 0
        return _only(delimiter, len(fields), label=label, pixels=(1 - last, len(fields) - last))
    long = [k for k, field in enumerate(stripped) if numbers[k] and len(field.split()) > 200]
    pictures = [k for k, field in enumerate(stripped) if _is_picture(field)]
    if len(long) == 1 or (len(pictures) == 1 and not long and len(fields) > 1):
        place = (long or pictures)[0]
        usage = [k for k, field in enumerate(stripped) if usage_of(field.decode("latin-1"))]
        rest = [k for k in range(len(fields)) if k != place and k not in usage]
        if len(rest) != 1 or len(usage) > 1:
            raise InputError(
                f"{at}: a row without a line of column names above, and more than one column may "
                "be the class; name the columns: emotion,pixels,Usage or image,emotion"
            )
        return _only(
            delimiter,
            len(fields),
            label=rest[0],
            pixels=(place, place + 1) if long else None,
            image=None if long else place,
            usage=usage[0] if usage else None,
        )
    return None


def _only(
    delimiter: bytes,
    count: int,
    *,
    label: int,
    pixels: tuple[int, int] | None = None,
    image: int | None = None,
    usage: int | None = None,
) -> Columns:
    return Columns(delimiter, count, False, label, (), pixels, image, usage, None)


def _is_picture(field: bytes) -> bool:
    return field.decode("latin-1").lower().endswith(SUFFIXES)


def _is_square(count: int) -> bool:
    return round(count**0.5) ** 2 == count
