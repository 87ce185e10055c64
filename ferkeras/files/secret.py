"""What this account has written itself, told from what others have put there: a keyed digest."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.files.inner import InnerPath

_BYTES = 32


def sign(text: str) -> str | None:
    """Return a digest of a text that nobody can make without this account's own secret.

    The secret is made at the first call, in ``$XDG_CONFIG_HOME/ferkeras`` or
    ``~/.config/ferkeras``, readable by this account alone; caches and runs, which may come from
    elsewhere, do not hold it.

    Returns:
        64 hexadecimal digits; None where there is no place for a secret.
    """
    secret = _secret()
    if secret is None:
        return None
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def is_signed(text: str, signature: str) -> bool:
    """Whether `signature` is what `sign` returns for a text."""
    own = sign(text)
    return own is not None and hmac.compare_digest(own.encode(), signature.encode())


def _secret() -> bytes | None:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        home = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
        path = InnerPath(home, "ferkeras", "secret")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path)
        secret = path.read_bytes(_BYTES)
    except (OSError, RuntimeError, InputError):
        return None
    return secret if len(secret) == _BYTES else None


def _make(path: InnerPath) -> None:
    temporary = path.parent / f".secret-{secrets.token_hex(8)}"
    descriptor = temporary.create(0o600)
    try:
        os.write(descriptor, secrets.token_bytes(_BYTES))
    finally:
        os.close(descriptor)
    # Two processes at once: the later one's lasts, and what the earlier signed is made anew.
    path.replace_with(temporary)
