"""The pictures of a run: what they show, at every size of run, and how they reach the disk."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.report.palette import styles_of
from ferkeras.report.pictures import (
    as_array,
    confusion_figure,
    confusion_thumbnail,
    curves_figure,
    draw_confusion_matrix,
    draw_curves,
    draw_mosaic,
    draw_per_class,
    mosaic_figure,
    per_class_figure,
)

MATRIX = np.array([[40, 10], [5, 45]])


def history(epochs: int) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    falling = 1.9 * np.exp(-epoch / 20)
    columns = {
        "epoch": epoch,
        "loss": falling,
        "cross_entropy": falling - 0.1,
        "val_loss": falling + 0.1,
        "val_cross_entropy": falling,
        "accuracy": 0.7 - falling / 4,
        "val_accuracy": 0.6 - falling / 4,
        "val_balanced_accuracy": 0.5 - falling / 4,
        "inference_accuracy": np.where(epoch % 2 == 0, 0.8 - falling / 4, np.nan),
        "learning_rate": np.full(epochs, 1e-3),
        "gradient_norm": falling,
        "gradient_norm_min": falling / 3,
        "gradient_norm_max": falling * 3,
        "gradient_clipped": falling / 10,
        "gradient_skipped": np.zeros(epochs),
        "conv_dropout": np.full(epochs, 0.1),
        "dense_dropout": np.full(epochs, 0.3),
        "label_smoothing": np.zeros(epochs),
        "gradient_norm/conv1": np.where(epoch % 5 == 0, falling, np.nan),
    }
    for code, emotion in enumerate(EMOTIONS):
        columns[f"val_recall/{emotion}"] = np.full(epochs, code / 10)
        columns[f"val_predicted/{emotion}"] = np.full(epochs, 1 / 7)
    return pd.DataFrame(columns)


def titles(figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def panel(figure, title: str):
    return figure.axes[titles(figure).index(title)]


def line(axes, label: str):
    return next(line for line in axes.lines if line.get_label() == label)


def test_a_long_history_fills_all_panels():
    assert titles(curves_figure(history(60))) == [
        "Loss and cross-entropy",
        "Accuracy",
        "Recall of each class",
        "Gradient norm before clipping",
        "Clipped steps",
        "Gradient norm of each layer, first to last",
        "Learning rate",
        "Dropout and label smoothing",
        "Fraction of validation predictions",
    ]


def test_panels_without_columns_or_measurements_are_left_out():
    few = history(3)[["epoch", "loss", "val_loss", "gradient_norm/conv1"]]
    assert titles(curves_figure(few)) == ["Loss and cross-entropy"]


@settings(max_examples=6)
@given(epochs=st.integers(1, 20))
def test_every_epoch_of_a_short_run_is_a_dot(epochs):
    axes = panel(curves_figure(history(epochs)), "Accuracy")
    validation = line(axes, "validation")
    assert validation.get_marker() == "o"
    assert list(validation.get_xdata()) == list(range(1, epochs + 1))
    low, high = axes.get_xlim()
    assert low < 1 <= epochs < high


def test_measurements_with_gaps_are_drawn_where_they_were_made():
    axes = panel(curves_figure(history(60)), "Accuracy")
    measured = line(axes, "training faces, in inference mode")
    assert list(measured.get_xdata()) == list(range(2, 61, 2))
    assert np.isfinite(measured.get_ydata()).all()


def test_the_best_epoch_is_named():
    run = history(9)
    run.loc[4, "val_accuracy"] = 0.777
    labels = panel(curves_figure(run), "Accuracy").get_legend_handles_labels()[1]
    assert "best: 77.7% in epoch 5" in labels


def test_the_gradient_norm_shows_its_range_and_where_it_is_clipped():
    axes = panel(curves_figure(history(60), clip_norm=5.0), "Gradient norm before clipping")
    assert axes.get_yscale() == "log"
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    run = history(60)
    assert band.min() == pytest.approx(run["gradient_norm_min"].min())
    assert band.max() == pytest.approx(run["gradient_norm_max"].max())
    assert set(line(axes, "clipped to 5").get_ydata()) == {5.0}


def test_a_gradient_norm_of_zero_can_be_drawn():
    run = history(5)
    run.loc[:, ["gradient_norm", "gradient_norm_min"]] = 0.0
    assert as_array(curves_figure(run)).std() > 0


def test_skipped_steps_stand_out():
    run = history(9)
    run.loc[2, "gradient_skipped"] = 4
    axes = panel(curves_figure(run), "Clipped steps")
    crosses = line(axes, "non-finite gradient: 4 steps skipped in all")
    assert list(crosses.get_xdata()) == [3]


def test_events_are_marked_in_every_panel_and_explained_once():
    figure = curves_figure(history(40), [(30, "smoothing ramp"), (20, "dropout ramp")])
    for axes in figure.axes:
        assert texts(axes) == ["A", "B"]
    letters = figure.get_supxlabel()
    assert letters.index("A  epoch 20: dropout ramp") < letters.index("B  epoch 30: smoothing ramp")


def test_each_emotion_keeps_its_own_colour():
    figure = curves_figure(history(4))
    recall, predicted = (
        panel(figure, title)
        for title in ("Recall of each class", "Fraction of validation predictions")
    )
    for emotion, (color, _) in zip(EMOTIONS, styles_of(EMOTIONS), strict=True):
        assert line(recall, emotion).get_color() == line(predicted, emotion).get_color() == color
    assert styles_of(["happy", "own"])[0] == styles_of(EMOTIONS)[EMOTIONS.index("happy")]


@given(st.lists(st.sampled_from([*EMOTIONS, "contempt", *map(str, range(60))]), unique=True))
def test_classes_have_colours_and_markers_of_their_own(names):
    styles = styles_of(names)
    assert len(set(styles)) == min(len(names), 64)
    if len(names) <= 8:
        assert len({color for color, _ in styles}) >= len(names) - 1


def many_classes(count):
    rng = np.random.default_rng(0)
    names = [f"a class with a longer name {number}" for number in range(count)]
    return rng.poisson(0.3, (count, count)) + np.diag(rng.integers(0, 30, count)), names


NAMES = {
    "two": ("happy", "sad"),
    "three": ("happy", "sad", "_other"),
    "ordinary": ("genuine smile faces", "posed smile faces"),
    "compound": (
        *("Happily Surprised", "Happily Disgusted", "Sadly Fearful", "Sadly Angry"),
        *("Sadly Surprised", "Sadly Disgusted", "Fearfully Angry", "Fearfully Surprised"),
        *("Angrily Surprised", "Angrily Disgusted", "Disgustedly Surprised"),
    ),
    "longest": ("a" * 50 + "b" * 50, "c" * 50 + "D" * 50),
    "eleven long": tuple(f"a class with a rather long name {number}" for number in range(11)),
}


def some_predictions(names):
    rng = np.random.default_rng(0)
    return rng.poisson(9, (len(names),) * 2) + np.diag(rng.integers(40, 400, len(names)))


def laid_out(figure):
    """Lay the figure out; return the parts of it that are covered by text, in pixels."""
    figure.draw_without_rendering()
    texts = [
        text
        for axes in figure.axes
        for text in (axes.title, axes._left_title, *axes.get_xticklabels(), *axes.get_yticklabels())
    ]
    return [text.get_window_extent() for text in texts if text.get_text()]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("draw", [confusion_figure, confusion_thumbnail, per_class_figure])
def test_titles_and_names_of_any_length_have_room(draw, names):
    figure = draw(some_predictions(names), names)
    for text in laid_out(figure):
        assert text.x0 >= figure.bbox.x0
        assert text.x1 <= figure.bbox.x1
    width, height = figure.get_size_inches()
    axes = figure.axes[0].get_position()
    assert axes.width * width > 0.3 * len(names)
    assert axes.height * height > 0.3 * min(len(names), 5)


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("draw", [confusion_figure, per_class_figure])
def test_names_at_the_axis_below_do_not_run_into_each_other(draw, names):
    figure = draw(some_predictions(names), names)
    figure.draw_without_rendering()
    labels = figure.axes[0].get_xticklabels()
    if not any(label.get_rotation() for label in labels):
        ends = [label.get_window_extent() for label in labels]
        assert all(one.x1 <= other.x0 for one, other in itertools.pairwise(ends))


def test_a_title_that_is_wider_than_the_matrix_has_the_accuracy_below_it():
    figure = confusion_figure(MATRIX, ["happy", "sad"], "a-run-of-some-name-001, validation")
    assert titles(figure)[0].endswith("\naccuracy 85.0% of 100 faces")
    assert all(text.x1 <= figure.bbox.x1 for text in laid_out(figure))


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_curves_of_classes_keep_their_width_whatever_their_names(names):
    epoch = np.arange(1, 4)
    recall = {f"val_recall/{name}": np.full(3, 0.5) for name in names}
    figure = curves_figure(pd.DataFrame({"epoch": epoch, "val_accuracy": epoch / 9, **recall}))
    figure.draw_without_rendering()
    axes = panel(figure, "Recall of each class")
    assert axes.get_position().width > 0.35
    assert len(axes.get_legend().get_texts()) == len(names)
    assert axes.get_legend().get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("draw", [confusion_figure, confusion_thumbnail, per_class_figure])
def test_pictures_of_many_classes_are_bounded_and_write_into_no_cell(draw):
    for count in (21, 1000):
        figure = draw(*many_classes(count))
        assert max(figure.get_size_inches()) <= 28
        assert sum(len(axes.texts) for axes in figure.axes) == 0
        labels = [label for axes in figure.axes for label in axes.get_yticklabels()]
        assert all(len(label.get_text()) <= 32 for label in labels)


def test_of_many_classes_the_lowest_are_drawn():
    matrix, _ = many_classes(100)
    matrix[:40] = matrix[:, :40] = 0
    matrix[range(40), range(40)] = 9
    left, _ = per_class_figure(matrix, [str(number) for number in range(100)]).axes
    drawn = [label.get_text().partition(" ")[0] for label in left.get_yticklabels()]
    assert drawn == [str(number) for number in range(40, 100)]


def test_curves_of_many_classes_are_their_median_and_spread():
    some = history(4)
    for key in [key for key in some if key.startswith(("val_recall/", "val_predicted/"))]:
        del some[key]
    rng = np.random.default_rng(0)
    recall = {f"val_recall/{number}": rng.random(4) for number in range(50)}
    figure = curves_figure(some.assign(**recall))
    axes = panel(figure, "Recall of each class")
    (median,) = axes.get_lines()
    assert median.get_label() == "median of 50 classes"
    np.testing.assert_allclose(median.get_ydata(), np.median(list(recall.values()), axis=0))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (pd.DataFrame({"loss": [1.0]}), "column 'epoch'"),
        (pd.DataFrame({"epoch": []}), "at least one row"),
        (pd.DataFrame({"epoch": [1], "loss": [np.nan]}), "no column that curves are drawn of"),
    ],
)
def test_a_history_that_cannot_be_drawn_is_refused(run, message):
    with pytest.raises(ValueError, match=message):
        curves_figure(run)


def test_cells_show_count_and_fraction_of_the_truth():
    axes = confusion_figure(MATRIX, ["happy", "sad"], "Validation").axes[0]
    assert texts(axes) == ["80%\n40", "20%\n10", "10%\n5", "90%\n45"]
    assert titles(axes.figure)[0] == "Validation:\naccuracy 85.0% of 100 faces"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["happy\n50", "sad\n50"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["happy\n45", "sad\n55"]


def test_text_is_light_on_dark_cells_and_dark_on_light_ones():
    axes = confusion_figure(MATRIX, ["happy", "sad"]).axes[0]
    assert [text.get_color() for text in axes.texts] == ["white", "#222222", "#222222", "white"]


def test_a_thumbnail_shows_the_fraction_of_the_truth_alone():
    axes = confusion_thumbnail(MATRIX, ["happy", "sad"]).axes[0]
    assert texts(axes) == ["80", "20", "10", "90"]
    assert axes.get_title().startswith("accuracy 85.0% of 100 faces")


@pytest.mark.parametrize("draw", [confusion_figure, confusion_thumbnail, per_class_figure])
@pytest.mark.parametrize("matrix", [np.zeros((2, 2), int), np.array([[0, 7], [0, 0]])])
def test_what_is_undefined_is_a_dash_and_warns_of_nothing(draw, matrix, recwarn):
    figure = draw(matrix, ["happy", "sad"])
    as_array(figure)
    assert any(text.startswith("-") for text in texts(figure.axes[0]))
    assert not list(recwarn)


def test_bars_are_precision_recall_and_f1():
    above, below = per_class_figure(MATRIX, ["happy", "sad"]).axes
    heights = [[bar.get_height() for bar in bars] for bars in above.containers]
    assert heights[0] == pytest.approx([40 / 45, 45 / 55])
    assert heights[1] == pytest.approx([0.8, 0.9])
    assert heights[2] == pytest.approx([80 / 95, 90 / 105])
    truth, predicted = ([bar.get_height() for bar in bars] for bars in below.containers)
    assert truth == pytest.approx([0.5, 0.5])
    assert predicted == pytest.approx([0.45, 0.55])


@pytest.mark.parametrize("draw", [confusion_figure, confusion_thumbnail, per_class_figure])
def test_a_matrix_of_the_wrong_shape_is_refused(draw):
    with pytest.raises(ValueError, match=r"3 classes needs shape \(3, 3\).*Received: .*\(2, 2\)"):
        draw(MATRIX, ["happy", "sad", "fear"])
    with pytest.raises(ValueError, match="smallest -1"):
        draw(-np.eye(2, dtype=int), ["happy", "sad"])


@settings(max_examples=10)
@given(count=st.integers(1, 12), columns=st.integers(1, 6))
def test_every_face_has_its_caption(count, columns):
    images = np.zeros((count, 48, 48, 1), np.uint8)
    captions = [f"face {number}\nfear $5 %" for number in range(count)]
    figure = mosaic_figure(images, captions, columns=columns)
    assert [text.get_text() for text in figure.texts] == captions
    shown = [image.get_extent() for axes in figure.axes for image in axes.images]
    assert len(shown) == count
    assert len({round(left, 4) for left, *_ in shown}) == min(count, columns)


def test_a_long_caption_goes_on_below_and_not_under_the_next_face():
    captions = ["Disgustedly Surprised, not Happily Disgusted?\nrow 1", "one_word_that_is_too_long"]
    figure = mosaic_figure(np.zeros((2, 48, 48, 1), np.uint8), captions)
    figure.draw_without_rendering()
    one, other = (text.get_window_extent() for text in figure.texts)
    assert one.x1 <= other.x0
    assert one.y0 >= 0
    assert figure.texts[0].get_text().endswith("\nrow 1")


def test_faces_are_shown_with_their_own_grey():
    faces = np.stack([np.full((48, 48, 1), grey, np.uint8) for grey in (40, 200)])
    figure = mosaic_figure(faces, ["", ""])
    pixels = as_array(figure)
    height, width, _ = pixels.shape
    assert pixels[height // 2, width // 4].tolist() == [40, 40, 40]
    assert pixels[height // 2, 3 * width // 4].tolist() == [200, 200, 200]


def test_a_title_is_whole_above_few_faces_too():
    title = "Strips between repeated edges: 2 of 2"
    figure = mosaic_figure(np.zeros((1, 48, 48, 1), np.uint8), ["a"], title=title)
    figure.draw_without_rendering()
    written = next(each for each in figure.texts if each.get_text() == title)
    assert written.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("images", "captions", "options", "message"),
    [
        (np.zeros((0, 48, 48, 1), np.uint8), [], {}, "N above 0"),
        (np.zeros((1, 48, 48, 1)), ["a"], {}, "Received: float64"),
        (np.zeros((2, 48, 48, 1), np.uint8), ["a"], {}, "2 images, 1 captions"),
        (np.zeros((1, 48, 48, 1), np.uint8), ["a"], {"columns": 0}, "columns=0"),
        (np.zeros((1, 48, 48, 1), np.uint8), ["a"], {"colors": []}, "0 colors"),
    ],
)
def test_a_mosaic_that_cannot_be_laid_out_is_refused(images, captions, options, message):
    with pytest.raises(ValueError, match=message):
        mosaic_figure(images, captions, **options)


def test_every_picture_is_written_as_png_and_nothing_else_is_left(tmp_path):
    faces = np.full((3, 48, 48, 1), 90, np.uint8)
    draw_curves(history(2), tmp_path / "curves.png", [(1, "begin")])
    draw_confusion_matrix(MATRIX, ["happy", "sad"], tmp_path / "matrix.png")
    draw_per_class(MATRIX, ["happy", "sad"], tmp_path / "classes.png")
    draw_mosaic(faces, ["a", "b", "c"], tmp_path / "faces.png", columns=2, title="Faces")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["classes.png", "curves.png", "faces.png", "matrix.png"]
    for name in names:
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_a_picture_that_fails_leaves_the_older_one(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(history(2), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="epoch"):
        draw_curves(pd.DataFrame({"loss": [1.0]}), path)
    assert path.read_bytes() == before
    draw_curves(history(3), path)
    assert path.read_bytes() != before


def test_a_figure_becomes_the_array_tensorboard_takes():
    pixels = as_array(confusion_figure(MATRIX, ["happy", "sad"]))
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels[0, 0].tolist() == [255, 255, 255]


def test_matplotlib_is_loaded_to_draw_only_and_pyplot_never():
    script = (
        "import sys, numpy as np\n"
        "from ferkeras.report import pictures\n"
        "assert 'matplotlib' not in sys.modules\n"
        "pictures.as_array(pictures.confusion_figure(np.eye(2, dtype=int), ['a', 'b']))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
