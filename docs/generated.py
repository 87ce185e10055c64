"""Pages that are made from the code, so that they cannot say anything else than it does.

`write` puts them into `docs/generated/`: one page a verb from its `--help`, the configuration from
its schema and its files, the causes from the probes, the callbacks and the Python names from
`__all__`. They are part of the repository, for readers of it, and a test holds them to the code.
The notebooks become pages too, which git ignores, since a repository shows notebooks as they are.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from causes import causes_page

from ferkeras.__main__ import verbs
from ferkeras.config.keys import as_yaml, blocks, rule_of

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs/notebooks"


def write(folder: Path) -> None:
    """Make `folder` anew with every generated page."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "verbs").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    pages = {
        "configuration.md": configuration_page(),
        "configurations.md": configurations_page(),
        "causes.md": causes_page(),
        "callbacks.md": callbacks_page(),
        "python.md": python_page(),
        "verbs/index.md": verbs_page(),
        **{f"verbs/{name}.md": verb_page(name) for name in verbs()},
        **{
            f"notebooks/{path.stem}.md": notebook_page(path)
            for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        },
    }
    for name, text in pages.items():
        (folder / name).write_text(text, "utf-8")


CALLBACKS = """# Callbacks

Drop-in for any compiled Keras 3 classifier: `from ferkeras.callbacks import CollapseAlarm`, or copy
the folder `callbacks/` into a project. They need Keras and NumPy, nothing of ferkeras. A
[notebook](../notebooks/callbacks_in_your_project.ipynb) uses them in a plain Keras project.

All but `GradientNormMonitor`, which needs TensorFlow's gradient tape, were tried with Keras 3.15.1
on TensorFlow 2.21.0, JAX 0.10.2 and torch 2.13.0, on processors, with Python 3.11: each by itself
and all at once, with class indices, one-hot and binary labels, beside Keras's `EarlyStopping` and
`CSVLogger`, without ferkeras, and on JAX and torch without TensorFlow (`benchmarks/backends.py`).
On torch, binary cross-entropy itself raises where a prediction is NaN, before `DivergenceGuard` is
asked.
"""

VERBS = """# Verbs

`python -m ferkeras` lists them; where ferkeras was installed with pip, `ferkeras fit` is the same
as `python -m ferkeras.fit`. Each ends with exit code 0 (done), 1 (failed, or the answer is no), 2
(wrong usage or input), or 129, 130 or 143 where a closed terminal, Ctrl-C or another signal stopped
it.
"""

CONFIGURATION = """# Configuration

One typed tree, from YAML (`--config FILE`) and `section.key=value` on the command line. An unknown
key or a value out of range is refused before anything else happens, all errors at once. The run's
`config.yaml` holds what every key was.

Files that come along: [bundled configurations](configurations.md).
"""

CONFIGURATIONS = """# Bundled configurations

`--config NAME` finds them from any folder. What follows is the comment that each begins with.
"""

PYTHON = """# Python

What `import ferkeras` offers. Importing it imports nothing else: what a name needs is imported when
the name is first used.
"""


def verbs_page() -> str:
    """The list of verbs, and the order of their pages."""
    known = verbs()
    listed = "\n".join(f"- [{name}]({name}.md): {does}" for name, does in known.items())
    hidden = "\n".join(["```{toctree}", ":hidden:", "", *known, "```"])
    return f"{VERBS}\n{listed}\n\n{hidden}\n"


def verb_page(name: str) -> str:
    """A verb's `--help`; its configuration keys have a page of their own."""
    text, keys, _ = help_of(name).partition("\nKeys, with what holds")
    page = [f"# {name}", "", "```text", text.strip(), "```", ""]
    for option in _HELP_OF_ITS_OWN.get(name, ()):
        page += [f"## {option}", "", "```text", help_of(name, option).strip(), "```", ""]
    if keys:
        page += [
            "Every `section.key` is on the page of the [configuration](../configuration.md).",
            "",
        ]
    return "\n".join(page)


_HELP_OF_ITS_OWN = {"diagnose": ("--script",)}
"""Options that make another command of a verb."""


