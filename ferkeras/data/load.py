"""The faces that a configuration asks for, split and ready for the input pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import shown
from ferkeras.config.schema import Config
from ferkeras.config.sections.data import Data
from ferkeras.data.faces import ReadFaces, Splits
from ferkeras.data.read import read_faces
from ferkeras.data.readers.source import NoPeople
from ferkeras.data.readers.votes import OtherRows
from ferkeras.data.source_path import source_at
from ferkeras.data.split import Fold, split_faces
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.data.task import Task
from ferkeras.data.votes import COLUMNS
from ferkeras.data.wanted import Wanted

_NAMED = 5
"""Pictures that are named in a line."""

DEMO = "demo"
"""The `data.path` that means synthetic faces."""


def are_here(data: Data) -> bool:
    """Whether the configured faces can be made, or something lies where they are read from."""
    return data.path == DEMO or expanded(data.path).exists()


def need_source(data: Data) -> None:
    """Refuse a configuration whose faces are not there, before anything is made for it.

    Raises:
        InputError: nothing lies where they are to be read from; it says what is near.
    """
    if data.path != DEMO:
        source_at(data.path)


def without_lost_votes(config: Config) -> Config:
    """The same without votes that a second head alone has learnt from, where their file is gone.

    They change no label and leave no face out.
    """
    if not _is_lost(config.data) or config.data.votes_as != "auxiliary":
        return config
    return _with(config, votes=None, votes_as=None)


def _is_lost(data: Data) -> bool:
    """Whether the file of the votes is gone."""
    return data.votes not in (None, COLUMNS) and not expanded(data.votes).exists()


def _with(config: Config, **values: Any) -> Config:
    return config.model_copy(update={"data": config.data.model_copy(update=values)})


def load_splits(config: Config, console: Console, expected: Task | None = None) -> Splits:
    """Read or make the configured faces and split them.

    Args:
        config: `data` and `seed` are used.
        console: shows how far the reading is.
        expected: see `load_faces`.

    Raises:
        InputError: see `read_faces` and `split_faces`.
    """
    read = load_faces(config, console, expected)
    quick = read.groups is None and config.data.folds is None and not config.data.drop_leaked
    if quick:
        return split_as_configured(read, config)
    # Thousands of people take seconds, and so does comparing all pictures.
    with console.working("dividing the faces"):
        return split_as_configured(read, config)


def split_as_configured(read: ReadFaces, config: Config) -> Splits:
    """Split faces that were read; `seed` and keys of `data` are used."""
    data = config.data
    return split_faces(
        read,
        seed=config.seed,
        validation_fraction=data.validation_fraction,
        fold=fold_of(data),
        drop_leaked=data.drop_leaked,
    )


def fold_of(data: Data) -> Fold | None:
    """The fold that is validated on, where there are any."""
    return None if data.folds is None else Fold(data.fold, data.folds)


def wanted(data: Data, expected: Task | None = None) -> Wanted:
    """What the section `data` asks of a source, for a network with the task `expected` if any."""
    size = (data.size, data.size) if isinstance(data.size, int) else data.size
    return Wanted(
        data.classes,
        size,
        data.color,
        data.group_column,
        expected,
        data.votes,
        data.votes_as,
        data.detect_faces,
    )


def load_faces(config: Config, console: Console, expected: Task | None = None) -> ReadFaces:
    """Read or make the configured faces.

    Args:
        config: `data` and `seed` are used.
        console: shows how far the reading is.
        expected: the task of a network that is to see the faces: they are brought to its size,
            and those of other classes left out.

    Raises:
        InputError: see `read_faces`; or synthetic faces do not have the task that is expected.
    """
    data = config.data
    title = "making synthetic faces" if data.path == DEMO else f"reading {data.path}"
    with reading_progress(console, title) as reach:
        if data.path == DEMO:
            made = synthetic_faces(
                data.demo_faces, config.seed, label_noise=data.demo_label_noise, progress=reach
            )
            if expected is not None and expected != made.faces.task:
                raise InputError(
                    "data.path=demo: synthetic faces are 48 x 48 grey ones of FER2013's seven "
                    f"emotions; this network takes {expected.image} ones of "
                    f"{len(expected.classes)} classes; name other faces"
                )
            return made
        read = read_faces(
            data.path,
            wanted(data, expected),
            cache=data.cache,
            follow_symlinks=data.follow_symlinks,
            progress=reach,
        )
    for note in notes_on(read):
        console.print(f"note: {note}")
    return read


def load_other_faces(config: Config, console: Console, expected: Task) -> tuple[ReadFaces, bool]:
    """Read faces that a network is judged by, or an export is tried on.

    They need not say who is seen in them, and votes on the run's own faces are left out where they
    are not on these, or are gone.

    Args:
        config: of the network's run, with the path of these faces.
        console: see `load_faces`.
        expected: likewise.

    Returns:
        The faces, and whether votes were left out.

    Raises:
        InputError: see `load_faces`.
    """
    without = _with(config, votes=None, votes_as=None)
    if _is_lost(config.data):
        return load_other_faces(without, console, expected)[0], True
    try:
        return load_faces(config, console, expected), False
    except NoPeople:
        return load_other_faces(_with(config, group_column=None), console, expected)
    except OtherRows:
        return load_other_faces(without, console, expected)[0], True


def notes_on(read: ReadFaces) -> list[str]:
    """What whoever uses these faces should know of the pictures they are from, a line each."""
    notes = list(read.notes)
    if names := read.left_out:
        named = ", ".join(shown(name) for name in names[:_NAMED])
        notes.append(
            f"no face was found in {len(names):,} of {len(names) + len(read.faces):,} pictures, "
            f"left out: {named}{', ...' if len(names) > _NAMED else ''}"
        )
    if read.table is not None:
        notes.append(f"what was found in each picture is in {shown(read.table)}")
    if read.sample is not None and read.sample.mostly_photographs:
        notes.append(f"{read.sample}; data.detect_faces=true cuts the faces out")
    return notes


@contextmanager
def reading_progress(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for work that tells how much it is only once it has begun."""
    with ExitStack() as stack:
        stack.enter_context(console.progress(title))
        advance: Callable[[int], None] | None = None
        before = 0

        def reach(done: int, total: int) -> None:
            nonlocal advance, before
            if advance is None:
                advance = stack.enter_context(console.progress(title, total))
            advance(done - before)
            before = done

        yield reach
