"""The report of a check: one table, what to do, one JSON file, pictures."""

from __future__ import annotations

import json
from pathlib import Path

from ferkeras.check_data.check import DataCheck
from ferkeras.check_data.checks.counts import class_counts
from ferkeras.check_data.finding import Level
from ferkeras.check_data.material import Material
from ferkeras.check_data.pictures import draw_pictures
from ferkeras.cli.console import Console
from ferkeras.cli.wording import shown
from ferkeras.files.writing import write_text

_VERDICTS = {
    Level.OK: "Nothing speaks against training on these faces.",
    Level.LOOK: "These faces can be trained on; know what is in them.",
    Level.WRONG: "Training on these faces would be wrong.",
}
_MOST_MESSAGES = 20


def print_check(checked: DataCheck, console: Console) -> None:
    """Print the counts, the table of checks, the verdict and what to do."""
    material = checked.material
    console.header(
        f"Faces of {shown(material.read.source)}",
        {
            "faces": f"{len(material.faces):,}",
            **({"read as": material.read.recognised} if material.read.recognised else {}),
            "split": _split(material),
            "fingerprint": material.read.fingerprint[:16],
        },
    )
    if counts := class_counts(material):
        console.class_table(material.faces.classes.names, counts)
    console.table(
        "Checks",
        ["check", "verdict", "found"],
        [[each.check, str(each.level), each.found] for each in checked.findings],
    )
    for message in material.unreadable[:_MOST_MESSAGES]:
        console.print(f"  {message}")
    if len(material.unreadable) > _MOST_MESSAGES:
        console.print(f"  ... all {len(material.unreadable):,} are in the JSON")
    console.print(_VERDICTS[checked.level])
    for finding in sorted(checked.findings, key=lambda each: each.level is not Level.WRONG):
        if finding.advice:
            console.print(f"  {finding.level}: {finding.check}: {finding.advice}")


def _split(material: Material) -> str:
    leaked = material.leaked
    left_out = f", {leaked:,} left out of training as leaked" if leaked else ""
    if material.fold is not None:
        return f"fold {material.fold.number} of {material.fold.of}, as in training{left_out}"
    return ("the source's own" if material.official else "seeded, as in training") + left_out


def write_check(checked: DataCheck, folder: Path) -> None:
    """Write the pictures, and `check_data.json` last, which names them.

    A file name that is not UTF-8 stands in the JSON as `os.fsdecode` gives it, `\\udc..` by byte.
    """
    pictures = draw_pictures(checked, folder)
    content = checked.as_json()
    content["pictures"] = [picture.name for picture in pictures]
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_text(folder / "check_data.json", text.encode("utf-8", "backslashreplace").decode())
