"""How a run was healed: what `environment.json` tells of it, and how a run goes on from there.

The record is written first and in one piece: from then on the run is one with other settings,
whatever else a kill leaves undone. `config.yaml` follows when the training goes on, and checkpoints
up to the recorded number are of the time before.
"""

from __future__ import annotations

import json
from typing import Any

from ferkeras.config.keys import as_yaml, flat
from ferkeras.config.schema import Config
from ferkeras.files.writing import write_json
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, HealingRecord, read_record

START = "network.start_from"


def healed_settings(environment: EnvironmentRecord) -> dict[str, Any]:
    """The keys that healing has changed, with the values that they have since."""
    return {
        change["key"]: change["now"]
        for healing in environment.get("healings", [])
        for change in healing["changes"]
    }


def healings_to_come(environment: EnvironmentRecord, config: Config) -> dict[str, Any]:
    """The keys that healing has changed and `config.yaml` does not have yet, with their values.

    Whatever else stands there was changed since, by whoever asked for more epochs, say.

    Args:
        environment: the record of the run.
        config: as it stands in the run's folder.
    """
    values = json.loads(json.dumps(flat(config)))
    former = {
        (change["key"], json.dumps(change["was"]))
        for healing in environment.get("healings", [])
        for change in healing["changes"]
    }
    return {
        key: value
        for key, value in healed_settings(environment).items()
        if (key, json.dumps(values.get(key))) in former
    }


def record_new_start(run: Run, mean: float, std: float) -> None:
    """Write down that a run which began from another's network has begun anew, by healing.

    Its pixels are standardised by its own faces from then on.

    Raises:
        InputError: `environment.json` is damaged.
    """
    environment = read_record(run.environment, EnvironmentRecord)
    data = {**environment["data"], "mean": mean, "std": std}
    content = {**environment, "data": data, "start_from": None}
    if content != environment:
        write_json(run.environment, content)


def last_change(environment: EnvironmentRecord) -> HealingRecord | None:
    """The last healing that changed anything."""
    changed = [each for each in environment.get("healings", []) if each["changes"]]
    return changed[-1] if changed else None


def add_healing(run: Run, healing: HealingRecord) -> None:
    """Write down what was done about an alarm.

    Raises:
        InputError: `environment.json` is damaged.
    """
    environment = read_record(run.environment, EnvironmentRecord)
    write_json(
        run.environment,
        {**environment, "healings": [*environment.get("healings", []), healing]},
    )


def healing_text(healing: HealingRecord) -> str:
    """Cause, change and where the training went on, in a line."""
    done = (
        f"Changed {changes_text(healing)}; went on {restart_text(healing)}"
        if healing["changes"]
        else "What helps does not fit the good state; went on as it was"
        if any(each["works"] for each in healing["tried"])
        else "Nothing helped; went on as it was"
    )
    return f"epoch {healing['epoch']}: {healing['verdict']} {done}"


def restart_text(healing: HealingRecord) -> str:
    """Where the training went on after a healing that changed something, and at what cost."""
    restored, lost = healing.get("restored", 0), healing.get("lost", 0)
    place = f"from the end of epoch {restored}" if restored else "from the start"
    return f"{place}, {lost} epoch{'' if lost == 1 else 's'} lost"


def changes_text(healing: HealingRecord) -> str:
    """What was changed, for people: ``train.learning_rate from 1.0 to 0.002``."""
    return ", ".join(
        f"{change['key']} from {as_yaml(change['was'])} to {as_yaml(change['now'])}"
        for change in healing["changes"]
    )
