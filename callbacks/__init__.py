"""Keras callbacks for classifiers, drop-in for any Keras 3 project."""

from .averaged_weights import AveragedWeights
from .collapse_alarm import Collapse, CollapseAlarm, find_collapse
from .confusion_matrix import ConfusionMatrix
from .cosine import CosineLearningRate, cosine_rate
from .divergence import Diverged, DivergenceGuard
from .gradient_metric import GradientNorms
from .gradient_norms import GradientNormMonitor
from .monitored_model import MonitoredModel
from .overfitting import OverfittingWatch
from .per_class_report import ClassScores, PerClassReport, score_classes
from .plateau import DelayedReduceLROnPlateau
from .publish import PublishVariables
from .ramp import VariableRamp, ramp_value
from .variable_dropout import VariableDropout

__all__ = [
    "AveragedWeights",
    "ClassScores",
    "Collapse",
    "CollapseAlarm",
    "ConfusionMatrix",
    "CosineLearningRate",
    "DelayedReduceLROnPlateau",
    "Diverged",
    "DivergenceGuard",
    "GradientNormMonitor",
    "GradientNorms",
    "MonitoredModel",
    "OverfittingWatch",
    "PerClassReport",
    "PublishVariables",
    "VariableDropout",
    "VariableRamp",
    "cosine_rate",
    "find_collapse",
    "ramp_value",
    "score_classes",
]
