"""Whether verdicts are right as often as their confidence says."""

from __future__ import annotations

from collections.abc import Iterable

from ferkeras.metrics.intervals import wilson

_BANDS = ((0.95, 1.0), (0.8, 0.95), (0.0, 0.8))


def calibration(verdicts: Iterable[tuple[float, bool]]) -> dict[str, str]:
    """Of the verdicts in each band of confidence, how many are right, with Wilson's interval.

    Args:
        verdicts: confidence, 0 to 1, and whether the cause that is named is there.
    """
    given = list(verdicts)
    lines = {}
    for low, high in _BANDS:
        right = [
            ok for confidence, ok in given if low <= confidence < high or confidence == high == 1
        ]
        if right:
            least, most = wilson(sum(right), len(right))
            lines[f"verdicts given {low:.0%} to {high:.0%}"] = (
                f"{sum(right)} of {len(right)} right ({sum(right) / len(right):.0%} "
                f"[{least:.0%}, {most:.0%}])"
            )
    return lines
