"""Break the ground under a training, and print what happened.

  PYTHONPATH=. python benchmarks/faults.py --json faults.json

Needs root on Linux: the runs lie on a small file system of their own, which is filled up and made
immutable. Each case is a short run (synthetic faces in a table, a tiny network, a checkpoint after
every step) of the real command in an own process. It is held with SIGSTOP for the instant in which
the fault is put in. When it has ended, the fault is taken away and the run resumed. Asked each
time: how does it end, with which message, are its checkpoints whole, what does it leave lying
about, and does the resumed run come to what an uninterrupted one comes to, in every weight, metric
and line of its history? The exit code is 1 if any outcome is not as it should be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kill_and_resume import contents, hidden

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.runs.record import Run

SETTINGS = (
    "name=fault",
    "network.filters=[4]",
    "network.dense_units=[8]",
    "train.epochs=5",
    "train.batch_size=128",
    "monitor.images_every=100",
    "checkpoint.every_steps=1",
)
FACES = 1500

FAIL_LATER = """
import errno, itertools, os, pathlib, sys
count = itertools.count(1)
def failing(real):
    def call(*arguments, **more):
        if next(count) > 20:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*arguments, **more)
    return call
{place} = failing({place})
from ferkeras.fit.__main__ import main
sys.exit(main())
"""


@dataclass
class Scene:
    """Where a case takes place."""

    disk: Path
    data: Path
    cache: Path
    out: Path
    process: subprocess.Popen[bytes]

    @property
    def run(self) -> Run:
        """The only run in `out`."""
        return Run(self.out / "fault-001")

    def folders(self) -> list[Path]:
        """The run's folder and all in it, the innermost first."""
        inner = sorted(path for path in self.run.folder.rglob("*") if path.is_dir())
        return [*reversed(inner), self.run.folder]


Act = Callable[[Scene], object]


def epoch_over(scene: Scene) -> bool:
    """Whether an epoch is written down."""
    return scene.run.history.exists()


def trained(scene: Scene) -> bool:
    """Whether nothing but the results is to be written."""
    return scene.run.last.exists()


def amid_the_table(scene: Scene) -> bool:
    """Whether the process has read between a tenth and a half of the table."""
    size = scene.data.stat().st_size
    with suppress(OSError):
        for link in Path(f"/proc/{scene.process.pid}/fd").iterdir():
            if link.readlink() == scene.data:
                printed = Path(f"/proc/{scene.process.pid}/fdinfo/{link.name}").read_text()
                return size // 10 < int(printed.split()[1]) < size // 2
    return False


def at_once(scene: Scene) -> bool:
    """Before anything is read."""
    return True


def nothing(scene: Scene) -> None:
    """Leave it as it is."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        name: for the table.
        put_in: makes it go wrong.
        lift: makes it good.
        moment: when; asked again and again.
        on_resume: the run is killed after its first epoch, and the fault meets it resumed.
        kept_up: `put_in` is repeated as long as the process lives.
        failing: a function of Python's library that fails from its 21st call on.
        cached: the table is read through the cache.
    """

    name: str
    put_in: Act = nothing
    lift: Act = nothing
    moment: Callable[[Scene], bool] = epoch_over
    on_resume: bool = False
    kept_up: bool = False
    failing: str | None = None
    cached: bool = False


@dataclass(frozen=True)
class Happened:
    """What a fault came to."""

    fault: str
    exit_code: int
    stderr: str
    traceback: bool
    checkpoints: str
    left_lying: list[str]
    resumed: str
    left_lying_then: list[str]
    different: list[str]
    good: bool


def fill(scene: Scene) -> None:
    """Leave not one free block."""
    with (scene.disk / "filler").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def immutable(sign: str) -> Act:
    """Let no name appear, vanish or change in the run's folders; with "-", let it again."""
    return lambda scene: subprocess.run(["chattr", f"{sign}i", *scene.folders()], check=True)


def permit(mode: int) -> Act:
    """Set the permissions of the run's folders."""
    return lambda scene: [folder.chmod(mode) for folder in scene.folders()]


