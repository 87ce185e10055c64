"""Why a Keras classifier of somebody else's program does not learn."""

from ferkeras.diagnose.program.diagnosis import ProgramDiagnosis, diagnose_model
from ferkeras.diagnose.program.finding import CodeRemedy, ProgramFinding

__all__ = ["CodeRemedy", "ProgramDiagnosis", "ProgramFinding", "diagnose_model"]
