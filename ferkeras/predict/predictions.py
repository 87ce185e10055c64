"""From views to predictions: decoding and network side by side, on all cores, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.data.box import Box
from ferkeras.data.test_time_augmentation import VIEWS, TestTimeAugmentation, augmented_views
from ferkeras.metrics.calibration import tempered
from ferkeras.predict.cuts import Cut, Found, Source, whole_picture
from ferkeras.predict.network import Network
from ferkeras.predict.sources import View

BATCH = 32
"""Pictures that one thread decodes and predicts at a time."""

_HELD_BYTES = 256 << 20
"""Of frames that wait: more than that is only held where it is a single frame."""


@dataclass(frozen=True)
class Prediction:
    """What the network says of one face.

    Attributes:
        box: left, top, width, height in pixels; None where the whole picture is the face.
        face: uint8, shape (H, W, C), as the network saw it.
        probabilities: float32, shape (K,).
    """

    box: Box | None
    face: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class PredictedView:
    """What came of one view.

    Attributes:
        name: the path of the picture or video.
        seconds: time in the video; None for a picture file.
        predicted: one a face; empty where none was found or the view is unreadable.
        error: why it is unreadable; None where it is not.
        source: what the predictions are of, see `ferkeras.predict.cuts`.
    """

    name: str
    seconds: float | None
    predicted: tuple[Prediction, ...] = ()
    error: str | None = None
    source: Source = "crop"


def predict_views(
    views: Iterable[View],
    network: Network,
    cut: Cut = whole_picture,
    tta: TestTimeAugmentation = "none",
    threads: int | None = None,
) -> Iterator[PredictedView]:
    """Predict views in their order, some batches ahead of the reader and no more.

    Each thread decodes a batch and runs the network on it, so all cores are busy with either,
    and what is in memory does not grow with the number of views, nor with the size of frames.

    Args:
        views: read lazily, in the thread of the caller.
        network: may be called from several threads.
        cut: takes the faces out of a picture.
        tta: test-time augmentation of each face.
        threads: how many; the number of cores by default.
    """
    threads = threads or os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    pending: deque[tuple[int, Future[list[PredictedView]]]] = deque()
    most = _HELD_BYTES // (2 * threads + 2)
    try:
        for batch in _batches(views, most):
            held = sum(view.held for view in batch)
            # Before the next batch is taken: frames are held from then on.
            pending.append((held, pool.submit(_predict, batch, network, cut, tta)))
            del batch
            while len(pending) > 2 * threads or sum(h for h, _ in pending) + most > _HELD_BYTES:
                yield from pending.popleft()[1].result()
        while pending:
            yield from pending.popleft()[1].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(views: Iterable[View], most: int) -> Iterator[list[View]]:
    """Up to `BATCH` views each, and no more once they hold `most` bytes."""
    batch: list[View] = []
    held = 0
    for view in views:
        batch.append(view)
        held += view.held
        if len(batch) == BATCH or held >= most:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _predict(
    batch: list[View], network: Network, cut: Cut, tta: TestTimeAugmentation
) -> list[PredictedView]:
    found: list[Found | str] = []
    for view in batch:
        try:
            found.append(cut(view.read(), network.image))
        except InputError as error:
            found.append(str(error))
    faces = [face for each in found if not isinstance(each, str) for _, face in each.faces]
    stacked = np.stack(faces) if faces else np.empty((0, *network.image.shape), np.uint8)
    seen = np.concatenate([np.asarray(each) for each in augmented_views(stacked, tta)])
    about = network.about
    own, of_mean = about.temperature, about.temperature_of_mean(tta)
    predicted = network(seen)
    if of_mean is not None:
        # It was fitted on the mean of what the network says without a temperature.
        predicted = tempered(predicted, 1 / own)
    mean = predicted.reshape(VIEWS[tta], len(stacked), len(about.emotions)).mean(axis=0)
    probabilities = iter(mean if of_mean is None else tempered(mean, of_mean))
    return [
        PredictedView(view.name, view.seconds, error=each)
        if isinstance(each, str)
        else PredictedView(
            view.name,
            view.seconds,
            tuple(Prediction(box, face, next(probabilities)) for box, face in each.faces),
            source=each.source,
        )
        for view, each in zip(batch, found, strict=True)
    ]
