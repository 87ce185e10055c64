"""Experiment trackers that a training is told to: MLflow, Weights & Biases."""
