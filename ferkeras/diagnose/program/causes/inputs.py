"""Inputs of a size, or in an order of axes, that first weights are not made for."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.comparison import Comparison, told
from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.inputs import SMALLEST
from ferkeras.diagnose.program.labels import shown
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change, Trial, is_kernel

_KNOWN = 0.5
_MAY_BE_WANTED = 0.8
"""Confidence where the pictures may be masks."""

_GAP = 0.25
_LARGEST_HALF = 65504.0
"""Of float16."""

_OTHERWISE = 5.0

_LONGER = 4
"""Times that a picture may be as long as it is high."""


def unscaled_inputs(program: Program) -> ProgramFinding | None:
    """Inputs far from the size of 1, and a training that learns once they are standardised."""
    values, size = program.inputs.first, program.inputs.size
    if values is None or size is None or not program.inputs.unscaled:
        return None
    comparison = program.trials.compared(Change(scaled=True))
    if comparison is None or _learns_in_training(comparison.without[0]):
        return None
    stuck = _stuck(comparison)
    wild = _worse_than_guessing(program, comparison)
    if not comparison.helps and not stuck and not wild:
        return None
    program.trials.scale_inputs = True
    numbers = values.astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    std = float(numbers.std())
    if program.inputs.hardly_varies:
        verdict = f"Inputs reach the first layer as {low:.4g} to {high:.4g}, nearly one value"
        what = "take away what all inputs have in common"
        code = "x = (x - x_train.mean()) / x_train.std()"
        if values.ndim == 4:
            verdict += (
                ": they were scaled twice, or as whole numbers, which begin anew beyond their range"
            )
            what = "scale the pictures once, as fractions"
            code = 'x = x.astype("float32") / 127.5 - 1  # once, of grey values from 0 to 255'
    elif size < SMALLEST:
        what = "scale the inputs once"
        verdict = f"Inputs reach the first layer as {low:.2g} to {high:.2g}: they were scaled twice"
        code = "x = x / 255, in one place"
    else:
        what = "standardise the inputs"
        verdict = f"Inputs reach the first layer unscaled, as {low:.4g} to {high:.4g}"
        code = "x = (x - x_train.mean(0)) / x_train.std(0)"
    if (layer := program.inputs.unadapted) is not None:
        what = f"adapt {layer.name!r} to the training rows before the model is built from it"
        verdict = f"{layer.name!r} was never adapted and changes nothing: inputs pass it unscaled, "
        verdict += f"as {low:.4g} to {high:.4g}"
        code = f"{layer.name}.adapt(x_train)"
    return ProgramFinding(
        cause="unscaled_inputs",
        verdict=f"{verdict}; with a mean of 0 and a standard deviation of 1 the same steps "
        + (
            "learn."
            if comparison.helps
            else "move the weights, which they do not move now."
            if stuck
            else f"end at a loss of {comparison.treated[0].loss():.2g}, not "
            f"{comparison.without[0].loss():.3g}, which is far worse than guessing."
        ),
        evidence=(
            Evidence(
                "size of what reaches the first layer (root of the mean square)",
                f"{size:.3g}",
                "about 1",
                size,
            ),
            Evidence("its standard deviation", f"{std:.3g}", "about 1", std),
            Evidence(
                "training rows named rightly, above the majority, as they are and scaled",
                told(comparison.skill_without),
                told(comparison.skill_with),
                comparison.skill_without,
            ),
        ),
        remedies=(
            CodeRemedy(
                what,
                "weights of the usual size see differences between rows",
                code=code,
                change=Change(scaled=True),
                tried=comparison.words,
            ),
        ),
        reason="Named where the size is off by ten times, or hardly anything varies, and "
        "standardised inputs, with everything "
        "else as it is, make a training learn that does not, or whose loss stays above thrice that "
        "of guessing.",
        source="LeCun et al. 1998, Efficient BackProp, 4.3",
        confidence=comparison.confidence,
    )


def _learns_in_training(trial: Trial) -> bool:
    """Whether rows are known by the statistics of their batch, and only running ones are behind."""
    return trial.training_skill > _KNOWN and trial.training_skill - trial.skill > _GAP


def _worse_than_guessing(program: Program, comparison: Comparison) -> bool:
    """Whether rows are told with a confidence that is wrong as they are, and not once scaled."""
    if program.loss.kind not in ("sparse", "categorical", "binary"):
        return False
    guessing = np.log(max(2, len(program.labels.classes)))
    return all(trial.loss() > 3 * guessing for trial in comparison.without) and all(
        trial.loss() < guessing for trial in comparison.treated
    )


def _stuck(comparison: Comparison) -> tuple[Evidence, ...]:
    """Kernels that no step moves as the inputs are, and every step once they are scaled."""
    without, treated = comparison.without[0], comparison.treated[0]
    kernels = [path for path in without.moved if is_kernel(path)]
    still = [path for path in kernels if without.moved[path] == 0 < treated.moved[path]]
    if not still or without.steps < 10:
        return ()
    return (
        Evidence(
            f"kernels that {without.steps} steps do not move, {still[0]} first",
            f"{len(still)}",
            "none, as with scaled inputs",
            len(still),
        ),
    )


def missing_values(program: Program) -> ProgramFinding | None:
    """Inputs that are no numbers, or no finite ones."""
    numbers = [each for each in program.train.arrays if each.dtype.kind == "f"]
    bad = sum(int((~np.isfinite(each)).sum()) for each in numbers)
    if not bad or _fills_what_is_missing(program, numbers):
        return None
    infinite = sum(int(np.isinf(each).sum()) for each in numbers)
    where = ""
    if len(numbers) == 1 and numbers[0].ndim == 2:
        columns = np.flatnonzero(~np.isfinite(numbers[0]).all(axis=0))
        where = f" in column{'s' * (len(columns) > 1)} {shown(columns)}"
    return ProgramFinding(
        cause="inputs_not_finite",
        verdict=f"{bad:,} input values{where} are NaN or infinite: one of them makes the loss of "
        "its batch NaN, and then every weight.",
        evidence=(
            Evidence("input values that are NaN or infinite", f"{bad:,}", "none", bad),
            Evidence(
                "of them infinite, as of a division by 0 or a logarithm of it",
                f"{infinite:,}",
                "none",
                infinite,
            ),
        ),
        remedies=(
            CodeRemedy(
                "leave such rows out, or fill what is missing",
                "a loss that is a number",
                code="rows = np.isfinite(x).reshape(len(x), -1).all(axis=1); x, y = x[rows], "
                "y[rows]  # or np.nan_to_num(x, posinf=0, neginf=0)",
            ),
        ),
        reason="Every value of the rows that were read is looked at.",
        source="-",
        confidence=PROVEN,
    )


def _fills_what_is_missing(program: Program, numbers: list[np.ndarray]) -> bool:
    """Whether the model answers such rows with numbers, and stays finite when it is trained."""
    whole = np.array([np.isfinite(each.reshape(len(each), -1)).all(axis=1) for each in numbers])
    rows = np.flatnonzero(~whole.all(axis=0))[:256]
    if not np.isfinite(program.forward.predict(rows, program.train.x)).all():
        return False
    trial = program.trials.as_it_is
    return trial is not None and trial.finite


def beyond_half_precision(program: Program) -> ProgramFinding | None:
    """Inputs that are infinite in the precision that the layers compute in."""
    half = [
        layer
        for layer in program.model._flatten_layers(include_self=False)
        if layer.compute_dtype == "float16" and not isinstance(layer, keras.layers.InputLayer)
    ]
    largest = max(
        (float(np.nanmax(np.abs(each))) for each in program.train.arrays if each.dtype.kind == "f"),
        default=0.0,
    )
    if not half or largest <= _LARGEST_HALF:
        return None
    return ProgramFinding(
        cause="inputs_beyond_half_precision",
        verdict=f"Inputs reach {largest:,.0f}, and {half[0].name!r} computes in float16, whose "
        f"largest number is {_LARGEST_HALF:,.0f}: they become infinite, and the loss NaN.",
        evidence=(
            Evidence("largest input", f"{largest:,.0f}", f"below {_LARGEST_HALF:,.0f}", largest),
        ),
        remedies=(
            CodeRemedy(
                "standardise the inputs before the model",
                "numbers that half precision holds",
                code="x = (x - x_train.mean(0)) / x_train.std(0)",
            ),
        ),
        reason="The policy of every layer and the largest input are read.",
        source="Keras documentation: mixed precision, underflow and overflow",
        confidence=PROVEN,
        layer=half[0].name,
    )


def grey_levels_lost(program: Program) -> ProgramFinding | None:
    """Pictures of whole numbers that are zero and one only: scaled, then cast back."""
    material = program.train
    if len(material.arrays) != 1 or material.arrays[0].ndim != 4:
        return None
    pictures = material.arrays[0]
    values = np.unique(pictures[:256])
    if pictures.dtype.kind not in "iu" or len(values) != 2 or values[-1] != 1:
        return None
    basis = program.trials.basis
    # Planes of bits, of which there are as many as kinds of pieces, are 0 and 1 from the beginning.
    if pictures.shape[-1] not in (1, 3, 4) or (basis is not None and program.trials.learns(basis)):
        return None
    share = float(pictures[:256].mean())
    return ProgramFinding(
        cause="grey_levels_lost",
        verdict=f"The pictures are {pictures.dtype} and only 0 and 1: pixels that were scaled to "
        "fractions lose all their levels where they are cast to whole numbers.",
        evidence=(
            Evidence("different values of the pixels", "2", "dozens", 2.0),
            Evidence("pixels that are 1", f"{share:.0%}", "-", share),
        ),
        remedies=(
            CodeRemedy(
                "keep what was scaled as fractions",
                "pictures with all their levels",
                code='x = x.astype("float32") / 255',
            ),
        ),
        reason="The values of some pictures are counted.",
        source="NumPy documentation: astype truncates",
        severity="suspicious",
        confidence=_MAY_BE_WANTED,
    )


def channels_first(program: Program) -> ProgramFinding | None:
    """Pictures whose channels stand first where the layers take them last."""
    material = program.train
    if len(material.arrays) != 1 or material.arrays[0].ndim != 4:
        return None
    shape = material.arrays[0].shape[1:]
    if shape[0] not in (1, 3, 4) or shape[-1] in (1, 3, 4) or shape[0] >= min(shape[1:]):
        return None
    convolutions = [
        layer
        for layer in program.model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Conv2D)
    ]
    if not convolutions or convolutions[0].data_format == "channels_first":
        return None
    # A window of several sensors is as high as 1, and kernels go along it.
    if convolutions[0].kernel_size[0] == 1 or max(shape[1:]) > _LONGER * min(shape[1:]):
        return None
    return ProgramFinding(
        cause="channels_first",
        verdict=f"Inputs of the shape {shape} have their {shape[0]} channels first, but "
        f"{convolutions[0].name!r} takes the last axis for channels.",
        evidence=(
            Evidence("shape of a row", f"{shape}", f"{(*shape[1:], shape[0])}", float(shape[0])),
        ),
        remedies=(
            CodeRemedy(
                "put the channels last",
                "convolutions that see neighbouring pixels",
                code="x = np.moveaxis(x, 1, -1)",
            ),
        ),
        reason="1, 3 or 4 values on the first axis and more on both others, of which neither is "
        f"{_LONGER} times the other, are channels.",
        source="Keras documentation: image_data_format",
        severity="suspicious",
        confidence=MEASURED,
    )


def validation_scaled_otherwise(program: Program) -> ProgramFinding | None:
    """Validation inputs of another size than those that are trained on."""
    held = program.validation
    # Of words one number says nothing of another.
    if held is None or program.inputs.looked_up is not None:
        return None
    sizes = [
        (_size(train), _size(other))
        for train, other in zip(program.train.arrays, held.arrays, strict=False)
    ]
    known = [each for each in sizes if not np.isnan(each).any()]
    train, other = max(known, key=lambda each: abs(np.log(each[1] / each[0])), default=(1.0, 1.0))
    if 1 / _OTHERWISE < other / train < _OTHERWISE:
        return None
    return ProgramFinding(
        cause="validation_scaled_otherwise",
        verdict=f"{'Validation' if other > train else 'Training'} inputs are "
        f"{max(other / train, train / other):,.0f} times as large as those of the other split: "
        "what is learnt from one does not hold for the other.",
        evidence=(
            Evidence(
                "size of the validation inputs (nine in ten numbers are nearer to zero)",
                f"{other:.3g}",
                f"about {train:.3g}, as in training",
                other,
            ),
        ),
        remedies=(
            CodeRemedy(
                "prepare both splits alike; look also at what is done to training rows alone",
                "figures of validation that mean what they say",
                code="x_train, x_val = prepare(x_train), prepare(x_val)",
            ),
        ),
        reason=f"Splits of one source differ by a few percent, not by {_OTHERWISE:g} times.",
        source="Breck et al. 2019, Data validation for machine learning (training-serving skew)",
        severity="suspicious",
        confidence=MEASURED,
    )


def _size(values: np.ndarray) -> float:
    """What nine in ten numbers are nearer to zero than; NaN of what holds no numbers, or zeros.

    A few huge ones, as tables have them, say nothing of how a split was scaled.
    """
    if values.dtype.kind not in "biuf":
        return np.nan
    size = float(np.nanquantile(np.abs(values, dtype=np.float64), 0.9))
    return size if np.isfinite(size) and size > 0 else np.nan
