"""Earlier calls of `fit` on one model, in the program that is examined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import digests_of

_MOST_BYTES = 4 << 30
_MANY = 0.05
_MOSTLY = 0.5
"""Of the rows, how many were trained on before, from which on a fit is another fold of the data."""


@dataclass
class _Trained:
    """What a model was trained on, and where that left it.

    Attributes:
        rows: digests of all rows that any `fit` of it trained on.
        last: of those of the last one.
        line: where that one was called.
        weights: at its end.
    """

    rows: np.ndarray
    last: np.ndarray
    line: str
    weights: list[np.ndarray]


class EarlierFits:
    """Rows that the models of a program were trained on."""

    def __init__(self) -> None:
        # The models are kept, so that no other gets the number of one that is gone.
        self._models: dict[int, tuple[keras.Model, _Trained]] = {}

    def note(self, model: keras.Model, arguments: dict[str, Any], line: str) -> None:
        """Note a call of `fit` that has been done."""
        rows = _training_rows(arguments)
        if rows is None:
            return
        _, before = self._models.get(id(model), (model, None))
        every = rows if before is None else np.union1d(before.rows, rows)
        self._models[id(model)] = model, _Trained(every, rows, line, model.get_weights())

    def leak(self, model: keras.Model, arguments: dict[str, Any]) -> ProgramFinding | None:
        """Rows that are held out now, and that the model was trained on before.

        Args:
            model: as it comes to `fit`.
            arguments: of that call.

        Returns:
            None where the weights are not those that an earlier `fit` left, or where its rows
            are not those of another fold of the same data.
        """
        _, before = self._models.get(id(model), (model, None))
        now = _training_rows(arguments)
        if before is None or now is None or not _alike(before.weights, model.get_weights()):
            return None
        held = _held_rows(arguments)
        if held is not None:
            known = float(np.isin(held, before.rows).mean())
            # Rows that are held out from each fit alike are in none.
            if known < _MANY or np.isin(held, now).mean() > known / 2:
                return None
            what, share = "validation rows that were trained on before", known
            said = f"{known:.0%} of the validation rows were trained on before"
        else:
            again = float(np.isin(now, before.last).mean())
            left_out = float((~np.isin(before.last, now)).mean())
            # Rows that are only dropped, or only added, may be meant so.
            if again < _MOSTLY or min(left_out, 1 - again) < _MANY:
                return None
            what, share = "rows of the fit before that are left out of this one", left_out
            said = (
                f"{left_out:.0%} of the rows that it trained on there are left out here, and "
                "others are in, as with folds"
            )
        return ProgramFinding(
            cause="leakage",
            verdict="The model goes on from where the `fit` before left it, in "
            f"{before.line}, and {said}: what is held out now has been learnt, and its figures say "
            "too much.",
            evidence=(
                Evidence(what, f"{share:.0%}", "none", share),
                Evidence("weights that are as that fit left them", "all", "new ones", 1.0),
            ),
            remedies=(
                CodeRemedy(
                    "build and compile a new model for each fold, inside the loop",
                    "figures of rows that were never trained on",
                    code="model = build_model()  # or model.set_weights(first_weights)",
                ),
            ),
            reason="Rows were held against those of the earlier fit, and weights against those it "
            "ended with.",
            source="Kaufman et al. 2012, Leakage in data mining",
            severity="broken" if held is not None and share > _MOSTLY else "suspicious",
            confidence=MEASURED,
        )


def _alike(ones: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return len(ones) == len(others) and all(map(np.array_equal, ones, others))


def _training_rows(arguments: dict[str, Any]) -> np.ndarray | None:
    rows = _digests(arguments.get("x"), arguments.get("y"))
    split = arguments.get("validation_split") or 0.0
    return None if rows is None else rows[: int(len(rows) * (1 - split))]


def _held_rows(arguments: dict[str, Any]) -> np.ndarray | None:
    given = arguments.get("validation_data")
    if isinstance(given, (tuple, list)) and 2 <= len(given) <= 3:
        return _digests(given[0], given[1])
    split = arguments.get("validation_split") or 0.0
    rows = _digests(arguments.get("x"), arguments.get("y")) if split else None
    return None if rows is None else rows[int(len(rows) * (1 - split)) :]


def _digests(x: Any, y: Any) -> np.ndarray | None:
    """Of the rows of arrays; None of anything else, which may be other rows at each reading."""
    if y is None or x is None:
        return None
    arrays = [np.asarray(each) for each in keras.tree.flatten(x) if hasattr(each, "shape")]
    counts = {len(each) if each.ndim else 0 for each in arrays}
    if len(counts) != 1 or 0 in counts or sum(each.nbytes for each in arrays) > _MOST_BYTES:
        return None
    return digests_of(arrays)
