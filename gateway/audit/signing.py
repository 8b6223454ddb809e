"""The key that signs heads and webhooks: Ed25519, one private file, a public half to give away.

Whoever holds the private file can sign a forged log. Heads that are kept elsewhere stand against
that; so does a file that only the worker's user can read.
"""

import contextlib
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class KeyUnreadable(Exception):
    """The file of the signing key cannot be used; the text says why and quotes nothing of it."""


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key kept in `path` (PEM, PKCS 8), made on first use with mode 600.

    Safe against two processes that start at once: the file appears whole or not at all. Raises
    KeyUnreadable.
    """
    try:
        made = path.stat().st_mtime_ns
    except FileNotFoundError:
        _make(path)
        made = path.stat().st_mtime_ns
    except OSError as error:
        raise KeyUnreadable(f"{path}: {error.strerror}") from None
    return _read(path, made)


@lru_cache(maxsize=8)
def _read(path: Path, _made: int) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyUnreadable(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnreadable(f"{path} is not an unencrypted PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(f"{path} is not an Ed25519 key")
    return key


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(hidden, path)
        finally:
            hidden.unlink()
    except OSError as error:
        raise KeyUnreadable(f"{path} cannot be made: {error.strerror}") from None


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public half, as verifiers want it."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
