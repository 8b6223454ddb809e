"""What the audit tests share: a journal directory and records to put there."""

import importlib.util
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from pytest_django.fixtures import Settings

from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader

WRITING = Path(__file__).with_name("writing.py")


@pytest.fixture(scope="session")
def writing() -> ModuleType:
    """The module of the writing process, for its records."""
    spec = importlib.util.spec_from_file_location("audit_writing", WRITING)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _own_state(settings: Settings, tmp_path: Path) -> None:
    """The signing key and the last head are this test's own."""
    settings.VAR_DIR = tmp_path
    settings.AUDIT_KEY_FILE = tmp_path / "audit.key"
    settings.AUDIT_ANCHORS = []
    settings.AUDIT_STREAMS = []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(directory: Path) -> Iterator[FileJournal]:
    with closing(FileJournal(directory, reopen_after_s=0)) as made:
        yield made


@pytest.fixture
def loader(directory: Path) -> Iterator[Loader]:
    """The elected loader of the directory, in this process."""
    directory.mkdir(exist_ok=True)
    made = Loader(directory)
    assert made.lease.acquire()
    yield made
    made.lease.release()
