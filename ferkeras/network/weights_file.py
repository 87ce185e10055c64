"""The file that a backbone's weights come from.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import nearest, shown
from ferkeras.config.networks import Network
from ferkeras.config.networks.backbone import Backbone

_SUFFIXES = (".keras", ".h5")


def find_weights(settings: Network) -> Path | None:
    """Where `network.weights` is; None where it names no file.

    Raises:
        InputError: there is no such file, or it is neither a `.keras` nor a `.h5` file.
    """
    if not isinstance(settings, Backbone) or settings.weights_file is None:
        return None
    path = expanded(settings.weights_file)
    expected = "expected imagenet, none, or a .keras or .h5 file"
    if path.suffix.lower() not in _SUFFIXES:
        near = nearest(settings.weights_file, ("imagenet", "none"))
        hint = f"; did you mean {near}?" if near else ""
        raise InputError(f"network.weights: {shown(path)}: {expected}{hint}")
    if not path.is_file():
        found = "no regular file" if path.exists() else "no such file"
        raise InputError(f"network.weights: {shown(path)}: {found}; {expected}")
    return path
