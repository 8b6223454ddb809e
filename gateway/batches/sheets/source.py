"""Bytes of a table, wherever they are: read from the start as often as needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.files.encrypted import EncryptedReader

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table's file. `pieces` begins anew at each call; `name` is what its owner calls it."""

    name: str
    size_bytes: int
    pieces: Callable[[], Iterator[bytes]] = field(repr=False)

    def start(self, length: int) -> bytes:
        """Its first bytes."""
        found = b""
        for piece in self.pieces():
            found += piece
            if len(found) >= length:
                break
        return found[:length]


def of_bytes(name: str, content: bytes) -> Source:
    """A table in memory."""

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    return Source(name=name, size_bytes=len(content), pieces=pieces)


def of_path(path: Path) -> Source:
    """A table on this machine. Raises OSError."""

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece

    return Source(name=path.name, size_bytes=path.stat().st_size, pieces=pieces)


def of_stored(name: str, reader: EncryptedReader) -> Source:
    """A stored file. Reading raises Unreadable."""
    return Source(name=name, size_bytes=reader.size_bytes, pieces=reader.pieces)
