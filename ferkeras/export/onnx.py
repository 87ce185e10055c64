"""A trained network as one ONNX file, for ONNX Runtime and what else reads that format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.export.quiet import quiet_converter
from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import atomic_path
from ferkeras.runs.embedded import About

_OPSET = 17
"""Version of ONNX's operators: of 2022, read by ONNX Runtime 1.12 and later."""


def write_onnx(saved_model: AnyPath, path: AnyPath, about: About) -> None:
    """Convert a SavedModel's `serving_default` to an ONNX file with the same inputs and outputs.

    The file's metadata hold `emotions` (JSON list in class order) and `provenance` (JSON).

    Args:
        saved_model: folder that `write_saved_model` wrote.
        path: the file; replaced whole.
        about: names of the K classes, and how the network came about.
    """
    with quiet_converter():
        # Seconds of import that only this format needs.
        import onnx
        import tf2onnx

        graph, inputs, outputs = tf2onnx.tf_loader.from_saved_model(
            str(saved_model), None, None, tag="serve", signatures=["serving_default"]
        )
        # TensorFlow returns a signature's outputs in the order of their names.
        new_names = dict(zip([*inputs, *outputs], ["faces", "label", "probabilities"], strict=True))
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            name="ferkeras",
            input_names=inputs,
            output_names=outputs,
            opset=_OPSET,
            tensors_to_rename=new_names,
        )
        _refuse_no_faces(model.graph)
        onnx.helper.set_model_props(
            model,
            {
                "emotions": json.dumps(about.emotions),
                "provenance": about.provenance_text(),
            },
        )
        onnx.checker.check_model(model, full_check=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _refuse_no_faces(graph: Any) -> None:
    """Look up the first row of the probabilities, so that a batch of none is an error.

    Other sizes and types are errors of ONNX Runtime without more, and every other format refuses
    an empty batch by itself.
    """
    import onnx

    made_by = next(at for at, node in enumerate(graph.node) if "probabilities" in node.output)
    outputs = graph.node[made_by].output
    outputs[:] = ["unchecked" if name == "probabilities" else name for name in outputs]
    for name, value in (("zeroth", np.zeros(1, np.int64)), ("nought", np.zeros((), np.float32))):
        graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    node = onnx.helper.make_node
    checks = [
        node("Gather", ["unchecked", "zeroth"], ["first"], name="at_least_one_face", axis=0),
        # Probabilities are above 0, so this is 0, and the larger is what it was.
        node("Min", ["first", "nought"], ["nothing"], name="at_least_one_face_min"),
        node("Max", ["unchecked", "nothing"], ["probabilities"], name="at_least_one_face_max"),
    ]
    for offset, each in enumerate(checks, start=1):
        graph.node.insert(made_by + offset, each)


def onnx_predictions(path: Path, faces: np.ndarray) -> np.ndarray:
    """Probabilities, float32 (N, K), of an ONNX file for uint8 faces (N, H, W, C)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"faces": faces})[0]
