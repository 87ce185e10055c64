"""What a range test may ask for, and asks for by itself."""

from __future__ import annotations

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
"""Default rates and number of steps of a range test."""

FEWEST = 10
"""Steps below which nothing can be said."""

MOST = 2_000
"""Steps above which a curve takes long and says no more."""
