"""Folders of the repository that lie inside the package where it is installed; else pyproject.toml.

`callbacks/`, `configs/` and `saved_models/` stand at the top of the repository, for people;
site-packages gets nothing but `ferkeras`.
"""

from setuptools import find_packages, setup

INSIDE = {f"ferkeras.{name}": name for name in ("callbacks", "configs", "saved_models")}

setup(packages=sorted({*find_packages(include=["ferkeras*"]), *INSIDE}), package_dir=INSIDE)
