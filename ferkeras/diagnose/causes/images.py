"""Images with nothing on them."""

from __future__ import annotations

from ferkeras.check_data.checks.empty import BLANK_BELOW, stds
from ferkeras.check_data.finding import TOO_MANY
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements


def blank_images(m: Measurements) -> Finding | None:
    """More images with nothing on them than labels that people disagree about."""
    fractions = {
        name: float((stds(faces.images) < BLANK_BELOW).mean())
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
