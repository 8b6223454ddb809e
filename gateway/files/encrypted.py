"""Files as chunks of AES-256-GCM: constant memory, readable from any place, tamper-evident.

Format: 5 bytes magic, 16 bytes salt, then chunks of 64 KiB of text with a tag of 16 bytes each;
the last chunk is shorter or empty. Each file has a key of its own (HKDF-SHA-256 of the project's
key with the salt). A chunk's nonce is its number and whether it is the last one (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so chunks that were reordered,
dropped or cut off do not open. The file's id is authenticated with every chunk.

No Django, no settings: bytes and keys come in as arguments.
"""

import os
from collections.abc import Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"SLF1\n"
SALT_BYTES = 16
HEAD_BYTES = len(MAGIC) + SALT_BYTES
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
NONCE_BYTES = 12
_SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES


class Unreadable(Exception):
    """The bytes do not open: another key, another file, altered or cut. Quotes nothing."""


class Sink(Protocol):
    """Where cipher text goes."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""
        ...


class Source(Protocol):
    """Where cipher text comes from."""

    def seek(self, offset: int, /) -> object:
        """Go to an absolute place."""
        ...

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""
        ...


class EncryptedWriter:
    """Encrypts a stream into `sink`. Call `finish` at the end; without it nothing opens."""

    def __init__(self, sink: Sink, *, key: bytes, file_id: str) -> None:
        salt = os.urandom(SALT_BYTES)
        self._sink = sink
        self._aead = _aead(key, salt)
        self._file_id = file_id.encode()
        self._waiting = bytearray()
        self._chunk = 0
        self.size_bytes = 0  # of the text
        sink.write(MAGIC + salt)

    def write(self, data: bytes) -> None:
        """Take more of the text. Writes whole chunks only."""
        self.size_bytes += len(data)
        self._waiting += data
        # A full chunk waits until more follows: the last one is sealed as such.
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the last chunk. The sink stays open."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, text: bytes, *, last: bool) -> None:
        nonce = _nonce(self._chunk, last=last)
        self._sink.write(self._aead.encrypt(nonce, text, self._file_id))
        self._chunk += 1


class EncryptedReader:
    """Reads the text of an encrypted file from any place. `size_bytes`: of the text."""

    def __init__(self, source: Source, *, key: bytes, file_id: str, size_bytes: int) -> None:
        self._source = source
        self._file_id = file_id.encode()
        self.size_bytes = size_bytes
        self._last_chunk = max(size_bytes - 1, 0) // CHUNK_BYTES
        self._held: tuple[int, bytes] = (-1, b"")
        source.seek(0)
        head = source.read(HEAD_BYTES)
        if len(head) != HEAD_BYTES or not head.startswith(MAGIC):
            raise Unreadable("not an encrypted file")
        self._aead = _aead(key, head[len(MAGIC) :])

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes of the text from `offset`, fewer at its end. Raises Unreadable."""
        end = min(offset + length, self.size_bytes)
        parts: list[bytes] = []
        while offset < end:
            chunk, start = divmod(offset, CHUNK_BYTES)
            part = self._open(chunk)[start : start + end - offset]
            if not part:
                raise Unreadable("the file is shorter than it should be")
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def pieces(self) -> Iterator[bytes]:
        """The whole text, chunk by chunk. Raises Unreadable."""
        for chunk in range(self._last_chunk + 1):
            yield self._open(chunk)

    def _open(self, chunk: int) -> bytes:
        if self._held[0] == chunk:
            return self._held[1]
        self._source.seek(HEAD_BYTES + chunk * _SEALED_CHUNK)
        sealed = self._source.read(_SEALED_CHUNK)
        nonce = _nonce(chunk, last=chunk == self._last_chunk)
        try:
            text = self._aead.decrypt(nonce, sealed, self._file_id)
        except (InvalidTag, ValueError):
            raise Unreadable(f"chunk {chunk} does not open") from None
        self._held = (chunk, text)
        return text


def seal(key: bytes, text: bytes, *, context: str) -> bytes:
    """A small text under `key`; opens only with the same `context`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, context.encode())


def unseal(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """What was given to `seal`. Raises Unreadable."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):
        raise Unreadable("a sealed value does not open") from None


def _aead(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"sluice file").derive(key))


def _nonce(chunk: int, *, last: bool) -> bytes:
    return chunk.to_bytes(NONCE_BYTES - 1, "big") + (b"\x01" if last else b"\x00")
