"""What experiment trackers are told: a real MLflow in a folder, and a tracker in memory."""

import io

import numpy as np
import pytest

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.data.load import load_splits
from ferkeras.files.inner import InnerPath
from ferkeras.fit.run import train
from ferkeras.fit.tracked import results_of
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.finished import open_run
from ferkeras.runs.history import read_history
from ferkeras.runs.record import Run
from ferkeras.runs.records import TrackersRecord, read_record
from ferkeras.study.training import identity
from ferkeras.trackers import opening
from ferkeras.trackers.tracker import Tracker
from ferkeras.trackers.tracking import Tracking
from ferkeras.training.history import CSVHistory
from tests.brief_training import synthetic_splits


@pytest.fixture(scope="module")
def mlflow_at(tmp_path_factory):
    """The folder of the tests' MLflow, with its database; the environment says so."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.chdir(folder)  # artifacts
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield folder


@pytest.fixture
def client(mlflow_at):
    import mlflow

    return mlflow.MlflowClient()


class Remembered(Tracker):
    """A tracker in memory, which fails when it is told to."""

    name, advice = "mlflow", "do something"

    def __init__(self):
        self.runs, self.broken = {}, False

    def begin(self, training, known):
        self._fail()
        self.now = known or f"run-{len(self.runs)}"
        self.runs.setdefault(self.now, {"training": training, "epochs": [], "ended": []})
        return self.now

    def place(self):
        return "nowhere"

    def last_epoch(self):
        return max(self.runs[self.now]["epochs"], default=0)

    def tell(self, epoch, values):
        self._fail()
        self.runs[self.now]["epochs"].append(epoch)

    def conclude(self, results):
        self._fail()
        self.runs[self.now]["results"] = results

    def close(self, ending):
        self.runs[self.now]["ended"].append(ending)

    def _fail(self):
        if self.broken:
            raise ConnectionError("no route to the server\nand more of it")


class Told:
    """A training's callback for trackers, without the training."""

    def __init__(self, trackers, finished, folder, **changes):
        self.said, self.folder = io.StringIO(), InnerPath(folder)
        self.history = CSVHistory(self.folder / "history.csv")
        environment = {**finished.environment, **changes}
        self.tracking = Tracking(
            trackers, Run(folder), finished.config, environment, self.history, Console(self.said)
        )

    def epoch(self, number, **values):
        self.history.on_epoch_end(number - 1, {"val_accuracy": number / 10, **values})
        self.tracking.on_epoch_end(number - 1)


@pytest.fixture
def begin(finished_run, tmp_path):
    folder = tmp_path / "tiny-001"
    folder.mkdir()

    def begin(*trackers, **changes):
        return Told(trackers, open_run(finished_run), folder, **changes)

    return begin


def test_mlflow_is_told_settings_epochs_figures_and_files(mlflow_at, client, tmp_path):
    settings = (
        "name=tiny",
        f"output.folder={tmp_path}",
        "network.filters=[4]",
        "network.dense_units=[8]",
        "train.epochs=2",
        "train.batch_size=32",
        "monitor.diagnose=false",
        "monitor.tensorboard=false",
        "monitor.trackers=[mlflow]",
    )
    config = load_config(None, settings)
    said = io.StringIO()
    run = train(config, synthetic_splits(200, halved=True), Console(said), brief=True).run

    (told,) = client.search_runs([client.get_experiment_by_name("ferkeras").experiment_id])
    assert (told.info.run_name, told.info.status) == ("tiny-001", "FINISHED")
    assert told.data.params["network.filters"] == "(4,)"
    assert told.data.params["train.epochs"] == "2"
    assert told.data.tags["ferkeras.train_faces"] == str(
        open_run(run.folder).environment["data"]["faces"]["train"]
    )
    history = read_history(open_run(run.folder))
    for key in history.columns.drop("epoch"):
        rows = client.get_metric_history(told.info.run_id, key)
        assert [each.step for each in rows] == [1, 2]
        assert [each.value for each in rows] == pytest.approx(list(history[key]), nan_ok=True)
    figures = open_run(run.folder).metrics["validation"]
    assert told.data.metrics["best_balanced_accuracy"] == figures["balanced_accuracy"]
    assert {each.path for each in client.list_artifacts(told.info.run_id)} == {
        "config.yaml",
        "environment.json",
        "history.csv",
    }
    assert f"mlflow: tiny-001, experiment ferkeras at sqlite:///{mlflow_at}" in said.getvalue()


def test_mlflow_has_a_network_that_opens_without_ferkeras(mlflow_at, client, begin, finished_run):
    finished = open_run(finished_run)
    (tracker,) = opening.open_trackers(
        finished.config.monitor.model_copy(update={"trackers": ("mlflow",)}), Console(io.StringIO())
    )
    told = begin(tracker)
    told.epoch(1)
    results = results_of(finished.run, finished.metrics, brief=False)
    told.tracking.conclude(results)
    told.tracking.conclude(results)  # as after a kill before the end was written

    import mlflow

    record = read_record(told.folder / "trackers.json", TrackersRecord)
    run = client.get_run(record["mlflow"]["id"])
    (network,) = run.outputs.model_outputs
    model = mlflow.pyfunc.load_model(f"models:/{network.model_id}")
    (inputs,) = model.metadata.signature.inputs.inputs
    assert (inputs.type, inputs.shape) == (np.dtype("float32"), (-1, 48, 48, 1))
    faces = load_splits(finished.config, Console(io.StringIO())).validation
    assert np.allclose(
        model.predict(np.asarray(faces.images[:8], np.float32)),
        read_predictions(finished.run.predictions, finished.task.classes).probabilities[:8],
        atol=1e-5,
    )
    have = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert have >= {"report.html", "curves.png", "confusion_matrix.png", "per_class.png", "export"}
    assert len(client.get_metric_history(run.info.run_id, "best_accuracy")) == 1


