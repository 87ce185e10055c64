"""Silence for converters that report what they do on stderr and through Python's loggers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ferkeras.cli.quiet import caught_stderr


@contextmanager
def without_asset_chatter() -> Iterator[None]:
    """Leave out what is below an error in TensorFlow's log."""
    # TensorFlow announces each SavedModel it writes, under this logger, at level INFO, and says
    # of functions that converters use that they are deprecated, at WARNING.
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def quiet_converter() -> Iterator[None]:
    """Keep a converter silent; what it wrote is replayed when it fails."""
    with without_asset_chatter(), warnings.catch_warnings(), caught_stderr():
        warnings.simplefilter("ignore")
        yield
