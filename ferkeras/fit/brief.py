"""One training of many, in a process that has done others before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ferkeras.cli.console import Console
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.runs.record import Run

if TYPE_CHECKING:
    import keras


def train_one(
    config: Config,
    splits: Splits,
    console: Console,
    run: Run | None,
    *,
    watch: Sequence[keras.callbacks.Callback],
    epoch_done: Callable[[], None],
) -> Run:
    """Train as `ferkeras.fit.run.train` does with `brief`; TensorFlow is imported only now.

    Args:
        config: the resolved configuration.
        splits: the faces.
        console: where messages are printed.
        run: an interrupted run, locked, to resume; None begins a new one.
        watch: further callbacks.
        epoch_done: called after each epoch.

    Raises:
        InputError: see `ferkeras.fit.run.train`.
        RunError: likewise.
        Interrupted: likewise.
    """
    import_tensorflow()

    import keras

    from ferkeras.fit.run import train
    from ferkeras.training.traced import traced_steps_forgotten

    # Layers are numbered through the process, and a checkpoint names them.
    keras.utils.clear_session()
    callbacks = [*watch, keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: epoch_done())]
    with traced_steps_forgotten():
        return train(config, splits, console, run, watch=callbacks, brief=True).run
