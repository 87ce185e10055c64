"""The model card: what an exported network is, how good it is, and how it may not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from ferkeras.cli.figures import percent
from ferkeras.cli.foreign_text import for_code, for_markdown, without_folders
from ferkeras.config.networks import Network
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.export.origin import other_run
from ferkeras.metrics.measures import MEASURES, formatted, formatted_interval
from ferkeras.runs.finished import FinishedRun, TrainedRun
from ferkeras.runs.healings import healing_text
from ferkeras.runs.records import EvaluationRecord, read_record

_MEASURES = ("accuracy", "balanced_accuracy", "macro_f1", "top2_accuracy", "log_loss", "ece")
_TTA = {
    "flip": "with flip test-time augmentation (`predict --tta flip`)",
    "multiscale": "with multi-scale test-time augmentation (`predict --tta multiscale`)",
}

_USES = """\
## How it may not be used

Recognising emotions from faces is regulated, and it is error-prone. Do not use this network

- **at work or in education.** In the European Union, AI systems that infer emotions of people in
  the areas of workplace and education institutions are prohibited, save for medical or safety
  reasons (Regulation (EU) 2024/1689, the AI Act, Article 5(1)(f), in force since 2 February
  2025).
- **to decide anything about a person**: hiring, credit, insurance, policing, migration, health.
  Outside the prohibition, the AI Act counts emotion recognition as high-risk (Annex III, 1(c))
  and demands that people who are exposed to it are informed (Article 50(3)). This network has gone
  through none of what the Act asks of a high-risk system. Other laws, on personal and biometric
  data above all, apply besides, in the Union and elsewhere.
- **to claim that somebody feels something, lies, or intends something.** It sorts pictures by the
  look of a face. Faces do not show reliably what people feel: Barrett et al. 2019, "Emotional
  expressions reconsidered", Psychological Science in the Public Interest 20(1).
- **on people who have not agreed** to it.

It is meant for research and teaching about classifiers. This is no legal advice.
"""

_LIMITS = """\
## Limits

- The labels it was trained on are what annotators saw in a picture, and annotators disagree: on
  FER2013 people reach about 65% (Goodfellow et al. 2013). An accuracy far above that tells of
  the labels, not of emotions.
- Its probabilities are honest only for faces like those it was trained on. Other cameras, crops,
  lights, ages, skin tones, glasses, masks or cultures can change both predictions and how confident
  they sound. How it does on groups of people has not been measured.
- It predicts an emotion for every picture, also where there is no face, and knows its own
  classes only.
- Faces are expected as in training: cut out closely, upright, from the front.
"""

_CALLS = {
    "saved_model": """\
```python
import tensorflow as tf

model = tf.saved_model.load("{path}")
prediction = model.signatures["serving_default"](faces=faces)  # uint8 {shape}
prediction = model.signatures["encoded"](image_bytes=[open("face.png", "rb").read()])
prediction["probabilities"], prediction["label"], model.signatures["about"]()
```

TensorFlow Serving takes the folder above it as the model's base path.""",
    "litert": """\
```python
from ai_edge_litert.interpreter import Interpreter

run = Interpreter("{path}").get_signature_runner("serving_default")
prediction = run(faces=faces)  # uint8 {shape}
prediction["probabilities"], prediction["label"]
```

`unzip -p {path} labels.txt` prints the class names.""",
    "onnx": """\
```python
import onnxruntime

session = onnxruntime.InferenceSession("{path}")
probabilities, label = session.run(["probabilities", "label"], {{"faces": faces}})
```

The names are in the metadata: `session.get_modelmeta().custom_metadata_map["emotions"]`.""",
    "keras": """\
```python
import keras

network = keras.saving.load_model("{path}")
probabilities = network.predict(faces)  # {shape}, whole numbers of 0 to 255
```

`unzip -p {path} labels.txt` prints the class names.""",
}


