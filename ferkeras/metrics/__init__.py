"""Predictions, and the figures that say how good they are."""
