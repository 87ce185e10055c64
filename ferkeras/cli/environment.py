"""What is said where a package is missing: mostly the environment is another one than was meant."""

from __future__ import annotations

import sys
from pathlib import Path

from ferkeras.cli.invocation import shell_words

_CHECKOUT = Path(__file__).resolve().parents[2]


def is_of_a_package(module: str) -> bool:
    """Whether a module that was not found belongs neither to ferkeras nor to Python itself."""
    package = module.partition(".")[0]
    return package not in ("ferkeras", "callbacks") and package not in sys.stdlib_module_names


def without_package(module: str) -> str:
    """Say in one sentence that a module is missing, and what to do.

    Args:
        module: for which `is_of_a_package` holds.
    """
    package = module.partition(".")[0]
    pip = [sys.executable, "-m", "pip", "install"]
    requirements = _CHECKOUT / "requirements.txt"
    if requirements.is_file():
        install = shell_words([*pip, "-r", requirements])
    else:
        install = shell_words([*pip, "ferkeras"])
    return (
        f"{sys.executable} has no {package}, which ferkeras needs; run the Python of the "
        "environment that ferkeras was installed in (is it active?), or install what is missing: "
        f"{install}"
    )
