"""Keras callbacks for classifiers, drop-in for any compiled Keras 3 model (Keras 3.6 or later).

Labels may be class indices, one-hot, or 0 and 1 (one sigmoid or one logit). Figures of the
validation are published as ``val_...`` in the epochs that have one, as Keras does (NaN where a
prediction is NaN); stand loggers after what publishes (Keras's `CSVLogger` has the columns of the
first epoch alone, and of ``val_...`` those of the metrics). What Keras masks, and labels
that are no index of a class, are not counted.

| callback | reads | publishes |
|---|---|---|
| `AveragedWeights` | the optimizer's ``use_ema=True`` | |
| `CollapseAlarm` | confusion matrix | ``val_collapse_fraction`` |
| `CosineLearningRate` | | |
| `DelayedReduceLROnPlateau` | the monitored key | ``learning_rate`` |
| `DivergenceGuard` | skipped steps, or the loss | |
| `GradientNormMonitor` | a `MonitoredModel` | ``gradient_norm/<layer>`` |
| `OverfittingWatch` | confusion matrix, training samples | ``inference_accuracy`` |
| `PerClassReport` | confusion matrix | ``val_recall/<name>``, precision, f1, predicted |
| `PublishVariables` | variables | the keys it is given |
| `VariableRamp` | the monitored key | its name |

The confusion matrix is that of a compiled `ConfusionMatrix`; where there is none, the callback
adds one for the validation, without compiling anew and without a forward pass of its own. Gradient
norms need one line before compiling, ``model = MonitoredModel(model.inputs, model.outputs)``, and
the TensorFlow backend; everything else works on every backend.
"""

from .averaged_weights import AveragedWeights, average_is_trained, average_is_trained_after
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
    "average_is_trained",
    "average_is_trained_after",
    "cosine_rate",
    "find_collapse",
    "ramp_value",
    "score_classes",
]