def test_what_goes_on_is_told_once(begin):
    tracker = Remembered()
    told = begin(tracker)
    told.epoch(1)
    told.epoch(2)
    again = begin(tracker)  # killed before the checkpoint of epoch 2
    again.history.set_state({"rows": told.history.rows[:1]})
    again.epoch(2)
    again.epoch(3)
    assert tracker.runs == {"run-0": {**tracker.runs["run-0"], "epochs": [1, 2, 3]}}


def test_an_epoch_that_is_done_anew_is_told_anew(begin):
    tracker = Remembered()
    told = begin(tracker)
    told.epoch(1)
    told.epoch(2)
    told.history.set_state({"rows": told.history.rows[:1]})  # it diverged
    told.epoch(2)
    told.epoch(3)
    assert tracker.runs["run-0"]["epochs"] == [1, 2, 2, 3]


def test_mlflow_takes_classes_of_any_name(mlflow_at, client, begin):
    from ferkeras.trackers.mlflow_tracker import MLflowTracker

    tracker = MLflowTracker()
    begin(tracker).epoch(1, **{"val_recall/don't know (joy & love)": 0.5})
    told = client.get_run(tracker._run).data.metrics
    assert told["val_recall/don_t know _joy _ love_"] == 0.5


def test_a_healed_training_is_another_run(begin):
    tracker = Remembered()
    begin(tracker).epoch(1)
    begin(tracker, healings=[{"changes": []}]).epoch(2)
    begin(tracker, healings=[{"changes": [{}]}]).epoch(1)
    assert [each["training"].name for each in tracker.runs.values()] == [
        "tiny-001",
        "tiny-001-healed-1",
    ]


def test_a_tracker_that_fails_on_the_way_is_an_alarm_and_told_later(begin):
    tracker = Remembered()
    told = begin(tracker)
    told.epoch(1)
    tracker.broken = True
    told.epoch(2)
    told.epoch(3)
    tracker.broken = False
    told.epoch(4)
    assert tracker.runs["run-0"]["epochs"] == [1, 2, 3, 4]
    said = told.said.getvalue()
    assert (
        said.count("ALARM: mlflow could not be told: ConnectionError: no route to the server") == 1
    )


@pytest.mark.parametrize(
    ("error", "ended"), [(None, "finished"), (ValueError, "failed"), (SystemExit, "interrupted")]
)
def test_how_it_ended_is_told(begin, error, ended):
    tracker = Remembered()
    told = begin(tracker)
    try:
        with told.tracking.ending():
            if error is not None:
                raise error
    except (ValueError, SystemExit):
        pass
    assert tracker.runs["run-0"]["ended"] == [ended]


def test_a_tracker_that_cannot_be_reached_is_one_sentence(begin):
    tracker = Remembered()
    tracker.broken = True
    with pytest.raises(InputError) as raised:
        begin(tracker)
    assert str(raised.value) == (
        "monitor.trackers=mlflow: ConnectionError: no route to the server; do something, or leave "
        "it out: monitor.trackers=[]"
    )


def test_where_the_second_cannot_be_reached_the_first_has_ended(begin):
    first, second = Remembered(), Remembered()
    second.broken = True
    with pytest.raises(InputError):
        begin(first, second)
    assert first.runs["run-0"]["ended"] == ["failed"]


def test_a_run_that_mlflow_does_not_know_is_one_sentence(mlflow_at, begin):
    (tracker,) = opening.open_trackers(
        load_config(None, ["monitor.trackers=[mlflow]"]).monitor, Console(io.StringIO())
    )
    told = begin(tracker)
    (told.folder / "trackers.json").path.write_text('{"mlflow": {"id": "0123abc", "healings": 0}}')
    with pytest.raises(
        InputError, match=r"monitor\.trackers=mlflow: .*0123abc.* not found.*leave it out"
    ):
        begin(tracker)


def test_a_server_that_does_not_answer_is_told_before_anything_is_trained(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monitor = load_config(None, ["monitor.trackers=[mlflow]"]).monitor
    with pytest.raises(
        InputError, match=r"^monitor\.trackers=mlflow: ConnectionRefusedError: .*leave it out"
    ):
        opening.open_trackers(monitor, Console(io.StringIO()))


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr("ferkeras.cli.extras.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"monitor\.trackers=wandb needs wandb.*pip install"):
        opening.need_trackers(load_config(None, ["monitor.trackers=[wandb]"]).monitor)


def test_trackers_make_no_other_training():
    plain, tracked = (
        load_config(None, ["name=x", *more]) for more in ([], ["monitor.trackers=[mlflow]"])
    )
    assert identity(plain) == identity(tracked)