def model_card(finished: TrainedRun, exports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the card of a run's exported network, as Markdown.

    Figures come with 95 % intervals: those that `python -m ferkeras.evaluate` has measured;
    without it, those of the validation faces that the training itself left.

    Args:
        finished: the run.
        exports: what `record_of` gave by name of the file or folder; those of other runs are
            named, and nothing else is said of them.

    Raises:
        InputError: an evaluation of the run, or its `predictions.npz`, is damaged.
    """
    parts = [_head(finished), _USES, _files(finished, exports), _data(finished), _recipe(finished)]
    evaluated = False
    for split in ("validation", "test"):
        path = finished.run.figures(split)
        if path.is_file():
            evaluation = read_record(path, EvaluationRecord)
            # A run that went on may have another network now, and other faces are not its own.
            if evaluation["epoch"] == finished.best_epoch and evaluation["same_data_as_training"]:
                evaluated = evaluated or split == "validation"
                parts += _evaluation(split, evaluation)
    if not evaluated and isinstance(finished, FinishedRun):
        parts.append(_training_figures(finished))
    parts.append(_LIMITS)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _head(finished: TrainedRun) -> str:
    accuracy = finished.accuracy
    unfinished = (
        f"\n**The training is {finished.unfinished}**: this is its {finished.config.train.keep} "
        "network so far.\n"
        if finished.unfinished
        else ""
    )
    *names, last = map(for_markdown, finished.task.classes)
    image = finished.task.image
    values = "grey values" if image.channels == 1 else "pixels in colour"
    return f"""\
# {for_markdown(finished.name)}: facial expressions

A convolutional network that takes one face ({image.height} x {image.width} {values}, uint8)
and gives each of {", ".join(names)} and {last} a probability. It is right on {percent(accuracy)} of
its validation faces, and so wrong on {percent(1 - accuracy)}. Trained with ferkeras
{for_markdown(finished.environment["ferkeras"])}.
{unfinished}"""


def _files(finished: TrainedRun, listed: Mapping[str, Mapping[str, Any]]) -> str:
    others = {name: other_run(each, finished) for name, each in listed.items()}
    former = {
        name: each["epoch"]
        for name, each in listed.items()
        if others[name] is None and each.get("epoch", finished.best_epoch) != finished.best_epoch
    }
    exports = {
        name: each for name, each in listed.items() if others[name] is None and name not in former
    }
    rows = [
        (
            f"`{for_code(name)}/`" if each["format"] == "saved_model" else f"`{for_code(name)}`",
            each["format"],
            f"{each['size'] / 1e6:.2f} MB",
            f"{each['largest_difference']:.1e}",
            f"{each['label_agreement']:.2%} of {each['faces']:,} {each['compared_on']}",
        )
        for name, each in exports.items()
    ]
    columns = ("file", "format", "size", "largest difference of a probability", "same label")
    text = (
        "## Files\n\nAll take raw pixels, whole numbers of 0 to 255; the network rescales them "
        "itself. Other sizes, other\nchannels, an empty batch and pixels / 255 are errors, or NaN "
        "in a Keras file. Each was compared with\nthe trained network:\n\n" + _table(columns, rows)
    )
    if finished.config.train.precision == "mixed_bfloat16":
        text += (
            "\nThe network was trained in bfloat16, the files compute in float32: hence the "
            "difference.\n"
        )
    text += _temperatures({name: each["temperature"] for name, each in exports.items()})
    shape = "(N, {}, {}, {})".format(*finished.task.image.shape)
    for name, each in exports.items():
        call = _CALLS[each["format"].partition("-")[0]]
        text += f"\n{call.format(path=name, shape=shape)}\n"
    for name, run in others.items():
        if run is not None:
            text += f"\n`{for_code(name)}` is the network of another run, {for_markdown(run)}.\n"
    for name, epoch in former.items():
        text += (
            f"\n`{for_code(name)}` is the network of epoch {epoch}, before the training went on; "
            "no figure here is\nof it.\n"
        )
    return text + _keras_file(finished, shape)


def _temperatures(of: Mapping[str, float]) -> str:
    """By what the logits of the files are divided; empty where that is 1 in each."""
    values = sorted(set(of.values()) - {1.0})
    if not values:
        return ""
    listed = ", ".join(f"{each:.3f}" for each in values)
    text = (
        f"\nLogits are divided by a temperature ({listed}), fitted on the validation faces, "
        "which\nchanges no label and gives the lowest log loss there.\n"
    )
    if plain := [f"`{for_code(name)}`" for name, value in of.items() if value == 1.0]:
        text += (
            f"Those of {', '.join(plain)} are not: made before the calibration, and less honest "
            "about their\nprobabilities than log loss and calibration error below say. Export "
            "again to change that.\n"
        )
    return text


def _keras_file(finished: TrainedRun, shape: str) -> str:
    name = finished.run.best.name
    return f"""
The run's `{name}` needs Keras 3 and nothing else, no ferkeras, and loads in safe mode, which is
Keras's default:

{_CALLS["keras"].format(path=name, shape=shape)}
"""


def _data(finished: TrainedRun) -> str:
    data = finished.environment["data"]
    source = data["source"]
    # The folders of the machine it was trained on do not belong into a card.
    source = for_markdown(Path(source).name if Path(source).is_absolute() else source)
    rows = [(for_markdown(name), f"{count:,}") for name, count in data["faces"].items()]
    how = "made by ferkeras from the seed"
    if data.get("by_person"):
        how += ", nobody on both sides of it"
    if data.get("official_split"):
        how = "the source's own (FER2013 calls validation PublicTest and test PrivateTest)"
    if leaked := data.get("leaked"):
        how += f", without {leaked:,} training faces that are validation or test faces too"
    evaluated = finished.run.figures("test").exists()
    used = "Its test faces were not used"
    if leaked and "test" in data["faces"]:
        used = "Of its test faces only the pixels were looked at, to leave their copies out"
    test = "" if evaluated else f"{used}: no figure here is of them.\n"
    return (
        f"## Data\n\n{source}, fingerprint\n`{for_code(data['fingerprint'])}`.\n"
        f"The split is {how};\n{_choice_of_the_epoch(finished)} {test}\n"
        f"{_table(('split', 'faces'), rows)}"
    )


def _choice_of_the_epoch(finished: TrainedRun) -> str:
    if finished.config.train.keep == "last":
        return "the network is that of the last epoch, which no validation face has chosen."
    return (
        "the epoch was chosen by the accuracy on the validation faces, whose figures are therefore "
        "slightly\ntoo good."
    )


_VOTES = {
    "filter": "labels are by the majority of the votes, faces without one are left out",
    "soft": "trained towards their distribution, faces without a majority are left out",
    "auxiliary": "predicted by a second head, in training only",
}


def _votes(config: Config) -> str:
    """What was made of `data.votes`, without the folder they are in."""
    name = for_markdown(PurePath(config.data.votes or "").name)
    return f"{name}; {_VOTES[config.data.votes_as or 'filter']}"


def _begun_from(network: Network) -> str:
    """What the network began with, without the folders it is in; empty: at random."""
    if network.start_from is not None:
        return f"the network of {for_markdown(PurePath(network.start_from).name)}"
    return for_markdown(network.trained_weights) if isinstance(network, Backbone) else ""


def _recipe(finished: TrainedRun) -> str:
    config: Config = finished.config
    network, train, distill = config.network, config.train, config.distill
    described = network.describe(finished.task.image.height, finished.task.image.width)
    packages = finished.environment["packages"]
    of_more = f" of {train.epochs}" if finished.epochs < train.epochs else ""
    rows = [
        (
            "network",
            described
            + (
                f", {finished.metrics['parameters']:,} parameters"
                if isinstance(finished, FinishedRun)
                else ""
            ),
        ),
        (
            "optimiser",
            f"{train.optimizer}, learning rate {train.first_learning_rate:g} "
            f"({train.learning_rate_schedule}), batches of {train.batch_size}, "
            + (
                "not clipped"
                if train.global_clip_norm is None
                else f"clipped at a norm of {train.global_clip_norm:g}"
            ),
        ),
        (
            "weights",
            "as the last step left them"
            if train.ema_momentum is None
            else f"moving average of the steps' weights, momentum {train.ema_momentum:g}",
        ),
        *([("votes", _votes(config))] if config.data.votes is not None else []),
        *(
            [("teachers", f"{names}; {distill.weight:g} of the loss is of their soft targets")]
            if (names := for_markdown(", ".join(PurePath(path).name for path in distill.teachers)))
            else []
        ),
        *([("begun from", begun)] if (begun := _begun_from(network)) else []),
        (
            "epochs",
            f"{finished.epochs}{of_more}; this is the network of epoch {finished.best_epoch}, "
            + (
                "the last"
                if train.keep == "last"
                else "the one with the highest validation accuracy"
            ),
        ),
        (
            "rare classes",
            f"sampler {train.sampler}, "
            + (
                "no class weights"
                if config.class_weight.rule == "none"
                else f"class weights {config.class_weight.rule} "
                f"({config.class_weight.min:g} to {config.class_weight.max:g})"
            ),
        ),
        ("precision, seed", f"{train.precision}, {config.seed}"),
        ("software", for_markdown(", ".join(f"{name} {v}" for name, v in packages.items() if v))),
    ]
    return (
        f"## Recipe\n\n{_table(('what', 'how'), rows)}\n{_healings(finished)}"
        "All of it: `config.yaml` of the run.\n"
    )


def _healings(finished: TrainedRun) -> str:
    """What the training did about its alarms by itself, a line each."""
    if not finished.healings:
        return ""
    lines = "".join(
        f"- {for_markdown(without_folders(healing_text(each)))}\n" for each in finished.healings
    )
    return f"What the training did about its alarms by itself:\n\n{lines}\n"


def _evaluation(split: str, evaluation: EvaluationRecord) -> Iterator[str]:
    calibrated = any(each["variant"] == "calibrated" for each in evaluation["results"])
    for result in evaluation["results"]:
        if result["variant"] == ("calibrated" if calibrated else "plain"):
            tta = [
                (
                    f"{MEASURES[key].name} {how}",
                    *_figures(key, each["metrics"], each["intervals"]),
                )
                for each in evaluation["results"]
                for variant, how in _TTA.items()
                if each["variant"] == (f"{variant}_calibrated" if calibrated else variant)
                and each["faces"] == result["faces"]
                for key in ("accuracy", "ece")
            ]
            yield _results(
                split,
                result["metrics"],
                result["intervals"],
                evaluation["bootstrap"]["confidence"],
                tta,
                all_faces=result["faces"] == "all",
            )


def _training_figures(finished: FinishedRun) -> str:
    # They bring scikit-learn along, for which a wrong path shall not wait.
    from ferkeras.metrics.bootstrap import CONFIDENCE
    from ferkeras.metrics.intervals import intervals_of
    from ferkeras.metrics.predictions import read_predictions

    predicted = read_predictions(finished.run.predictions, finished.task.classes)
    ranges = intervals_of(predicted, seed=finished.config.seed)
    return _results("validation", finished.metrics["validation"], ranges, CONFIDENCE)


def _results(
    split: str,
    metrics: Mapping[str, Any],
    ranges: Mapping[str, Sequence[float]],
    confidence: float,
    tta: Sequence[tuple[str, str, str]] = (),
    *,
    all_faces: bool = True,
) -> str:
    which = "" if all_faces else ", without those that also occur in training"
    rows = [
        (MEASURES[key].name, *_figures(key, metrics, ranges))
        for key in _MEASURES
        if metrics.get(key) is not None
    ]
    rows += tta
    text = f"## Results on {metrics['faces']:,} {split} faces{which}\n\n" + _table(
        ("measure", "value", f"{confidence:.0%} interval"), rows
    )
    return text + ("\n" + _emotions(metrics["emotions"], ranges) if all_faces else "")


def _emotions(
    emotions: Mapping[str, Mapping[str, float]], ranges: Mapping[str, Sequence[float]]
) -> str:
    rows = [
        (
            for_markdown(name),
            *(
                " ".join(
                    filter(None, (percent(row[key]), _interval(key, ranges.get(f"{key}/{name}"))))
                )
                for key in ("precision", "recall", "f1")
            ),
            f"{row['support']:,}",
        )
        for name, row in emotions.items()
    ]
    return _table(("class", "precision", "recall", "F1", "faces"), rows)


def _figures(
    key: str, metrics: Mapping[str, Any], ranges: Mapping[str, Sequence[float]]
) -> tuple[str, str]:
    """Value and interval of one measure, as the card writes them."""
    return formatted(key, metrics[key]), _interval(key, ranges.get(key))


def _interval(key: str, interval: Sequence[float] | None) -> str:
    return f"({formatted_interval(key, (interval[0], interval[1]))})" if interval else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
