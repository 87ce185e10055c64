"""Packages that only some work needs, and which `pip install ferkeras` therefore leaves out."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from ferkeras.cli.errors import InputError

EXTRAS = {
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "labels": ("cleanlab",),
    "search": ("optuna",),
    "parquet": ("pyarrow",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
}
"""Modules of each extra, as pyproject.toml has it."""


def need_extra(extra: str, purpose: str) -> None:
    """Refuse work for which an extra is needed that is not installed; imports nothing.

    Args:
        extra: one of `EXTRAS`.
        purpose: what it is needed for, as a person asked for it.

    Raises:
        InputError: a package is missing; it names the command that installs it.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{purpose} needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: "
            f"pip install {_wanted(extra, missing)}"
        )


def _wanted(extra: str, missing: list[str]) -> str:
    """What pip is to install: in a copy that is not installed it knows no ferkeras."""
    try:
        distribution("ferkeras")
    except PackageNotFoundError:
        return " ".join(missing)
    return f"'ferkeras[{extra}]'"
