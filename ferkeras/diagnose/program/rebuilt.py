"""The same network with wider layers, or without a pooling over all places, as a program."""

from __future__ import annotations

import copy

import keras

from ferkeras.diagnose.program.optimizers import another_optimizer
from ferkeras.diagnose.program.program import Program

GLOBAL_POOLING = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
)

_MOST_PARAMETERS = 5_000_000

_WIDTHS = {"Dense": "units", "Conv1D": "filters", "Conv2D": "filters"}


def widened(program: Program, times: int) -> Program | None:
    """A program whose hidden layers are so many times as wide; None where it cannot be built.

    Only models that Keras can describe (sequential, functional) are widened.
    """
    model = program.model
    if not isinstance(model, keras.Sequential):
        return None
    last = program.head.last_weighted
    rebuilt = [keras.Input(batch_shape=model.input_shape)]
    for layer in model.layers:
        config = copy.deepcopy(layer.get_config())
        key = _WIDTHS.get(type(layer).__name__)
        if key is not None and layer is not last:
            config[key] *= times
        rebuilt.append(type(layer).from_config(config))
    try:
        wide = keras.Sequential(rebuilt)
    except (ValueError, TypeError):
        return None
    return _as_program(wide, program)


def flattened(program: Program) -> Program | None:
    """A program that keeps all places where its model pools over them; None where there is none.

    Weights are those of the model, but for those of layers that get more inputs. Models that Keras
    cannot describe, and ones that would become very large, are left alone.
    """
    model = program.model
    pooled = [each for each in model.layers if isinstance(each, GLOBAL_POOLING)]
    if not pooled or any(each.keepdims for each in pooled):
        return None

    def rebuilt(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, GLOBAL_POOLING):
            return keras.layers.Flatten(data_format=layer.data_format)
        return type(layer).from_config(layer.get_config())

    try:
        flat = keras.models.clone_model(model, clone_function=rebuilt)
        if not flat.built:
            flat.build(model.input_shape)
    except (ValueError, TypeError, NotImplementedError):
        return None
    if flat.count_params() > max(_MOST_PARAMETERS, model.count_params()):
        return None
    for own, other in zip(model.variables, flat.variables, strict=True):
        if own.shape == other.shape:
            other.assign(own)
    return _as_program(flat, program)


def _as_program(model: keras.Model, program: Program) -> Program:
    """The model with the data, loss and optimizer of another program, and the time left to it."""
    own = program.model
    inner = getattr(own.optimizer, "inner_optimizer", own.optimizer)
    model.compile(loss=own.loss, optimizer=another_optimizer(inner))
    seconds = max(0.0, program.trials.seconds_left)
    result = Program(model, program.train, program.validation, program.fit, seconds)
    result.trials.head_is_wrong = program.trials.head_is_wrong
    result.trials.scale_inputs = program.trials.scale_inputs
    result.trials.undivided = program.trials.undivided
    return result


def places_of(layer: keras.layers.Layer, model: keras.Model) -> int:
    """How often a layer stands in a model's own graph, those of the models in it included.

    0 where it is in none. A layer's own nodes are of every model that it was called in: of each
    step in which a Sequential was built, say.
    """
    graph = getattr(model, "_functional", None) or model
    count = 0
    for node in (
        node for depth in getattr(graph, "_nodes_by_depth", {}).values() for node in depth
    ):
        if node.operation is layer:
            count += 1
        elif isinstance(node.operation, keras.Model):
            count += places_of(layer, node.operation)
    return count


def used_inputs(model: keras.Model) -> set[int]:
    """Identities of the tensors that some layer on the way to the outputs of a model is given."""
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    return {id(each) for node in nodes for each in node.input_tensors}
