"""Folders of strangers: no link is followed, nothing is touched before it is checked."""

import ast
import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from ferkeras.cli.errors import InputError
from ferkeras.config.file import dump_config, load_config
from ferkeras.export.probe import Probe
from ferkeras.files.inner import InnerPath, Refused
from ferkeras.files.made import MADE_FILE, Made
from ferkeras.files.writing import (
    atomic_file,
    atomic_path,
    is_temporary,
    make_results_folder,
    remove_temporary_files,
    temporary_name,
    write_json,
    write_text,
)
from ferkeras.fit.__main__ import main as fit
from ferkeras.fit.makes import what_a_training_makes
from ferkeras.publish.publication import publish
from ferkeras.runs.create import create_run
from ferkeras.runs.finished import open_run
from ferkeras.runs.lock import LOCK_FILE, exclusive_lock
from ferkeras.runs.record import Run
from ferkeras.runs.so_far import open_trained
from ferkeras.runs.unfinished import reopened

ROOT = Path(__file__).parents[1]

unix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there")


@pytest.fixture
def decoy(tmp_path):
    """A tree beside the run that must stay as it is; yields it, then compares."""
    decoy = tmp_path / "mine"
    (decoy / "thesis").mkdir(parents=True)
    (decoy / "thesis.tex").write_text("years of work")
    (decoy / "thesis" / "notes.txt").write_text("more work")
    (decoy / "thesis" / "events.out.tfevents.1.host.ferkeras.v2").write_text("an event")

    def tree():
        return {
            str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else None)
            for path in sorted(decoy.rglob("*"))
        }

    before = tree()
    yield decoy
    assert tree() == before


