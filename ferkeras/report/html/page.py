"""Pages from templates, everything in them escaped, nothing in them fetched."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
import numpy as np

from ferkeras.metrics.predictions import Predictions
from ferkeras.report.palette import DARK


def render(template: str, **values: Any) -> str:
    """Fill the page `template`; a name that it uses and that is not given is an error."""
    return _environment().get_template(template).render(dark=DARK, **values)


def confusion_cells(predictions: Predictions) -> list[dict[str, Any]]:
    """Rows of a confusion table: the class, its faces, and cells with fraction and count."""
    rows = []
    for truth, counts in zip(predictions.classes, predictions.matrix(), strict=True):
        total = int(counts.sum())
        fractions = counts / total if total else np.zeros(len(counts))
        cells = [
            {"count": int(count), "percent": round(100 * float(fraction))}
            for count, fraction in zip(counts, fractions, strict=True)
        ]
        rows.append({"truth": truth, "faces": total, "cells": cells})
    return rows


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ferkeras.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
