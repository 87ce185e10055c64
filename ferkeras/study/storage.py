"""Where the processes of a study meet: Optuna's store, a file or a database.

A process that dies while it trains is noticed by its heartbeat, and its trial is put back into
the queue, from which any process takes it.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ferkeras.cli.endings import innermost, is_of_the_machine
from ferkeras.cli.errors import InputError
from ferkeras.cli.extras import need_extra
from ferkeras.cli.wording import cannot_read, quoted, shown
from ferkeras.files.inner import InnerPath, Refused

if TYPE_CHECKING:
    import optuna

STORE = "study.db"
"""The file, in the folder of a study."""

RUNS = "runs"
"""The folder of its trainings, beside that."""

LOGS = "logs"
"""The folder of what they print."""

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

_LARGEST = 1 << 28
"""Bytes of a store; one trial has some thousands."""

_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""How a journal of SQLite ends that belongs to a transaction over several databases."""

_COMPUTED = re.compile(r"\b(VIRTUAL|GENERATED)\b|\bAS\s*\(", re.IGNORECASE)
"""In the text of a table: that it is a program's, or that it has columns which are computed."""

_SILENT = (
    "SELECT trial_id FROM trials WHERE study_id = :study AND state = 'RUNNING' "
    "AND trial_id NOT IN (SELECT trial_id FROM trial_heartbeats)"
)

Stored = TypeVar("Stored")


def make_folder(folder: Path) -> None:
    """Make the folder of a study, and refuse one that has files of something else.

    Args:
        folder: one in which a study was begun has its store or its trainings.

    Raises:
        InputError: it has other files, which might be replaced, is no folder, or cannot be made.
    """
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except FileNotFoundError:
        _make(folder)
        return
    except OSError as error:
        raise cannot_read(folder, error) from None
    # Others call a folder `runs` too.
    trained = any((folder / RUNS).glob("*/config.yaml"))
    if STORE not in names and not trained and not names <= {RUNS, LOGS}:
        raise InputError(
            f"{shown(folder)}: holds {quoted(min(names))}, and no study was begun there; name a "
            "new folder with --output, nothing is replaced"
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{shown(folder)}: cannot be made ({error.strerror}); name another with --output"
        ) from None


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


def begin_study(
    store: str | Path, folder: Path, name: str, key: str, wanted: Any, **options: Any
) -> optuna.Study | None:
    """Make the study of something, or open it where it was begun.

    One of something else gives way as long as nothing was trained for it: it was begun with a
    mistake, such as a path at which there are no faces.

    Args:
        store: see `create_study`.
        folder: of its trainings.
        name: likewise.
        key: under which it stores what it is about.
        wanted: what it is about, as `json` writes it.
        **options: see `create_study`.

    Returns:
        The study; None where one of something else was worked at.

    Raises:
        InputError: see `create_study`.
    """
    # Through JSON, for tuples.
    wanted = json.loads(json.dumps(wanted))
    study = create_study(store, name, **options)
    with troubles(store) as optuna:
        if study.user_attrs.get(key, wanted) != wanted:
            # Whether others have worked at it, on other machines, nobody here knows.
            if is_address(store) or _was_worked_at(study, folder):
                return None
            optuna.delete_study(study_name=name, storage=study._storage)
            study = create_study(store, name, **options)
        study.set_user_attr(key, wanted)
    return study


