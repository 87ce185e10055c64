"""The network that comes with ferkeras."""

from pathlib import Path

from ferkeras.cli.bundled import bundled
from ferkeras.files.inner import InnerPath

SHIPPED = bundled("saved_models") / "fer2013"
"""The network that comes with ferkeras, a folder that `python -m ferkeras.publish` made."""


def located(path: Path) -> Path:
    """A path as it is; or, from any folder, the network that comes along by its name there.

    ``fer2013`` and ``saved_models/fer2013`` mean it where there is nothing else of that name.
    """
    named = path in (Path(SHIPPED.name), Path(SHIPPED.parent.name, SHIPPED.name))
    return SHIPPED if named and not path.exists() else path


def is_shipped(folder: Path) -> bool:
    """Whether a folder is that of the network that comes along."""
    return folder.resolve() == SHIPPED.resolve()


def results_of(folder: Path) -> InnerPath | None:
    """Where results about a run go that is left as it came; None: into its folder.

    The network that comes along may lie in site-packages, and in a clone it is under version
    control: what is exported, evaluated and diagnosed of it goes to
    `saved_models/fer2013-results/` below the current folder.
    """
    if not is_shipped(folder):
        return None
    return InnerPath(Path(SHIPPED.parent.name), f"{SHIPPED.name}-results")
