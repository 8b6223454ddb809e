"""Where encrypted bytes lie: Django's storage `files`, a local directory or S3.

Bytes are encrypted into a file of the installation's own directory first and then handed over
whole, so that a storage never sees half a file, and the local one only renames.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

if TYPE_CHECKING:
    _File = File[bytes]
else:
    _File = File


class StorageUnavailable(OSError):
    """The storage did not do it, for a reason that may pass: asking again later may help."""


class _Whole(_File):
    """A complete local file that the local storage may move instead of copying."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        super().__init__(stream, name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        """What Django's local storage looks for before it copies."""
        return str(self._path)


def storage() -> Storage:
    """The storage `files` of the settings."""
    return storages["files"]


def incoming_path(file_id: str) -> Path:
    """Where a file is encrypted before the storage gets it."""
    folder: Path = settings.INCOMING_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / file_id


@contextmanager
def _speaking() -> Iterator[None]:
    """Django's storages raise whatever their clients raise, and these know OSError or do not."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise StorageUnavailable(f"the storage failed: {type(error).__name__}") from error


def hand_over(path: Path, name: str) -> None:
    """Give a complete encrypted file to the storage as `name`. Raises OSError."""
    with _speaking():
        with path.open("rb") as stream:
            stored = storage().save(name, _Whole(path, stream))
        path.unlink(missing_ok=True)
        if stored != name:
            storage().delete(stored)
            raise OSError("the storage has a file of this name already")


@contextmanager
def open_blob(name: str) -> Iterator[Any]:
    """The encrypted bytes, seekable. Raises OSError."""
    with _speaking():
        opened = storage().open(name, "rb")
    with opened:
        with _speaking():
            opened.seek(0)  # some fetch the bytes only now: later, nothing can fail any more
        yield opened


def delete_blob(name: str) -> None:
    """Remove the bytes. One that is not there is no error. Raises OSError."""
    with _speaking():
        storage().delete(name)
