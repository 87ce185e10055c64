"""Validation faces that were memorised."""

from __future__ import annotations

from ferkeras.check_data.finding import TOO_MANY
from ferkeras.data.leakage import are_among
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements


def leakage(m: Measurements) -> Finding | None:
    """Copies of training faces in validation that make accuracy look better than it is."""
    copies = are_among(m.validation.images, set(m.train_digests))
    if not copies.any():
        return None
    right = m.on_validation.predicted == m.on_validation.labels
    honest = float(right[~copies].mean()) if not copies.all() else 0.0
    worth = m.on_validation.accuracy - honest
    if worth <= TOO_MANY:
        return None
    return Finding(
        "leakage",
        f"{copies.mean():.0%} of the validation faces are training faces, and make the accuracy "
        f"{100 * worth:.0f} points better than it is.",
        (
            Evidence(
                "accuracy on validation faces",
                f"{m.on_validation.accuracy:.1%}; {honest:.1%} without the copies",
                f"within {100 * TOO_MANY:.0f} points",
                worth,
            ),
            Evidence(
                "validation faces that are also in training",
                f"{int(copies.sum()):,} of {len(copies):,}",
                "none",
                float(copies.mean()),
            ),
        ),
        (
            Remedy(
                "leave these faces out of training (data.drop_leaked=true; python -m "
                "ferkeras.check_data lists them), or let ferkeras draw the split: it keeps all "
                "copies of an image on one side",
                f"an honest accuracy, about {honest:.0%}",
            ),
        ),
        "the limit of python -m ferkeras.check_data: five points of accuracy",
        "Barz & Denzler 2020, Do we train on test data?",
    )