def cut_at_a_row(scene: Scene) -> None:
    """End the table with the end of a row, behind what has been read: nothing looks amiss."""
    content = scene.data.read_bytes()
    os.truncate(scene.data, content.index(b"\n", len(content) * 3 // 4) + 1)


def cut(path: Path) -> None:
    """Leave a half."""
    os.truncate(path, path.stat().st_size // 2)


def cut_newest_checkpoint(scene: Scene) -> None:
    """Leave half of the newest checkpoint."""
    cut(max(scene.run.checkpoints.path.glob("*.npz")))


def cut_cache(scene: Scene) -> None:
    """Leave half of what is kept of the table, which the process has mapped."""
    for path in scene.cache.glob("*.npy"):
        cut(path)


FAULTS = (
    Fault(
        "disk full while it trains",
        fill,
        lambda scene: (scene.disk / "filler").unlink(),
        kept_up=True,
    ),
    Fault(
        "disk still full when resumed",
        fill,
        lambda scene: (scene.disk / "filler").unlink(),
        moment=at_once,
        on_resume=True,
        kept_up=True,
    ),
    Fault(
        "disk full while results are written",
        fill,
        lambda scene: (scene.disk / "filler").unlink(),
        moment=trained,
        kept_up=True,
    ),
    Fault("run folder made immutable", immutable("+"), immutable("-")),
    Fault(
        "run folder still immutable when resumed",
        immutable("+"),
        immutable("-"),
        moment=at_once,
        on_resume=True,
    ),
    Fault("permission to write lost", permit(0o555), permit(0o755)),
    Fault("fsync fails", failing="os.fsync"),
    Fault("rename fails", failing="pathlib.Path.replace"),
    Fault(
        "newest checkpoint truncated",
        cut_newest_checkpoint,
        moment=at_once,
        on_resume=True,
    ),
    Fault(
        "table truncated under the reader",
        cut_at_a_row,
        lambda scene: write_table(scene.data),
        moment=amid_the_table,
        on_resume=True,
    ),
    Fault(
        "table truncated before a resume",
        lambda scene: cut(scene.data),
        lambda scene: write_table(scene.data),
        moment=at_once,
        on_resume=True,
    ),
    Fault(
        "table gone while it trains",
        lambda scene: scene.data.unlink(),
        lambda scene: write_table(scene.data),
    ),
    Fault(
        "table gone before a resume",
        lambda scene: scene.data.unlink(),
        lambda scene: write_table(scene.data),
        moment=at_once,
        on_resume=True,
    ),
    Fault("kept reading truncated while it trains", cut_cache, cached=True),
)


def main() -> int:
    """Run all cases; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="WORDS", help="cases named so")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    import_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name) / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
        try:
            happened = measure(Path(name), disk, arguments.only)
        finally:
            subprocess.run(["umount", "-l", disk], check=True)
    print(f"\n{sum(each.good for each in happened)} of {len(happened)} faults ended well")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in happened], indent=2) + "\n")
    return int(not all(each.good for each in happened))


def measure(folder: Path, disk: Path, only: str) -> list[Happened]:
    """Train without a fault, then with each."""
    write_table(folder / "faces.csv")
    process = begin(folder, folder / "reference", Fault("none"))
    assert process.wait() == 0, "the uninterrupted run failed"
    reference = results(Run(folder / "reference" / "fault-001"))
    found = []
    for fault in FAULTS:
        if only in fault.name:
            found.append(happen(fault, folder, disk, reference))
            show(found[-1])
    return found


def happen(fault: Fault, folder: Path, disk: Path, reference: dict[str, object]) -> Happened:
    """Begin a run, let the fault happen, take it away, resume."""
    out = disk / "out"
    process = begin(folder, out, fault)
    scene = Scene(disk, folder / "faces.csv", folder / "cache", out, process)
    if fault.on_resume:
        wait(scene, epoch_over)
        process.kill()
        process.wait()
        scene.process = process = resume(folder, scene)
    wait(scene, fault.moment)
    process.send_signal(signal.SIGSTOP)
    fault.put_in(scene)
    process.send_signal(signal.SIGCONT)
    while fault.kept_up and process.poll() is None:
        fault.put_in(scene)
        time.sleep(0.01)
    code = process.wait()
    message = (folder / "stderr").read_text()
    checkpoints, left = whole(scene.run), hidden(out)
    fault.lift(scene)
    again = resume(folder, scene).wait()
    printed = (folder / "stdout").read_text().splitlines()
    place = [line for line in printed if line.startswith("resuming") or "is complete" in line]
    place = [line.removeprefix(f"{scene.run.folder}: ") for line in place]
    then, got = hidden(out), results(scene.run)
    shutil.rmtree(out)
    different = [key for key in reference.keys() | got.keys() if reference.get(key) != got.get(key)]
    return Happened(
        fault=fault.name,
        exit_code=code,
        stderr=message.replace(str(out), "OUT").replace(str(folder), "DATA").strip(),
        traceback="Traceback" in message,
        checkpoints="{} whole of {}".format(*checkpoints),
        left_lying=left,
        resumed=f"exit {again}, {'; '.join(place)}",
        left_lying_then=then,
        different=sorted(different),
        good=code in (0, 1, 2)
        and "Traceback" not in message
        and (checkpoints[0] > 0 or code == 0)
        and again == 0
        and not then
        and not different,
    )


def begin(folder: Path, out: Path, fault: Fault) -> subprocess.Popen[bytes]:
    """Begin a training."""
    return start(
        folder,
        *(["-c", FAIL_LATER.format(place=fault.failing)] if fault.failing else MODULE),
        *SETTINGS,
        f"data.path={folder / 'faces.csv'}",
        f"data.cache={str(fault.cached).lower()}",
        f"output.folder={out}",
    )


def resume(folder: Path, scene: Scene) -> subprocess.Popen[bytes]:
    """Go on with the run."""
    return start(folder, *MODULE, "--resume", str(scene.run.folder))


MODULE = ("-m", "ferkeras.fit")


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Python as somebody who is not above permissions, as root is."""
    bound = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            [*bound, sys.executable, *arguments],
            stdout=stdout,
            stderr=stderr,
            env=os.environ | {"FERKERAS_CACHE": str(folder / "cache")},
        )


def wait(scene: Scene, moment: Callable[[Scene], bool]) -> None:
    """Look as often as possible."""
    while not moment(scene):
        assert scene.process.poll() is None, "it was over before the moment came"
        time.sleep(0.0002)


def whole(run: Run) -> tuple[int, int]:
    """Checkpoints that are what their names say, and all checkpoints."""
    paths = list(run.checkpoints.path.glob("[0-9]*.npz"))
    return sum(
        hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.split("-")[1])
        for path in paths
    ), len(paths)


def results(run: Run) -> dict[str, object]:
    """All of a run that must not depend on what happened to it."""
    found = contents(run.folder)
    if run.metrics.exists():
        # That it restored an older checkpoint is an alarm, and belongs there.
        found["metrics.json"] = json.loads(run.metrics.read_text()) | {"alarms": None}
    return found


def write_table(path: Path) -> None:
    """Write the synthetic faces as a table."""
    faces = synthetic_faces(FACES, 0).faces
    with path.open("w") as file:
        file.write("emotion,pixels\n")
        for label, image in zip(faces.labels, faces.images, strict=True):
            file.write(f"{label},{' '.join(map(str, image.ravel()))}\n")


def show(happened: Happened) -> None:
    """Print what a fault came to."""
    print(f"\n{happened.fault}: {'good' if happened.good else 'BAD'}")
    for key, value in asdict(happened).items():
        if key not in ("fault", "good"):
            text = ", ".join(value) or "nothing" if isinstance(value, list) else str(value)
            print(f"  {key.replace('_', ' '):<16} {text.replace(chr(10), chr(10) + ' ' * 19)}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
