"""The result of a run in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferkeras.cli.wording import listed


def verdict_on(results: Mapping[str, Any]) -> str:
    """How accurate, against what, and which classes it misses.

    Args:
        results: as `ferkeras.metrics.predictions.Predictions.metrics` gives them.
    """
    support = {name: found["support"] for name, found in results["emotions"].items()}
    majority = max(support, key=support.__getitem__)
    always = support[majority] / sum(support.values())
    recall = {n: found["recall"] for n, found in results["emotions"].items() if support[n]}
    missed = [name for name, fraction in recall.items() if not fraction]
    weakest = min(recall, key=recall.__getitem__)
    return (
        f"accuracy {results['accuracy']:.1%}, balanced {results['balanced_accuracy']:.1%}; "
        f"always predicting {majority} would give {always:.1%}; "
        + (
            f"never recognised: {listed(missed)}"
            if missed
            else f"there are faces of {majority} alone"
            if len(recall) == 1
            else f"every class is recognised, {weakest} least often ({recall[weakest]:.1%})"
        )
    )
