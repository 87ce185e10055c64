"""`python -m ferkeras.compare`: one page and one table of runs side by side."""

import json
import re
import shutil

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from ferkeras.compare.__main__ import main
from ferkeras.compare.comparison import differences_to, load_compared
from ferkeras.compare.folds import cross_validation
from ferkeras.files.writing import write_npz
from ferkeras.runs.finished import open_run
from ferkeras.runs.record import Run
from ferkeras.study.measure import measured


@pytest.fixture
def runs(finished_run, tmp_path):
    """The run twice: the second with other settings and better predictions."""
    first = shutil.copytree(finished_run, tmp_path / "tiny-001")
    second = Run(shutil.copytree(finished_run, tmp_path / "tiny-002"))
    config = second.config.read_text().replace("learning_rate: 0.001", "learning_rate: 0.01")
    second.config.path.write_text(config.replace("seed: 0", "seed: 5"))
    with np.load(second.predictions) as file:
        probabilities, labels = file["probabilities"], file["labels"]
    better = probabilities.copy()
    better[np.arange(len(labels)), labels] += 0.5
    better[::2] = probabilities[::2]
    better /= better.sum(axis=1, keepdims=True)
    write_npz(second.predictions, probabilities=better, labels=labels)
    return first, second.folder


def test_the_page_and_the_table_tell_both_runs(runs, capsys):
    first, second = runs
    assert main([str(first), str(second)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"train.learning_rate +\| +0.001 +\| +0.01", out)
    assert re.search(r"accuracy +\| +\+\d+\.\d points .* better", out)
    chance = r"of \d+ intervals about 1 in 20 misses 0 by chance alone"
    assert re.search(chance, " ".join(out.split()))
    page = (first.parent / "compare-tiny-001-tiny-002.html").read_text()
    assert re.search(chance, page)
    assert '<td class="mono">train.learning_rate</td>' in page.replace("<wbr>", "")
    assert "the draws are paired" in page
    assert page.count('<svg class="drawing"') > 5
    assert page.count(f">{first.name}</text>") > 5
    assert "<script" not in page


def test_a_run_does_not_differ_from_itself(runs):
    first, _ = runs
    same = load_compared([open_run(first), open_run(first)])
    for difference in differences_to(*same):
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert difference.verdict == "open"


@pytest.mark.parametrize(("changed", "verdict"), [(5, "open"), (6, "better")])
def test_a_handful_of_faces_decides_nothing(runs, changed, verdict):
    first, second = runs
    with np.load(Run(first).predictions) as file:
        labels = file["labels"]
    right = np.eye(7, dtype=np.float32)[labels] * 0.9 + 0.1 / 7
    wrong = np.eye(7, dtype=np.float32)[(labels + 1) % 7] * 0.9 + 0.1 / 7
    for folder, count in ((first, 20), (second, 20 - changed)):
        mistaken = (np.arange(len(labels)) < count)[:, None]
        write_npz(
            Run(folder).predictions, probabilities=np.where(mistaken, wrong, right), labels=labels
        )
    found = {d.key: d for d in differences_to(*load_compared([open_run(path) for path in runs]))}
    assert found["accuracy"].value == pytest.approx(changed / len(labels))
    assert found["accuracy"].verdict == verdict
    assert found["log_loss"].verdict == "better"


def test_mistakes_that_are_not_the_same_are_a_difference(runs):
    first, second = runs
    labels = np.arange(350, dtype=np.int32) % 7
    half = np.arange(350) % 2 == 0
    for folder, other in ((first, (labels + 1) % 7), (second, np.where(labels == 3, 2, 3))):
        predicted = np.where(half, labels, other)
        probabilities = np.eye(7, dtype=np.float32)[predicted] * 0.9 + 0.1 / 7
        write_npz(Run(folder).predictions, probabilities=probabilities, labels=labels)
    found = {d.key: d for d in differences_to(*load_compared([open_run(path) for path in runs]))}
    assert found["accuracy"].value == 0
    assert found["macro_f1"].verdict != "open"


@pytest.mark.parametrize(("changed", "verdict"), [(5, "open"), (6, "better")])
def test_a_handful_of_second_best_classes_decides_nothing(runs, changed, verdict):
    first, second = runs
    with np.load(Run(first).predictions) as file:
        labels = file["labels"]
    mistaken = np.eye(7, dtype=np.float32)[(labels + 1) % 7] * 0.9 + 0.1 / 7
    second_best = np.eye(7, dtype=np.float32)[labels] * 0.5
    third_best = np.eye(7, dtype=np.float32)[(labels + 2) % 7] * 0.5
    for folder, count in ((first, 20), (second, 20 - changed)):
        third = (np.arange(len(labels)) < count)[:, None]
        probabilities = mistaken + np.where(third, third_best, second_best)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        write_npz(Run(folder).predictions, probabilities=probabilities, labels=labels)
    found = {d.key: d for d in differences_to(*load_compared([open_run(path) for path in runs]))}
    assert found["top2_accuracy"].value == pytest.approx(changed / len(labels))
    assert found["top2_accuracy"].verdict == verdict


@pytest.mark.parametrize("few", [9, 10])
def test_of_a_class_of_a_few_faces_nothing_is_said(runs, few):
    first, second = runs
    for folder, probability in ((first, 0.1), (second, 0.8)):
        labels = np.repeat([0, 3], [few, 100 - few]).astype(np.int32)
        probabilities = np.full((100, 7), 0.01, np.float32)
        probabilities[:, 3] = 0.5
        probabilities[labels == 0, 0] = probability
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        write_npz(Run(folder).predictions, probabilities=probabilities, labels=labels)
    found = {d.key: d for d in differences_to(*load_compared([open_run(path) for path in runs]))}
    assert {"accuracy", "recall/happy"} <= set(found)
    # Nor of means over classes, of which it is one.
    assert {"recall/angry", "balanced_accuracy", "macro_f1"} & set(found) == (
        set() if few < 10 else {"recall/angry", "balanced_accuracy", "macro_f1"}
    )


def test_lower_is_better_where_it_is(runs):
    before, after = load_compared([open_run(path) for path in runs])
    found = {d.key: d for d in differences_to(before, after)}
    assert found["log_loss"].value < 0
    assert found["log_loss"].verdict == "better"
    assert found["accuracy"].value > 0
    assert found["accuracy"].verdict == "better"
    accuracy = after.results["accuracy"] - before.results["accuracy"]
    assert found["accuracy"].low < accuracy < found["accuracy"].high


def test_runs_on_different_data_are_put_side_by_side_and_not_subtracted(runs, capsys):
    first, second = runs
    environment = json.loads((second / "environment.json").read_text())
    environment["data"]["fingerprint"] = "f" * 64
    (second / "environment.json").write_text(json.dumps(environment))
    page = first.parent / "page.html"
    assert main([str(first), str(second), "--output", str(page)]) == 0
    assert "<h2>Differences" not in page.read_text()
    out = capsys.readouterr().out
    assert "different data" in " ".join(out.split())
    assert "different data" in page.read_text()
    assert " points" not in out
    one, other = load_compared([open_run(first), open_run(second)])
    assert differences_to(one, other) == []
    assert not np.array_equal(one.samples["accuracy"], other.samples["accuracy"])


def test_runs_of_other_classes_are_told_so_and_nothing_is_proposed(runs, capsys):
    first, second = runs
    environment = json.loads((second / "environment.json").read_text())
    environment["data"]["fingerprint"] = "f" * 64
    names = environment["data"]["task"]["classes"]
    environment["data"]["task"]["classes"] = [*names[:-2], "bored", names[-1]]
    (second / "environment.json").write_text(json.dumps(environment))
    assert main([str(first), str(second)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"(tiny-001 lacks bored; tiny-002 lacks {names[-2]})" in out
    assert "--data" not in out


def test_a_run_named_twice_is_refused(runs, capsys):
    first, second = runs
    assert main([str(first), str(second), f"{first}/"]) == 2
    assert f"{first}: named twice" in capsys.readouterr().err


def test_the_page_is_named_as_from_here(runs, capsys, monkeypatch):
    first, second = runs
    monkeypatch.chdir(first.parent)
    assert main([first.name, second.name]) == 0
    assert capsys.readouterr().out.endswith("written: compare-tiny-001-tiny-002.html\n")


def test_another_split_of_the_same_data_is_compared_and_not_paired(runs, capsys):
    first, second = runs
    with np.load(second / "predictions.npz") as arrays:
        rotated = {key: np.roll(each, 1, axis=0) for key, each in arrays.items()}
    np.savez(second / "predictions.npz", **rotated)
    page = first.parent / "page.html"
    assert main([str(first), str(second), "--output", str(page)]) == 0
    assert "Not all runs were validated on the same faces" in page.read_text()
    out = " ".join(capsys.readouterr().out.split())
    assert "the split gave them different validation faces" in out
    assert " points" in out


def test_faces_with_the_same_labels_may_be_others(runs, capsys):
    # Of class folders every draw has the same labels in the same order.
    for number, folder in enumerate(runs):
        path = Run(folder).environment.path
        environment = json.loads(path.read_text())
        environment["data"] |= {"official_split": False, "division": f"{number}" * 16}
        path.write_text(json.dumps(environment))
    assert main([str(each) for each in runs]) == 0
    assert "the split gave them different validation faces" in " ".join(
        capsys.readouterr().out.split()
    )
    assert len({measured(open_run(each)).faces for each in runs}) == 2
    # What is left out of training alone is no part of validation.
    environment["settings"] = {**environment["settings"], "data.drop_leaked": True}
    path.write_text(json.dumps(environment))
    assert main([str(each) for each in runs]) == 0
    assert "the split gave them" not in capsys.readouterr().out


def test_runs_of_one_name_in_folders_of_one_name_are_distinguished(runs, tmp_path):
    first, _ = runs
    folders = []
    for above in ("a/x", "b/x", "b/y"):
        folders.append(tmp_path / above / "tiny-001")
        folders[-1].parent.mkdir(parents=True)
        shutil.copytree(first, folders[-1])
    names = [each.name for each in load_compared([open_run(folder) for folder in folders])]
    assert names == ["a/x/tiny-001", "b/x/tiny-001", "y/tiny-001"]


def test_runs_of_one_name_are_distinguished(runs, tmp_path, capsys):
    first, _ = runs
    (tmp_path / "elsewhere").mkdir()
    twin = shutil.copytree(first, tmp_path / "elsewhere" / "tiny-001")
    assert main([str(first), str(twin)]) == 0
    assert "elsewhere/tiny-001" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"),
    [("history.csv", b""), ("history.csv", b"a,b\n1,2\n"), ("history.csv", b"epoch\nx\n"),
     ("predictions.npz", b"PK"), ("metrics.json", b"{")],
)  # fmt: skip
def test_damaged_files_are_errors_for_people(runs, capsys, name, content):
    first, second = runs
    (second / name).write_bytes(content)
    assert main([str(first), str(second)]) == 2
    said = capsys.readouterr().err
    assert re.search(rf"{name}: damaged", said)
    assert "Traceback" not in said


def test_a_page_that_cannot_be_written_is_said(runs, capsys):
    first, second = runs
    assert main([str(first), str(second), "--output", str(first / "no" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_one_run_is_not_enough(runs):
    with pytest.raises(SystemExit) as stopped:
        main([str(runs[0])])
    assert stopped.value.code == 2


@pytest.fixture
def folds(runs):
    """Two of three folds."""
    for at, folder in enumerate(runs, start=1):
        path = Run(folder).config.path
        text = re.sub("learning_rate: 0.01", "learning_rate: 0.001", path.read_text())
        text = re.sub(r"folds: null", "folds: 3", re.sub("seed: 5", "seed: 0", text))
        path.write_text(re.sub(r"\bfold: 1", f"fold: {at}", text))
    return runs


def test_folds_of_people_say_that_their_intervals_are_too_narrow(folds):
    environment = json.loads((folds[0] / "environment.json").read_text())
    environment["data"]["by_person"] = True
    (folds[0] / "environment.json").write_text(json.dumps(environment))
    together = cross_validation(load_compared([open_run(path) for path in folds]))
    assert "of people with several pictures they are too narrow" in together.verdict


def test_folds_are_taken_together(folds, capsys):
    compared = load_compared([open_run(path) for path in folds])
    together = cross_validation(compared)
    labels = np.concatenate([run.validation.labels for run in compared])
    predicted = np.concatenate([run.validation.predicted for run in compared])
    assert together.faces == len(labels)
    assert together.results["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert together.missing == (3,)
    assert main([*map(str, folds), "--output", str(folds[0].parent / "folds.html")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3 in all; fold 3 is missing" in said
    assert "count each face by itself" not in said
    assert "less tiny-001" not in said
    page = (folds[0].parent / "folds.html").read_text()
    assert "All folds together" in page
    assert "Differences to" not in page
    assert '"#differences"' not in page


@pytest.mark.parametrize(("before", "after"), [("fold: 2", "fold: 1"), ("seed: 0", "seed: 1")])
def test_runs_that_may_share_faces_are_no_folds(folds, before, after):
    path = Run(folds[1]).config.path
    path.write_text(re.sub(rf"\b{before}", after, path.read_text()))
    assert cross_validation(load_compared([open_run(path) for path in folds])) is None
