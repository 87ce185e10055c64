"""The faces on which an export is compared with the network that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ferkeras.cli.console import Console
from ferkeras.data.load import are_here, load_other_faces, split_as_configured, without_lost_votes
from ferkeras.data.pictures import face_of
from ferkeras.data.selection import Images, select
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.runs.finished import TrainedRun

_FACES = 800
"""How many are drawn, or taken."""

VALIDATION, SYNTHETIC, OTHER = "validation faces", "synthetic faces", "faces of other data"


@dataclass(frozen=True)
class Probe:
    """Faces and where they are from.

    Attributes:
        images: uint8, shape (N, H, W, C), N above 0.
        kind: what they are, as the model card says it.
    """

    images: Images
    kind: str = VALIDATION


def find_probe(finished: TrainedRun, path: str | None, console: Console) -> Probe:
    """The validation faces of the run, some of the data at `path`, or synthetic ones.

    An export can be checked on any faces: both networks get the same, of the size and colour that
    they take. Synthetic ones are drawn where the run's own data are not on this machine; the
    console says so.

    Args:
        finished: the run whose network is exported.
        path: data to use instead of the run's own, or where these are now; None: as configured.
        console: where to say which faces are used.

    Raises:
        InputError: there are data, but they cannot be read, or show none of the run's classes.
    """
    config = without_lost_votes(finished.config)
    data = config.data
    if path is None and not are_here(data):
        console.print(
            f"note: the data of this run, {data.path}, are not here; the export is checked on "
            f"{SYNTHETIC} (name others with --data)"
        )
        return Probe(_synthetic(finished), SYNTHETIC)
    if path is not None:
        data = data.model_copy(update={"path": path})
    read, _ = load_other_faces(config.model_copy(update={"data": data}), console, finished.task)
    if read.fingerprint == finished.fingerprint:
        return Probe(mixed(split_as_configured(read, config).validation.images, config.seed))
    console.print(
        f"note: {read.source} is not what this run was trained on; its faces are used to check "
        "the export all the same"
    )
    return Probe(mixed(read.faces.images, config.seed), OTHER)


def mixed(images: Images, seed: int) -> Images:
    """At most 800 of the images in an order by chance: folders give one class after the other."""
    return select(images, np.random.default_rng(seed).permutation(len(images))[:_FACES])


def _synthetic(finished: TrainedRun) -> np.ndarray:
    """Synthetic faces, of the size and with the channels that the network takes."""
    drawn = synthetic_faces(_FACES, finished.config.seed).faces.images[..., 0]
    spec = finished.task.image
    return np.stack([face_of(Image.fromarray(face), spec) for face in drawn])
