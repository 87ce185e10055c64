"""The verb `diagnose`: why a training does not learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferkeras.diagnose.program.alarm import DiagnoseOnAlarm
    from ferkeras.diagnose.program.diagnosis import ProgramDiagnosis, diagnose_model

__all__ = ["DiagnoseOnAlarm", "ProgramDiagnosis", "diagnose_model"]


def __getattr__(name: str) -> Any:
    # The command answers `--help` without TensorFlow, which takes seconds to import.
    if name == "DiagnoseOnAlarm":
        from ferkeras.diagnose.program.alarm import DiagnoseOnAlarm

        return DiagnoseOnAlarm
    if name in ("ProgramDiagnosis", "diagnose_model"):
        from ferkeras.diagnose.program import diagnosis

        return getattr(diagnosis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
