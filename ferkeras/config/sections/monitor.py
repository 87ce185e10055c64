"""The section `monitor`: what is looked at while a network is trained, and alarms."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ferkeras.config.section import Count, Fraction, Section


class Monitor(Section):
    """What is monitored, how often, and what an alarm does."""

    per_class_every: Count = Field(5, description="epochs between tables of the classes")
    layer_norms_every: Count = Field(5, description="epochs between gradient norms per layer")
    vanishing_norm: Annotated[float, Field(ge=0)] = Field(
        1e-4, description="warn when the mean gradient norm of an epoch is below this"
    )
    exploding_norm: Annotated[float, Field(gt=0)] = Field(
        100.0, description="warn when the mean gradient norm of an epoch is above this"
    )
    collapse_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="alarm when one class gets this fraction of all validation predictions"
    )
    collapse_action: Literal["warn", "stop", "heal"] = Field(
        "warn",
        description="stop ends the run with exit code 1; heal looks for the cause, tries the "
        "remedies briefly and goes on with the best that helps, from before the collapse or from "
        "the start, also where the run has diverged",
    )
    heal_at_most: Annotated[int, Field(ge=1, le=5)] = Field(
        2, description="how often a cause is looked for and remedies are tried; heal"
    )
    diagnose: bool = Field(
        True,
        description="diagnose the cause, once, when that alarm fires: half a minute to "
        "some minutes, and a page",
    )
    overfit_every: Count = Field(
        5, description="epochs between measurements of accuracy on training faces"
    )
    overfit_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="fraction of the training faces it is measured on, without augmentation"
    )
    overfit_gap: Fraction = Field(
        0.15, description="warn when training accuracy is this far above validation accuracy"
    )
    tensorboard: bool = Field(True, description="write TensorBoard events")
    images_every: Count = Field(
        5, description="epochs between TensorBoard images and weight histograms"
    )
    trackers: tuple[Literal["mlflow", "wandb"], ...] = Field(
        (),
        description="experiment trackers that are told settings, epochs, pictures and the network; "
        "where they are, their own environment variables say",
    )

    @model_validator(mode="after")
    def _vanishing_is_below_exploding(self) -> Self:
        if self.vanishing_norm >= self.exploding_norm:
            raise ValueError(
                f"vanishing_norm={self.vanishing_norm:g} and exploding_norm="
                f"{self.exploding_norm:g}: expected the first to be below the second"
            )
        return self

    @model_validator(mode="after")
    def _what_heals_diagnoses(self) -> Self:
        if self.collapse_action == "heal" and not self.diagnose:
            raise ValueError(
                "collapse_action=heal looks for the cause: set monitor.diagnose=true, or "
                "monitor.collapse_action=warn"
            )
        return self
