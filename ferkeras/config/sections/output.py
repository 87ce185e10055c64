"""The section `output`: where runs are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from ferkeras.config.section import Section


class Output(Section):
    """Where runs are kept."""

    folder: Annotated[str, Field(min_length=1)] = Field(
        "saved_models", description="each run gets a folder <name>-NNN in it"
    )

    @field_validator("folder")
    @classmethod
    def _home_is_a_folder(cls, value: str) -> str:
        try:
            return str(Path(value).expanduser()) if value.startswith("~") else value
        except RuntimeError as error:
            raise ValueError(f"{error}; write the folder out") from None
