"""A real store server for the tests of leases."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.usage.store_server import StoreServer, running_store


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose sockets have names short enough for every system."""
    with tempfile.TemporaryDirectory(prefix="sl-") as place:
        yield Path(place)


@pytest.fixture(scope="session")
def store() -> Iterator[StoreServer]:
    """One server for all tests that do not hurt it; each uses keys of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="sl-") as place,
        running_store(Path(place)) as server,
    ):
        yield server
