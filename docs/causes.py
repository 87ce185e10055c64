"""The page of every cause that `diagnose` names, read from the code of its probes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

DIAGNOSE = Path(__file__).resolve().parents[1] / "ferkeras/diagnose"

CAUSES = """# Causes

What `diagnose` names, as `diagnosis.json` and `ferkeras.diagnose_model(...).causes` have it;
[how often it is right](../diagnosis.md).
"""


def causes_page() -> str:
    """Both kinds of causes, each in a table."""
    lines = [CAUSES]
    for title, folder in {
        "In a program": DIAGNOSE / "program",
        "In a run or a configuration": DIAGNOSE / "causes",
    }.items():
        found = causes_of(folder)
        lines += [f"## {title}", "", f"{len(found)} causes.", "", "| cause | what is found |"]
        lines += ["|---|---|"]
        lines += [f"| `{name}` | {' '.join(found[name])} |" for name in sorted(found)]
        lines += [""]
    return "\n".join(lines)


def causes_of(folder: Path) -> dict[str, list[str]]:
    """Each cause that modules below a folder name, with what the functions that name it say."""
    result: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        module = _Module(ast.parse(path.read_text("utf-8")))
        for name, summary in module.causes():
            if summary not in result.setdefault(name, []):
                result[name].append(summary)
    return result


class _Module:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]

    def causes(self) -> Iterator[tuple[str, str]]:
        """Every cause, with the first sentence about it."""
        for function in self._functions:
            for call in _calls(function):
                if _called(call).endswith("Finding"):
                    yield from self._named(function, _argument(call, "cause", 0))

    def _named(self, function: ast.FunctionDef, cause: ast.expr) -> Iterator[tuple[str, str]]:
        if isinstance(cause, ast.Constant):
            yield str(cause.value), self._summary(function)
        elif isinstance(cause, ast.JoinedStr):
            # Of several kinds in one: those in the words that the module has for them.
            prefix = "".join(str(p.value) for p in cause.values if isinstance(p, ast.Constant))
            for kind in self._words():
                yield prefix + kind, self._summary(function)
        elif isinstance(cause, ast.Name):
            names = [each.arg for each in function.args.args]
            if cause.id in names:
                for caller, call in self._callers(function):
                    yield from self._named(caller, _argument(call, cause.id, names.index(cause.id)))

    def _summary(self, function: ast.FunctionDef) -> str:
        """What a function says of itself; a helper that says nothing, what its caller does."""
        text = ast.get_docstring(function)
        if text is None:
            caller = next((each for each, _ in self._callers(function)), None)
            if caller is not None:
                return self._summary(caller)
            text = ast.get_docstring(self._tree) or ""
        return " ".join(text.partition("\n\n")[0].split())

    def _callers(self, function: ast.FunctionDef) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
        for caller in self._functions:
            for call in _calls(caller):
                if _called(call) == function.name and caller is not function:
                    yield caller, call

    def _words(self) -> list[str]:
        return [
            ast.literal_eval(key)
            for node in self._tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WORDS"
            for key in getattr(node.value, "keys", ())
        ]


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _argument(call: ast.Call, name: str, at: int) -> ast.expr:
    named = {each.arg: each.value for each in call.keywords}
    return named[name] if name in named else call.args[at]
