"""Every backbone of `network.backbone`, as Keras has it: exported to each format, and compared.

  PYTHONPATH=. python benchmarks/backbones.py [SIDE]

Weights are random (no network connection is needed); BatchNormalization has statistics of noise.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import get_args

from ferkeras.cli.quiet import import_tensorflow


def main() -> None:
    """Print a row for each backbone and format."""
    import_tensorflow()
    import keras
    import numpy as np

    from ferkeras.config.networks.backbone import Backbone
    from ferkeras.data.presets.fer2013 import FER2013
    from ferkeras.data.task import ImageSpec, Task
    from ferkeras.export.formats import export_network
    from ferkeras.export.probe import Probe
    from ferkeras.network.grad_cam import grad_cam
    from ferkeras.network.model import build_network
    from ferkeras.runs.embedded import About

    side = int(sys.argv[1]) if sys.argv[1:] else 48
    task = Task(FER2013.classes, ImageSpec(side, side, 1))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, side, side, 1), dtype=np.uint8)
    for name in get_args(Backbone.model_fields["backbone"].annotation):
        keras.utils.set_random_seed(0)
        settings = Backbone(backbone=name, weights="none", batchnorm_momentum=0.5)
        model = build_network(settings, task, mean=0.5, std=0.25)
        for _ in range(8):
            model(images, training=True)
        last = model.get_layer("logits")
        last.set_weights([10 * each for each in last.get_weights()])
        started = time.perf_counter()
        model.predict(images, verbose=0)
        grad_cam(model, images[:2], np.array([0, 1]))
        print(f"{name}: {model.count_params():,} parameters, {time.perf_counter() - started:.1f} s")
        with tempfile.TemporaryDirectory() as folder:
            for format in ("saved_model", "litert", "litert-float16", "onnx", "keras"):
                (made,) = export_network(
                    model,
                    (format,),
                    Path(folder),
                    About(task.classes.names, {}),
                    probe=Probe(images),
                )
                parity = made.parity
                print(
                    f"  {format}: {made.size / 1e6:.1f} MB, same label {parity.label_agreement:.0%}"
                    f", probabilities differ by at most {parity.largest_difference:.1e}"
                )


if __name__ == "__main__":
    main()
