"""The network that comes with ferkeras."""

from pathlib import Path

from ferkeras.cli.bundled import bundled

SHIPPED = bundled("saved_models") / "fer2013"
"""The network that comes with ferkeras, a folder that `python -m ferkeras.publish` made."""


def located(path: Path) -> Path:
    """A path as it is; or, from any folder, the network that comes along by its name there.

    ``fer2013`` and ``saved_models/fer2013`` mean it where there is nothing else of that name.
    """
    named = path in (Path(SHIPPED.name), Path(SHIPPED.parent.name, SHIPPED.name))
    return SHIPPED if named and not path.exists() else path
