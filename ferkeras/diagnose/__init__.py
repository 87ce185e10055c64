"""The verb `diagnose`: why a training does not learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferkeras.diagnose.program.alarm import DiagnoseOnAlarm
    from ferkeras.diagnose.program.diagnosis import diagnose_model
    from ferkeras.diagnose.program.record import ProgramDiagnosis

__all__ = ["DiagnoseOnAlarm", "ProgramDiagnosis", "diagnose_model"]


def __getattr__(name: str) -> Any:
    # The command answers `--help` without TensorFlow, which takes seconds to import.
    if name == "DiagnoseOnAlarm":
        from ferkeras.diagnose.program.alarm import DiagnoseOnAlarm

        return DiagnoseOnAlarm
    if name == "ProgramDiagnosis":
        from ferkeras.diagnose.program.record import ProgramDiagnosis

        return ProgramDiagnosis
    if name == "diagnose_model":
        from ferkeras.diagnose.program.diagnosis import diagnose_model

        return diagnose_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
