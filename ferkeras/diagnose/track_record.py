"""How often what is said of a training was right, counted over trainings whose faults are known.

`track_record.json` is written by `benchmarks/population.py`, which plants the faults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")

_PRIOR = 2.0
"""Verdicts that a cause's own record is mixed with, of the record of all."""


@dataclass(frozen=True)
class Count:
    """How often something was said, and how often it was so."""

    said: int = 0
    right: int = 0


@dataclass(frozen=True)
class TrackRecord:
    """What became of verdicts.

    Attributes:
        trainings: that were diagnosed.
        first: by cause, verdicts that named it first.
        also: by cause, verdicts that named it behind another one.
        works: findings whose first remedy taught more in a trial in pairs.
        fails: those whose first remedy did not.
    """

    trainings: int
    first: Mapping[str, Count]
    also: Mapping[str, Count]
    works: Count
    fails: Count

    def confidence(self, cause: str, first: bool, works: bool | None = None) -> float:
        """How likely a cause that was named is there, 0 to 1.

        Its own record, mixed with two verdicts of the record of all causes: what was named right
        three times of three is not certain.

        Args:
            cause: its name.
            first: whether it was named first.
            works: whether its first remedy taught more in a trial; None where it was not tried.
        """
        counts = self.first if first else self.also
        own, every = counts.get(cause, Count()), _sum(counts)
        usual = (every.right + 1) / (every.said + 2)
        likely = (own.right + _PRIOR * usual) / (own.said + _PRIOR)
        if works is None:
            return likely
        tried = self.works if works else self.fails
        both = Count(self.works.said + self.fails.said, self.works.right + self.fails.right)
        # How much more often a trial ends so where the cause is there than where it is not.
        ratio = _share(tried.right, both.right) / _share(
            tried.said - tried.right, both.said - both.right
        )
        odds = ratio * likely / (1 - likely)
        return odds / (1 + odds)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "trainings": self.trainings,
            **{
                name: {cause: [each.said, each.right] for cause, each in sorted(counts.items())}
                for name, counts in (("first", self.first), ("also", self.also))
            },
            **{
                name: [each.said, each.right]
                for name, each in (("works", self.works), ("fails", self.fails))
            },
        }


@cache
def track_record() -> TrackRecord:
    """The one that comes along."""
    content = json.loads(FILE.read_text())
    first, also = (
        {cause: Count(*each) for cause, each in content[name].items()} for name in ("first", "also")
    )
    works, fails = (Count(*content[name]) for name in ("works", "fails"))
    return TrackRecord(content["trainings"], first, also, works, fails)


def _sum(counts: Mapping[str, Count]) -> Count:
    return Count(
        sum(each.said for each in counts.values()), sum(each.right for each in counts.values())
    )


def _share(part: int, whole: int) -> float:
    return (part + 0.5) / (whole + 1)
