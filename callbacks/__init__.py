"""Keras callbacks, drop-in for any Keras 3 project (they need Keras, NumPy and scikit-learn)."""
