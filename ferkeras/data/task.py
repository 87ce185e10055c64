"""What is learnt: the classes in order, and the size and colour of a face.

A task is made when faces are read and travels with them: to the network, the predictions, the
run's folder and every export. Nothing else knows how many classes there are or what a face
measures. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_CLASSES = 1000
SMALLEST_SIDE, LARGEST_SIDE = 16, 512
LONGEST_NAME = 100
"""Characters of the name of a class."""


@dataclass(frozen=True)
class Classes:
    """Names of the classes; a class index is a name's place among them.

    Args:
        names: 2 to 1,000 different ones, in order; no line breaks in them.

    Raises:
        ValueError: they are too few, too many, not different, or not printable.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not 2 <= len(names) <= MOST_CLASSES:
            raise ValueError(f"expected 2 to {MOST_CLASSES:,} classes, found {len(names):,}")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"expected different class names, found {twice!r} twice")
        for name in names:
            if not (name.strip() and name.isprintable() and len(name) <= LONGEST_NAME):
                raise ValueError(
                    f"expected class names of 1 to {LONGEST_NAME} printable characters, found "
                    f"{name[:LONGEST_NAME]!r}"
                )

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, index: int) -> str:
        return self.names[index]

    def index(self, name: str) -> int:
        """Class index of a name; ValueError if it is none."""
        return self.names.index(name)


@dataclass(frozen=True)
class ImageSpec:
    """Size and colour of a face.

    Args:
        height: pixels, 16 to 512.
        width: pixels, 16 to 512.
        channels: 1 for grey, 3 for colour (red, green, blue).

    Raises:
        ValueError: a number is outside its range.
    """

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        sides = (self.height, self.width)
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
            raise ValueError(
                f"expected faces of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels each way, found "
                f"{self.height} x {self.width}"
            )
        if self.channels not in (1, 3):
            raise ValueError(f"expected 1 channel (grey) or 3 (colour), found {self.channels}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    def __str__(self) -> str:
        return f"{self.height} x {self.width} {'grey' if self.channels == 1 else 'colour'}"


@dataclass(frozen=True)
class Task:
    """The classes that are told apart, and the faces that they are told from."""

    classes: Classes
    image: ImageSpec

    def as_json(self) -> dict[str, Any]:
        """The task as JSON can hold it."""
        image = {"height": self.image.height, "width": self.image.width}
        return {"classes": list(self.classes), **image, "channels": self.image.channels}

    @staticmethod
    def from_json(content: object) -> Task:
        """The task that `as_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(content, Mapping):
            raise ValueError(f"expected a task, found {repr(content)[:100]}")
        names = content.get("classes")
        numbers = [content.get(key) for key in ("height", "width", "channels")]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"expected names of classes, found {repr(names)[:100]}")
        if not all(type(number) is int for number in numbers):
            raise ValueError(f"expected height, width and channels, found {repr(numbers)[:100]}")
        return Task(Classes(tuple(names)), ImageSpec(*numbers))  # type: ignore[arg-type]
