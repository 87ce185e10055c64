"""What a network costs, before it is trained."""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits

_TURNS = 50
_WARM_UP = 5


def cost_of(config: Config, splits: Splits, wanted: Collection[str]) -> dict[str, float]:
    """The figures among ``parameters`` and ``litert_ms`` that are wanted.

    The milliseconds are the median for one face, on one core, of the network as a LiteRT file
    (float32). They do not depend on the weights, so that nothing need be trained for them.

    Args:
        config: the configuration.
        splits: the faces it would be trained on.
        wanted: names of figures; others are left out.
    """
    wanted = {"parameters", "litert_ms"} & set(wanted)
    if not wanted:
        return {}
    import_tensorflow()

    import keras

    from ferkeras.training.setup import build_setup, make_reproducible

    keras.utils.clear_session()
    make_reproducible(config)
    model = build_setup(config, splits).model
    figures = {"parameters": float(model.count_params())} if "parameters" in wanted else {}
    if "litert_ms" in wanted:
        figures["litert_ms"] = _milliseconds(model, splits.validation.images[:1])
    return figures


def _milliseconds(model: object, face: np.ndarray) -> float:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from ferkeras.cli.quiet import caught_stderr
    from ferkeras.export.quiet import quiet_converter

    with quiet_converter():
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with caught_stderr():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]
    interpreter.set_tensor(place["index"], face.astype(place["dtype"]))
    seconds = []
    for _ in range(_WARM_UP + _TURNS):
        begun = time.perf_counter()
        interpreter.invoke()
        seconds.append(time.perf_counter() - begun)
    return 1000 * float(np.median(seconds[_WARM_UP:]))
