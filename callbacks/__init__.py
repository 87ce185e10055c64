"""Keras callbacks, drop-in for any Keras 3 project: they import Keras, NumPy and scikit-learn only."""
