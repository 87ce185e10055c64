"""TensorFlow and Keras, imported quietly: their start-up messages appear only where they matter."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ferkeras.cli.errors import InputError

_NVIDIA_DRIVER = Path("/dev/nvidiactl")


def import_tensorflow() -> None:
    """Import TensorFlow and Keras and look for GPUs, with stderr left empty.

    TensorFlow's C++ code writes to file descriptor 2 while it is loaded and while it looks for
    a GPU, before and regardless of `TF_CPP_MIN_LOG_LEVEL`: the descriptor is redirected for that
    long and no longer. What was caught is written out after all when the import fails, or when
    the machine has an NVIDIA driver and TensorFlow found no GPU.

    Afterwards `TF_CPP_MIN_LOG_LEVEL` is 2, unless the environment says otherwise: the notes and
    warnings of the C++ code ("end of sequence", graph optimisation) are left out, its errors are
    not. Import tensorflow or keras after this call, never before.

    TensorFlow computes with oneDNN, unless the environment says otherwise. By itself it does so
    only where the processor has AVX512-VNNI or newer, and trains half as fast on others.

    Whatever the environment or Keras's own file says, Keras runs on TensorFlow.

    Raises:
        ImportError: as raised by TensorFlow or Keras, after what they wrote.
        InputError: Keras has been imported with another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != "tensorflow":
        raise InputError(
            f"Keras runs on {keras.config.backend()} in this process, and ferkeras needs "
            "TensorFlow: set KERAS_BACKEND=tensorflow before Keras is imported"
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with caught_stderr() as replay:
        tensorflow = importlib.import_module("tensorflow")
        importlib.import_module("keras")
        if not tensorflow.config.list_physical_devices("GPU") and _NVIDIA_DRIVER.exists():
            replay()
    # Keras and SavedModel report each file they write through this Python logger.
    tensorflow.get_logger().setLevel("WARNING")
    tensorflow.get_logger().addFilter(_is_no_count_of_models)


def _is_no_count_of_models(record: logging.LogRecord) -> bool:
    # TensorFlow counts the prediction functions of all models of a process as one that is traced
    # again and again; a run ends with several models (best, served, exported), each traced once.
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def caught_stderr() -> Iterator[Callable[[], None]]:
    """Keep file descriptor 2 silent inside the block; yield a function that replays it after.

    An error that leaves the block replays it too; a signal does not.
    """
    try:
        original = os.dup(2)
    except OSError:
        # The process was started without a stderr: there is nothing to keep silent.
        yield lambda: None
        return
    replay = False

    def ask_for_replay() -> None:
        nonlocal replay
        replay = True

    try:
        caught = tempfile.TemporaryFile()  # noqa: SIM115
    except OSError:
        # No folder for temporary files, or no room in it: what is said is said at once.
        os.close(original)
        yield lambda: None
        return
    with caught:
        sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield ask_for_replay
        except Exception:
            replay = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            if replay:
                caught.seek(0)
                with contextlib.suppress(OSError):  # nobody reads it any more
                    _write_all(2, caught.read())


def _write_all(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
