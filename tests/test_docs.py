"""README and documentation hold against the code: links, commands, options, keys."""

import ast
import importlib
import json
import re
import shlex
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import ferkeras
from ferkeras.__main__ import verbs
from ferkeras.config.arguments import find_config
from ferkeras.config.keys import all_keys

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "generated" not in page.relative_to(ROOT).parts]
KEYS = set(all_keys())

sys.path.append(str(ROOT / "docs"))
causes, generated = (importlib.import_module(name) for name in ("causes", "generated"))

named = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page):
    return page.read_text("utf-8")


@cache
def help_of(verb):
    return generated.help_of(verb)


def commands(page):
    """Every command of ferkeras in a page's shell blocks, as words after `python -m`."""
    for block in re.findall(r"```bash\n(.*?)```", text_of(page), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for at, word in enumerate(words):
                if word == "-m" and words[at + 1].startswith("ferkeras"):
                    yield words[at + 1 :]


@named
def test_links_lead_to_files_of_the_repository(page):
    for target in re.findall(r"\]\(([^)#\s]+)", text_of(page)):
        if not target.startswith(("https://", "http://")):
            assert (page.parent / target).exists(), target


def test_generated_pages_of_the_repository_are_those_of_the_code(tmp_path):
    generated.write(tmp_path)
    pages = [page.relative_to(tmp_path) for page in tmp_path.rglob("*.md")]
    ignored = {"notebooks"} if sys.version_info[:2] == (3, 11) else {"notebooks", "verbs"}
    pages = [page for page in pages if page.parts[0] not in ignored]
    old = [str(page) for page in pages if _differ(page, tmp_path, ROOT / "docs/generated")]
    assert not old, f"`python -m sphinx docs site` writes them anew: {old}"


def _differ(page, one, other):
    return not (other / page).is_file() or text_of(one / page) != text_of(other / page)


def test_the_counts_of_causes_are_those_of_the_page():
    program, run = (len(causes.causes_of(causes.DIAGNOSE / each)) for each in ("program", "causes"))
    assert 85 < program < 95
    assert 32 < run < 40


PROBES = '''
def named(m):
    """The rate is too high.

    More."""
    return _finding("rate", m)
def _finding(cause, m):
    return ProgramFinding(cause=cause)
def other(m):
    """No labels."""
    return Finding("labels")
'''


def test_a_cause_is_read_with_what_its_probe_says(tmp_path):
    (tmp_path / "a.py").write_text(PROBES)
    found = causes.causes_of(tmp_path)
    assert found == {"rate": ["The rate is too high."], "labels": ["No labels."]}


@named
def test_commands_have_verbs_options_and_keys_that_exist(page):
    for module, *words in commands(page):
        verb = module.partition(".")[2] or (words and words[0])
        if not verb or verb.startswith("-"):
            continue
        assert verb in verbs()
        for at, word in enumerate(words):
            if word.startswith("--"):
                assert re.search(rf"{re.escape(word)}\b", help_of(verb)), f"{verb} {word}"
            if word == "--config" and not words[at + 1].startswith("my"):
                assert find_config(words[at + 1])
            key, sign, _ = word.partition("=")
            if sign and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", key):
                assert key in KEYS, word


@named
def test_keys_that_the_text_names_exist(page):
    sections = "|".join({key.partition(".")[0] for key in KEYS if "." in key})
    for key in re.findall(rf"`((?:{sections})\.[a-z_.]+[a-z_])(?:=[^`]*)?`", text_of(page)):
        assert key in KEYS or key.endswith((".csv", ".py", ".html", ".yaml")), key


@named
def test_tests_that_the_text_names_exist(page):
    tests = "".join(text_of(path) for path in (ROOT / "tests").glob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", text_of(page)):
        assert f"def {name}(" in tests, name


@named
def test_names_of_ferkeras_in_python_blocks_exist(page):
    for block in re.findall(r"```python\n(.*?)```", text_of(page), re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ferkeras":
                assert node.attr in ferkeras.__all__


def test_the_configuration_page_has_every_key():
    page = generated.configuration_page()
    assert all(f"| `{key}` |" in page for key in KEYS)


def test_the_page_of_a_verb_is_its_help_without_the_keys():
    page = generated.verb_page("lr_find")
    assert "--highest RATE" in page
    assert "train.epochs=" not in page
    assert str(ROOT) not in page


def test_public_names_are_read_without_importing_them():
    assert "CollapseAlarm" in generated.exported(ROOT / "callbacks/__init__.py")


def test_fences_in_docstrings_become_code_blocks():
    lines = ["Example:", "    ```python", "    f(1)", "", "    ```", "after"]
    generated.fences_to_directives(None, "", "", None, None, lines)
    assert lines == [
        "Example:", "", "    .. code-block:: python", "", "        f(1)", "", "", "after",
    ]  # fmt: skip


def test_a_notebook_becomes_a_page(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["x = 1"], "outputs": [{"text": ["one\n", "two\n"]}]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    page = generated.notebook_page(path)
    assert page.startswith("# Title\ntext\n\n```python\nx = 1\n```\n\n```text\none\ntwo\n```\n")


@named
def test_what_the_commands_of_a_page_write_beside_a_copy_is_ignored_by_git(page):
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    for module, *words in commands(page):
        written = [words[at + 1] for at, word in enumerate(words) if word in ("--draw", "--output")]
        if module == "ferkeras.publish":
            written.append(words[-1])
        for path in written:
            assert any(fnmatch(path.strip("/"), pattern) for pattern in ignored), path
