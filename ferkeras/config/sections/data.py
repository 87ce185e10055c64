"""The section `data`: which faces, read how, and divided how."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ferkeras.config.section import Rate, Section

Side = Annotated[int, Field(ge=16, le=512)]

_OF_A_SOURCE = ("classes", "size", "color", "group_column", "detect_faces", "votes")
"""Keys that say how a file or a folder is read."""


def _class_name(value: object) -> str:
    """A class, which may be called by its number."""
    if value is None or isinstance(value, (bool, float)):
        raise ValueError(
            f"{'null' if value is None else str(value).lower()} is no class; a class that is "
            "called so stands in quotes"
        )
    return str(value)


class Data(Section):
    """Where the faces come from."""

    path: Annotated[str, Field(min_length=1)] = Field(
        "demo", description="file or folder of faces; demo: synthetic faces, made from the seed"
    )
    demo_faces: int = Field(
        6000, ge=200, le=1_000_000, description="synthetic faces for path=demo, all splits together"
    )
    demo_label_noise: Rate = Field(
        0.03, description="fraction of synthetic training faces that get a wrong label"
    )
    classes: str | tuple[str, ...] | dict[str, tuple[str, ...]] | None = Field(
        None,
        description="null: the classes that the data holds; a list keeps only these; a mapping "
        "{new: [old, ...]} renames and merges; fer2013, ferplus, rafdb, affectnet7, affectnet8 or "
        "ckplus says what class indices without names mean",
    )
    size: Side | tuple[Side, Side] | None = Field(
        None,
        description="side of a face in pixels, or [height, width]; null: as the data has it, "
        "pictures 112 at most",
    )
    color: bool | None = Field(
        None, description="faces in colour or grey; null: as most of the data are"
    )
    group_column: str | None = Field(
        None,
        description="column, or array of an .npz, that says who is seen, whom a split keeps on one "
        "side; null: one named person or subject, or folders inside the class folders",
    )
    detect_faces: bool = Field(
        False,
        description="cut the largest face out of each picture that is a whole photograph; pictures "
        "in which none is found are left out, counted and listed",
    )
    votes: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="votes on the faces: FER+'s fer2013new.csv, which goes with path row by row; "
        "columns: the columns of path that are named after the classes, with votes or "
        "probabilities; null: none",
    )
    votes_as: Literal["filter", "soft", "auxiliary"] | None = Field(
        None,
        description="filter: the majority of the votes is the label, and faces without one are "
        "left out; soft: likewise, and their distribution is trained towards; auxiliary: labels "
        "stay, and a second head predicts the votes, in training only; votes",
    )
    folds: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None, description="divide training and validation faces into so many folds; null: do not"
    )
    fold: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="the fold that is validated on, from 1; folds"
    )
    validation_fraction: float = Field(
        0.15, gt=0, lt=0.9, description="fraction held out where the source has no split of its own"
    )
    drop_leaked: bool = Field(
        False,
        description="leave training faces out that are also, pixel for pixel, validation or test "
        "faces",
    )
    cache: bool = Field(True, description="keep what was read, so that the next start is faster")
    follow_symlinks: bool = Field(
        False, description="follow symbolic links that leave the data folder"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _class_indices_are_written_as_text(cls, value: object) -> object:
        if isinstance(value, dict):
            return {
                _class_name(new): tuple(map(_class_name, old))
                if isinstance(old, (list, tuple))
                else (_class_name(old),)
                for new, old in value.items()
            }
        return tuple(map(_class_name, value)) if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _synthetic_faces_are_as_they_are_made(self) -> Self:
        given = [key for key in _OF_A_SOURCE if getattr(self, key)]
        if given and self.path == "demo":
            raise ValueError(
                f"{given[0]}: synthetic faces are 48 x 48 grey ones of FER2013's seven emotions, "
                "on which nobody voted, and no photographs; set data.path"
            )
        return self

    @model_validator(mode="after")
    def _votes_are_used(self) -> Self:
        if self.votes is None:
            if self.votes_as is not None:
                raise ValueError(f"votes_as ({self.votes_as}) needs data.votes, the file of votes")
            return self
        if self.votes_as is None:
            raise ValueError("votes needs data.votes_as: filter, soft or auxiliary")
        names = self.votes != "columns" and self.votes_as != "auxiliary"
        if names and isinstance(self.classes, str):
            raise ValueError(
                f"classes={self.classes} says what class indices mean, and with votes_as="
                f"{self.votes_as} the columns of votes have names; give a list of those to keep, a "
                "mapping, or null"
            )
        return self

    @model_validator(mode="after")
    def _the_fold_is_one_of_them(self) -> Self:
        if self.fold > (self.folds or 1):
            raise ValueError(
                f"fold: {self.fold} is above data.folds, {self.folds}"
                if self.folds
                else f"fold: {self.fold} of how many? set data.folds"
            )
        return self
