"""What reaches the first convolution."""

from __future__ import annotations

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence

_RANGE = 4.0


def wrong_normalisation(m: Measurements) -> Finding | None:
    """Validation faces that are not standardised by what the network standardises with."""
    mean, std = m.network_input
    if (abs(mean) <= 1 and 1 / _RANGE <= std <= _RANGE) or not is_not_learning(m):
        return None
    return Finding(
        "wrong_normalisation",
        "What reaches the network is not what it standardises for: mean "
        f"{mean:.2g}, std {std:.2g} instead of 0 and 1.",
        (
            Evidence("mean after standardisation", f"{mean:.3g}", "-1 to 1", mean),
            Evidence(
                "standard deviation after standardisation",
                f"{std:.3g}",
                f"{1 / _RANGE:g} to {_RANGE:g}",
                std,
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "give training and validation the same grey values, 0 to 255 as uint8, unscaled: "
                "the network rescales and standardises by itself",
                "mean near 0 and std near 1",
            ),
        ),
        "mean more than one std from 0, or four times too wide or narrow",
        "LeCun et al. 1998, Efficient BackProp, section 4.3",
    )
