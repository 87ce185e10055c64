"""`callbacks/` of the repository under the name that it has where ferkeras is installed.

This file is the repository's alone: in the wheel, the folder itself stands in its place. The
modules are loaded once, whichever of the two names they are asked for under, since Keras knows a
class that is registered by one object only.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbacks import *  # noqa: F403

_FILE = Path(__file__).resolve().parents[2] / "callbacks" / "__init__.py"
_SHORT = "callbacks"


def _package() -> ModuleType:
    """The folder as a package: the one that is there as `callbacks`, or a new one."""
    there = sys.modules.get(_SHORT)
    if there is not None and _is_here(there.__file__):
        return there
    spec = importlib.util.spec_from_file_location(__name__, _FILE)
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[__name__] = package
    spec.loader.exec_module(package)
    return package


def _share(package: ModuleType) -> None:
    """Let both names mean the same modules, unless `callbacks` is somebody else's."""
    other = __name__
    if package.__name__ == __name__:
        other, found = _SHORT, PathFinder.find_spec(_SHORT)
        if found is None or not _is_here(found.origin):
            return
    for each in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{each.name}")
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith(f"{package.__name__}."):
            sys.modules[other + name.removeprefix(package.__name__)] = module


def _is_here(file: str | None) -> bool:
    return file is not None and Path(file).resolve() == _FILE


_share(_package())
