"""Secrets that the embedded default makes for itself: one file each, readable by its owner."""

import base64
import os
import secrets
from pathlib import Path


def read_or_create_secret(path: Path) -> str:
    """The secret kept in `path`; made on first use (32 random bytes, URL-safe base64, mode 600).

    Safe against two processes starting at once: exclusive creation, the loser reads.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_when_written(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
        file.write(secret)
    return secret


def _read_when_written(path: Path) -> str:
    # The other starter creates the file and writes it at once; an empty file is that instant.
    for _ in range(1000):
        secret = path.read_text(encoding="ascii").strip()
        if secret:
            return secret
    raise RuntimeError(f"{path} is empty: delete it to have a new secret made")
