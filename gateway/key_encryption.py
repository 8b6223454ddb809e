"""Seals secrets at rest: Fernet (AES-128-CBC, HMAC-SHA-256) under the key-encryption keys.

There may be several keys: the first one seals, all of them open. While a key is being replaced
both are accepted, so nothing stops. Keys that lie in a file are read again when it changes: a
running process takes a new one with its next use. Nothing else in Sluice knows these keys.
"""

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

# Every Fernet text begins with its version 0x80 and the high bytes of a time before 2106.
SEALED_START = "gAAAAA"
_Mark = tuple[int, int, int]
_read: dict[Path, tuple[_Mark, str]] = {}


class SealedUnreadable(Exception):
    """No key of this installation opens it. Quotes nothing."""

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message
            or "sealed under another key: set SLUICE_KEY_ENCRYPTION_KEY (or var/kek.key) to the "
            "key it was stored with, or store it again"
        )


class NoKeys(Exception):
    """There is no key, or what should be one is none. The text says which and quotes nothing."""


def parse_keys(text: str) -> list[Fernet]:
    """Keys separated by white space or commas, the sealing one first. Raises NoKeys."""
    words = text.replace(",", " ").split()
    if not words:
        raise NoKeys("there is no key in it")
    keys = []
    for number, word in enumerate(words, 1):
        try:
            keys.append(Fernet(word.encode()))
        except ValueError:
            raise NoKeys(f"its key {number} is no key") from None
    return keys


def keys() -> list[Fernet]:
    """The keys as they are now, the sealing one first. Raises NoKeys."""
    return parse_keys(keys_text())


def keys_text() -> str:
    """The keys' text; one stat when they are in a file that did not change. Raises NoKeys."""
    place = settings.KEY_ENCRYPTION_KEY
    if isinstance(place, str):
        return place
    try:
        found = place.stat()
        mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        known = _read.get(place)
        if known is None or known[0] != mark:
            known = _read[place] = (mark, place.read_text(encoding="ascii"))
    except OSError as error:
        raise NoKeys(f"{place} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise NoKeys(f"{place} holds no keys") from None
    return known[1]


def seal(secret: bytes) -> str:
    """Cipher text under the first key. Raises NoKeys."""
    return keys()[0].encrypt(secret).decode("ascii")


def open_sealed(sealed: str) -> bytes:
    """What was sealed, under whichever key. Raises SealedUnreadable, NoKeys."""
    try:
        return MultiFernet(keys()).decrypt(sealed.encode())
    except (InvalidToken, UnicodeEncodeError):
        raise SealedUnreadable from None


def sealed_anew(sealed: str) -> str | None:
    """The same under the first key; None: it is already. Raises SealedUnreadable, NoKeys."""
    ring = keys()
    try:
        ring[0].decrypt(sealed.encode())
    except (InvalidToken, UnicodeEncodeError):
        return ring[0].encrypt(open_sealed(sealed)).decode("ascii")
    return None


def keys_file() -> Path | None:
    """The file that the keys are in; None: they are a text."""
    place = settings.KEY_ENCRYPTION_KEY
    return place if isinstance(place, Path) else None