def trap(kind: str, path: Path, decoy: Path) -> None:
    """Put something at `path` that is not the file it should be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        path.symlink_to(decoy / "thesis.tex")
    elif kind == "relative link":
        path.symlink_to(os.path.relpath(decoy / "thesis.tex", path.parent))
    elif kind == "dangling link":
        path.symlink_to(decoy / "new.txt")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "link to a folder":
        path.symlink_to(decoy / "thesis")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()


LINKS = ["link", "relative link", "dangling link", "link to itself", "link to a device"]
TRAPS = [*LINKS, "link to a folder", "pipe", "folder"]


@unix
@pytest.mark.parametrize("kind", TRAPS)
def test_what_is_no_file_of_the_folder_is_neither_read_nor_replaced(kind, tmp_path, decoy):
    path = InnerPath(tmp_path / "run", "a.json")
    trap(kind, path.path, decoy)
    for work in (path.read_bytes, path.open, path.for_library, lambda: path.truncate(0)):
        with pytest.raises(Refused):
            work()
    with pytest.raises(Refused):
        write_text(path, "mine")
    with pytest.raises(Refused), atomic_path(path) as temporary:
        temporary.write_text("mine")
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


@unix
@pytest.mark.parametrize("depth", [1, 2])
def test_a_folder_that_is_a_link_is_refused_wherever_it_is_on_the_way(depth, tmp_path, decoy):
    run = tmp_path / "run"
    run.joinpath(*"ab"[: depth - 1]).mkdir(parents=True)
    link = run.joinpath(*"ab"[:depth])
    link.symlink_to(decoy / "thesis")
    path = InnerPath(run, *"ab"[:depth], "notes.txt")
    for work in (
        path.read_bytes,
        path.exists,
        path.unlink,
        path.create,
        path.parent.iterdir,
        path.parent.remove_tree,
        lambda: path.mkdir(parents=True, exist_ok=True),
        lambda: write_json(path, {}),
        lambda: path.truncate(0),
    ):
        with pytest.raises(Refused, match="links in this folder are not followed"):
            work()


@unix
def test_the_folder_itself_may_be_named_through_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "short").symlink_to("run")
    write_text(InnerPath(tmp_path / "short", "a"), "b")
    assert (tmp_path / "run" / "a").read_text() == "b"


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/../b", "/etc/passwd", "a\0b", "a//b"])
def test_a_name_that_leads_elsewhere_is_none(name, tmp_path):
    with pytest.raises(ValueError, match="not a plain name"):
        InnerPath(tmp_path, name)


def test_a_file_larger_than_its_kind_is_not_read(tmp_path):
    path = InnerPath(tmp_path, "a.json")
    path.path.write_bytes(b"12345")
    assert path.read_bytes(5) == b"12345"
    for work in (path.read_bytes, path.open, path.for_library):
        with pytest.raises(Refused, match="more than 4 bytes"):
            work(limit=4)


@unix
def test_a_second_name_of_a_file_elsewhere_is_not_cut_and_not_emptied(tmp_path, decoy):
    run = tmp_path / "run"
    run.mkdir()
    (run / LOCK_FILE).hardlink_to(decoy / "thesis.tex")
    with pytest.raises(Refused):
        InnerPath(run, LOCK_FILE).truncate(0)
    with pytest.raises(InputError, match="not a lock that ferkeras left"), exclusive_lock(run):
        pytest.fail("locked")
    write_text(InnerPath(run, LOCK_FILE), "written beside it, then renamed")


@unix
@pytest.mark.parametrize("kind", TRAPS)
def test_a_lock_that_is_none_is_refused(kind, tmp_path, decoy):
    trap(kind, tmp_path / "run" / LOCK_FILE, decoy)
    with pytest.raises(InputError, match=LOCK_FILE), exclusive_lock(tmp_path / "run"):
        pytest.fail("locked")


def test_a_lock_with_the_users_own_text_is_left_alone(tmp_path):
    (tmp_path / LOCK_FILE).write_text("do not run, ann")
    with pytest.raises(InputError, match="move it away"), exclusive_lock(tmp_path):
        pytest.fail("locked")
    assert (tmp_path / LOCK_FILE).read_text() == "do not run, ann"


FOREIGN = [
    ".env.template",
    ".lock",
    ".gitkeep",
    ".notes.a8_b3c9d.txt",
    ".ferkeras-mine.txt",
    ".ferkeras-0123.tmp",
    "best.keras",
    "history.csv",
    "tensorboard/train/events.out.tfevents.1.host",
    "diagnosis/diagnosis.html",
    "export/README.md",
    "checkpoints/notes.txt",
]


def foreign_files(folder: Path) -> dict[Path, bytes]:
    for name in FOREIGN:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"this is {name}")
    return contents(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["history.csv", "predictions.npz"])
def test_only_what_a_training_writes_is_given_away(name, finished_run, tmp_path):
    run = tmp_path / "mine-001"
    run.mkdir()
    for each in ("config.yaml", "environment.json", "metrics.json", "best.keras"):
        (run / each).write_bytes((finished_run / each).read_bytes())
    (run / name).write_text("-----BEGIN PRIVATE KEY-----\nx\n")
    probe = Probe(np.zeros((1, 48, 48, 1), np.uint8))
    with pytest.raises(InputError, match=f"{name}: damaged"):
        publish(open_run(run), tmp_path / "published", probe)
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("services:\n  web: {image: nginx}\n", "services"),
        ("", "not one that python -m ferkeras.fit has written"),
        ("name: theirs\n", "not one that python -m ferkeras.fit has written"),
        ("train:\n  epochs: 3\n", "not one that python -m ferkeras.fit has written"),
        ("a: [b\n", "not valid YAML"),
    ],
)
def test_resuming_a_folder_of_somebody_else_touches_nothing(config, message, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(config)
    before = foreign_files(tmp_path)
    assert fit(["--resume", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_project_that_a_training_would_write_into_is_left_as_it_is(tmp_path, capsys):
    """Its configuration is right, and nothing says that a training began here."""
    small = ["data.demo_faces=200", "network.filters=[4]", "network.dense_units=[4]"]
    (tmp_path / "config.yaml").write_text(dump_config(load_config(None, small)))
    (tmp_path / "report.html").write_text("theirs")
    before = contents(tmp_path)
    assert fit(["--resume", str(tmp_path)]) == 2
    assert "report.html: not made by this run" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"data": 3}', b"\xff", b"[" * 100_000])
def test_what_is_damaged_is_found_before_anything_is_touched(content, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(dump_config(load_config(None)))
    (tmp_path / "environment.json").write_bytes(content)
    before = foreign_files(tmp_path)
    assert fit(["--resume", str(tmp_path)]) == 2
    assert "environment.json" in capsys.readouterr().err
    assert contents(tmp_path) == before


@unix
@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "metrics.json", LOCK_FILE])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "link to a device"])
def test_a_run_with_a_trap_in_it_is_not_resumed(name, kind, tmp_path, decoy, capsys):
    run = create_run(load_config(None, ["name=a", f"output.folder={tmp_path}"]))
    (run.folder / name).unlink(missing_ok=True)
    trap(kind, run.folder / name, decoy)
    before = sorted(path.name for path in run.folder.iterdir())
    assert fit(["--resume", str(run.folder)]) == 2
    assert name in capsys.readouterr().err
    assert sorted(path.name for path in run.folder.iterdir()) == before


@unix
@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "metrics.json"])
def test_a_finished_run_is_not_read_through_links(name, finished_run, tmp_path, decoy):
    run = tmp_path / "run"
    run.mkdir()
    for each in finished_run.iterdir():
        if each.is_file() and each.name != name:
            (run / each.name).write_bytes(each.read_bytes())
    (run / name).symlink_to(finished_run / name)
    with pytest.raises(InputError, match=f"{name}: a link"):
        open_run(run)


def test_an_empty_configuration_is_not_taken_for_one_of_defaults(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    (run / "config.yaml").write_text("\n")
    for opened in (open_run, open_trained):
        with pytest.raises(InputError, match=r"config\.yaml: damaged: it is empty"):
            opened(run)


def test_only_what_was_listed_before_it_was_made_is_removed(tmp_path):
    folder = InnerPath(tmp_path)
    made = Made(folder)
    paths = [folder / "best.keras", folder / "export/1/saved_model.pb", folder / "export/1/assets"]
    made.expect(paths)
    for name in ("best.keras", "export/1/saved_model.pb", "export/1/notes.txt", "mine.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "export/1/assets").mkdir()
    made.remove([folder / "best.keras"])
    assert not (tmp_path / "best.keras").exists()
    assert (tmp_path / "export/1/saved_model.pb").exists()
    made.remove(paths)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == [MADE_FILE, "export/1/notes.txt", "mine.txt"]


def test_a_file_that_was_there_before_is_not_replaced(tmp_path):
    (tmp_path / "best.keras").write_text("theirs")
    made = Made(InnerPath(tmp_path))
    with pytest.raises(InputError, match=r"best\.keras: not made by"):
        made.expect([InnerPath(tmp_path, "best.keras")])
    made.remove([InnerPath(tmp_path, "best.keras")])
    assert (tmp_path / "best.keras").read_text() == "theirs"


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"made": 3}', '{"made": [3]}', '{"made": ["../mine"]}', '{"made": ["/a"]}'],
)
def test_a_forged_list_removes_nothing(content, tmp_path):
    (tmp_path / "mine").write_text("")
    run = tmp_path / "run"
    run.mkdir()
    (run / MADE_FILE).write_text(content)
    with pytest.raises(InputError, match="damaged"):
        Made(InnerPath(run)).remove([])
    assert (tmp_path / "mine").exists()


def test_a_list_of_a_stranger_removes_no_file_that_a_training_does_not_make(tmp_path):
    run = create_run(load_config(None, ["name=a", f"output.folder={tmp_path}"]))
    (run.folder / "thesis.tex").write_text("years of work")
    write_json(run.inner / MADE_FILE, {"made": ["thesis.tex", "config.yaml", "best.keras"]})
    Made(run.inner).remove(what_a_training_makes(run))
    assert (run.folder / "thesis.tex").read_text() == "years of work"
    assert run.config.is_file()


@unix
def test_temporary_files_go_and_what_they_link_to_stays(tmp_path, decoy):
    run = tmp_path / "run"
    run.mkdir()
    names = [temporary_name(), temporary_name(".npz"), temporary_name()]
    (run / names[0]).mkdir()
    (run / names[0] / "link").symlink_to(decoy / "thesis")
    (run / names[0] / "half").write_text("")
    (run / names[1]).write_text("")
    (run / names[2]).symlink_to(decoy / "thesis")
    before = foreign_files(run)
    remove_temporary_files(run)
    assert contents(run) == {path: text for path, text in before.items() if path.exists()}
    assert not any((run / name).is_symlink() or (run / name).exists() for name in names)
    assert all((run / name).exists() for name in FOREIGN)


def test_resuming_tidies_every_folder_that_a_training_writes_into(tmp_path):
    run = Run(tmp_path / "run-001")
    left = [run.inner, run.exports, run.checkpoints, run.diagnosis]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / temporary_name(".png")).path.touch()
        (folder / "mine.txt").path.touch()
    run.config.path.write_text(dump_config(load_config(None)))
    with reopened(run) as unfinished:
        assert unfinished is not None
        for folder in left:
            assert (folder / "mine.txt").exists()
            assert not [path.name for path in folder.iterdir() if is_temporary(path.name)]


def test_what_a_killed_process_left_among_results_goes_when_nobody_writes_it_any_more(tmp_path):
    folder = InnerPath(tmp_path, "evaluation", "test")
    make_results_folder(folder)
    old, new = (folder.path / temporary_name(".png") for _ in range(2))
    for path in (old, new, folder.path / "mine.png"):
        path.touch()
        os.utime(path, (0, 0))
    os.utime(new)
    make_results_folder(folder)
    assert {path.name for path in folder.iterdir()} == {new.name, "mine.png"}


@unix
@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_new_files_and_folders_have_the_rights_that_umask_gives(mask, tmp_path):
    before = os.umask(mask)
    try:
        run = create_run(load_config(None, ["name=a", f"output.folder={tmp_path}/runs"]))
        with atomic_file(run.metrics) as file:
            file.write(b"{}")
        with atomic_path(run.best) as temporary:
            temporary.write_text("")
        run.export.mkdir(parents=True)
    finally:
        os.umask(before)
    for path in run.folder.rglob("*"):
        wanted = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == wanted & ~mask, path
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_ends_in_the_middle_leaves_nothing_and_the_old_file(error, tmp_path):
    path = InnerPath(tmp_path, "a.txt")
    write_text(path, "old")

    def write(writer) -> None:
        with writer(path) as where:
            if isinstance(where, Path):
                where.write_bytes(b"half")
            else:
                where.write(b"half")
            raise error

    for writer in (atomic_file, atomic_path):
        with pytest.raises(type(error)):
            write(writer)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


OPENERS = {
    "open", "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "rmtree", "rename",
    "copyfile", "copytree", "mkstemp", "mkdtemp", "truncate", "load", "read_csv", "savetxt",
}  # fmt: skip

WHAT_PEOPLE_NAME = (
    "cli/", "config/file.py", "data/", "predict/sources.py", "predict/videos.py", "files/",
)  # fmt: skip
"""Modules that open what people name: faces, pictures, a configuration; or are the mechanism."""


def opens_by_path(source: str) -> list[str]:
    """Calls in a module that open, make or remove a file by a path of the standard library."""
    tree = ast.parse(source)
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "open")
            or (
                isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and (node.func.value.id, node.func.attr)
                in {("os", name) for name in OPENERS}
                | {("shutil", name) for name in OPENERS}
                | {("tempfile", name) for name in OPENERS}
            )
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in OPENERS - {"load", "read_csv", "open", "savetxt"}
                and isinstance(node.func.value, ast.Call)
                and ast.unparse(node.func.value).startswith("Path(")
            )
        )
    ]


def test_nothing_else_opens_files_by_their_path():
    """What `Run` names are no `pathlib` paths, so mypy finds every other way."""
    found = {
        f"{path.relative_to(ROOT / 'ferkeras').as_posix()}: {call}"
        for path in (ROOT / "ferkeras").rglob("*.py")
        if not path.relative_to(ROOT / "ferkeras").as_posix().startswith(WHAT_PEOPLE_NAME)
        for call in opens_by_path(path.read_text("utf-8"))
    }
    assert not found
    run = Run(Path("x"))
    for name in dir(Run):
        if not name.startswith("_") and name not in ("folder", "apart"):
            named = getattr(run, name)
            assert isinstance(named("x") if callable(named) else named, InnerPath), name


def test_the_rule_finds_what_it_is_about():
    assert (
        opens_by_path("open('a')\nos.unlink(p)\nshutil.rmtree(p)\nPath('a').write_text('')") != []
    )
    assert len(opens_by_path("import os\nos.open(a, 0)\ntempfile.mkdtemp()\nx.open()")) == 2
