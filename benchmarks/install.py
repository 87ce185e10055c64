"""Install the wheel into a fresh environment, use it from an empty folder, and say what it weighs.

  python benchmarks/install.py
  python benchmarks/install.py --python python3.12 --extras onnx,labels
  python benchmarks/install.py --editable --folder /tmp/there

Builds the wheel, makes an environment, lets pip fetch what the wheel asks for, and then, in an
empty folder: `ferkeras --version`, a small training, `ferkeras predict`, an export of the network
that comes along, and training and prediction from Python. Prints versions, seconds, the size of the
environment, what lies at the top of site-packages for ferkeras, and what is in the folder then;
anything that fails ends it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SMALL = ["data.demo_faces=300", "network.filters=[4,8]", "network.dense_units=[8]"]

SOURCES = ("ferkeras", "callbacks", "configs", "saved_models/fer2013")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
"""What a wheel is made from; copied, since setuptools leaves a `build/` where it works."""

SHOWN = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "ai-edge-litert")

FACE = """
import numpy as np
from PIL import Image
from ferkeras.data.synthetic.dataset import synthetic_faces
Image.fromarray(synthetic_faces(200, 0).faces.images[0, :, :, 0]).save("face.png")
"""

PYTHON = """
import ferkeras
run = ferkeras.train("demo", {"data.demo_faces": 300, "train.epochs": 1, "network.filters": [4]})
print(run.history[["epoch", "val_accuracy"]])
print(run.predict(["face.png"])[0])
"""


def main() -> None:
    """Measure; print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="the interpreter to install for")
    parser.add_argument("--extras", default="", help="for example onnx,labels")
    parser.add_argument("--editable", action="store_true", help="install the repository itself")
    parser.add_argument("--folder", type=Path, help="a new folder that stays (default: none does)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder.resolve() if arguments.folder else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        venv = folder / "venv"
        scripts = venv / ("Scripts" if os.name == "nt" else "bin")
        run([arguments.python, "-m", "venv", venv], folder)
        bare = size_of(venv)
        pip = [scripts / "python", "-m", "pip", "--disable-pip-version-check"]
        if arguments.editable:
            wanted = ["--editable", str(ROOT)]
        else:
            source = folder / "source"
            ignore = shutil.ignore_patterns("__pycache__")
            for name in SOURCES:
                shutil.copytree(ROOT / name, source / name, ignore=ignore)
            for name in FILES:
                shutil.copy(ROOT / name, source)
            run([*pip, "wheel", "--quiet", "--no-deps", "-w", folder, source], folder)
            (wheel,) = folder.glob("*.whl")
            print(f"wheel: {wheel.stat().st_size / 2**20:.1f} MiB")
            wanted = [str(wheel)]
        if arguments.extras:
            wanted[-1] += f"[{arguments.extras}]"
        seconds = run([*pip, "install", "--quiet", *wanted], folder)
        print(f"pip install: {seconds:.0f} s, {(size_of(venv) - bare) / 2**20:,.0f} MiB installed")
        code = f"import importlib.metadata as m; print(*((n, m.version(n)) for n in {SHOWN}))"
        print(output([scripts / "python", "-VV"], folder))
        print(output([scripts / "python", "-c", code], folder))
        code = "import importlib.metadata as m; print(*{p.parts[0] for p in m.files('ferkeras')})"
        top = set(output([scripts / "python", "-c", code], folder).split()) - {".."}
        print("at the top of site-packages:", *sorted(top))
        work = folder / "empty"
        work.mkdir()
        ferkeras = scripts / "ferkeras"
        print(output([ferkeras, "--version"], work))
        run([scripts / "python", "-c", FACE], work)
        print(f"fit: {run([ferkeras, 'fit', 'train.epochs=2', *SMALL], work):.0f} s")
        print(f"predict: {run([ferkeras, 'predict', 'face.png'], work):.2f} s")
        print(output([ferkeras, "predict", "face.png"], work))
        code = "from ferkeras.runs.shipped import SHIPPED; print(SHIPPED)"
        shipped = Path(output([scripts / "python", "-c", code], work))
        before = set(shipped.rglob("*"))
        print(f"export: {run([ferkeras, 'export', 'fer2013', '--format', 'litert'], work):.0f} s")
        if set(shipped.rglob("*")) != before:
            raise SystemExit(f"export changed {shipped}")
        print(output([scripts / "python", "-c", PYTHON], work))
        print("in the folder:", *sorted(path.name for path in work.iterdir()))
        print("in saved_models:", *sorted(path.name for path in (work / "saved_models").iterdir()))


def run(command: list[str | Path], folder: Path) -> float:
    """Run a command that must succeed; return its seconds by the clock."""
    began = time.perf_counter()
    output(command, folder)
    return time.perf_counter() - began


def output(command: list[str | Path], folder: Path) -> str:
    """What a command that must succeed prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
