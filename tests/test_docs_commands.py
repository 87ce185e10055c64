"""Commands that train, as README and documentation give them, are accepted up to the faces."""

import importlib
import re
from pathlib import Path

import pytest
from test_docs import PAGES, ROOT, commands

from ferkeras.cli.errors import InputError
from ferkeras.config.arguments import find_config
from ferkeras.config.file import load_config
from ferkeras.fit import fitting
from ferkeras.study import training

TRAIN = ("fit", "lr_find", "ablate", "search")
REACHED = "now the faces are read"


def told():
    """Every command that begins a training: its page, verb, words, and what the page has trained
    or unpacked before it."""
    for page in PAGES:
        # A run that is unpacked there is as good as one that was trained there.
        trained = set(re.findall(r"\| tar -x .*-C (\S+)", page.read_text("utf-8")))
        for module, *words in commands(page):
            verb = module.partition(".")[2]
            if verb not in TRAIN or {"--resume", "--join", "my.yaml"} & {*words}:
                continue
            words = [re.sub(r"\$\w+", "1", word) for word in words]
            yield pytest.param(
                verb, words, frozenset(trained), id=f"{page.relative_to(ROOT)}: {verb} {words}"
            )
            if "--config" in words:
                name = load_config(find_config(words[words.index("--config") + 1])).name
                trained.add(f"{name}-001")


@pytest.mark.parametrize(("verb", "words", "trained"), list(told()))
def test_a_command_is_accepted_up_to_the_faces(verb, words, trained, tmp_path, monkeypatch, capsys):
    def reached(*_):
        raise InputError(REACHED)

    for module in ("ferkeras.data.load", fitting.__name__, training.__name__):
        monkeypatch.setattr(importlib.import_module(module), "load_splits", reached)
    monkeypatch.setattr("ferkeras.data.load.need_source", lambda data: None)
    opened = fitting.open_teachers

    def open_teachers(settings):
        there = all(Path(each).name in trained for each in settings.teachers)
        return [] if there else opened(settings)

    monkeypatch.setattr(fitting, "open_teachers", open_teachers)
    monkeypatch.chdir(tmp_path)
    assert importlib.import_module(f"ferkeras.{verb}.__main__").main(words) == 2
    assert REACHED in capsys.readouterr().err
