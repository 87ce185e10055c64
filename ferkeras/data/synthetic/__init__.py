"""Parametric faces: people, action units, portraits and photographs of them, in NumPy."""

SOURCE = "synthetic faces"
"""What the description of their source begins with."""
