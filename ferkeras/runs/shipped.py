"""The network that comes with ferkeras."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "fer2013"
"""The network that comes with ferkeras, a folder that `python -m ferkeras.publish` made."""
