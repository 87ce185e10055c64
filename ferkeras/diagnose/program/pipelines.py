"""What a tf.data pipeline does with its rows on the way, read from its graphs and not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

_DRAWING = re.compile(
    r"Random(?!GetKeyCounter|GetAlg|SeedGenerator|Dataset)|Multinomial|TruncatedNormal"
    r"|Stateful(Uniform|StandardNormal)|SampleDistorted"
)
_KEY = "StatelessRandomGetKeyCounter"
"""Makes what numbers are drawn with of a seed, its input."""

_OF_A_GENERATOR = "RngReadAndSkip"

_HANDED_ON = ("Identity", "Cast", "Pack", "Reshape", "ConcatV2", "StridedSlice", "Add", "AddV2")


@dataclass(frozen=True)
class Stage:
    """A function that a pipeline calls for its elements.

    Attributes:
        function: of the program.
        graph: that TensorFlow made of it.
        element: what it is given, as `tf.data.Dataset.element_spec` has it.
        result: what it gives, likewise; of some that is batched behind it.
        cached: whether its results are kept after the first epoch.
    """

    function: Any
    graph: Any
    element: Any
    result: Any
    cached: bool

    @cached_property
    def asks_python(self) -> bool:
        """Whether Python is run for each element."""
        return any("PyFunc" in node.op for node in self._nodes())

    @cached_property
    def draws(self) -> bool:
        """Whether TensorFlow draws numbers in it."""
        return any(_DRAWING.search(node.op) for node in self._nodes())

    @cached_property
    def draws_alike(self) -> bool:
        """Whether all that it draws comes of seeds that are written there, the same each time."""
        operations = {node.op for node in self._nodes()}
        drawing = {each for each in operations if _DRAWING.search(each)}
        if _OF_A_GENERATOR in operations or not all(e.startswith("Stateless") for e in drawing):
            return False
        seeds = [
            (node.input[0], part) for part in self._parts() for node in part if node.op == _KEY
        ]
        return bool(drawing and seeds) and all(_is_written(*each) for each in seeds)

    def drawn_for(self, output: int) -> set[Any] | None:
        """What draws numbers for one of its outputs, as far as it has no seed in common.

        The operations, or their seeds; None where they come of a generator, which may have the
        seed of another.
        """
        found, seen, waiting = set(), set(), [self.graph.outputs[output].op]
        while waiting:
            operation = waiting.pop()
            if operation.name in seen:
                continue
            seen.add(operation.name)
            waiting += [each.op for each in operation.inputs]
            draws = _DRAWING.search(operation.type)
            if operation.type == _KEY or (draws and operation.type.startswith("State")):
                return None
            if draws:
                seeds = tuple(operation.get_attr(name) for name in ("seed", "seed2"))
                found.add(seeds if any(seeds) else operation.name)
        return found

    def _parts(self) -> Iterator[list[Any]]:
        graph = self.graph.as_graph_def()
        yield list(graph.node)
        for each in graph.library.function:
            yield list(each.node_def)

    def _nodes(self) -> Iterator[Any]:
        for part in self._parts():
            yield from part


def stages_of(data: Any) -> list[Stage]:
    """Functions of a pipeline, the first one that a row meets at the end; none of other data."""
    found: list[Stage] = []
    waiting = [(data, False)]
    while waiting:
        each, cached = waiting.pop()
        if not isinstance(each, tf.data.Dataset):
            continue
        before = list(each._inputs())
        for wrapper in each._functions():
            found.append(
                Stage(
                    wrapper._func,
                    wrapper.function.graph,
                    before[0].element_spec if before else None,
                    each.element_spec,
                    cached,
                )
            )
        kept = cached or type(each).__name__ == "CacheDataset"
        waiting += [(source, kept) for source in before]
    return found


def _is_written(name: str, nodes: list[Any]) -> bool:
    """Whether a value is made of constants alone."""
    known = {node.name: node for node in nodes}
    waiting = [name]
    while waiting:
        node = known.get(waiting.pop().split(":")[0].lstrip("^"))
        if node is None or node.op not in (*_HANDED_ON, "Const"):
            return False
        waiting += node.input
    return True
