"""report.html: what it tells, that it needs nothing but itself, and that nothing breaks it."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from ferkeras.compare.comparison import read_history
from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.fit.page import Mosaic, run_page
from ferkeras.metrics.predictions import Predictions, read_predictions
from ferkeras.report.html.inline import prediction_tiles
from ferkeras.report.html.settings import setting
from ferkeras.report.html.svg import inline_svg
from ferkeras.report.palette import TRAIN, new_figure
from ferkeras.report.verdict import verdict_on
from ferkeras.runs.finished import FinishedRun, open_run


@pytest.fixture(scope="module")
def page(finished_run):
    return (finished_run / "report.html").read_text()


def test_it_tells_the_figures_of_the_run(finished_run, page):
    metrics = json.loads((finished_run / "metrics.json").read_text())
    results = metrics["validation"]
    assert f"<b>{100 * results['accuracy']:.1f}%</b>" in page
    assert f"<b>{results['log_loss']:.3f}</b>" in page
    sentence = verdict_on(results)
    assert sentence[1:] in page
    for emotion in EMOTIONS:
        assert f"<td>{emotion}</td>" in page
    assert open_run(finished_run).fingerprint in page


def test_the_verdict_names_what_is_missed_or_else_weakest():
    def verdict(recalls):
        emotions = {
            name: {"support": support, "recall": recall}
            for name, support, recall in zip(EMOTIONS, range(10, 80, 10), recalls, strict=True)
        }
        return verdict_on({"accuracy": 0.5, "balanced_accuracy": 0.4, "emotions": emotions})

    said = verdict([0.5, 0.07, 0.4, 0.6, 0.4, 0.4, 0.4])
    assert "always predicting neutral would give 25.0%" in said
    assert said.endswith("every class is recognised, disgust least often (7.0%)")
    assert verdict([0.5, 0, 0.4, 0.6, 0, 0.4, 0.4]).endswith("never recognised: disgust, sad")


def test_it_has_every_section(page):
    for section in (
        "curves", "classes", "calibration", "faces", "alarms", "settings", "environment",
    ):  # fmt: skip
        assert f'<section id="{section}">' in page
        assert f'href="#{section}"' in page
    for title in ("Worst mistakes", "Grad-CAM", "Training faces as the network"):
        assert title in page
    assert page.count("<img src=") > 40


def test_it_marks_what_was_changed_in_training(page):
    assert re.search(r"<b>A</b> epochs? 2.*: conv dropout 0.1 → 0.11", page)
    assert "label smoothing 0 → 0.05" in page
    assert len(re.findall(r">A[A-Z,]*</text>", page)) >= 5


def test_every_setting_is_there_and_what_was_changed_is_bold(page):
    assert re.search(r'class="changed"><td>filters</td><td class="mono">\[4, 8\]</td>', page)
    assert re.search(r"<tr><td>batchnorm_momentum</td>", page)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.12345678, "0.12345678"),
        (None, "null"),
        (True, "true"),
        ((4, 8), "[4, 8]"),
        ({"smile": ("happy",)}, "{smile: [happy]}"),
        ("café.csv", "café.csv"),
    ],
)
def test_a_setting_is_shown_whole_and_as_it_would_be_written(value, shown):
    assert setting(value) == shown


def test_it_needs_nothing_but_itself(page):
    assert "<script" not in page
    addresses = re.findall(r"""(?:src|href|url\()=?["']?([^"')>\s]+)""", page)
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "default-src 'none'" in page


def test_text_from_outside_is_only_text(finished_run):
    """A hostile file name, an alarm with markup: shown as it stands, never executed."""
    finished = open_run(finished_run)
    hostile = "<script>alert(1)</script>\"'&"
    metrics = finished.metrics | {
        "stopped": hostile,
        "alarms": [
            {"epoch": 1, "text": f"epoch 1: {hostile}"},
            {"epoch": None, "text": "after"},
        ],
    }
    environment = finished.environment | {"command": [hostile], "platform": hostile}
    environment["data"] = environment["data"] | {"source": hostile}
    page = run_page(
        FinishedRun(finished.run, finished.config, environment, metrics),
        read_history(finished),
        read_predictions(finished.run.predictions, finished.task.classes),
        [],
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "Stopped: " in page
    assert "<b>epoch 1</b> &lt;script&gt;" in page
    assert page.index("<b>epoch 1</b>") < page.index("<b>after training</b>")


def test_a_history_of_one_epoch_with_gaps_is_drawn(finished_run):
    finished = open_run(finished_run)
    history = read_history(finished).iloc[:1].copy()
    history["inference_accuracy"] = np.nan
    history["gradient_norm"] = np.nan
    page = run_page(
        finished,
        history,
        read_predictions(finished.run.predictions, finished.task.classes),
        [Mosaic("none", "", [])],
    )
    assert "Gradient norm before clipping" not in page
    assert "<h3>none</h3>" not in page
    assert "nan" not in re.sub(r"data:[^\"]*", "", page).lower().replace("dominant", "")


def test_it_can_be_sent_alone(page):
    assert "file:" not in page
    assert not re.search(r"\w\.(png|css|js)\b", page)


def shown(title="A & B"):
    figure = new_figure(3, 2)
    axes = figure.add_subplot()
    axes.plot([1, 2], [0, 1], color=TRAIN, marker="o")
    axes.set_title("a < b")
    return inline_svg(figure, title)


def test_a_figure_on_a_page_follows_the_colours_of_the_page():
    svg = shown()
    element = ElementTree.fromstring(svg)
    assert element.get("aria-label") == "A & B"
    assert element.get("viewBox")
    assert not {"width", "height"} & set(element.keys())
    assert f"stroke: var(--c{TRAIN[1:].lower()}, {TRAIN.lower()})" in svg
    assert "a &lt; b" in svg
    assert "<script" not in svg
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", svg)


def test_the_same_figure_is_the_same_text_and_shapes_of_two_figures_have_different_names():
    assert shown() == shown()
    names = [set(re.findall(r'<path id="(m\w+)"', shown(title))) for title in ("one", "two")]
    assert names[0]
    assert not names[0] & names[1]


def test_every_colour_of_a_figure_is_known_to_the_page(page):
    used = set(re.findall(r"var\(--c([0-9a-f]{6}),", page))
    defined = set(re.findall(r"--c([0-9a-f]{6}): #", page))
    assert used
    assert used <= defined


def test_text_of_every_figure_has_the_colour_of_the_text_of_the_page(page):
    """matplotlib leaves black text without a colour, which is black in the dark too."""
    assert re.search(r"^\.drawing text {[^}]*fill: var\(--ink\)", page, re.MULTILINE)
    figures = [each for each in re.findall(r"<svg[^>]*>", page) if "xmlns" in each]
    assert len(figures) > 5
    assert all('class="drawing"' in each for each in figures)


def test_tiles_show_truth_prediction_and_confidence(make_faces):
    faces = make_faces([3, 0])
    probabilities = np.full((2, 7), 0.02)
    probabilities[:, 3] = 0.88
    predictions = Predictions(probabilities, faces.labels, faces.classes)
    happy, angry = prediction_tiles(faces.images, predictions)
    assert (happy.caption, happy.second, happy.good) == ("happy", "happy 88%", True)
    assert (angry.caption, angry.second, angry.good) == ("angry", "happy 88%", False)
    warm = prediction_tiles(faces.images, predictions, np.zeros((2, 48, 48)))
    assert warm[0].source.startswith("data:image/jpeg;base64,")


def test_columns_that_a_newer_ferkeras_adds_do_not_matter(finished_run):
    finished = open_run(finished_run)
    history = pd.concat([read_history(finished)], axis=1).assign(something_new=1.0)
    page = run_page(
        finished, history, read_predictions(finished.run.predictions, finished.task.classes), []
    )
    assert "something_new" not in page
