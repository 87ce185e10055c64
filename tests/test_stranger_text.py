"""Text of strangers, by where it goes: nothing is obeyed, and paths stay paths."""

import csv
import html
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ferkeras.ablate.pictures import band_figures, forest_figure
from ferkeras.cli.command import verb
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.foreign_text import (
    for_code,
    for_csv,
    for_file_name,
    for_line,
    for_markdown,
    for_terminal,
    path_for_csv,
)
from ferkeras.compare import __main__ as compare
from ferkeras.predict import __main__ as predict
from ferkeras.predict.drawing import Drawing
from ferkeras.predict.output import Csv, JsonLines
from ferkeras.predict.predictions import PredictedView, Prediction
from ferkeras.predict.sources import find_files, views_of
from ferkeras.report import fonts
from ferkeras.report.curves import compared_figures
from ferkeras.report.html.svg import inline_svg
from ferkeras.report.matrix import confusion_figure, confusion_thumbnail, per_class_figure
from ferkeras.report.palette import as_array, new_figure, save
from ferkeras.report.panels import COMPARED
from ferkeras.runs.finished import open_run
from ferkeras.runs.so_far import open_trained
from ferkeras.runs.unfinished import find_run
from ferkeras.study.effects import COMPARED as KEYS
from ferkeras.study.effects import Comparison, Effect
from ferkeras.study.tables import write_csv

NAMES = [
    "Screenshot 2024\u202fPM.png",
    "tab\tin.png",
    "line\nin.png",
    "\u202eevil\u202c.png",
    "\x1b]0;title\x07\x1b[2J.png",
    "-o.png",
    "=HYPERLINK(1).png",
    "<script>.png",
    "x" * 240 + ".png",
    "[bold]a.png",
]
BYTES = b"caf\xe9.png"

EMOTIONS = ("angry", "=sum(a1)")


@given(st.text(st.characters(codec=None)))
def test_a_terminal_gets_nothing_to_obey(text):
    shown = for_terminal(text)
    assert shown.replace("\n", "").isprintable()
    assert for_terminal(shown) == shown
    assert shown.encode() == shown.encode("utf-8", "replace")
    assert for_line(text).isprintable()


@given(st.text())
def test_markup_does_not_get_into_a_card(text):
    line = for_markdown(text)
    assert "\n" not in line
    assert not set("<>") & set(line)
    for mark in "`*[]|~":
        assert line.count(mark) == line.count(f"\\{mark}")
    assert "`" not in for_code(text)


@pytest.mark.parametrize("text", ["fer2013-best-001", "fer2013.csv.gz", "tensorflow-addons 0.23.0"])
def test_plain_names_stay_as_they_are_everywhere(text):
    for destination in (for_terminal, for_markdown, for_code, for_csv, path_for_csv):
        assert destination(text) == text


def test_letters_with_marks_stay_letters_in_a_file_name():
    assert for_file_name("Meine Gesichter für Übung") == "Meine-Gesichter-fur-Ubung"


@given(st.text(st.characters(codec=None)))
def test_a_file_name_is_one_on_every_system(text):
    name = for_file_name(text)
    assert name == Path(name).name
    assert 0 < len(name) <= 80
    assert name.isascii()
    assert not name.startswith((".", "-"))


def test_what_is_printed_does_not_move_the_cursor():
    stream = io.StringIO()
    console = Console(stream)
    evil = "a\x1b[2Jb\u202ec"
    console.header(evil, {evil: evil})
    console.print(evil)
    console.alarm(evil)
    console.table(evil, [evil], [[evil]], total=[evil])
    console.commands(evil, {evil: evil})
    text = stream.getvalue()
    assert text.replace("\n", "").isprintable()
    assert text.count("a\\x1b[2Jb\\u202ec") == 12


def test_a_name_with_a_line_break_is_one_row_of_a_table():
    stream = io.StringIO()
    Console(stream).table("pictures", ["name"], [["evil\nx.png  | happy"], ["b.png"]])
    assert "evil\\nx.png  | happy" in stream.getvalue()


def test_an_error_does_not_either(capsys):
    @verb
    def main(argv=None) -> int:
        raise InputError("first\nsecond \x1b[2J")

    assert main([]) == 2
    assert capsys.readouterr().err == "error: first\nsecond \\x1b[2J\n"


def test_a_note_about_a_network_does_not_either(finished_run, tmp_path, capsys):
    run = tmp_path / "a\x1b[2Jb"
    (run / "export").mkdir(parents=True)
    for name in ("config.yaml", "environment.json", "metrics.json", "export/model.tflite"):
        (run / name).write_bytes((finished_run / name).read_bytes())
    assert predict.main([str(run), str(finished_run / "curves.png"), "--no-detect"]) == 0
    captured = capsys.readouterr()
    assert "note: " in captured.err
    assert (captured.out + captured.err).replace("\n", "").isprintable()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such names")
def test_curves_of_a_run_do_not_either(finished_run, tmp_path, capsys):
    """A figure warns of letters that its font does not have, and quotes them."""
    run = tmp_path / "a\x1b]8;;x\x07<img src=x>"
    shutil.copytree(finished_run, run)
    assert compare.main([str(run), str(finished_run), "--output", str(tmp_path / "a.html")]) == 0
    captured = capsys.readouterr()
    assert (captured.out + captured.err).replace("\n", "").isprintable()
    page = (tmp_path / "a.html").read_text()
    assert "<img src=x" not in page
    assert "\x1b" not in page


