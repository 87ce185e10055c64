"""How often `ablate` claims a difference where there is none, and how often it finds one.

  PYTHONPATH=. python benchmarks/ablation_coverage.py --ablations 200 --json coverage.json

Simulates the predictions of trainings, not the trainings. Each face has its own difficulty and each
arm its own taste of faces; each seed and each training shift the skill; the noise of a training on
a face is its own. The size of all of these is that of small networks on FER2013: an accuracy of
about 64 %, two trainings with other seeds disagree on about a quarter of the faces, and their
accuracies have a standard deviation of about 1.3 points. Then everything is judged by the code that
judges real ablations (`ferkeras.study.effects`), and by a percentile bootstrap over faces and seeds
with nothing corrected, for comparison. An ablation in which anything at all is called better or
worse in any of the four measures counts as claimed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.ablate.ablation import Cell, widest
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.metrics.bootstrap import resample
from ferkeras.metrics.predictions import Predictions
from ferkeras.study.effects import Comparison, Measured, effects

PRIOR = (0.13, 0.02, 0.14, 0.25, 0.17, 0.12, 0.17)
SCENARIOS: dict[str, dict[str, Any]] = {
    "5 variants, 3 seeds": {},
    "5 variants, 2 seeds": {"seeds": 2},
    "5 variants, 5 seeds": {"seeds": 5},
    "one variant, 3 seeds": {"arms": 2},
    "one variant spreads four times as much": {"wild": 4.0},
    "each seed has faces of its own": {"own_faces": True},
    "one variant is 3 points better": {"shift": 0.17},
    "one variant, --hours for 24 trainings": {"arms": 2, "seeds": 12, "trainings": 24},
    "3 variants, --hours for 24 trainings": {"arms": 4, "seeds": 10, "trainings": 24},
}


def main() -> int:
    """Run the benchmark; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ablations", type=int, default=200, help="of each kind")
    parser.add_argument("--faces", type=int, default=600, help="validation faces")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds with this in their name")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    rows = []
    print(f"{'':40} claimed falsely  naively  intervals that hold 0  found")
    for name, settings in SCENARIOS.items():
        if arguments.only not in name:
            continue
        row = measure(arguments.ablations, arguments.faces, arguments.seed, settings)
        rows.append({"scenario": name, "ablations": arguments.ablations, **row})
        found = "" if row["found"] is None else f"{row['found']:.1%}"
        print(
            f"{name:40} {row['claimed']:15.1%}  {row['naive']:7.1%}  {row['covered']:21.1%}  "
            + found,
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def measure(ablations: int, faces: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Simulate ablations of one kind; count."""
    rng = np.random.default_rng(seed)
    claimed = naive = found = 0
    covered = []
    better = "variant 1" if settings.get("shift") else None
    begun = time.monotonic()
    for _ in range(ablations):
        simulated = {key: value for key, value in settings.items() if key != "trainings"}
        arms = simulate(rng, faces, **simulated)
        comparisons = [Comparison(a, a, "base", "variant") for a in arms if a != "base"]
        if "trainings" in settings:
            arms = within_budget(arms, comparisons, settings["trainings"])
        judged = effects(arms, comparisons, resamples=300)
        null = [e for e in judged if e.comparison.arm != better]
        claimed += any(e.verdict in ("better", "worse") for e in null)
        found += any(
            e.comparison.arm == better and e.key == "accuracy" and e.verdict == "better"
            for e in judged
        )
        covered += [e.low <= 0 <= e.high for e in null if e.key != "epochs_to_half"]
        naive += any(
            naively(arms[c.arm], arms["base"], rng) for c in comparisons if c.arm != better
        )
    return {
        "claimed": claimed / ablations,
        "naive": naive / ablations,
        "covered": float(np.mean(covered)),
        "found": found / ablations if better else None,
        "seconds": time.monotonic() - begun,
    }


def within_budget(
    arms: dict[str, dict[int, Measured]], comparisons: list[Comparison], trainings: int
) -> dict[str, dict[int, Measured]]:
    """The runs that `ablate --hours` makes of so many trainings, two seeds of every arm first."""
    there = {Cell(arm, seed) for arm in arms for seed in range(2)}
    while True:
        made = {
            arm: {seed: run for seed, run in runs.items() if Cell(arm, seed) in there}
            for arm, runs in arms.items()
        }
        wanted = [
            cell
            for cell in widest(effects(made, comparisons, resamples=100), there)
            if cell.seed in arms[cell.arm]
        ]
        if not wanted or len(there) + len(wanted) > trainings:
            return made
        there.update(wanted)


def simulate(
    rng: np.random.Generator,
    faces: int,
    arms: int = 6,
    seeds: int = 3,
    shift: float = 0.0,
    wild: float = 1.0,
    own_faces: bool = False,
) -> dict[str, dict[int, Measured]]:
    """The runs of one ablation."""
    names = ["base", *(f"variant {n}" for n in range(1, arms))]
    shared = [_faces(rng, faces, names) for _ in range(seeds if own_faces else 1)]
    of_seed = rng.normal(0, 0.03, seeds)
    runs: dict[str, dict[int, Measured]] = {name: {} for name in names}
    for name in names:
        spread = 0.035 * (wild if name == "variant 1" else 1.0)
        for seed in range(seeds):
            at = seed if own_faces else 0
            labels, difficulty, taste = shared[at]
            skill = 1.85 + of_seed[seed] + rng.normal(0, spread)
            skill += shift if name == "variant 1" else 0.0
            logits = difficulty + taste[name] + rng.normal(0, 0.4, difficulty.shape)
            logits[np.arange(faces), labels] += skill
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            predictions = Predictions(shares.astype(np.float32), labels, FER2013.classes)
            runs[name][seed] = Measured(predictions, str(at), float(rng.integers(4, 8)), False)
    return runs


def _faces(
    rng: np.random.Generator, count: int, names: list[str]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Labels, how hard each face is by class, and each arm's own taste."""
    labels = rng.choice(len(PRIOR), count, p=PRIOR).astype(np.int32)
    taste = {name: rng.normal(0, 0.2, (count, len(PRIOR))) for name in names}
    return labels, rng.normal(0, 1, (count, len(PRIOR))), taste


def naively(arm: dict[int, Measured], base: dict[int, Measured], rng: np.random.Generator) -> bool:
    """Whether a percentile bootstrap over seeds and faces calls the accuracy different."""
    draws = 300
    pairs = [
        resample(arm[s].predictions, draws, seed=s)["accuracy"]
        - resample(base[s].predictions, draws, seed=s)["accuracy"]
        for s in arm.keys() & base.keys()
    ]
    chosen = rng.integers(0, len(pairs), (draws, len(pairs)))
    means = np.take_along_axis(np.stack(pairs, axis=1), chosen, axis=1).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return bool(not low <= 0 <= high)


if __name__ == "__main__":
    sys.exit(main())
