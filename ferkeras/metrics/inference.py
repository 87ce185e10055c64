"""Predictions of a network on a set of faces."""

from __future__ import annotations

import keras
import numpy as np
from scipy.special import softmax

from ferkeras.data.faces import Faces
from ferkeras.data.pipeline import plain_dataset
from ferkeras.metrics.predictions import Predictions

__all__ = ["Predictions", "logits_of", "predict", "predictions_of"]


def predict(model: keras.Model, faces: Faces) -> Predictions:
    """Run a network of logits over faces, in inference mode."""
    return predictions_of(logits_of(model, faces), faces)


def logits_of(model: keras.Model, faces: Faces) -> np.ndarray:
    """Raw outputs of a network in inference mode, float32, shape (N, K)."""
    return model.predict(plain_dataset(faces), verbose=0)


def predictions_of(logits: np.ndarray, faces: Faces, temperature: float = 1.0) -> Predictions:
    """Probabilities from logits (N, K), divided by `temperature` before the softmax."""
    probabilities = softmax(logits.astype(np.float64) / temperature, axis=1)
    return Predictions(probabilities.astype(np.float32), faces.labels, faces.classes)