@pytest.mark.filterwarnings("error")
def test_names_in_every_script_are_drawn_without_a_warning(tmp_path):
    names = ("高兴", "悲しい", "슬픔", "खुशी", "سعيد")
    figure = confusion_figure(np.arange(25).reshape(5, 5), names)
    save(figure, tmp_path / "a.png")
    assert as_array(figure).std() > 0
    assert all(name in inline_svg(figure, "a") for name in names)


@pytest.mark.filterwarnings("error")
def test_a_font_of_this_machine_draws_a_letter_that_the_usual_one_lacks(monkeypatch):
    figure = new_figure(2, 1)
    figure.text(0.1, 0.3, "\N{ARC}", fontsize=30)
    monkeypatch.setattr(fonts, "_installed", lambda: ())
    box = as_array(figure)
    monkeypatch.setattr(fonts, "_installed", lambda: ("STIXGeneral",))
    assert (as_array(figure) != box).any()


FORMULAS = ("$\\frac$", "_mine", "<script>$_{$", "$a$ b $")


def test_no_name_in_a_picture_is_a_formula_and_none_is_left_out(tmp_path):
    epochs = pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.2, 0.4]})
    matrix = np.arange(16).reshape(4, 4)
    for figure in (
        *compared_figures(dict.fromkeys(FORMULAS, epochs)).values(),
        band_figures({name: [epochs, epochs] for name in FORMULAS})[COMPARED["val_accuracy"]],
        confusion_figure(matrix, FORMULAS),
        confusion_thumbnail(matrix, FORMULAS),
        per_class_figure(matrix, FORMULAS),
    ):
        save(figure, tmp_path / "a.png")
        assert as_array(figure).std() > 0
        text = html.unescape(re.sub(r"<[^>]*>", "", inline_svg(figure, "a")))
        assert all(name in text for name in FORMULAS) or not figure.axes[0].get_xticks().size


def test_letters_that_cannot_be_drawn_are_escaped_in_pictures_of_an_ablation():
    """matplotlib would warn of them."""
    odd = "a\x1b[2J\nb"
    change = Comparison(odd, odd, "base", "variant")
    effects = [Effect(change, key, 0.1, 0.0, 0.2, 0.5, 0.5, 2) for key in KEYS]
    epochs = pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.2, 0.4]})
    bands = band_figures({odd: [epochs]})
    for figure in (forest_figure(effects), bands[COMPARED["val_accuracy"]]):
        text = inline_svg(figure, "a")
        assert "\x1b" not in text
        assert "a\\x1b[2J b" in text


def test_tables_of_a_study_have_no_formula(tmp_path):
    frame = pd.DataFrame({"arm": ["=HYPERLINK(1)", "base"], "low": [-1.5, np.nan]})
    write_csv(tmp_path / "a.csv", frame)
    assert (tmp_path / "a.csv").read_text() == "arm,low\n'=HYPERLINK(1),-1.5\nbase,\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("opened", [open_run, open_trained, find_run])
def test_a_run_whose_name_is_no_text_is_refused(opened, finished_run, tmp_path):
    run = tmp_path / os.fsdecode(b"a\xff-001")
    run.mkdir()
    (run / "config.yaml").write_bytes((finished_run / "config.yaml").read_bytes())
    with pytest.raises(InputError, match=r"udcff-001': its name is not UTF-8.*rename"):
        opened(run)


@pytest.fixture
def folder(tmp_path) -> Path:
    names = [*NAMES] if sys.platform == "linux" else ["plain.png"]
    folder = tmp_path / "faces"
    folder.mkdir()
    face = Image.fromarray(np.arange(2304, dtype=np.uint8).reshape(48, 48))
    for name in names:
        face.save(folder / name)
    if sys.platform == "linux":
        (folder / os.fsdecode(BYTES)).write_bytes((folder / names[0]).read_bytes())
    return folder


def seen(folder: Path) -> list[PredictedView]:
    """Every picture of the folder, with a face found in it."""
    prediction = Prediction((1, 2, 30, 40), np.zeros((48, 48), np.uint8), np.array([0.25, 0.75]))
    views = list(views_of(find_files([str(folder)]), 1.0))
    for view in views:
        view.read()
    return [PredictedView(view.name, None, (prediction,)) for view in views]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_names_the_file_itself(folder, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, errors="backslashreplace")
    output = JsonLines(EMOTIONS, stream)
    for each in seen(folder):
        output.add(each)
    output.close()
    lines = raw.getvalue().decode(encoding).splitlines()
    found = {os.fsencode(json.loads(line)["picture"]) for line in lines}
    assert found == {os.fsencode(path) for path in folder.iterdir()}


def test_csv_names_the_file_itself_and_has_no_formula(folder, monkeypatch):
    monkeypatch.chdir(folder)
    stream = io.StringIO(newline="")
    output = Csv(EMOTIONS, stream)
    for name in sorted(os.listdir()):  # noqa: PTH208
        (view,) = views_of([Path(name)], 1.0)
        (prediction,) = seen(folder)[0].predicted
        output.add(PredictedView(view.name, None, (prediction,)))
    output.close()
    stream.seek(0)
    header, *rows = csv.reader(stream)
    cells = [*header, *(cell for row in rows for cell in row)]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert len(rows) == len(list(folder.iterdir()))
    assert all(Path(row[0]).exists() for row in rows)


def test_every_name_can_be_drawn_and_nothing_is_replaced(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "faces-1.png").write_text("mine")
    for _ in range(2):
        drawing = Drawing(out, EMOTIONS)
        for each in seen(folder):
            drawing.add(each)
        drawing.close()
    assert (out / "faces-1.png").read_text() == "mine"
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 2 * len(list(folder.iterdir())) + 3
    assert {"faces-1-2.png", "faces-1-3.png"} <= set(names)
    assert all(name.isascii() and len(name) < 100 for name in names)
