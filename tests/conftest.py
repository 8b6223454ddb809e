"""Fixtures that every tier may use: a real Sluice process, and refusing to skip in CI."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.support import servers
from tests.support.databases import delete_instead_of_truncate
from tests.support.servers import PostgresServer, RedisServer
from tests.support.sluice import Sluice

# The tests start hundreds of processes: none compiles Sluice again, whatever a machine's habit is.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests that run two at once are told apart by names, and the names of some hold sets: one order for
# both processes, another one each time.
os.environ.setdefault("PYTHONHASHSEED", str(secrets.randbelow(2**32)))


def require(present: bool, component: str) -> None:
    """Skip for want of a component, by its name; with SLUICE_REQUIRE_ALL=1 fail instead."""
    if present:
        return
    if os.environ.get("SLUICE_REQUIRE_ALL") == "1":
        pytest.fail(f"{component} is missing and SLUICE_REQUIRE_ALL is set")
    pytest.skip(f"{component} is not installed")


@pytest.fixture(scope="session")
def sluice_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A running Sluice with its demo models, shared by the session."""
    server = Sluice(Path(tmp_path_factory.mktemp("sluice")) / "var")
    server.var.mkdir()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for tests that do not hurt it; `new_database` gives each its own."""
    require(servers.postgres_programs() is not None, "PostgreSQL")
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis or Valkey for tests that do not hurt it; `new_database` gives each its own."""
    require(servers.redis_program() is not None, "Redis")
    with servers.redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file: a database in memory refuses a second thread instead of making it wait."""
    if not settings.EMBEDDED:
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")
        delete_instead_of_truncate()
    elif not settings.DATABASES["default"]["TEST"]["NAME"]:
        path = Path(tmp_path_factory.mktemp("database")) / "test.sqlite3"
        settings.DATABASES["default"]["TEST"]["NAME"] = str(path)
