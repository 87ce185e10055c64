"""Large sets: reading, feeding, checking and training them, in images a second and in memory.

  PYTHONPATH=. python benchmarks/size.py --counts 10000 100000 300000
  PYTHONPATH=. python benchmarks/size.py --counts 100000 --files-up-to 100000 --work read check

Makes colour pictures of 112 x 112 pixels from a few hundred drawn ones that are shifted, mirrored
and lit anew, each different: up to 10,000 as JPEG files in seven class folders, more as images.npy
beside labels.npy. Then, each in a fresh process:

  read    the source into the cache: images a second
  cached  the start of a training on them from the cache: seconds until they are split
  feed    batches of 64 with the usual augmentation, no network: images a second
  train   a small network on them: images a second, and what the step waits for the feed, by
          comparison with the same network on one batch held in memory
  check   check_data: seconds

Memory is the most that a process held in pages of its own (resident, without those that are mapped
from files and that the system may drop), sampled every 50 ms. 300,000 pictures take 11.3 GB as an
array and as much in the cache, both in --folder and removed at the end. More than 100,000 are not
checked.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SIDE, CLASSES = 112, 7
WORK = ("read", "cached", "feed", "train", "check")
_DRAWN = 200
_FEED_IMAGES = 8_000
_MOST_CHECKED = 100_000
_TRAIN_STEPS, _BATCH = 60, 64


def main() -> int:
    """Make pictures, measure, print a table, remove the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--files-up-to", type=int, default=10_000, metavar="N")
    parser.add_argument("--work", choices=WORK, nargs="+", default=WORK)
    parser.add_argument("--folder", type=Path, help="for pictures and cache (default: a new one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--measure", choices=WORK, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.folder)))
        return 0
    rows = []
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    for count in arguments.counts:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
            cache = Path(scratch, "cache")
            pictures = make_pictures(Path(scratch), count, count <= arguments.files_up_to)
            for work in WORK:
                if work == "check" and count > _MOST_CHECKED:
                    continue
                # The others start from what reading has left in the cache.
                if work in arguments.work or work == "read":
                    row = {"images": count, "work": work, **measured(work, pictures, cache)}
                    rows.append(row)
                    print(
                        f"{count:9,} {work:7}"
                        + "".join(f"  {key} {value:,}" for key, value in list(row.items())[2:]),
                        flush=True,
                    )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def make_pictures(folder: Path, count: int, as_files: bool) -> Path:
    """Write `count` different pictures; the path that is read."""
    from PIL import Image

    from ferkeras.data.synthetic.dataset import synthetic_faces

    drawn = synthetic_faces(_DRAWN, 0).faces
    names = list(drawn.classes)
    which, images = _pictures(drawn.images, count)
    if not as_files:
        path = folder / "images.npy"
        np.save(folder / "labels.npy", np.array(names)[drawn.labels[which]])
        array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE, 3))
        for number, image in enumerate(images):
            array[number] = image
        return path
    for name in names:
        (folder / "pictures" / name).mkdir(parents=True)
    for number, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "jpeg", quality=85)
        name = names[int(drawn.labels[which[number]])]
        (folder / "pictures" / name / f"{number:07}.jpg").write_bytes(file.getvalue())
    return folder / "pictures"


def _pictures(drawn: np.ndarray, count: int) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """Which drawn face each picture is made from, and the pictures."""
    from PIL import Image

    rng = np.random.default_rng(0)
    which = rng.integers(0, len(drawn), count)
    size = (SIDE + 16, SIDE + 16)
    large = [
        np.asarray(Image.fromarray(face[..., 0]).resize(size, Image.Resampling.BICUBIC))
        for face in drawn
    ]
    grain = rng.integers(-6, 7, SIDE * SIDE * 2)
    grey = np.arange(256)

    def made() -> Iterator[np.ndarray]:
        for each in which:
            top, left = rng.integers(0, 17, 2)
            face = large[each][top : top + SIDE, left : left + SIDE]
            face = face[:, ::-1] if rng.random() < 0.5 else face
            start = int(rng.integers(SIDE * SIDE))
            face = face + grain[start : start + SIDE * SIDE].reshape(SIDE, SIDE)
            tints = np.clip(rng.uniform(0.6, 1.3, 3) * grey[:, None], 0, 255).astype(np.uint8)
            yield tints[np.clip(face, 0, 255)]

    return which, made()