def help_of(name: str, *options: str) -> str:
    """What `python -m ferkeras.<name> --help` prints, 80 columns wide."""
    # With the interpreter's folder on the PATH the help says `python`, not where that lies.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", f"ferkeras.{name}", "--help", *options],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "82", "PATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def configuration_page() -> str:
    """Every key with its default, range and meaning, a table a section."""
    lines = [CONFIGURATION]
    for block in blocks():
        lines += [
            f"\n## {block.title or 'name and seed'}\n\n{_unwrapped(block.about)}\n",
            "| key | default | values | |",
            "|---|---|---|---|",
        ]
        for key, field in block.fields.items():
            default = as_yaml(field.get_default())
            cells = (f"`{key}`", f"`{default}`", rule_of(field), field.description or "")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def configurations_page() -> str:
    """The files of `configs/`: what each says of itself in its opening comment."""
    lines = [CONFIGURATIONS]
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        comments = takewhile(
            lambda line: line.startswith("#"), path.read_text("utf-8").splitlines()
        )
        text = [line.removeprefix("#").removeprefix(" ") for line in comments]
        lines += [f"## {path.stem}", "", "```text", *text, "```", ""]
    return "\n".join(lines)


def callbacks_page() -> str:
    """Every public name of `callbacks/`, from its docstring; classes first."""
    names = exported(ROOT / "callbacks/__init__.py")
    names.sort(key=_is_class, reverse=True)
    return "\n".join([CALLBACKS, *documented("ferkeras.callbacks", names)])


def python_page() -> str:
    """What `import ferkeras` offers, and for programs of one's own `ferkeras.diagnose`."""
    facade = exported(ROOT / "ferkeras/__init__.py")
    more = [n for n in exported(ROOT / "ferkeras/diagnose/__init__.py") if n not in facade]
    facade.sort(key=_is_class)
    return "\n".join(
        [
            PYTHON,
            *documented("ferkeras", facade, members=True),
            *documented("ferkeras.diagnose", more, members=True),
        ]
    )


def documented(module: str, names: Iterable[str], members: bool = False) -> Iterator[str]:
    """Lines of a page: each name with its docstring, and those of its methods where asked for."""
    for name in names:
        kind = "autoclass" if _is_class(name) else "autofunction"
        yield from (f"## {name}", "", "```{eval-rst}", f".. {kind}:: {module}.{name}")
        if members and _is_class(name):
            yield "   :members:"
        yield from ("```", "")


def _is_class(name: str) -> bool:
    return name[0].isupper()


def exported(file: Path) -> list[str]:
    """The names in `__all__` of a module, without importing it; not those with underscores."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("_")]
    return []


def notebook_page(path: Path) -> str:
    """A notebook's texts, code, and what that printed and drew when it was run last."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text.replace("](../generated/", "](../"))
            continue
        parts.append(f"```python\n{text}\n```")
        parts += [shown for output in cell["outputs"] if (shown := _shown(output))]
    parts.append(f"This page is `docs/notebooks/{path.name}` of the repository, which a test runs.")
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    """A picture, or text; nothing for what only a notebook can show."""
    kinds = output.get("data", {"text/plain": output.get("text", "")})
    if "image/png" in kinds:
        return f"![](data:image/png;base64,{''.join(kinds['image/png'].split())})"
    text = "".join(kinds["text/plain"]).rstrip()
    return "" if text.startswith("<IPython") else f"```text\n{text}\n```"


def notebooks_to_pages(app: object, name: str, source: list[str]) -> None:
    """Let a link to a notebook of the repository lead to its page, in place."""
    source[0] = re.sub(
        r"\]\(((?:\.\./)?)notebooks/(\w+)\.ipynb\)", r"](\1generated/notebooks/\2.md)", source[0]
    )


def fences_to_directives(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Turn Markdown's fences in a docstring into code blocks of reStructuredText, in place."""
    lines[:] = _without_fences(lines)


def _without_fences(lines: list[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        fence = re.fullmatch(r"(\s*)```(\w*)\s*", line)
        if fence is None:
            yield f"    {line}" if inside and line else line
        elif inside:
            inside = False
            yield ""
        else:
            inside = True
            yield from ("", f"{fence[1]}.. code-block:: {fence[2] or 'text'}", "")


def _unwrapped(text: str) -> str:
    return " ".join(text.split())
