"""Faces from files or from a seed to batches: read -> split -> pipeline."""
