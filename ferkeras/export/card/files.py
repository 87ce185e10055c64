"""The part of the card about the files: what each is, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferkeras.cli.foreign_text import for_code, for_markdown
from ferkeras.export.card.table import table
from ferkeras.export.origin import other_run
from ferkeras.metrics.calibration import temperatures_of
from ferkeras.runs.finished import TrainedRun

_CALLS = {
    "saved_model": """\
```python
import tensorflow as tf

model = tf.saved_model.load("{path}")
prediction = model.signatures["serving_default"](faces=faces)  # uint8 {shape}
prediction = model.signatures["encoded"](image_bytes=[open("face.png", "rb").read()])
prediction["probabilities"], prediction["label"], model.signatures["about"]()
```

TensorFlow Serving takes the folder above it as the model's base path.""",
    "litert": """\
```python
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{path}").get_signature_runner("serving_default")
prediction = run(faces=faces)  # uint8 {shape}
prediction["probabilities"], prediction["label"]
```

`unzip -p {path} labels.txt` prints the class names.""",
    "onnx": """\
```python
import onnxruntime

session = onnxruntime.InferenceSession("{path}")
probabilities, label = session.run(["probabilities", "label"], {{"faces": faces}})
```

The names are in the metadata: `session.get_modelmeta().custom_metadata_map["emotions"]`.""",
    "keras": """\
```python
import keras

network = keras.saving.load_model("{path}")
probabilities = network.predict(faces)  # {shape}, whole numbers of 0 to 255
```

`unzip -p {path} labels.txt` prints the class names.""",
}


_PLAIN = """
It has no temperature; an export has (`--format keras` makes one of this kind).
"""


def files_part(finished: TrainedRun, listed: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what each export is, how near it is to the network, and how it is called."""
    others = {name: other_run(each, finished) for name, each in listed.items()}
    former = {
        name: each["epoch"]
        for name, each in listed.items()
        if others[name] is None and each.get("epoch", finished.best_epoch) != finished.best_epoch
    }
    exports = {
        name: each for name, each in listed.items() if others[name] is None and name not in former
    }
    rows = [
        (
            f"`{for_code(name)}/`" if each["format"] == "saved_model" else f"`{for_code(name)}`",
            each["format"],
            f"{each['size'] / 1e6:.2f} MB",
            f"{each['largest_difference']:.1e}",
            f"{each['label_agreement']:.2%} of {each['faces']:,} {each['compared_on']}",
        )
        for name, each in exports.items()
    ]
    columns = ("file", "format", "size", "largest difference of a probability", "same label")
    text = (
        "## Files\n\nAll take raw pixels, whole numbers of 0 to 255; the network rescales them "
        "itself. Other sizes, other\nchannels, an empty batch and pixels / 255 are errors, or NaN "
        "in a Keras file. Each was compared with\nthe trained network:\n\n" + table(columns, rows)
    )
    if finished.config.train.precision == "mixed_bfloat16":
        text += (
            "\nThe network was trained in bfloat16, the files compute in float32: hence the "
            "difference.\n"
        )
    text += _temperatures({name: each["temperature"] for name, each in exports.items()})
    shape = "(N, {}, {}, {})".format(*finished.task.image.shape)
    for name, each in exports.items():
        call = _CALLS[each["format"].partition("-")[0]]
        text += f"\n{call.format(path=name, shape=shape)}\n"
    for name, run in others.items():
        if run is not None:
            text += f"\n`{for_code(name)}` is the network of another run, {for_markdown(run)}.\n"
    for name, epoch in former.items():
        text += (
            f"\n`{for_code(name)}` is the network of epoch {epoch}, before the training went on; "
            "no figure here is\nof it.\n"
        )
    return text + _keras_file(finished, shape)


def _temperatures(of: Mapping[str, float]) -> str:
    """By what the logits of the files are divided; empty where that is 1 in each."""
    values = sorted(set(of.values()) - {1.0})
    if not values:
        return ""
    listed = ", ".join(f"{each:.3f}" for each in values)
    text = (
        f"\nLogits are divided by a temperature ({listed}), fitted on the validation faces, "
        "which\nchanges no label and gives the lowest log loss there.\n"
    )
    if plain := [f"`{for_code(name)}`" for name, value in of.items() if value == 1.0]:
        text += (
            f"Those of {', '.join(plain)} are not: made before the calibration, and less honest "
            "about their\nprobabilities. Export again to change that.\n"
        )
    return text


def _keras_file(finished: TrainedRun, shape: str) -> str:
    name, fitted = finished.run.best.name, temperatures_of(finished.run).get("none", 1.0)
    plain = finished.kept.get("temperature", 1.0) != fitted
    return f"""
The run's `{name}` needs Keras 3 and nothing else, no ferkeras, and loads in safe mode, which is
Keras's default:

{_CALLS["keras"].format(path=name, shape=shape)}
{_PLAIN if plain else ""}"""
