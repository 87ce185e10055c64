"""Checks of faces and labels, one a file; no TensorFlow."""
