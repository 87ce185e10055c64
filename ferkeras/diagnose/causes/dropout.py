"""Dropout settings of a configuration."""

from __future__ import annotations

from ferkeras.config.schema import Config


def dropout_overrides(config: Config, *, conv: float, dense: float) -> dict[str, float]:
    """Values for the dropout keys: none for layers that are not there, none above a ramp's end."""
    rates = {"conv_dropout": conv}
    if config.network.dense_units:
        rates["dense_dropout"] = dense
    ramp = config.schedule.dropout_from_epoch is not None
    return {
        f"network.{name}": min(rate, getattr(config.schedule, f"{name}_end")) if ramp else rate
        for name, rate in rates.items()
    }
