"""The best of a search trained again with other seeds, beside the configuration it began with.

The figure by which it was chosen is too good: it is the best of many, by skill and by luck. With
seeds that the search has not seen, the luck of a seed is no longer on its side. That of the faces
still is where the source names its validation faces, for they have chosen it; with a split that is
drawn from the seed they are others too.
"""

from __future__ import annotations

from ferkeras.ablate.ablation import Ablation
from ferkeras.ablate.plan import plan_variants
from ferkeras.cli.console import Console
from ferkeras.config.file import with_values
from ferkeras.config.idle import idle_keys
from ferkeras.files.inner import InnerPath
from ferkeras.search.space import values_of
from ferkeras.search.study import Search

FOLDER = "confirmation"
BEST = "best"


def confirm(search: Search, console: Console) -> Ablation | None:
    """Train the best and the base with `confirm` further seeds each; None if there is no best.

    Raises:
        Interrupted: a signal came.
    """
    best = search.best()
    if not best or not search.task.confirm:
        return None
    idle = idle_keys(search.config(best[0]))
    values = {
        key: value
        for key, value in values_of(search.space, best[0].params).items()
        if key not in idle
    }
    base = search.base.model_copy(update={"seed": search.base.seed + 1})
    if with_values(base, values) == base:
        console.print("the best is the configuration as it is")
        return None
    InnerPath(search.folder, FOLDER).exists()  # no link
    plan = plan_variants(base, {BEST: values}, search.task.confirm, None)
    ablation = Ablation.begin(search.folder / FOLDER, plan)
    console.print(f"trial {best[0].number} is the best; trained with other seeds, and the base too")
    ablation.work(console)
    return ablation
