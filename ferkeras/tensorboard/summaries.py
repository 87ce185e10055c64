"""TensorBoard's vocabulary: under which tag a number is filed, and how charts are arranged.

Everything here makes protocol buffers and touches no file.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import numpy as np
from pydantic.fields import FieldInfo
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as session
from tensorboard.plugins.pr_curve import summary as pr_curve
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from ferkeras.config.keys import as_yaml, blocks, flat
from ferkeras.config.schema import Config
from ferkeras.report.columns import is_sparse, tag_of
from ferkeras.report.panels import PANELS, Panel

RESULTS = {
    "result/val_accuracy": "validation accuracy of the network that is kept",
    "result/val_balanced_accuracy": "balanced accuracy of it",
}
"""Tags of what a run came to, and their headings in the HParams table."""

# The HParams page opens with five columns; these are what a collapse usually hangs on.
_SHOWN_FIRST = {
    "class_weight.rule",
    "network.conv_dropout",
    "train.label_smoothing",
    "train.learning_rate",
    "train.sampler",
}


def split_by_writer(logs: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """File the numbers of an epoch under their tags, for training and for validation.

    `accuracy` and `val_accuracy` both become `epoch/accuracy`, so that one chart shows both.
    `inference_accuracy` is set against `val_accuracy` as `overfitting/accuracy`. What is not a
    number because it was not measured is left out; a loss that is not a number is kept.

    Args:
        logs: an epoch's logs.

    Returns:
        Two dicts from tag to value: the training run's, the validation run's.
    """
    found: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
    for key, value in logs.items():
        number = float(value)
        if not math.isnan(number) or not is_sparse(key):
            writer, tag = tag_of(key)
            found[writer][tag] = number
    train, validation = found["train"], found["validation"]
    _, overfitting = tag_of("inference_accuracy")
    if overfitting in train and "val_accuracy" in logs:
        validation[overfitting] = float(logs["val_accuracy"])
    return train, validation


def scalars(values: Mapping[str, float]) -> Summary:
    """All scalars of a step in one message; one write costs a tenth of one write each."""
    summary = Summary()
    for tag, value in values.items():
        summary.MergeFrom(scalar_pb(tag, value))
    return summary


def histogram(tag: str, values: np.ndarray, bins: int = 30) -> Summary:
    """The distribution of all finite `values`, of any shape.

    `tf.summary.histogram` gives the same by way of a float64 one-hot matrix of values times bins:
    300 MB for a layer of 1.2 million weights.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(finite, bins=bins)
    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
    metadata = histogram_metadata.create_summary_metadata(display_name=None, description=None)
    return _tensor(tag, metadata, tensor_util.make_tensor_proto(buckets, dtype=np.float64))


def precision_recall(
    labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]
) -> Summary:
    """For each class, precision over recall of "is it this one?" at 201 thresholds.

    Args:
        labels: int, shape (N,).
        probabilities: float, shape (N, K), 0 to 1.
        class_names: names of the K classes, in class order.
    """
    summary = Summary()
    for code, name in enumerate(class_names):
        one = pr_curve.pb(
            f"precision_recall/{name}",
            labels == code,
            probabilities[:, code].astype(np.float32),
            display_name=name,
        )
        summary.MergeFromString(one.SerializeToString())
    return summary


def layout() -> Summary:
    """The arrangement of the Custom Scalars page: the panels of `ferkeras.report.panels`."""
    groups: dict[str, list[layout_pb2.Chart]] = {}
    for panel in PANELS:
        groups.setdefault(panel.group, []).append(_chart(panel))
    arranged = layout_pb2.Layout(
        category=[layout_pb2.Category(title=title, chart=each) for title, each in groups.items()]
    )
    return _tensor(
        layout_metadata.CONFIG_SUMMARY_TAG,
        layout_metadata.create_summary_metadata(),
        tensor_util.make_tensor_proto(arranged.SerializeToString()),
    )


def _chart(panel: Panel) -> layout_pb2.Chart:
    for line in panel.lines:
        if line.band is not None:
            value, lower, upper = (tag_of(key)[1] for key in (line.key, *line.band))
            series = layout_pb2.MarginChartContent.Series(value=value, lower=lower, upper=upper)
            margin = layout_pb2.MarginChartContent(series=[series])
            return layout_pb2.Chart(title=panel.title, margin=margin)
    tags = dict.fromkeys(tag_of(line.key)[1] for line in panel.lines)
    patterns = [f"^{tag}{'.+' if tag.endswith('/') else ''}$" for tag in tags]
    return layout_pb2.Chart(
        title=panel.title, multiline=layout_pb2.MultilineChartContent(tag=patterns)
    )


def hyperparameters(config: Config, trial: str) -> Summary:
    """Say which hyperparameters and results there are, and begin the session of one run.

    Args:
        config: the resolved configuration; each key but the run's name is a hyperparameter.
        trial: what the run is called.
    """
    fields = {key: field for block in blocks() for key, field in block.fields.items()}
    described = [
        hp.HParam(
            key, _Anything(_kind(field), key in _SHOWN_FIRST), description=field.description or ""
        )
        for key, field in fields.items()
        if key != "name"
    ]
    metrics = [hp.Metric(tag, display_name=title) for tag, title in RESULTS.items()]
    summary = hp.hparams_config_pb(hparams=described, metrics=metrics)
    summary.MergeFrom(hp.hparams_pb(_values(config), trial_id=trial))
    return summary


def end_of_session() -> Summary:
    """Say that the run's session has ended well."""
    return session.session_end_pb(api_pb2.STATUS_SUCCESS)


class _Anything(hp.Domain):
    """Every value of a type.

    TensorBoard takes the domains of the first run it finds for those of all runs, and hides runs
    that have other values: so a domain must not be narrowed to what this run has.
    """

    def __init__(self, kind: type, shown_first: bool) -> None:
        self._kind = float if kind is int else kind
        self._shown_first = shown_first

    @property
    def dtype(self) -> type:
        return self._kind

    def sample_uniform(self, rng: Any = random) -> Any:
        raise IndexError("all values of a type cannot be drawn from uniformly")

    def update_hparam_info(self, hparam_info: api_pb2.HParamInfo) -> None:
        hparam_info.type = {
            float: api_pb2.DATA_TYPE_FLOAT64,
            bool: api_pb2.DATA_TYPE_BOOL,
            str: api_pb2.DATA_TYPE_STRING,
        }[self._kind]
        if self._kind is bool:
            hparam_info.domain_discrete.extend([False, True])
        # TensorBoard sorts by this, then by name, and nothing else comes of it.
        hparam_info.differs = self._shown_first


def _values(config: Config) -> dict[str, float | bool | str]:
    """`section.key` to value; sequences and mappings as text, null and the run's name left out."""
    return {
        key: _in_words(value)
        for key, value in flat(config).items()
        if value is not None and key != "name"
    }


def _in_words(value: Any) -> float | bool | str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return value if isinstance(value, float | int | str) else as_yaml(value)


def _kind(field: FieldInfo) -> type:
    """The type of a key's values, which one that is null in a run keeps; sequences are text."""
    default = field.get_default()
    if default is not None:
        return str if isinstance(default, tuple) else type(default)
    annotated = next(each for each in get_args(field.annotation) if each is not type(None))
    if get_origin(annotated) is tuple:
        return str
    kind = (get_args(annotated) or (annotated,))[0]
    return kind if isinstance(kind, type) else type(kind)  # Literal names values


def _tensor(tag: str, metadata: Any, tensor: TensorProto) -> Summary:
    summary = Summary()
    summary.value.add(tag=tag, metadata=metadata, tensor=tensor)
    return summary
