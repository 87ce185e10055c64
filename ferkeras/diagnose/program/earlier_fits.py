"""Earlier calls of `fit` on one model, in the program that is examined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import digests_of

_MOST_BYTES = 4 << 30
_MANY = 0.05
_MOSTLY = 0.5
_NONE = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class _Trained:
    """What a model was trained on since it last had new weights, and where that left it.

    Attributes:
        before: digests of the rows of every `fit` but the last.
        last: of those of the last one.
        judged: of those that it was evaluated on, or predicted, since then.
        line: where the last `fit` was called.
        weights: at its end.
    """

    before: np.ndarray
    last: np.ndarray
    judged: np.ndarray
    line: str
    weights: list[np.ndarray]


class EarlierFits:
    """Rows that the models of a program were trained and judged on."""

    def __init__(self) -> None:
        # The models are kept, so that no other gets the number of one that is gone.
        self._models: dict[int, tuple[keras.Model, _Trained]] = {}

    def begin(self, model: keras.Model) -> None:
        """A `fit` begins: where weights are not those that the last one left, it is forgotten."""
        known = self._known(model)
        if known is not None and not _alike(known.weights, model.get_weights()):
            del self._models[id(model)]

    def note(self, model: keras.Model, arguments: dict[str, Any], line: str) -> None:
        """A `fit` has been done."""
        rows = _training_rows(arguments)
        known = self._known(model)
        # Which rows these train on is not known.
        partly = arguments.get("sample_weight") is not None or arguments.get("steps_per_epoch")
        weights = model.get_weights()
        if rows is None or partly or (known is not None and _alike(known.weights, weights)):
            self._models.pop(id(model), None)
            return
        before = _NONE if known is None else np.union1d(known.before, known.last)
        self._models[id(model)] = model, _Trained(before, rows, _NONE, line, weights)

    def judge(self, model: keras.Model, x: Any) -> None:
        """The model is evaluated on rows, or predicts them."""
        known, rows = self._known(model), _digests(x)
        if known is not None and rows is not None:
            judged = np.union1d(known.judged, rows)
            self._models[id(model)] = model, replace(known, judged=judged)

    def leak(self, model: keras.Model, arguments: dict[str, Any]) -> ProgramFinding | None:
        """Rows that the model is judged on, and that it was trained on before.

        Args:
            model: as it comes to `fit`.
            arguments: of that call.

        Returns:
            None where its weights are not those that an earlier `fit` left, where it is judged on
            other rows, or on rows that it goes on being trained on.
        """
        known, now = self._known(model), _training_rows(arguments)
        if known is None or now is None or not _alike(known.weights, model.get_weights()):
            return None
        if arguments.get("validation_data") is not None or arguments.get("validation_split"):
            held, trained = _held_rows(arguments), np.union1d(known.before, known.last)
            what, others = "validation rows", now
        else:
            held, trained = known.judged, known.before
            what, others = "rows that it was judged on since that `fit`", known.last
        if held is None or not len(held):
            return None
        share = float(np.isin(held, trained).mean())
        if share < _MANY or float(np.isin(held, others).mean()) > share / 2:
            return None
        return ProgramFinding(
            cause="leakage",
            verdict=f"The model goes on from where the `fit` before left it, in {known.line}: "
            f"{share:.0%} of the {what} had been trained on by an earlier `fit`, as in folds that "
            "one model goes through, and its figures say too much.",
            evidence=(
                Evidence(f"{what}, trained on before", f"{share:.0%}", "none", share),
                Evidence("weights that are as that fit left them", "all", "new ones", 1.0),
            ),
            remedies=(
                CodeRemedy(
                    "build and compile a new model for each fold, inside the loop",
                    "figures of rows that were never trained on",
                    code="model = build_model()  # or model.set_weights(first_weights)",
                ),
            ),
            reason="Rows were held against those of earlier calls, and weights against those that "
            "the last one ended with.",
            source="Kaufman et al. 2012, Leakage in data mining",
            severity="broken" if share > _MOSTLY else "suspicious",
            confidence=MEASURED,
        )

    def _known(self, model: keras.Model) -> _Trained | None:
        known = self._models.get(id(model))
        return None if known is None else known[1]


def _alike(ones: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return len(ones) == len(others) and all(map(np.array_equal, ones, others))


def _training_rows(arguments: dict[str, Any]) -> np.ndarray | None:
    rows = _digests(arguments.get("x"))
    split = arguments.get("validation_split") or 0.0
    return None if rows is None else rows[: int(len(rows) * (1 - split))]


def _held_rows(arguments: dict[str, Any]) -> np.ndarray | None:
    given = arguments.get("validation_data")
    if given is not None:
        pair = isinstance(given, (tuple, list)) and 2 <= len(given) <= 3
        return _digests(given[0]) if pair else None
    rows = _digests(arguments.get("x"))
    return None if rows is None else rows[int(len(rows) * (1 - arguments["validation_split"])) :]


def _digests(x: Any) -> np.ndarray | None:
    """Of the rows of arrays; None of anything else, which may be other rows at each reading."""
    leaves = [] if x is None else keras.tree.flatten(x)
    if not leaves or not all(hasattr(each, "shape") for each in leaves):
        return None
    arrays = [np.asarray(each) for each in leaves]
    counts = {len(each) if each.ndim else 0 for each in arrays}
    if len(counts) != 1 or 0 in counts or sum(each.nbytes for each in arrays) > _MOST_BYTES:
        return None
    return digests_of(arrays)
