"""Every column of a history has one row that says what it is."""

import pytest

from ferkeras.report.columns import COLUMNS, column_of, is_sparse, tag_of
from ferkeras.report.panels import COMPARED, PANELS


def test_every_key_and_every_tag_stands_once():
    keys = [column.key for column in COLUMNS]
    assert len(set(keys)) == len(keys)
    places = [(column.writer, column.tag) for column in COLUMNS]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("val_accuracy", ("validation", "epoch/accuracy")),
        ("val_recall/happy", ("validation", "recall/happy")),
        ("gradient_norm", ("train", "gradients/global_norm")),
        ("gradient_norm/block1/conv", ("train", "gradient_layers/block1/conv")),
        ("val_my_metric", ("validation", "epoch/my_metric")),
        ("my_metric", ("train", "epoch/my_metric")),
    ],
)
def test_a_key_is_filed_under_its_tag(key, place):
    assert tag_of(key) == place


def test_a_loss_that_is_not_a_number_is_no_gap():
    assert not is_sparse("loss")
    assert not is_sparse("val_anything")
    assert is_sparse("val_recall/happy")


def test_panels_draw_columns_that_exist():
    drawn = {line.key for panel in PANELS for line in panel.lines}
    drawn |= {key for panel in PANELS for line in panel.lines for key in line.band or ()}
    assert all(column_of(key) for key in drawn | set(COMPARED))


def test_every_column_of_a_real_history_is_known(finished_run):
    header = (finished_run / "history.csv").read_text().splitlines()[0].split(",")
    assert [key for key in header if key != "epoch" and column_of(key) is None] == []
