"""The wheel: what is in it, what it asks for, and that it works in a folder of its own."""

import configparser
import email
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

import callbacks
import ferkeras
import ferkeras.callbacks
from ferkeras.cli.errors import InputError
from ferkeras.cli.extras import EXTRAS, need_extra
from ferkeras.data.synthetic.dataset import synthetic_faces

ROOT = Path(__file__).parents[1]


def run(*words, folder, path, **environment):
    """Python in `folder`, which finds ferkeras on `path` and nowhere else."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what is in it by the setuptools that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("ferkeras", "callbacks", "configs", "saved_models/fer2013"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    done = run("-c", build, folder=source, path=[])
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel, names):
    (name,) = (name for name in names if name.endswith("dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder that has the wheel, unpacked, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_site_packages_gets_ferkeras_and_nothing_else(names):
    top = {name.split("/")[0] for name in names}
    assert top == {"ferkeras", f"ferkeras-{ferkeras.__version__}.dist-info"}


@pytest.mark.parametrize(
    ("folder", "pattern", "inside"),
    [
        ("ferkeras", "**/*.py", "ferkeras"),
        ("ferkeras", "report/html/templates/*", "ferkeras"),
        ("ferkeras", "py.typed", "ferkeras"),
        ("callbacks", "*.py", "ferkeras/callbacks"),
        ("configs", "*.yaml", "ferkeras/configs"),
        ("saved_models", "fer2013/**/*", "ferkeras/saved_models"),
    ],
)
def test_everything_that_comes_along_is_inside(names, folder, pattern, inside):
    there = [path for path in (ROOT / folder).glob(pattern) if path.is_file()]
    assert there
    for path in there:
        assert f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" in names


def test_callbacks_are_the_folder_and_not_what_stands_for_it_in_the_repository(site):
    installed = (site / "ferkeras/callbacks/__init__.py").read_text("utf-8")
    assert installed == (ROOT / "callbacks/__init__.py").read_text("utf-8")


def test_the_command_is_the_list_of_verbs(wheel, names):
    (name,) = (name for name in names if name.endswith("entry_points.txt"))
    entries = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        entries.read_string(archive.read(name).decode())
    assert dict(entries["console_scripts"]) == {"ferkeras": "ferkeras.__main__:main"}


def test_extras_are_those_that_are_named_to_whom_one_is_missing(metadata):
    assert set(metadata.get_all("Provides-Extra")) == {*EXTRAS, "dev"}


def test_what_is_asked_for_is_what_requirements_pin(metadata):
    """Each requirement of the wheel has its pin in its range."""
    pinned = {}
    for line in (ROOT / "requirements.in").read_text("utf-8").splitlines():
        if text := line.partition("#")[0].strip():
            pin = Requirement(text)
            pinned[pin.name.lower()] = next(iter(pin.specifier)).version
    asked = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    asked = [each for each in asked if each.name != "ferkeras"]
    # Tried by a benchmark alone.
    assert {each.name.lower() for each in asked} - set(pinned) == {"wandb"}
    for each in asked:
        if each.name != "wandb":
            assert each.specifier.contains(pinned[each.name.lower()]), each
    # One is asked for by ai-edge-litert itself; the other is used where it happens to be.
    free = {"backports.strenum", "tensorflow-addons"}
    assert set(pinned) - {each.name.lower() for each in asked} == free


def test_it_lists_its_verbs_anywhere(site, tmp_path):
    done = run("-m", "ferkeras", folder=tmp_path, path=[site])
    assert done.returncode == 0, done.stderr
    verbs = {path.parent.name for path in (ROOT / "ferkeras").glob("*/__main__.py")}
    listed = re.findall(r"^  (\w+)  +[A-Z]", done.stdout.partition("verbs:")[2], re.MULTILINE)
    assert set(listed) == verbs
    version = run("-m", "ferkeras", "--version", folder=tmp_path, path=[site])
    assert version.stdout == f"ferkeras {ferkeras.__version__}\n"


def test_a_verb_by_another_word_is_named(site, tmp_path):
    done = run("-m", "ferkeras", "train", folder=tmp_path, path=[site])
    assert done.returncode == 2
    assert "'train': no such verb; did you mean fit?" in done.stderr
    for word in ("lr-find", "lr_find"):
        done = run("-m", "ferkeras", word, "--steps", "1", folder=tmp_path, path=[site])
        assert "--steps 1: expected at least" in done.stderr


def test_the_network_that_comes_along_answers_anywhere(site, tmp_path):
    face = synthetic_faces(200, 0).faces.images[0, :, :, 0]
    Image.fromarray(face).save(tmp_path / "face.png")
    for words in (["face.png"], ["fer2013", "face.png"], ["saved_models/fer2013", "face.png"]):
        done = run("-m", "ferkeras", "predict", *words, "--csv", folder=tmp_path, path=[site])
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].startswith("face.png,")
        assert done.stderr == ""


def importing(first):
    return (
        f"import {first}, callbacks.ramp, ferkeras.callbacks.ramp\n"
        "assert callbacks.ramp is ferkeras.callbacks.ramp\n"
        "assert callbacks is ferkeras.callbacks"
    )


@pytest.fixture(scope="module")
def errors(site, tmp_path_factory):
    """What is said of programs that import callbacks, each as in a process of its own.

    They are in one, which has Keras already, and forgets in between what is of ferkeras.
    """
    folder = tmp_path_factory.mktemp("somebody")
    (folder / "callbacks.py").write_text("MINE = True\n")
    programs = {
        "of the wheel": (
            [site],
            "from ferkeras.callbacks import CollapseAlarm\n"
            "from ferkeras.callbacks.collapse_alarm import CollapseAlarm as same\n"
            "assert CollapseAlarm is same\n"
            "import sys; assert 'callbacks' not in sys.modules",
        ),
        "callbacks": ([ROOT], importing("callbacks")),
        "ferkeras.callbacks": ([ROOT], importing("ferkeras.callbacks")),
        "of somebody else": (
            [folder, ROOT],
            "from ferkeras.callbacks import CollapseAlarm\n"
            "import callbacks\n"
            "assert callbacks.MINE and CollapseAlarm.__module__.startswith('ferkeras.')",
        ),
    }
    given = {name: ([str(each) for each in path], code) for name, (path, code) in programs.items()}
    program = (
        "import json, sys, traceback, keras\n"
        "found, path = {}, list(sys.path)\n"
        "for name, (own, code) in json.loads(sys.argv[1]).items():\n"
        "    for module in list(sys.modules):\n"
        "        if module.partition('.')[0] in ('callbacks', 'ferkeras'):\n"
        "            del sys.modules[module]\n"
        "    sys.path[:], found[name] = own + path, None\n"
        "    try:\n"
        "        exec(code, {})\n"
        "    except Exception:\n"
        "        found[name] = traceback.format_exc()\n"
        "print(json.dumps(found))"
    )
    done = run("-c", program, json.dumps(given), folder=tmp_path_factory.mktemp("empty"), path=[])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_of_the_wheel_has_the_callbacks(errors):
    assert errors["of the wheel"] is None


# The repository.


def test_both_names_mean_the_same_callbacks():
    assert ferkeras.callbacks.CollapseAlarm is callbacks.CollapseAlarm
    modules = {name for name in sys.modules if name.startswith("callbacks.")}
    assert modules
    for name in modules:
        assert sys.modules[f"ferkeras.{name}"] is sys.modules[name]


@pytest.mark.parametrize("first", ["callbacks", "ferkeras.callbacks"])
def test_both_names_mean_the_same_callbacks_whichever_comes_first(first, errors):
    assert errors[first] is None


def test_callbacks_of_somebody_else_are_left_alone(errors):
    assert errors["of somebody else"] is None


@pytest.mark.parametrize(
    ("installed", "command"), [(True, "'ferkeras[onnx]'"), (False, "no_such_module")]
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    installed, command, monkeypatch
):
    def distribution(name):
        if not installed:
            raise PackageNotFoundError

    need_extra("onnx", "--format onnx")
    monkeypatch.setattr("ferkeras.cli.extras.distribution", distribution)
    monkeypatch.setitem(EXTRAS, "onnx", ("onnx", "no_such_module"))
    with pytest.raises(InputError) as caught:
        need_extra("onnx", "--format onnx")
    assert str(caught.value) == (
        f"--format onnx needs no_such_module, which is not installed: pip install {command}"
    )
