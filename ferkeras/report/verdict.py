"""What came of a run, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferkeras.labels import EMOTIONS


def verdict_on(results: Mapping[str, Any]) -> str:
    """How accurate, against what, and which emotions it misses.

    Args:
        results: as `ferkeras.insight.predictions.Predictions.metrics` gives them.
    """
    support = {name: results["emotions"][name]["support"] for name in EMOTIONS}
    majority = max(support, key=support.__getitem__)
    share = support[majority] / sum(support.values())
    missed = [n for n in EMOTIONS if support[n] and not results["emotions"][n]["recall"]]
    return (
        f"accuracy {results['accuracy']:.1%}, balanced {results['balanced_accuracy']:.1%}; always "
        f"answering {majority} would give {share:.1%}; "
        + (f"never recognised: {', '.join(missed)}" if missed else "every emotion is recognised")
    )
