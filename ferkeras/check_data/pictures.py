"""Pictures of a source of faces: each class, the mean face of each, and what the checks found."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ferkeras.check_data.check import DataCheck
from ferkeras.check_data.finding import Exhibit
from ferkeras.check_data.material import SPLITS, Material
from ferkeras.data.selection import blocks, select
from ferkeras.report.palette import THIRD, TRAIN, VALIDATION
from ferkeras.report.pictures import draw_mosaic

_OF_EACH = 40
_COLUMNS = 10
_GAP = 2
_MOST_COLUMNS = 16
_COLORS = dict(zip(SPLITS, (TRAIN, VALIDATION, THIRD), strict=True))
_COLOR_NAMES = dict(zip(SPLITS, ("blue", "orange", "green"), strict=True))


def draw_pictures(checked: DataCheck, folder: Path) -> list[Path]:
    """Draw the pictures of the checks.

    Args:
        checked: what was found.
        folder: where the pictures go; it exists.

    Returns:
        The files written.
    """
    material = checked.material
    written = [_draw_means(material, folder)]
    written += [
        _draw_class(material, label, folder)
        for label in range(len(material.faces.classes))
        if (material.faces.labels == label).any()
    ]
    written += [_draw_exhibit(exhibit, material, folder) for exhibit in checked.exhibits]
    return written


def _draw_class(material: Material, label: int, folder: Path) -> Path:
    """Some faces of a class, chosen at random, equally many from each split."""
    rng = np.random.default_rng(0)
    splits = material.present()
    chosen = []
    counts = []
    for split in splits:
        members = material.members(split)
        members = members[material.faces.labels[members] == label]
        counts.append(f"{len(members):,} {split} ({_COLOR_NAMES[split]})")
        chosen.append(np.sort(rng.permutation(members)[: _OF_EACH // len(splits)]))
    index = np.concatenate(chosen)
    name = material.faces.classes[label]
    path = folder / f"class_{label}_{safe_name(name)}.png"
    draw_mosaic(
        material.faces.images[index],
        [material.short_place(i) for i in index],
        path,
        columns=_COLUMNS,
        title=f"{name}: {', '.join(counts)}; {len(index)} at random",
        colors=[_COLORS[material.split_of(i)] for i in index],
    )
    return path


def safe_name(name: str) -> str:
    """A class name as part of a file's name: letters, digits, dash and underscore."""
    return re.sub(r"[^\w-]+", "_", name)[:40]


def _draw_means(material: Material, folder: Path) -> Path:
    """The mean face of each class, a row for each split: rows that differ tell of labels."""
    images, captions, colors = [], [], []
    for split in material.present():
        members = material.members(split)
        labels = material.faces.labels[members]
        for label, name in enumerate(material.faces.classes):
            of_class = members[labels == label]
            images.append(_mean(material, of_class))
            captions.append(f"{name}\n{split} {len(of_class):,}")
            colors.append(_COLORS[split])
    path = folder / "mean_faces.png"
    draw_mosaic(
        np.array(images),
        captions,
        path,
        columns=min(len(material.faces.classes), _MOST_COLUMNS),
        title="Mean face of each class",
        colors=colors,
    )
    return path


def _mean(material: Material, index: np.ndarray) -> np.ndarray:
    if not len(index):
        return np.full(material.faces.images.shape[1:], 255, np.uint8)
    of_class = select(material.faces.images, index)
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks(of_class)) / len(index)
    # Means are pale: stretched, so that they can be distinguished.
    low, high = mean.min(), mean.max()
    return ((mean - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def _draw_exhibit(exhibit: Exhibit, material: Material, folder: Path) -> Path:
    images = material.faces.images
    pairs = exhibit.faces.ndim == 2
    if pairs:
        upper, lower = images[exhibit.faces[:, 0]], images[exhibit.faces[:, 1]]
        gap = np.full((len(upper), _GAP, *images.shape[2:]), 255, np.uint8)
        shown = np.concatenate([upper, gap, lower], axis=1)
    else:
        shown = images[exhibit.faces]
    path = folder / f"{exhibit.name}.png"
    draw_mosaic(
        shown,
        exhibit.captions,
        path,
        columns=_COLUMNS,
        title=exhibit.title,
    )
    return path
