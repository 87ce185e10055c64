"""Keras callbacks, drop-in for any Keras 3 project (they need Keras, NumPy and scikit-learn)."""

from .averaged_weights import AveragedWeights
from .collapse_alarm import CollapseAlarm
from .cosine import CosineLearningRate
from .divergence import Diverged, DivergenceGuard
from .gradient_norms import GradientNormMonitor
from .overfitting import OverfittingWatch
from .per_class_report import PerClassReport, score_classes
from .plateau import DelayedReduceLROnPlateau
from .publish import PublishVariables
from .ramp import VariableRamp

__all__ = [
    "AveragedWeights",
    "CollapseAlarm",
    "CosineLearningRate",
    "DelayedReduceLROnPlateau",
    "Diverged",
    "DivergenceGuard",
    "GradientNormMonitor",
    "OverfittingWatch",
    "PerClassReport",
    "PublishVariables",
    "VariableRamp",
    "score_classes",
]