def _was_worked_at(study: optuna.Study, folder: Path) -> bool:
    return any((folder / RUNS).glob("*/config.yaml")) or any(
        trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") or "failed" in trial.user_attrs
        for trial in study.get_trials(deepcopy=False)
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


def without_password(address: str, name: str) -> str:
    """What --join takes to find a study in a database; where it has a password, `***` for it.

    Args:
        address: of the database; what follows a `#` is left out.
        name: of the study.
    """
    import sqlalchemy

    url = sqlalchemy.engine.make_url(address.partition("#")[0])
    return f"{url.render_as_string(hide_password=True)}#{name}"


def is_address(store: str | Path) -> bool:
    """Whether a store is a database's address and no folder."""
    return "://" in str(store)


def begin_trial(study: optuna.Study) -> optuna.Trial:
    """Take the next trial of the queue, or one with new values."""
    with warnings.catch_warnings():
        # That heartbeats are for `Study.optimize`: see `sign_of_life`.
        warnings.simplefilter("ignore", UserWarning)
        return study.ask()


@contextmanager
def sign_of_life(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """Let other processes see that the one of a trial lives, until the block ends."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
            except Exception as error:
                # One less: the next may be written. Without any, another takes the trial over.
                if not is_of_the_machine(error):
                    raise

    study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def put_back(study: optuna.Study, trial: optuna.Trial) -> None:
    """Put a trial that was begun and not done into the queue again.

    Where the store cannot be written to, it gets there when the trial shows no sign of life.
    """
    import optuna

    with suppress(optuna.exceptions.StorageInternalError):
        begun = study.get_trials()[trial.number]
        if begun.state.is_finished():
            # This process was stopped for so long that another has taken it over.
            return
        study.add_trial(
            optuna.create_trial(
                state=optuna.trial.TrialState.WAITING,
                params=begun.params,
                distributions=begun.distributions,
                user_attrs=begun.user_attrs,
                system_attrs=begun.system_attrs,
            )
        )
        give_up(study, trial)


def give_up(study: optuna.Study, trial: optuna.Trial) -> None:
    """End a trial that comes to nothing; one that another process has taken over is left to it."""
    import optuna

    study.tell(trial, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def take_from_the_dead(study: optuna.Study) -> None:
    """Put the trials of processes that died back into the queue."""
    import optuna
    import sqlalchemy

    # One whose process died before its first sign of life would count as alive for ever.
    store: Any = study._storage
    with store._backend.engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(_SILENT), {"study": study._study_id})
        silent = [number for (number,) in found]
    for number in silent:
        store.record_heartbeat(number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def _open(store: str | Path) -> Any:
    import optuna
    import sqlalchemy

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options: dict[str, Any] = {}
    address = str(store)
    if not is_address(store):
        address = f"sqlite:///{(Path(store).resolve() / STORE).as_posix()}"
    url = sqlalchemy.engine.make_url(address)
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            _examine(Path(url.database))
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


def _examine(file: Path) -> None:
    """Refuse a store that a stranger has made unfit to be opened by SQLite.

    Raises:
        Refused: it, or what SQLite writes beside it, is a link or has a second name; or its
            journal names a file elsewhere, which SQLite would remove.
        InputError: it has parts of its own that are run when it is read or written.
    """
    for suffix in ("-wal", "-shm", "-journal"):
        InnerPath(file.parent, file.name + suffix).for_writing_library(_LARGEST)
    journal = InnerPath(file.parent, f"{file.name}-journal")
    # A whole one is that of a process which was killed: SQLite takes back what was half written.
    if journal.exists() and journal.read_bytes(_LARGEST).endswith(_NAMES_ANOTHER):
        raise Refused(f"{shown(journal)}: not of a study: it names another file; remove it")
    path = InnerPath(file.parent, file.name)
    if not path.exists():
        return
    with closing(
        sqlite3.connect(path.for_writing_library(_LARGEST), timeout=_BUSY_SECONDS)
    ) as base:
        for kind, name, text in base.execute("SELECT type, name, sql FROM sqlite_master"):
            if kind not in ("table", "index") or _COMPUTED.search(str(text)):
                raise InputError(f"{shown(path)}: no study: it has the {kind} {quoted(str(name))}")


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
        sqlite3.Error,
        sqlalchemy.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        OSError,
        RuntimeError,
        *UNREADABLE,
    ) as error:
        raise InputError(
            f"{shown(str(store))}: cannot be used as the store of a study ({innermost(error)})"
        ) from None
