"""What a known data set says of itself: its class indices and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """The class indices of a data set of the field.

    Attributes:
        key: what `data.classes` calls it.
        title: what people call it.
        names: emotion by class index as it is written; None for what is no emotion and left out.
    """

    key: str
    title: str
    names: Mapping[str, str | None]

    def mapping(self) -> str:
        """Its class indices with their names, for people."""
        return ", ".join(f"{index} {name or 'left out'}" for index, name in self.names.items())


def numbered(names: tuple[str | None, ...], first: int = 0) -> dict[str, str | None]:
    """Names by class index, counted from `first`."""
    return {str(index): name for index, name in enumerate(names, first)}
