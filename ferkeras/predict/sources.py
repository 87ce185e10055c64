"""Inputs of predict: pictures and frames of videos, from paths as people write them."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import shown
from ferkeras.data.photographs import without_opencv
from ferkeras.data.pictures import MAX_PICTURE_BYTES, SUFFIXES, decode
from ferkeras.data.readers.files import BESIDE_PICTURES, is_visible
from ferkeras.predict.drawn import is_drawn
from ferkeras.runs.record import Run

_RECORD = Run(Path()).environment.name

_SMALLEST = 8
"""Pixels of a side below which nothing shows a face."""

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


@dataclass(frozen=True)
class View:
    """One picture to predict.

    Attributes:
        name: the path it was found under.
        seconds: time in the video it is a frame of; None for a picture file.
        read: returns it in mode RGB, upright; raises InputError where it is unreadable.
        held: bytes of it that are in memory before it is read.
    """

    name: str
    seconds: float | None
    read: Callable[[], Image.Image]
    held: int = 0


def find_files(
    paths: Sequence[str],
    *,
    follow_symlinks: bool = False,
    drawing: Path | None = None,
    left_out: Callable[[Path], None] = lambda path: None,
) -> list[Path]:
    """The files that these paths mean, in order.

    A file stands for itself; a folder for the files in it and below, by name: those whose names
    say neither picture nor video too, so that whoever reads them tells what is skipped. Passed
    over are hidden files, symbolic links to folders unless links are followed, and text, tables,
    documents and what systems leave beside pictures. Left out are what ferkeras made itself: runs,
    whose curves are pictures of no face, and what it drew before, unless there is nothing else.
    Anything else is taken for a glob
    pattern (`*`, `?`, `[...]`, `**`), which is searched likewise: its folder is what stands before
    the first of these. A file that is meant more than once counts once.

    Args:
        paths: as people write them.
        follow_symlinks: allow symbolic links in a folder to lead out of it.
        drawing: the folder that predictions are drawn into.
        left_out: is told each folder of ferkeras's own that lies in one of the paths, and each
            picture that it drew beside others.

    Raises:
        InputError: a path means no file, or a link leads out of a folder.
    """
    found: list[Path] = []
    for each in paths:
        path = expanded(each)
        if is_folder(path):
            inside = _below(path, drawing, left_out, follow_symlinks)
            if not follow_symlinks:
                _refuse_links_out_of(path, inside)
            if not any(map(_known, inside)):
                raise InputError(
                    f"{shown(each)}: no picture or video in this folder; looked for "
                    f"{', '.join((*SUFFIXES, *VIDEO_SUFFIXES))}"
                )
            found += inside
        elif is_there(path) or not glob.has_magic(each):
            if not is_there(path):
                raise InputError(f"{shown(each)}: no such file or folder")
            found.append(path)
        else:
            # Path.glob knows no absolute patterns.
            matches = glob.glob(str(path), recursive=True)  # noqa: PTH207
            files = [match for match in map(Path, sorted(matches)) if _is_meant(match)]
            files = _without_drawn(files, left_out)
            if not any(map(_known, files)):
                raise InputError(
                    f"{shown(each)}: no picture or video matches this pattern; looked for "
                    f"{', '.join((*SUFFIXES, *VIDEO_SUFFIXES))}"
                )
            if not follow_symlinks:
                _refuse_links_out_of(_fixed_part(path), files)
            found += files
    parents = {parent: parent.resolve() for parent in {path.parent for path in found}}
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(parents[path.parent] / path.name, path)
    return list(once.values())


def is_folder(path: Path) -> bool:
    """Whether there is a folder; one that cannot be reached is none."""
    with suppress(OSError):
        return path.is_dir()
    return False


def is_there(path: Path) -> bool:
    """Whether something has this path; what cannot be reached is told from nothing by reading."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:
        return False


def is_video(path: Path) -> bool:
    """Whether the name is that of a video."""
    return path.name.lower().endswith(VIDEO_SUFFIXES)


def views_of(files: Sequence[Path], every_seconds: float) -> Iterator[View]:
    """Pictures and frames, one after the other; picture files are read when they are reached.

    Args:
        files: as `find_files` returned them.
        every_seconds: time between two frames of a video, 0 for every frame.
    """
    for path in files:
        if is_video(path) and (why := without_opencv()):
            yield View(str(path), None, partial(_needs_opencv, why))
        elif is_video(path):
            from ferkeras.predict.videos import frames_of

            yield from frames_of(path, every_seconds)
        else:
            yield View(str(path), None, partial(read_picture, path))


