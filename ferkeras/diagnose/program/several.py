"""A model of several outputs, or of one that has a name, examined as the model of one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.models import Functional

from ferkeras.cli.errors import InputError
from ferkeras.diagnose.program.comparison import CLEAR, told
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import are_batches, batches_of, read_material
from ferkeras.diagnose.program.optimizers import another_optimizer
from ferkeras.diagnose.program.prepared import has_own_step
from ferkeras.diagnose.program.program import Fit, Program
from ferkeras.diagnose.program.rebuilt import used_inputs
from ferkeras.diagnose.program.spy import Watch
from ferkeras.diagnose.program.trial import Trial
from ferkeras.diagnose.program.untouched import untouched


def outputs_of(model: keras.Model) -> list[str]:
    """Names of the outputs of a functional model that has several, or one in a dict; empty for any
    other."""
    try:
        outputs = model.output
    except (AttributeError, ValueError):
        return []
    if isinstance(outputs, Mapping):
        return [str(name) for name in outputs]
    if isinstance(outputs, (list, tuple)) and len(outputs) > 1:
        return [str(name) for name in model.output_names]
    return []


def functional(model: keras.Model, train: Any) -> keras.Model:
    """A subclass that returns its one output by name, as a functional model of the same weights.

    Any other model is given back as it is, and one whose data cannot be read again. Of several
    outputs of a subclass nobody knows which weights each of them needs.

    Args:
        model: compiled; a loss by name is what tells that the output has one.
        train: what `fit` is given.
    """
    if isinstance(model, (Functional, keras.Sequential)) or not _has_a_name(model.loss):
        return model
    if not _can_be_read_again(train) or has_own_step(model):
        return model
    inputs = keras.tree.map_structure(_input_like, _first_inputs(train))
    outputs = model(inputs)
    if not _has_a_name(outputs):
        return model
    whole = keras.Model(inputs, dict(outputs))
    metrics = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None)
    whole.compile(another_optimizer(model.optimizer), model.loss, metrics=metrics)
    return whole


def _has_a_name(output: Any) -> bool:
    return isinstance(output, Mapping) and len(output) == 1


def _first_inputs(train: Any) -> Any:
    """What the model is called with, or how it is specified: leaves of shape (N, ...)."""
    if isinstance(train, tf.data.Dataset):
        return train.element_spec[0]
    return train[0][0] if isinstance(train, keras.utils.PyDataset) else train[0]


def _input_like(each: Any) -> Any:
    if not isinstance(each, tf.TensorSpec):
        each = np.asarray(each)
        if each.dtype.kind in "OSU":
            return keras.Input(each.shape[1:], dtype="string")
    return keras.Input(tuple(each.shape[1:]), dtype=each.dtype.name)


class OneOutput:
    """One output of a model, with its loss, its metrics and its labels.

    Args:
        model: functional, compiled.
        name: of the output.

    Raises:
        InputError: there is no such output, or it is compiled without a loss.
    """

    def __init__(self, model: keras.Model, name: str) -> None:
        names = outputs_of(model)
        if name not in names:
            raise InputError(f"output: there is no {name!r}; the model has {', '.join(names)}")
        self._name, self._at = name, names.index(name)
        loss = self._of(model.loss)
        if loss is None:
            raise InputError(f"output: {name} is compiled without a loss; nothing trains it")
        compiled = getattr(model, "_compile_metrics", None)
        metrics = self._of(getattr(compiled, "_user_metrics", None))
        self.whole = model
        self._kept = _reached(model, self._of(model.output))
        self.model = keras.Model(self._inputs(model.input), self._of(model.output))
        self.model.compile(
            another_optimizer(model.optimizer),
            loss,
            metrics=None if metrics is None else keras.tree.flatten(metrics),
        )

    def data(self, data: Any) -> Any:
        """What `fit` is given, with the labels of this output alone."""
        if _are_arrays(data):
            return self._batch(*data)
        if isinstance(data, tf.data.Dataset):
            return data.map(self._batch)
        return _Picked(data, self)

    def held_back(
        self, train: Any, fit: Mapping[str, Any], alone: Trial, seconds: float
    ) -> ProgramFinding | None:
        """What outweighs it, where it learns alone and not in as many steps of the whole model.

        Args:
            train: what `fit` of the whole model is given.
            fit: how it is called.
            alone: a brief training of this output.
            seconds: for the same steps of the whole model.
        """
        arrays = _are_arrays(train)
        if not _can_be_read_again(train) or has_own_step(self.whole):
            # What can be read once is gone; a step of its own may weigh the outputs as it likes.
            return None
        program = Program(self.model, read_material(self.data(train)), None, Fit(), seconds)
        whole = keras.Model(self.whole.input, self.whole.output)
        weights = getattr(self.whole._compile_loss, "_user_loss_weights", None)
        whole.compile(
            another_optimizer(self.whole.optimizer), self.whole.loss, loss_weights=weights
        )
        watch = Watch(alone.steps, seconds)
        names = ("x", "y", "sample_weight")
        given = dict(zip(names, train, strict=False)) if arrays else {"x": train}
        with untouched(whole):
            history = whole.fit(
                **given,
                batch_size=fit["batch_size"] if arrays else None,
                shuffle=arrays and fit["shuffle"],
                steps_per_epoch=fit["steps_per_epoch"],
                epochs=alone.steps,
                callbacks=[watch],
                verbose=0,
            ).history
            rows = program.judged_rows(len(alone.rows))
            predicted = program.forward.predict(rows, program.train.x)
            accuracy, skill = program.answers.judge(rows, predicted, False)
        if (
            watch.steps < alone.steps / 2
            or skill > 0.6 * alone.skill
            or alone.skill - skill < CLEAR
        ):
            return None
        losses = {
            name: abs(history[f"{name}_loss"][0])
            for name in outputs_of(self.whole)
            if f"{name}_loss" in history
        }
        largest = max(losses, key=losses.__getitem__, default="another")
        share = losses.get(self._name, 1.0) / max(losses.get(largest, 1.0), 1e-12)
        shown = ", ".join(f"{name} {loss:.3g}" for name, loss in losses.items())
        return ProgramFinding(
            cause="other_outputs_dominate",
            verdict=f"Together with the other outputs {self._name} does not learn, alone it does: "
            f"the loss of {largest} outweighs its own.",
            evidence=(
                Evidence(
                    f"training rows named rightly, above the majority, after {watch.steps:,} steps "
                    "together; alone",
                    f"{told(skill)}; {told(alone.skill)}",
                    "about the same",
                    skill,
                ),
                Evidence(
                    "loss of each output in the first epoch",
                    shown,
                    "of one size, times loss_weights",
                    losses.get(largest, 0.0),
                ),
            ),
            remedies=(
                CodeRemedy(
                    f"let the loss of {largest} count less, or scale what it predicts",
                    "layers that are trained for every output",
                    code=f"loss_weights={self._weights(weights, largest, share)}",
                    tried=f"alone {alone.accuracy:.1%} of the training rows are right after "
                    f"{alone.steps:,} steps from the same start, {accuracy:.1%} together",
                ),
            ),
            reason="The same model from the same start, trained for all outputs and for one.",
            source="Kendall et al. 2018, Multi-task learning using uncertainty to weigh losses",
            confidence=MEASURED,
        )

    def _weights(self, before: Any, largest: str, share: float) -> Any:
        """Weights of all outputs, in the form that `compile` takes beside its losses."""
        names = outputs_of(self.whole)
        if not isinstance(before, Mapping):
            before = dict(zip(names, before or (), strict=False))
        weights = {name: float(before.get(name) or 1.0) for name in names}
        if largest in weights:
            weights[largest] = float(f"{share * weights[largest]:.0e}")
        by_name = isinstance(self.whole.loss, Mapping) or isinstance(self.whole.output, Mapping)
        return weights if by_name else list(weights.values())

    def _batch(self, x: Any, y: Any = None, weight: Any = None) -> tuple[Any, ...]:
        if y is not None and not isinstance(y, (Mapping, list, tuple)):
            names = outputs_of(self.whole)
            raise InputError(
                f"labels of one output, and the model has {len(names)} outputs "
                f"({', '.join(names)}); expected labels by name, or a list in their order"
            )
        chosen = (self._inputs(x), self._of(y))
        return chosen if weight is None else (*chosen, self._of(weight))

    def _inputs(self, each: Any) -> Any:
        """The inputs that this output may depend on, of all inputs of the model."""
        if self._kept is None:
            return each
        if not isinstance(each, Mapping):
            each = dict(enumerate(each))
            kept = [each[key] for key in self._kept]
            return kept[0] if len(kept) == 1 else kept
        return {key: each[key] for key in self._kept}

    def _of(self, each: Any) -> Any:
        """The part of this output; what is not by output is of all of them."""
        if isinstance(each, Mapping):
            return each.get(self._name)
        if isinstance(each, (list, tuple)):
            return each[self._at]
        return each


def _reached(model: keras.Model, output: Any) -> list[Any] | None:
    """Names or places of the inputs of a model without those that other outputs alone need; None:
    all of them."""
    inputs = model.input
    if not isinstance(inputs, (Mapping, list, tuple)):
        return None
    named = inputs if isinstance(inputs, Mapping) else dict(enumerate(inputs))
    one, whole = (used_inputs(each) for each in (keras.Model(inputs, output), model))
    kept = [key for key, each in named.items() if id(each) in one or id(each) not in whole]
    return None if len(kept) == len(named) else kept


def _are_arrays(data: Any) -> bool:
    return isinstance(data, (tuple, list)) and 2 <= len(data) <= 3 and not are_batches(data)


def _can_be_read_again(data: Any) -> bool:
    return _are_arrays(data) or isinstance(data, (tf.data.Dataset, keras.utils.PyDataset))


class _Picked:
    """Batches of a sequence or an iterable, with the labels of one output."""

    def __init__(self, data: Any, one: OneOutput) -> None:
        self._data, self._one = data, one

    def __iter__(self) -> Iterator[Any]:
        return (self._one._batch(*batch) for batch in batches_of(self._data))

    def __len__(self) -> int:
        return len(self._data)
