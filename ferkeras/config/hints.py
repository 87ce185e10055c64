"""From a key that ferkeras does not have to the one that is meant.

Words that people bring from elsewhere are listed; misspelt keys are found by their letters, where
they are close enough to be meant. No hint is better than a wrong one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ferkeras.cli.bundled import bundled
from ferkeras.cli.foreign_text import for_file_name
from ferkeras.cli.invocation import command_line
from ferkeras.cli.wording import nearest, quoted, shown

CONFIGS = bundled("configs")
"""The configurations that come along."""

_ALIKE = 0.75
"""Least likeness of a misspelt name, 0 to 1, see `difflib.get_close_matches`."""

CALLED = {
    "augment.erase": "cutout random_erasing",
    "augment.flip": "hflip horizontal_flip random_flip",
    "augment.rotate_degrees": "rotate rotation rotation_range",
    "augment.shift": "translate translation width_shift_range height_shift_range",
    "augment.zoom": "scale zoom_range",
    "class_weight.rule": "weighting",
    "data.classes": "class_names emotions label_map labels",
    "data.color": "channels_last colour gray grayscale grey rgb",
    "data.detect_faces": "align crop_faces detect face_detection",
    "data.drop_leaked": "dedup deduplicate drop_duplicates leakage remove_duplicates remove_leaks",
    "data.demo_faces": "count n_faces n_samples num_samples samples synthetic",
    "data.folds": "cross_validation k_fold kfold n_folds n_splits",
    "data.group_column": "group groups person subject",
    "data.size": "height image_size img_size input_shape input_size resize",
    "data.path": "csv data_dir data_path dataset dataset_path faces filename",
    "data.validation_fraction": "test_size val_fraction val_size val_split validation_size "
    "validation_split",
    "distill.teachers": "teacher teacher_path",
    "distill.weight": "distill_weight distillation_weight kd_weight",
    "name": "experiment experiment_name run_name",
    "network.backbone": "application base_model encoder timm",
    "network.batchnorm_epsilon": "bn_eps bn_epsilon",
    "network.batchnorm_momentum": "bn_momentum",
    "network.conv_dropout network.dense_dropout": "drop drop_rate dropout dropout_rate",
    "network.dense_units": "dense fc hidden hidden_units units",
    "network.filters": "channels width",
    "network.unfreeze_after_epochs": "freeze freeze_epochs frozen unfreeze unfreeze_epoch",
    "network.unfreeze_over_epochs": "gradual_unfreezing thaw thaw_epochs",
    "network.first_layer_rate": "discriminative_lr layer_decay layerwise_lr_decay llrd lr_mult",
    "network.kind": "arch architecture model model_name",
    "network.weights": "backbone_weights imagenet",
    "network.start_from": "checkpoint finetune from_checkpoint init_weights load_weights "
    "pretrained pretrained_weights transfer weights_path",
    "output.folder": "out out_dir output output_dir save_dir save_path",
    "schedule.plateau_factor": "factor lr_factor",
    "schedule.plateau_min_learning_rate": "min_lr",
    "schedule.plateau_patience": "lr_patience",
    "seed": "random_seed random_state",
    "train.batch_size": "batch batchsize bs",
    "train.ema_momentum": "ema ema_decay",
    "train.epochs": "epoch max_epochs n_epochs nb_epoch num_epochs",
    "train.global_clip_norm": "clip clip_grad_norm clip_norm clipnorm clipping global_clipnorm "
    "grad_clip gradient_clip gradient_clip_val gradient_clipping max_grad_norm max_norm",
    "train.label_smoothing": "ls smoothing",
    "train.learning_rate": "base_lr init_lr learningrate lr",
    "train.learning_rate_schedule": "lr_schedule lr_scheduler scheduler",
    "train.optimizer": "opt optim",
    "train.precision": "amp bf16 bfloat16 dtype fp16 mixed_precision",
    "train.sampler": "balanced_sampler oversample weighted_sampler",
    "train.warmup_epochs": "warmup",
    "train.weight_decay": "decay l2 wd",
}
"""What people call keys elsewhere; two keys where both may be meant."""

_BEST_EPOCH = (
    "no training is ended early: the network of the best epoch is kept, train.epochs says how "
    "many there are, and schedule.plateau_patience when the learning rate is lowered"
)
_WEIGHTS = (
    "weights are computed from the counts: class_weight.rule says how, class_weight.min and "
    "class_weight.max are their bounds"
)
_PLATEAU = "the keys schedule.plateau_... lower the learning rate where accuracy stands still"
REMARKS = {
    _BEST_EPOCH: "early_stop early_stopping early_stopping_patience earlystopping patience",
    _WEIGHTS: "class_weights weights",
    _PLATEAU: "lr_decay plateau reduce_lr reduce_lr_on_plateau reducelronplateau",
    "the keys are augment.flip, augment.shift, augment.zoom and so on; 0 is none": "augmentation",
    "the device is TensorFlow's choice; CUDA_VISIBLE_DEVICES= hides its GPUs": "cuda device gpu",
    "sgd has Nesterov momentum 0.9; network.batchnorm_momentum and train.ema_momentum are those of "
    "the averages": "momentum nesterov",
    "the loss is cross-entropy; train.label_smoothing and class_weight.rule shape it": "loss",
    "TensorFlow chooses the number of threads itself": "num_workers workers",
}
"""What is to be known where no key is what people look for."""

_MEANT = {word: keys.split() for keys, words in CALLED.items() for word in words.split()}
_REMARK = {word: remark for remark, words in REMARKS.items() for word in words.split()}

_DATA_SUFFIXES = (".csv", ".gz", ".zip", ".tsv", ".txt", ".parquet", ".npz", ".npy")
_SETTING = "section.key=value, for example train.epochs=5"


def hint_for_key(key: str, known: Sequence[str], sections: Iterable[str]) -> str:
    """What to say of a key that does not exist; empty where nothing is known.

    Args:
        key: as it was written, dotted.
        known: the dotted keys that exist.
        sections: what stands before a dot in them.
    """
    last = _last(key.lower().replace("-", "_"))
    if last == "class_weight" or (key.startswith("class_weight.") and not _is_name(key)):
        return _WEIGHTS
    meant = [name for name in known if _last(name) == last]
    if not meant and last in _REMARK:
        return _REMARK[last]
    meant = meant or _MEANT.get(last, [])
    if not meant:
        meant = _alike(key, known if "." in key else [*known, *sections])
    if not meant:
        by_last = {_last(name): name for name in known}
        meant = [by_last[name] for name in _alike(last, by_last)]
    return f"did you mean {' or '.join(meant)}?" if meant else ""


def hint_for_section(section: str, value: object) -> str:
    """What to say of a value that was given to a section; empty where no key of it is meant."""
    # What is missing is said before pydantic is needed.
    from ferkeras.config.networks import KINDS

    if not isinstance(value, str):
        return ""
    if section == "network" and value not in KINDS:
        return f"; did you mean network.kind={' or '.join(KINDS)}?"
    key = {"data": "data.path", "network": "network.kind", "output": "output.folder"}.get(section)
    return f"; did you mean {key}={shown(value)}?" if key else ""


def hint_for_value(key: str, value: object, choices: Sequence[str] = ()) -> str:
    """What to say of a value that a key does not take; empty where nothing is known.

    Args:
        key: the dotted key.
        value: what was given.
        choices: the words that it takes, alone or in a list.
    """
    if not isinstance(value, str):
        return ""
    if re.fullmatch(r"[+-]?\d+,\d+(e[+-]?\d+)?", value):
        return f"; the decimal point is a dot: {value.replace(',', '.')}"
    if meant := _alike(value.lower(), choices):
        return f"; did you mean {meant[0]}?"
    plain = for_file_name(value).lstrip("_.-")[:64]
    return f"; for example name={plain}" if key == "name" and plain else ""


def hint_for_word(word: str, known: Sequence[str]) -> str:
    """What to say of a word on the command line that is no `section.key=value`."""
    try:
        there, is_run = Path(word).expanduser().exists(), Path(word, "config.yaml").is_file()
    except (OSError, ValueError, RuntimeError):
        there = is_run = False
    if word.lower().endswith((".yaml", ".yml")) or word in names_of_configs():
        return f"a configuration is named so: --config {shown(word)}"
    if is_run:
        go_on = command_line("fit", "--resume", word)
        return f"this is a run, with which {go_on} goes on; else expected {_SETTING}"
    if there or word.lower().endswith(_DATA_SUFFIXES):
        return f"faces are named so: data.path={shown(word)}"
    if word in known:
        return f"expected a value after it: {word}=..."
    return f"expected {_SETTING}"


def hint_for_option(option: str, value: str | None, known: Sequence[str]) -> str:
    """What to say of an option that does not exist, such as ``--epochs``; empty if nothing is.

    Args:
        option: with its dashes.
        value: what was given with it; None: nothing.
        known: the dotted keys that exist.
    """
    name = option.lstrip("-").lower().replace("-", "_")
    if name in _REMARK:
        return _REMARK[name]
    meant = [key for key in known if name in (key, _last(key))] or _MEANT.get(name, [])
    if name == "data":
        meant = ["data.path"]
    written = " or ".join(f"{key}={'...' if value is None else value}" for key in meant)
    return f"a setting is written without dashes: {written}" if meant else ""


def names_of_configs() -> list[str]:
    """Names of the configurations that come along."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def missing_config(text: str) -> str:
    """What to say of a configuration that is no file and does not come along."""
    names = names_of_configs()
    path = Path(text)
    try:
        beside = [str(each) for each in path.parent.glob("*.y*ml")]
    except (OSError, ValueError):
        beside = []
    near = nearest(text, [*names, *beside], cutoff=_ALIKE)
    hint = f"did you mean {near}? " if near else ""
    return (
        f"--config {quoted(text, 200)}: no such file, and none of that name comes with ferkeras; "
        f"{hint}these do: {', '.join(names)}"
    )


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _is_name(key: str) -> bool:
    return all(part.isidentifier() for part in key.split("."))


def _alike(name: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(names), n=1, cutoff=_ALIKE)
