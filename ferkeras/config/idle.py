"""Keys that change nothing, as another key turns off what they belong to.

A file may hold them, so that one key turns all of it on and off; who gives one on a command line,
or in a call, expects that it does something.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ferkeras.cli.errors import InputError
from ferkeras.config.keys import as_yaml
from ferkeras.config.schema import Config

IDLE: tuple[tuple[str, object, str], ...] = (
    ("distill.teachers", (), "distill.weight"),
    ("class_weight.rule", "none", "class_weight.min class_weight.max"),
    (
        "schedule.dropout_from_epoch",
        None,
        "schedule.dropout_over_epochs schedule.conv_dropout_end schedule.dense_dropout_end",
    ),
    (
        "schedule.smoothing_from_epoch",
        None,
        "schedule.smoothing_over_epochs schedule.smoothing_begin schedule.smoothing_end",
    ),
    (
        "schedule.plateau_from_epoch",
        None,
        "schedule.plateau_patience schedule.plateau_factor schedule.plateau_min_learning_rate",
    ),
    ("network.dense_units", (), "network.dense_dropout schedule.dense_dropout_end"),
    ("train.sampler", "shuffle", "train.allow_sampler_with_class_weight"),
    ("monitor.collapse_action", "warn", "monitor.heal_at_most"),
    ("monitor.collapse_action", "stop", "monitor.heal_at_most"),
    ("monitor.tensorboard", False, "monitor.images_every"),
    ("recovery.at_most", 0, "recovery.learning_rate_factor"),
)
"""A key, the value at which it turns something off, and the keys that then change nothing."""


_GATED = ("schedule.dropout_from_epoch", "schedule.smoothing_from_epoch")

SYNTHETIC = ("data.demo_faces", "data.demo_label_noise")
"""Of the synthetic faces, and of no others."""


def refuse_idle(
    config: Config, given: Iterable[str], undecided: Container[str] = frozenset()
) -> None:
    """Refuse keys that somebody gave and that change nothing.

    Args:
        config: the configuration that they led to.
        given: dotted keys.
        undecided: keys that may get another value than they have there.

    Raises:
        InputError: there is one; it names the key that turns it off.
    """
    keys = set(given)
    for key, (switch, off) in idle_keys(config, undecided).items():
        if key in keys:
            raise InputError(
                f"{key}: has no effect while {switch}={as_yaml(off)}; set that too, or leave "
                f"{key} out"
            )
    for key in SYNTHETIC:
        if key in keys and config.data.path != "demo":
            raise InputError(
                f"{key}: has no effect on the faces of data.path={as_yaml(config.data.path)}; it "
                f"is for synthetic faces, data.path=demo; leave {key} out"
            )


def idle_keys(
    config: Config, undecided: Container[str] = frozenset()
) -> dict[str, tuple[str, object]]:
    """Each dotted key that changes nothing, with the key that turns it off and that one's value.

    Args:
        config: the configuration.
        undecided: see `refuse_idle`.
    """
    idle: dict[str, tuple[str, object]] = {
        key: (switch, off)
        for switch, off, keys in IDLE
        if switch not in undecided and _value(config, switch) == off
        for key in keys.split()
    }
    if all(ramp not in undecided and _value(config, ramp) is None for ramp in _GATED):
        idle["schedule.gate_accuracy"] = (_GATED[0], None)
    return idle


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name, ...)
