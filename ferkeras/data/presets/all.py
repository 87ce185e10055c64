"""Every preset, by the name that `data.classes` takes."""

from __future__ import annotations

from ferkeras.data.presets import affectnet, ckplus, fer2013, ferplus, rafdb
from ferkeras.data.presets.preset import Preset

PRESETS: dict[str, Preset] = {
    each.key: each
    for each in (
        fer2013.PRESET,
        ferplus.PRESET,
        rafdb.PRESET,
        affectnet.SEVEN,
        affectnet.EIGHT,
        ckplus.PRESET,
    )
}
