"""The keys of kept content, and what they open.

A text is encrypted (AES-256-GCM) under HKDF-SHA-256 of the project's and the person's key, with the
decision's id authenticated, so that it opens nowhere else. INVARIANT: keys are read anew for each
batch and never kept in memory beyond it, so that a destroyed key is gone at once.
"""

import base64
import os
import zlib
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.content.models import ErasureKey, KeyScope
from gateway.deployments.credentials import CredentialUnreadable, decrypt, encrypt

_NONCE_BYTES = 12


class Erased(Exception):
    """A key is gone: nobody reads this text again."""


class Exchange(msgspec.Struct, frozen=True):
    """A prompt as it was asked, and its answer as the caller got it."""

    request: bytes
    answer: bytes


def key_of(scope: KeyScope, subject: str, *, make: bool) -> bytes:
    """A subject's key. One query, two when it is made. Raises Erased, CredentialUnreadable."""
    row = ErasureKey.objects.filter(scope=scope, subject=subject).first()
    if row is None and not make:
        raise Erased(f"the {scope} key is gone")
    if row is None:
        fresh = base64.b64encode(os.urandom(32)).decode("ascii")
        row, _ = ErasureKey.objects.get_or_create(
            scope=scope, subject=subject, defaults={"sealed": encrypt(fresh)}
        )
    return base64.b64decode(decrypt(row.sealed))


def destroy_keys(scope: KeyScope, subjects: Iterable[str]) -> int:
    """Destroy keys: whatever was encrypted with one of them is noise now. Returns how many."""
    gone, _ = ErasureKey.objects.filter(scope=scope, subject__in=list(subjects)).delete()
    return gone


class Sealer:
    """Seals and opens content of one batch. Not to be kept: see the module's INVARIANT."""

    def __init__(self, *, make: bool) -> None:
        """`make`: whether keys that are missing are made."""
        self._make = make
        self._known: dict[tuple[str, str], AESGCM] = {}

    def seal(self, exchange: Exchange, *, project: str, person: str, decision_id: str) -> bytes:
        """Cipher text. Raises CredentialUnreadable."""
        text = zlib.compress(msgspec.msgpack.encode(exchange), level=1)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(project, person).encrypt(nonce, text, decision_id.encode())

    def open(self, sealed: bytes, *, project: str, person: str, decision_id: str) -> Exchange:
        """What was sealed. Raises Erased; also for what does not open with the keys there are."""
        cipher = self._cipher(project, person)
        try:
            text = cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], decision_id.encode()
            )
        except (InvalidTag, ValueError):
            raise Erased("it does not open with the keys there are") from None
        return msgspec.msgpack.decode(zlib.decompress(text), type=Exchange)

    def _cipher(self, project: str, person: str) -> AESGCM:
        found = self._known.get((project, person))
        if found is None:
            both = key_of(KeyScope.PROJECT, project, make=self._make) + key_of(
                KeyScope.PERSON, person, make=self._make
            )
            derived = HKDF(SHA256(), 32, salt=None, info=b"sluice kept content 1").derive(both)
            found = self._known[project, person] = AESGCM(derived)
        return found


__all__ = ["CredentialUnreadable", "Erased", "Exchange", "Sealer", "destroy_keys", "key_of"]
