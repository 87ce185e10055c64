"""Images with nothing on them that could be learned."""

from __future__ import annotations

import numpy as np

from ferkeras.check_data.checks.empty import BLANK_BELOW, stds
from ferkeras.check_data.finding import TOO_MANY
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import CHANCE
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence

LIKE_A_PICTURE = 0.5
"""Correlation of neighbouring pixels below which an image is none of anything: half of what is
seen is then noise. FER2013's faces have 0.90, one in a hundred less than 0.77."""

SHARP = 0.02
"""Detail below which an image is blurred, a tenth of a sharp face's; see
`ferkeras.diagnose.pixels.detail`."""


def _blank(images: np.ndarray, m: Measurements) -> np.ndarray:
    pale = stds(images) < BLANK_BELOW
    if pale.mean() <= TOO_MANY or images[pale].max() <= 1 or m.reference.above_chance < CHANCE:
        return pale
    return stds(images) == 0


def scrambled_images(m: Measurements) -> Finding | None:
    """Images whose neighbouring pixels have nothing to do with each other."""
    worst = min(m.neighbours, key=m.neighbours.__getitem__)
    if m.neighbours[worst] >= LIKE_A_PICTURE:
        return None
    both = all(value < LIKE_A_PICTURE for value in m.neighbours.values())
    return Finding(
        "scrambled_images",
        f"The {'' if both else worst + ' '}images are no pictures: neighbouring pixels are not "
        "alike, as in noise or where pixels stand in a wrong order.",
        tuple(
            Evidence(
                f"correlation of neighbouring pixels in {name} images, median",
                f"{value:.2f}",
                f"above {LIKE_A_PICTURE:g}; 0.9 in photographs of faces",
                value,
            )
            for name, value in m.neighbours.items()
        ),
        (
            Remedy(
                "look at the mosaics of python -m ferkeras.check_data, and read the images anew "
                "from where they came from: rows by columns, in the order of the file, without "
                "added noise",
                "the network sees faces",
            ),
        ),
        "below 0.5, more than half of an image's variance is noise",
        "Field 1987, Relations between the statistics of natural images and the response "
        "properties of cortical cells",
    )


def blurred_images(m: Measurements) -> Finding | None:
    """Images of which hardly more than the light and the shade is left, and nothing is learned."""
    worst = min(m.detail, key=m.detail.__getitem__)
    if m.detail[worst] >= SHARP or not is_not_learning(m):
        return None
    both = all(value < SHARP for value in m.detail.values())
    return Finding(
        "blurred_images",
        f"The {'' if both else worst + ' '}images are blurred: nothing is on them that is finer "
        "than an eighth of their side.",
        (
            *(
                Evidence(
                    f"detail of {name} images: variance that is gone at 8 x 8 pixels, median",
                    f"{value:.1%}",
                    f"above {SHARP:.0%}; about 20% for sharp faces",
                    value,
                )
                for name, value in m.detail.items()
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "look at the mosaics of python -m ferkeras.check_data, and read the images anew "
                "from where they came from, without blur and not from thumbnails",
                "eyes, brows and mouths that can be told apart",
            ),
        ),
        "a tenth of the detail that faces have; by then mouths and brows are gone",
        "Field 1987, Relations between the statistics of natural images and the response "
        "properties of cortical cells",
    )


def blank_images(m: Measurements) -> Finding | None:
    """More images with nothing on them than labels that people disagree about.

    Images of little contrast that a simple classifier reads do show something; but for those of 0
    and 1, which were scaled where grey values were expected.
    """
    fractions = {
        name: float(_blank(np.asarray(faces.images), m).mean())
        for name, faces in (("training", m.train), ("validation", m.validation))
    }
    worst = max(fractions, key=fractions.__getitem__)
    if fractions[worst] <= TOO_MANY:
        return None
    return Finding(
        "blank_images",
        f"{fractions[worst]:.0%} of the {worst} images show nothing, so their labels mean nothing.",
        tuple(
            Evidence(
                f"{name} images with a standard deviation below {BLANK_BELOW:g} of 255",
                f"{fraction:.1%}",
                f"at most {TOO_MANY:.0%}",
                fraction,
            )
            for name, fraction in fractions.items()
        ),
        (
            Remedy(
                "remove these images, or read them anew from where they came from (grey values 0 "
                "to 255, not 0 to 1); python -m ferkeras.check_data lists them",
                "the network sees faces",
            ),
        ),
        "people agree with FER2013's labels within 5%; a defect larger than that drowns them",
        "Goodfellow et al. 2013, Challenges in representation learning",
    )
