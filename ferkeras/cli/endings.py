"""What is said of an error of the machine: the disk, the memory, rights."""

from __future__ import annotations

import errno
import re
import sys

from ferkeras.cli.wording import shown

_DISK = (
    "No space left",
    "Read-only file system",
    "Permission denied",
    "Operation not permitted",
    "quota",
    "Input/output",
    "File too large",
)
"""What TensorFlow's errors about files have in their messages."""

_REMEDIES = {
    getattr(errno, name): remedy
    for names, remedy in (
        ("ENOSPC EDQUOT", "make room"),
        ("EFBIG", "raise the limit of file sizes"),
        ("EROFS", "name a folder that can be written"),
        ("EACCES EPERM", "ask its owner, or name another"),
        ("EMFILE", "raise the limit of open files (ulimit -n)"),
    )
    for name in names.split()
    if hasattr(errno, name)
}

_MEMORY = (
    "not enough memory{what}; lower train.batch_size (or the network, or the size of the data), or "
    "end other programs"
)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error is about files or memory, and not a mistake in the program."""
    return isinstance(error, (OSError, MemoryError)) or bool(
        _is(error, "tensorflow", "errors", "ResourceExhaustedError")
        or _is_of_a_database(error)
        or (
            _is(error, "tensorflow", "errors", "OpError")
            and any(words in str(error) for words in _DISK)
        )
    )


def words_for(error: BaseException) -> str:
    """Say in one sentence what an error of the machine was, and what to do.

    Args:
        error: one for which `is_of_the_machine` holds.
    """
    if isinstance(error, MemoryError) or _is(
        error, "tensorflow", "errors", "ResourceExhaustedError"
    ):
        return _MEMORY.format(what=_wanted(error))
    if isinstance(error, OSError) and error.strerror:
        named = [shown(str(name)) for name in (error.filename, error.filename2) if name]
        # Those of standard streams have no name.
        where = f"{' to '.join(named) or 'a file or the standard output'}: "
        remedy = _REMEDIES.get(error.errno or 0)
        return f"{where}{error.strerror}{f'; {remedy}' if remedy else ''}"
    text = shown(" ".join(str(error).split())[:300])
    if _is_of_a_database(error):
        return f"the store of the study is damaged, or cannot be written to ({innermost(error)})"
    if not isinstance(error, OSError):
        text = next(words for words in _DISK if words in str(error))
    return f"a file cannot be read or written ({text or type(error).__name__})"


def innermost(error: BaseException) -> str:
    """What the library said first whose error the others came from, as a few words."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shown(" ".join(str(error).split())[:200])


def _is_of_a_database(error: BaseException) -> bool:
    return _is(error, "sqlalchemy", "exc", "DBAPIError") or _is(
        error, "optuna", "exceptions", "StorageInternalError"
    )


def _is(error: BaseException, package: str, module: str, name: str) -> bool:
    """Whether an error is of a class of a package, which is not imported for that."""
    kind = getattr(getattr(sys.modules.get(package), module, None), name, None)
    return kind is not None and isinstance(error, kind)


def _wanted(error: BaseException) -> str:
    """How much was asked for, where NumPy or TensorFlow say so."""
    found = re.search(r"allocate ([\d.]+ [KMGTPE]iB)|tensor with shape(\[[\d,]+\])", str(error))
    if not found:
        return ""
    return f" for {found[1]}" if found[1] else f" for an array of {found[2]}"
