"""The house: which package may know which, read from the imports themselves."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

VERBS = {path.parent.name for path in (ROOT / "ferkeras").glob("*/__main__.py")}
SHARED = (
    "callbacks cli files config data network runs metrics study report tensorboard training "
    "trackers"
).split()
"""Packages that several verbs use, each of which knows only those before it."""

UNIX_ONLY = set(
    "curses fcntl grp posix pty pwd readline resource syslog termios tty "
    "os.fork os.getuid os.geteuid os.kill os.killpg os.mkfifo os.setsid os.statvfs os.uname "
    "os.sched_getaffinity os.pread os.O_NOFOLLOW os.O_DIRECTORY os.O_NONBLOCK "
    "signal.SIGHUP signal.SIGKILL signal.SIGALRM signal.SIGUSR1 signal.alarm signal.setitimer "
    "signal.pthread_sigmask".split()
)
"""Modules, and names of modules, that Windows or macOS lacks or that do something else there."""


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All that stands in a file."""
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


@cache
def imported(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return names


def named(path: Path) -> set[str]:
    """What a file takes out of modules, as `module.name`."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def packages() -> dict[str, set[str]]:
    """Each package of ferkeras with the others that it imports."""
    edges: dict[str, set[str]] = {}
    for path in (ROOT / "ferkeras").glob("*/**/*.py"):
        package = path.relative_to(ROOT / "ferkeras").parts[0]
        used = {name.split(".")[1] for name in imported(path) if name.startswith("ferkeras.")}
        edges.setdefault(package, set()).update(used - {package})
    return edges


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Packages that lead back to themselves, in order; empty if none does."""
    done: set[str] = set()

    def walk(package: str, way: list[str]) -> list[str]:
        if package in way:
            return [*way[way.index(package) :], package]
        if package not in done:
            for used in sorted(edges.get(package, ())):
                if found := walk(used, [*way, package]):
                    return found
            done.add(package)
        return []

    return next((found for package in sorted(edges) if (found := walk(package, []))), [])


def test_no_packages_import_each_other():
    assert " -> ".join(circle(packages())) == ""


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_every_package_is_a_verb_or_a_shared_room():
    assert set(packages()) == VERBS | set(SHARED) | {"facade"}


def test_what_import_ferkeras_offers_stands_above_all_else():
    assert not [package for package, used in packages().items() if "facade" in used]


@pytest.mark.parametrize("package", SHARED)
def test_shared_rooms_know_only_those_below(package):
    assert packages()[package] <= set(SHARED[: SHARED.index(package)])


def test_callbacks_are_drop_in():
    allowed = {"keras", "numpy", "sklearn", "tensorflow"} | set(sys.stdlib_module_names)
    for path in (ROOT / "callbacks").glob("*.py"):
        assert {name.split(".")[0] for name in imported(path)} <= allowed, path.name


def test_callbacks_go_by_the_name_that_an_installation_has():
    for path in (ROOT / "ferkeras").glob("*/**/*.py"):
        if path.parent.name != "callbacks":
            assert "callbacks" not in {name.split(".")[0] for name in imported(path)}, path


@pytest.mark.parametrize("folder", ["ferkeras", "callbacks"])
def test_nothing_is_used_that_only_unix_has(folder):
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in (imported(path) | named(path)) & UNIX_ONLY
    }
    assert not found
