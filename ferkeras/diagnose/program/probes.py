"""The probes, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable

from ferkeras.diagnose.program.causes import (
    adapted,
    attention,
    axes,
    behind_output,
    callback,
    class_weight,
    cut_off,
    divided_again,
    drawn_apart,
    drawn_once,
    former_names,
    hidden,
    hooks,
    inputs,
    label_sense,
    label_values,
    leakage,
    learnt_by_heart,
    loss,
    loss_arguments,
    lost,
    metric,
    mixed_up,
    modes,
    optimizer,
    order,
    output_activation,
    places,
    rate,
    reach,
    reading,
    regularisation,
    scaled_apart,
    schedule,
    shifted,
    state,
    tokens,
    training_step,
    units,
    validation_labels,
    vectors,
    weights,
)
from ferkeras.diagnose.program.finding import ProgramFinding
from ferkeras.diagnose.program.program import Program

Probe = Callable[[Program], ProgramFinding | None]

HEAD: tuple[Probe, ...] = (
    label_values.labels_scaled,
    label_values.labels_ill_defined,
    label_values.rows_without_class,
    units.output_units,
    output_activation.softmax_on_one_unit,
    output_activation.softmax_over_another_axis,
    output_activation.softmax_for_independent_labels,
    output_activation.relu_output,
    output_activation.sigmoid_for_exclusive_classes,
    output_activation.no_output_activation,
    output_activation.activation_doubled,
    loss.wrong_loss,
    loss.loss_rewards_mistakes,
    loss_arguments.loss_arguments_exchanged,
    training_step.step_squashes_twice,
    label_values.labels_out_of_range,
)
"""Labels, loss and the end of the model: what does not fit there makes everything else moot."""

MEASURED: tuple[Probe, ...] = (
    # Rows that are not mixed, or classes that are missing, may come of it.
    hooks.hook_never_called,
    inputs.missing_values,
    inputs.beyond_half_precision,
    tokens.tokens_cut_off,
    tokens.tokens_alike,
    class_weight.classes_without_weight,
    class_weight.class_weights_exchanged,
    class_weight.rows_weigh_next_to_nothing,
    class_weight.class_ignored,
    order.not_shuffled,
    optimizer.optimizer_holds_other_variables,
    optimizer.arguments_shifted,
    optimizer.averages_overwrite_weights,
    optimizer.gradients_gathered_too_long,
    former_names.rate_that_nothing_reads,
    schedule.schedule_ends_too_early,
    schedule.scheduler_ends_too_early,
    rate.learning_rate_zero,
    label_values.class_missing_in_training,
    weights.initialisation,
    weights.weights_in_half_precision,
    metric.wrong_metric,
    metric.metric_contradicts_loss,
    leakage.leakage,
    leakage.column_of_the_labels,
    inputs.channels_first,
    axes.reshaped_not_transposed,
    mixed_up.rows_of_another_width,
    inputs.grey_levels_lost,
    inputs.validation_scaled_otherwise,
    scaled_apart.validation_scaled_by_itself,
    adapted.adapted_to_other_numbers,
    behind_output.dropout_behind_output,
    state.state_of_other_rows,
    attention.attention_mask_inverted,
    modes.random_in_use,
    modes.depends_on_the_batch,
    reach.variables_not_tracked,
    reading.one_batch_over_and_over,
    reading.rows_change_as_they_are_read,
    reading.labels_part_from_rows,
    drawn_once.augmentation_drawn_once,
    drawn_apart.masks_drawn_apart,
    callback.watches_the_wrong_way,
)
"""What can be measured beside it."""

TRIED: tuple[Probe, ...] = (
    inputs.unscaled_inputs,
    divided_again.divided_again,
    reach.frozen_layers,
    vectors.vectors_missing,
    cut_off.normalised_away,
    cut_off.input_unused,
    reach.gradient_does_not_reach,
    label_sense.labels_without_meaning,
    shifted.labels_of_other_steps,
    validation_labels.validation_labels_of_others,
    tokens.padding_behind,
    lost.lost_before_the_weights,
)
"""What a brief training with a change tells of data and layers."""

TIMED: tuple[Probe, ...] = (
    # A lower rate makes both weaker too, and would be named for them.
    regularisation.penalty_too_strong,
    regularisation.too_much_dropout,
    regularisation.too_much_augmentation,
    regularisation.gradients_clipped_away,
    regularisation.weights_held,
    rate.learning_rate_too_high,
    rate.learning_rate_hurts,
    rate.learning_rate_too_low,
    hidden.hidden_activation,
    places.places_dropped,
    rate.too_few_steps,
    modes.running_statistics,
)
"""What it tells of rate, steps and activations; the first that explains it ends the search. Of a
program whose end was wrong they are what remains: its rate was never tried with a right loss."""

LAST: tuple[Probe, ...] = (
    # Of pictures of noise, and of dead units, these are true as well.
    mixed_up.pixels_mixed_up,
    lost.rows_come_out_alike,
    places.order_not_seen,
    learnt_by_heart.learnt_by_heart,
)
"""What is a cause only where nothing else explains it; the first one ends the search."""

OWN: tuple[Probe, ...] = (
    callback.watches_what_is_not_there,
    training_step.training_step_changes_nothing,
    callback.callback_in_the_way,
    training_step.own_training_step,
)
"""What the program's own `fit` does that brief trainings leave out, where these learn."""
