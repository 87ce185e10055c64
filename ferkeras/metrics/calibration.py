"""Calibration of a network's probabilities: how to measure it, and temperature scaling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.invocation import command_line
from ferkeras.data.test_time_augmentation import AVERAGED, VIEWS, TestTimeAugmentation
from ferkeras.files.writing import write_json
from ferkeras.runs.record import Run
from ferkeras.runs.records import CalibrationRecord, read_record

BINS = 15
"""Equal bins of the confidence, as many as Guo et al. took."""

_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Reliability:
    """Accuracy of predictions by their confidence.

    Attributes:
        counts: predictions in each of `BINS` equal bins of the confidence from 0 to 1, int64 (15,).
        confidence: their mean confidence, float64 (15,), NaN in empty bins.
        accuracy: the fraction of them that is right, likewise.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean of |accuracy - confidence| over the predictions.

        Source: Guo et al. 2017, "On calibration of modern neural networks".
        """
        filled = self.counts > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.average(gaps, weights=self.counts[filled]))


@dataclass(frozen=True)
class Calibration:
    """A temperature with what it did where it was fitted.

    Attributes:
        temperature: logits are divided by it; above 1 for an overconfident network.
        faces: validation faces it was fitted on.
        log_loss_before: mean over those faces, in nats; as everywhere, of a probability of
            2.2e-16 or more.
        log_loss_after: the same with the temperature.
        ece_before: expected calibration error, 0 to 1.
        ece_after: the same with the temperature.
    """

    temperature: float
    faces: int
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float

    @property
    def at_limit(self) -> bool:
        """Whether the temperature is the least or the greatest that is looked for."""
        low, high = _TEMPERATURES
        return not 1.01 * low < self.temperature < 0.99 * high


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """The bin, 0 to 14, of each confidence; a bin has its upper edge, as in Guo et al."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """Sort predictions into bins by their confidence.

    Args:
        probabilities: shape (N, K), N above 0.
        labels: the truth, shape (N,).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = bin_of(confidence)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(
            counts,
            np.bincount(bins, weights=confidence, minlength=BINS) / counts,
            np.bincount(bins, weights=right, minlength=BINS) / counts,
        )


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, K) of logits that are divided by a temperature after the fact.

    Softmax forgets only a constant: the logarithm of a probability is a logit.
    """
    if temperature == 1.0:
        return probabilities
    # By the largest, so that not all powers of a row vanish.
    relative = probabilities / probabilities.max(axis=1, keepdims=True).astype(np.float64)
    powers = relative ** (1 / temperature)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(probabilities.dtype)


def log_mean(views: Sequence[np.ndarray]) -> np.ndarray:
    """Logarithm of the mean of the probabilities of several views, float64 (N, K).

    In logarithms throughout, so that none vanishes however far apart the logits are.

    Args:
        views: logits of the same faces, (N, K) each.
    """
    # Prediction reads temperatures and shall not wait for SciPy.
    from scipy.special import log_softmax, logsumexp

    logs = [log_softmax(each.astype(np.float64), axis=1) for each in views]
    return logs[0] if len(logs) == 1 else logsumexp(logs, axis=0) - math.log(len(logs))


def calibrate(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit the temperature with the least log loss (0.05 to 20).

    It changes no prediction, only the confidence.

    Args:
        logits: of validation faces, shape (N, K).
        labels: the truth, shape (N,).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax, softmax

    logits = logits.astype(np.float64)
    least = math.log(np.finfo(np.float64).eps)

    def of_truth(log_temperature: float) -> np.ndarray:
        log_probabilities = log_softmax(logits / math.exp(log_temperature), axis=1)
        return log_probabilities[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        return -float(of_truth(log_temperature).mean())

    def figure(log_temperature: float) -> float:
        return -float(np.maximum(of_truth(log_temperature), least).mean())

    low, high = map(math.log, _TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    temperature = math.exp(found.x)
    return Calibration(
        temperature=temperature,
        faces=len(labels),
        log_loss_before=figure(0.0),
        log_loss_after=figure(found.x),
        ece_before=reliability(softmax(logits, axis=1), labels).expected_error,
        ece_after=reliability(softmax(logits / temperature, axis=1), labels).expected_error,
    )


def calibrate_views(
    views: Sequence[np.ndarray], labels: np.ndarray
) -> dict[TestTimeAugmentation, Calibration]:
    """Fit the temperature of the network, and one of each mean over augmented views.

    The mean of several predictions is less confident than each of them, so what fits a network
    does not fit its mean, which is tempered after it was taken, from predictions without a
    temperature (Rahaman & Thiery 2021, "Uncertainty quantification and deep ensembles").

    Args:
        views: logits of validation faces, (N, K) each, as `augmented_views` yields the faces.
        labels: the truth, shape (N,).
    """
    found: dict[TestTimeAugmentation, Calibration] = {"none": calibrate(views[0], labels)}
    return found | {tta: calibrate(log_mean(views[: VIEWS[tta]]), labels) for tta in AVERAGED}


def store_calibration(run: Run, calibrations: Mapping[TestTimeAugmentation, Calibration]) -> None:
    """Keep calibrations with their run, that without test-time augmentation too; see
    `calibrate_views`. Earlier ones are replaced."""
    run.results.mkdir(parents=True, exist_ok=True)
    averaged = {tta: asdict(found) for tta, found in calibrations.items() if tta != "none"}
    record = {**asdict(calibrations["none"]), "test_time_augmentation": averaged}
    write_json(run.results / run.calibration.name, record)


def temperatures_of(run: Run) -> dict[TestTimeAugmentation, float]:
    """The temperatures of a run, of the network and of means of its predictions.

    What was never calibrated is not there.

    Raises:
        InputError: the run's `calibration.json` is damaged.
    """
    if not run.calibration.exists():
        return {}
    try:
        record = read_record(run.calibration, CalibrationRecord)
    except InputError as error:
        raise InputError(
            f"{error}; or write it anew: {command_line('evaluate', run.folder, '--calibrate')}"
        ) from None
    averaged = record["test_time_augmentation"]
    return {
        "none": record["temperature"],
        **{tta: found["temperature"] for tta, found in averaged.items()},
    }


def temperature_of(run: Run) -> float:
    """What the logits of a run's network are to be divided by; 1.0 if it was never calibrated.

    Raises:
        InputError: as `temperatures_of`.
    """
    return temperatures_of(run).get("none", 1.0)
