"""Parametric faces: people, action units, portraits and photographs of them, in NumPy."""
