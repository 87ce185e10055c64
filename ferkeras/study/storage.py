"""Where the processes of a study meet: Optuna's store, a file or a database.

A process that dies while it trains is noticed by its heartbeat, and its trial is put back into
the queue, from which any process takes it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ferkeras.cli.errors import InputError
from ferkeras.cli.extras import need_extra
from ferkeras.cli.wording import cannot_read, quoted, shown
from ferkeras.files.inner import InnerPath

if TYPE_CHECKING:
    import optuna

STORE = "study.db"
"""The file, in the folder of a study."""

RUNS = "runs"
"""The folder of its trainings, beside that."""

HEARTBEAT_SECONDS = 10
"""Between two signs of life."""

GRACE_SECONDS = 60
"""Without a sign of life after which a process counts as dead."""

UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RecursionError,
    UserWarning,
)
"""What is raised by code that reads values which it has not written itself, and warnings where
they count as errors."""

_RETRIES = 5
"""Times that a trial is begun again after its process died: one that kills each is left."""

_BUSY_SECONDS = 120

Stored = TypeVar("Stored")


def check_folder(folder: Path) -> None:
    """Refuse a folder for a study that has files of something else, which it might replace.

    Args:
        folder: need not exist; one in which a study was begun has its store or its trainings.

    Raises:
        InputError: it has other files, or is no folder.
    """
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_read(folder, error) from None
    if names and not names & {STORE, RUNS}:
        raise InputError(
            f"{shown(folder)}: holds {quoted(min(names))}, and no study was begun there; name a "
            "new folder with --output, nothing is replaced"
        )


def create_study(store: str | Path, name: str, **options: Any) -> optuna.Study:
    """Make a study, or open the one that has this name.

    Args:
        store: a folder, for a file in it; or the address of a database, such as
            ``postgresql://user@host/base``.
        name: of the study.
        **options: of `optuna.create_study`: directions, sampler, pruner.

    Raises:
        InputError: Optuna is missing, or the store cannot be used.
    """
    with troubles(store) as optuna:
        return optuna.create_study(
            storage=_open(store), study_name=name, load_if_exists=True, **options
        )


def join_study(store: str | Path, **options: Any) -> optuna.Study:
    """Open the study in a store that was made by `create_study`.

    Args:
        store: its folder, or the address of its database; of several studies in one database,
            ``address#name``.
        **options: of `optuna.load_study`: sampler, pruner.

    Raises:
        InputError: Optuna is missing, there is no study, or more than one.
    """
    address, _, name = str(store).partition("#") if is_address(store) else (store, "", "")
    if not is_address(address) and not (Path(address) / STORE).is_file():
        raise InputError(
            f"{shown(str(address))}: no study: it has no {STORE}; expected the folder of one, or "
            "the address of a database"
        )
    with troubles(address) as optuna:
        storage = _open(address)
        names = [study.study_name for study in storage.get_all_studies()]
        if (name and name not in names) or (not name and len(names) != 1):
            raise InputError(
                f"{address}: holds {', '.join(names) or 'no study'}; name one as {address}#NAME"
            )
        return optuna.load_study(storage=storage, study_name=name or names[0], **options)


def stored(study: optuna.Study, key: str, read: Callable[[Any], Stored], missing: str) -> Stored:
    """What the one who began a study has stored of it, read by `read`.

    Raises:
        InputError: it is not there, which `missing` says, or not what `read` takes.
    """
    with troubles(study.study_name):
        attributes = study.user_attrs
    if key not in attributes:
        raise InputError(f"study {shown(study.study_name)}: {missing}")
    try:
        return read(attributes[key])
    except (InputError, *UNREADABLE) as error:
        # The first line of pydantic's message is a count.
        reason = quoted(" ".join(str(error).split("\n")[-3:]), 200)[1:-1]
        raise InputError(
            f"study {shown(study.study_name)}: damaged: {key} ({reason}); begin a new one"
        ) from None


def is_address(store: str | Path) -> bool:
    """Whether a store is a database's address and no folder."""
    return "://" in str(store)


def put_back(study: optuna.Study, trial: optuna.Trial) -> None:
    """Put a trial that was begun and not done into the queue again."""
    import optuna

    begun = study.get_trials()[trial.number]
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.WAITING,
            params=begun.params,
            distributions=begun.distributions,
            user_attrs=begun.user_attrs,
            system_attrs=begun.system_attrs,
        )
    )


def take_from_the_dead(study: optuna.Study) -> None:
    """Put the trials of processes that died back into the queue."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def _open(store: str | Path) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options: dict[str, Any] = {}
    address = str(store)
    if not is_address(store):
        path = InnerPath(Path(store).resolve(), STORE)
        if path.exists():
            path.for_library()
        address = f"sqlite:///{path.path.as_posix()}"
    if address.startswith("sqlite:"):
        options = {"connect_args": {"timeout": _BUSY_SECONDS}}
    with warnings.catch_warnings():
        # Heartbeats are called experimental: the version is pinned.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.storages.RDBStorage(
            address,
            engine_kwargs=options,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
                max_retry=_RETRIES
            ),
        )


@contextmanager
def troubles(store: str | Path) -> Iterator[Any]:
    """Make an InputError of whatever Optuna raises in the block; yields Optuna.

    Args:
        store: what the message calls it.
    """
    need_extra("search", "a study of many trainings")

    import optuna
    import sqlalchemy.exc

    try:
        yield optuna
    except (
        sqlalchemy.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        OSError,
        RuntimeError,
        *UNREADABLE,
    ) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise InputError(
            f"{shown(str(store))}: cannot be used as the store of a study ({shown(reason)})"
        ) from None