def measured(work: str, pictures: Path, cache: Path) -> dict[str, float]:
    """What `measure` returns in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", work, "--folder", pictures],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "FERKERAS_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(work: str, pictures: Path) -> dict[str, float]:
    """Do one thing in this process: its figures."""
    with own_memory() as memory:
        figures = {
            "read": read,
            "cached": cached,
            "feed": feed,
            "train": train,
            "check": check,
        }[work](pictures)
    return {**figures, "peak_mib": memory[0] >> 20}


@contextmanager
def own_memory() -> Iterator[list[int]]:
    """The most bytes of own pages that this process holds in the block, in a list of one."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], _own_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield most
    over.set()
    watcher.join()
    most[0] = max(most[0], _own_bytes())


def _own_bytes() -> int:
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("RssAnon:")[1].split()[0])
    import psutil

    return psutil.Process().memory_full_info().uss


def _splits(pictures: Path) -> tuple[Any, Any]:
    from ferkeras.config.file import load_config
    from ferkeras.data.load import split_as_configured
    from ferkeras.data.read import read_faces

    config = load_config(None, [f"data.path={pictures}"])
    return config, split_as_configured(read_faces(pictures), config)


def read(pictures: Path) -> dict[str, float]:
    """Read the files and keep them."""
    from ferkeras.data.read import read_faces

    begin = time.perf_counter()
    count = len(read_faces(pictures).faces)
    seconds = time.perf_counter() - begin
    return {"seconds": round(seconds, 1), "images_per_s": round(count / seconds)}


def cached(pictures: Path) -> dict[str, float]:
    """Read and split them as a training does."""
    begin = time.perf_counter()
    _splits(pictures)
    return {"seconds": round(time.perf_counter() - begin, 1)}


def feed(pictures: Path) -> dict[str, float]:
    """Draw batches from the input pipeline."""
    from ferkeras.cli.quiet import import_tensorflow

    config, splits = _splits(pictures)
    import_tensorflow()
    from ferkeras.data.pipeline import TrainingPipeline

    pipeline = TrainingPipeline(
        splits.train, batch_size=_BATCH, seed=0, augmentation=config.augment
    )
    batches = iter(pipeline.dataset(1, 100))
    for _ in range(10):
        next(batches)
    steps = _FEED_IMAGES // _BATCH
    begin, used = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(batches)
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    return {
        "images_per_s": round(steps * _BATCH / seconds),
        "images_per_cpu_s": round(steps * _BATCH / used),
    }


def train(pictures: Path) -> dict[str, float]:
    """Train a small network from the feed and from one batch in memory, in turns."""
    from ferkeras.cli.quiet import import_tensorflow
    from ferkeras.config.file import with_values

    config, splits = _splits(pictures)
    config = with_values(
        config,
        {
            "network.filters": (16, 32, 64, 64),
            "network.dense_units": (64,),
            "train.batch_size": _BATCH,
            "train.epochs": 1000,
        },
    )
    import_tensorflow()
    import tensorflow as tf

    from ferkeras.data.pipeline import untuned
    from ferkeras.training.setup import build_setup

    setup = build_setup(config, splits)
    fed = iter(setup.pipeline.dataset(1, 1000))
    held = iter(untuned(tf.data.Dataset.from_tensors(next(fed)).repeat()))
    function = setup.model.make_train_function() or setup.model.train_function
    seconds: dict[str, list[float]] = {"fed": [], "held": []}
    for source in (fed, held):
        for _ in range(3):
            function(source)
    for _ in range(6):
        for name, source in (("fed", fed), ("held", held)):
            begin = time.perf_counter()
            for _ in range(_TRAIN_STEPS // 6):
                function(source)
            seconds[name].append((time.perf_counter() - begin) / (_TRAIN_STEPS // 6))
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    return {
        "images_per_s": round(_BATCH / medians["fed"]),
        "ratio_to_held_batch": round(medians["fed"] / medians["held"], 3),
    }


def check(pictures: Path) -> dict[str, float]:
    """Check them."""
    from ferkeras.check_data.__main__ import main as check_data

    output = Path(tempfile.mkdtemp(), "checked")
    begin = time.perf_counter()
    check_data([str(pictures), "--output", str(output)])
    seconds = time.perf_counter() - begin
    shutil.rmtree(output.parent)
    return {"seconds": round(seconds, 1)}


if __name__ == "__main__":
    sys.exit(main())