def _needs_opencv(why: str) -> Image.Image:
    raise InputError(f"a video needs OpenCV, which {why}")


def read_picture(path: Path) -> Image.Image:
    """The picture in a file, of mode RGB; raises InputError as `View.read`."""
    return large_enough(decode(read_bounded(path), 3))


def large_enough(picture: Image.Image) -> Image.Image:
    """The picture; raises InputError where it is too small to show a face."""
    if min(picture.size) < _SMALLEST:
        raise InputError(
            f"{picture.width} x {picture.height} pixels show no face; expected at least "
            f"{_SMALLEST} a side"
        )
    return picture


def read_bounded(path: Path) -> bytes:
    """The content of a picture file.

    Raises:
        InputError: it cannot be read, is no regular file, or has more than 16 MiB.
    """
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise InputError("a folder that cannot be opened")
        if not stat.S_ISREG(state.st_mode):
            raise InputError("not a regular file")
        if state.st_size > MAX_PICTURE_BYTES:
            raise InputError(f"more than {MAX_PICTURE_BYTES >> 20} MiB, too large for a picture")
        with path.open("rb", buffering=0) as file:
            # A file that grows meanwhile is cut off, and the decoder says so.
            return file.read(state.st_size)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"not a path ({error})") from None


def _below(
    folder: Path, drawing: Path | None, left_out: Callable[[Path], None], follow_symlinks: bool
) -> list[Path]:
    closed: list[Path] = []
    every = sorted(_every(folder, follow_symlinks, closed))
    own = {path.parent for path in every if _is_of_a_run(path)} - {folder}
    if drawing is not None:
        own |= {path for path in every if path.is_dir() and path.resolve() == drawing.resolve()}
    for each in sorted(own):
        left_out(each)
    files = [
        path
        for path in every
        if _is_meant(path)
        and is_visible(path.relative_to(folder).as_posix())
        and own.isdisjoint(path.parents)
    ]
    # Whoever reads them says that they cannot be.
    return [*_without_drawn(files, left_out), *closed]


def _without_drawn(files: Sequence[Path], left_out: Callable[[Path], None]) -> list[Path]:
    """The files that predict did not draw; all of them, where there is nothing else."""
    drawn = {path for path in files if is_drawn(path)}
    rest = [path for path in files if path not in drawn]
    if not any(map(_known, rest)):
        return list(files)
    mixed = {path.parent for path in rest}
    for each in sorted({path if path.parent in mixed else path.parent for path in drawn}):
        left_out(each)
    return rest


def _every(folder: Path, through_links: bool, closed: list[Path]) -> Iterator[Path]:
    """What is below a folder; each folder once, so that no circle of links is endless.

    Args:
        folder: the folder.
        through_links: whether links to folders are followed.
        closed: gets the folders that cannot be opened.
    """
    been: set[str] = set()
    for name, folders, files in os.walk(
        folder,
        followlinks=through_links,
        onerror=lambda error: closed.append(Path(error.filename)),
    ):
        place = Path(name)
        real = os.path.realpath(place)
        if real in been:
            folders.clear()
            continue
        been.add(real)
        # Folders before links to them, so that what is found has one name on every machine.
        folders[:] = sorted(
            filter(is_visible, folders), key=lambda each: ((place / each).is_symlink(), each)
        )
        yield from (place / each for each in (*folders, *files))


def _is_of_a_run(path: Path) -> bool:
    return path.name == _RECORD and Run(path.parent).config.is_file()


def _fixed_part(pattern: Path) -> Path:
    """The folder that a glob pattern looks into: what stands before its first magic part."""
    parts = list(pattern.parts)
    magic = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:magic])


def _refuse_links_out_of(folder: Path, files: Sequence[Path]) -> None:
    root = folder.resolve()
    parents = {parent: parent.resolve() for parent in {path.parent for path in files}}
    for path in files:
        # Of a link that leads to itself this is the link.
        real = (
            Path(os.path.realpath(path)) if path.is_symlink() else parents[path.parent] / path.name
        )
        if not real.is_relative_to(root):
            raise InputError(
                f"{shown(path)}: a link out of the folder {shown(folder)}, to "
                f"{shown(real)}; name it by itself, or allow it with --follow-symlinks"
            )


def _is_meant(path: Path) -> bool:
    return (
        not path.is_dir() and path.suffix.lower() not in BESIDE_PICTURES and is_visible(path.name)
    )


def _known(path: Path) -> bool:
    return path.name.lower().endswith((*SUFFIXES, *VIDEO_SUFFIXES))
