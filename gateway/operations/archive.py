"""A backup as one tar file: members, then a manifest with the digest of each of them.

Owns the format. Deliberately does not know what the members mean.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_BLOCK: Final = 1024 * 1024


class BadArchive(Exception):
    """The file is no backup of Sluice, or not all of one; the text says why."""


class Manifest(msgspec.Struct, kw_only=True):
    """What a backup holds. `digests`: SHA-256 by member. `rows`: by table."""

    format: int
    made_at: str
    engine: str
    migrations: list[tuple[str, str]]
    rows: dict[str, int]
    columns: dict[str, list[str]]
    files: int
    with_keys: bool
    digests: dict[str, str]


class ArchiveWriter:
    """Appends members and remembers their digests."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.digests: dict[str, str] = {}

    def add_file(self, name: str, path: Path) -> None:
        """A member from a file, as many bytes as it has now. Raises OSError."""
        with path.open("rb") as source:
            self._add(name, source, os.fstat(source.fileno()).st_size)

    def add_bytes(self, name: str, content: bytes) -> None:
        """A member from memory."""
        self._add(name, io.BytesIO(content), len(content))

    def _add(self, name: str, source: IO[bytes], size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        digest = hashlib.sha256()
        self._tar.addfile(member, _Hashed(source, digest))
        self.digests[name] = digest.hexdigest()


class _Hashed:
    """Reads through, hashing on the way."""

    def __init__(self, source: IO[bytes], digest: "hashlib._Hash") -> None:
        self._source, self._digest = source, digest

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        block = self._source.read(size)
        self._digest.update(block)
        return block


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """A new archive, readable by its owner alone. Only a complete one gets its name.

    Raises FileExistsError, OSError.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                yield ArchiveWriter(tar)
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(path)
    finally:
        hidden.unlink(missing_ok=True)


class ArchiveReader:
    """An archive whose every member has been held against the manifest."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in tar:
            if not member.isreg() or member.name in self._members or not _plain(member.name):
                raise BadArchive(f"{member.name!r} does not belong into a backup")
            self._members[member.name] = member
        self.manifest = self._read_manifest()
        wanted = self.manifest.digests
        missing = sorted(wanted.keys() - self._members.keys())
        if missing or self._members.keys() - wanted.keys() != {MANIFEST}:
            raise BadArchive(f"it is not complete: {missing[0] if missing else 'too much in it'}")
        for name, digest in wanted.items():
            if _digest(self.open(name)) != digest:
                raise BadArchive(f"{name} was altered or damaged")

    @property
    def names(self) -> list[str]:
        """All members but the manifest."""
        return sorted(self.manifest.digests)

    def open(self, name: str) -> IO[bytes]:
        """The content of a member. Raises BadArchive for one that is not there."""
        member = self._members.get(name)
        content = self._tar.extractfile(member) if member else None
        if content is None:
            raise BadArchive(f"it has no {name}")
        return content

    def read(self, name: str) -> bytes:
        """A small member whole."""
        with self.open(name) as content:
            return content.read()

    def unpack(self, name: str, target: Path) -> None:
        """Write a member to a new file, readable by its owner alone. Raises OSError."""
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with self.open(name) as source, os.fdopen(descriptor, "wb") as file:
            while block := source.read(_BLOCK):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    def _read_manifest(self) -> Manifest:
        if MANIFEST not in self._members:  # it is written last
            raise BadArchive("it is no backup, or not all of one: it has no manifest")
        try:
            manifest = msgspec.json.decode(self.read(MANIFEST), type=Manifest)
        except msgspec.DecodeError:
            raise BadArchive("its manifest cannot be read") from None
        if manifest.format != FORMAT:
            raise BadArchive(f"it has format {manifest.format}; this version reads {FORMAT}")
        return manifest


@contextmanager
def reading(path: Path) -> Iterator[ArchiveReader]:
    """A verified archive. Raises BadArchive, OSError."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield ArchiveReader(tar)
    except tarfile.TarError as error:
        raise BadArchive(f"{path} is no backup, or not all of one ({error})") from None


def _plain(name: str) -> bool:
    parts = name.split("/")
    return bool(name) and not any(part in {"", ".", ".."} for part in parts)


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
