"""A setting without which the same training learns more: found by trials in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ferkeras.diagnose.causes.capacity import has_narrow_layer, is_narrow, too_small, wider
from ferkeras.diagnose.causes.regularisation import WORDS, as_ended, off, suspected, too_much
from ferkeras.diagnose.causes.signal import begins_slowly, first_layers_too_slow
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_behind
from ferkeras.diagnose.trial import Trial, gains, teaches_more

_NOISE = 0.05
"""Two and a half standard errors of kappa on 1,500 faces."""

_FAR = 5.0
"""Largest class weight by smallest that no recommended rule comes to: FER2013's square roots have
4.1."""

Tell = Callable[[Measurements, Trial, Trial], Finding]


class _Setting(NamedTuple):
    """Settings without what is suspected, what is said where they learn more, and whether it is far
    from any recommended one."""

    without: dict[str, Any]
    tell: Tell
    far: bool = False


def held_back(m: Measurements) -> Finding | None:
    """The network knows more without one of its settings.

    Each setting that could hold it back is taken away alone, in as many steps from the same start;
    the one whose absence gains most is named, if it gains from other random weights too, and in
    the mean of both starts clearly. A network that knows more than linear regression is asked only
    about settings that are far from any recommended one, of which less has to be shown.
    """
    settings = _settings(m)
    if not settings:
        return None
    with_it = m.trial(as_ended(m))
    trials = [m.trial(as_ended(m) | setting.without) for setting in settings]
    best = max(range(len(trials)), key=lambda at: trials[at].on_validation)
    if not teaches_more(with_it, trials[best]):
        return None
    # So few steps end otherwise from other weights: it has to gain there too.
    again = as_ended(m) | {"seed": (m.case.config.seed + 1) % 2**31}
    before, after = m.trial(again), m.trial(again | settings[best].without)
    mean_before = (with_it.on_validation + before.on_validation) / 2
    mean_after = (trials[best].on_validation + after.on_validation) / 2
    noise = _NOISE / 2 if settings[best].far else _NOISE
    if not (teaches_more(before, after) and gains(mean_before, mean_after, noise)):
        return None
    pairs = ((with_it, trials[best]), (before, after))
    if settings[best].tell is _weighted and _helps_the_rare(pairs):
        return None
    return settings[best].tell(m, with_it, trials[best])


def is_far_from_usual(m: Measurements) -> bool:
    """Whether class weights correct rare classes more than any recommended rule does, or a layer is
    narrower than any that is known to do.

    What that costs shows in more steps than others' trials have, also where the network learns.
    """
    return _weights_are_far(m) or has_narrow_layer(m)


def _settings(m: Measurements) -> list[_Setting]:
    config, behind = m.case.config, is_behind(m)
    found = [
        _Setting(off(name, config), lambda *trials, name=name: _regularised(name, *trials))
        for name in suspected(m)
        if behind
    ]
    if _corrects(m) and (behind or _spread(m) > _FAR):
        found.append(_Setting(_UNWEIGHTED, _weighted, _weights_are_far(m)))
    if behind and begins_slowly(m):
        found.append(_Setting({"network.first_layer_rate": 1.0}, _slow))
    if (behind and is_narrow(m)) or has_narrow_layer(m):
        found.append(_Setting(wider(m), _narrow, has_narrow_layer(m)))
    return found


_UNWEIGHTED = {"class_weight.rule": "none", "train.sampler": "shuffle"}


def _weighted(m: Measurements, before: Trial, after: Trial) -> Finding:
    config = m.case.config
    return Finding(
        "rare_classes_overweighted",
        "Correcting for rare classes costs more than it brings: without it the same steps teach "
        f"{_times(before, after)}.",
        (
            *_pair(before, after, "class weights and balanced sampler"),
            Evidence(
                "largest class weight by smallest",
                f"{_spread(m):.1f}",
                "at most about 2, as the cube-root rule between its caps has it",
                _spread(m),
            ),
        ),
        (
            Remedy("take the correction away", "as in the trial", _UNWEIGHTED),
            Remedy(
                "correct gently: cube-root weights with caps",
                "most of the gain, and rare classes still count",
                {
                    "train.sampler": "shuffle",
                    "class_weight.rule": "cube_root",
                    "class_weight.min": 0.7,
                    "class_weight.max": 1.3,
                },
            )
            if config.class_weight.rule != "cube_root"
            else Remedy(
                "lower class_weight.max", "rare classes still count", {"class_weight.max": 1.3}
            ),
        ),
        _REASON,
        "Cui et al. 2019, Class-balanced loss; the analysis that ferkeras began with, no. 3",
    )


def _narrow(m: Measurements, before: Trial, after: Trial) -> Finding:
    return too_small(m, after, before)


def _slow(m: Measurements, before: Trial, after: Trial) -> Finding:
    return first_layers_too_slow(m, *_pair(before, after, "network.first_layer_rate"))


def _helps_the_rare(pairs: Sequence[tuple[Trial, Trial]]) -> bool:
    """Whether a correction raises the mean recall of the classes, which is what it is for."""
    return sum(after.balanced - before.balanced for before, after in pairs) < 0


def _corrects(m: Measurements) -> bool:
    config = m.case.config
    return config.class_weight.rule != "none" or config.train.sampler == "balanced"


def _weights_are_far(m: Measurements) -> bool:
    return m.case.config.class_weight.rule != "none" and _spread(m) > _FAR


def _spread(m: Measurements) -> float:
    weights = list(m.case.setup.balance.effective.values())
    return max(weights) / max(min(weights), 1e-9)


def _regularised(name: str, m: Measurements, before: Trial, after: Trial) -> Finding:
    return too_much(
        name,
        m,
        _pair(before, after, WORDS[name]),
        f"without it the same steps teach {_times(before, after)}",
        f"skill {after.on_validation:.2f}",
        _REASON,
    )


def _pair(before: Trial, after: Trial, what: str) -> tuple[Evidence, ...]:
    return (
        Evidence(
            f"skill on validation faces after {after.steps} steps without {what}",
            f"{after.on_validation:.2f}",
            f"about {before.on_validation:.2f}, that after as many steps with it",
            after.on_validation,
        ),
    )


def _times(before: Trial, after: Trial) -> str:
    if before.on_validation < _NOISE:
        return f"skill {after.on_validation:.2f} in place of {before.on_validation:.2f}"
    return f"{after.on_validation / before.on_validation:.1f} times as much"


_REASON = (
    "a quarter more in the same steps, in the mean of two starts, and more than noise from each"
)
