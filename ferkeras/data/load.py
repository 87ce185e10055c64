"""The faces that a configuration asks for, split and ready to feed."""

from __future__ import annotations

from collections.abc import Callable

from ferkeras.config import Config
from ferkeras.data.drawn import draw_faces
from ferkeras.data.faces import Splits
from ferkeras.data.read import read_faces
from ferkeras.data.split import split_faces

DEMO = "demo"
"""The `data.path` that means drawn faces."""


def load_splits(config: Config, *, progress: Callable[[int, int], None] | None = None) -> Splits:
    """Read or draw the configured faces and split them.

    Args:
        config: `data` and `seed` are used.
        progress: called with (done, total) while reading or drawing.

    Raises:
        InputError: see `read_faces` and `split_faces`.
    """
    data = config.data
    if data.path == DEMO:
        read = draw_faces(
            data.demo_faces, config.seed, label_noise=data.demo_label_noise, progress=progress
        )
    else:
        read = read_faces(
            data.path, cache=data.cache, follow_symlinks=data.follow_symlinks, progress=progress
        )
    return split_faces(read, seed=config.seed, validation_fraction=data.validation_fraction)
