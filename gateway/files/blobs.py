"""Where encrypted bytes lie: Django's storage `files`, a local directory or S3.

Bytes are encrypted into a file of the installation's own directory first and then handed over
whole, so that a storage never sees half a file, and the local one only renames.
"""

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

if TYPE_CHECKING:
    _File = File[bytes]
else:
    _File = File


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


def hand_over(path: Path, name: str) -> None:
    """Give a complete encrypted file to the storage as `name`. Raises OSError."""
    with path.open("rb") as stream:
        stored = storage().save(name, _Whole(path, stream))
    path.unlink(missing_ok=True)
    if stored != name:
        storage().delete(stored)
        raise OSError("the storage has a file of this name already")


def open_blob(name: str) -> Any:
    """The encrypted bytes, seekable. Raises OSError."""
    return storage().open(name, "rb")


def delete_blob(name: str) -> None:
    """Remove the bytes. One that is not there is no error."""
    storage().delete(name)
