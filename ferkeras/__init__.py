"""ferkeras: facial-expression classifiers in Keras 3 that do not collapse, or tell why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferkeras.diagnose.program import diagnose_model

__all__ = ["__version__", "diagnose_model"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # TensorFlow takes seconds to import, so it waits until it is needed.
    if name == "diagnose_model":
        from ferkeras.diagnose.program import diagnose_model

        return diagnose_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
