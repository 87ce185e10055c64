"""The network that comes with ferkeras."""

from ferkeras.cli.bundled import bundled

SHIPPED = bundled("saved_models") / "fer2013"
"""The network that comes with ferkeras, a folder that `python -m ferkeras.publish` made."""
