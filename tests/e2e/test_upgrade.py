"""Every version that was ever released upgrades to this one, and serves."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.keep_database import HERE, recorded
from tests.support.cluster import compose
from tests.support.production import make_secrets
from tests.support.servers import PostgresServer, RedisServer
from tests.support.sluice import Sluice

VERSIONS = sorted(path.name for path in HERE.iterdir() if (path / "sluice.sqlite3.gz").exists())


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sluice]:
    """A stopped Sluice with the state of an earlier version."""
    source = HERE / request.param
    server = Sluice(tmp_path / "var", embedded=True)
    server.var.mkdir()
    database = gzip.decompress((source / "sluice.sqlite3.gz").read_bytes())
    (server.var / "sluice.sqlite3").write_bytes(database)
    for name in ("kek.key", "first-run.json"):
        (server.var / name).write_bytes((source / name).read_bytes())
    yield server
    server.stop()


def test_there_is_one_to_upgrade_from() -> None:
    assert "0.1.0" in VERSIONS


def test_it_upgrades_verifies_and_serves(kept: Sluice) -> None:
    before = recorded(kept.var)
    printed = kept.run_module("gateway.supervisor.upgrade")
    assert "chains verified" in printed
    assert len(list(kept.var.glob("*.backup.sqlite3"))) == 1
    assert recorded(kept.var) == before > 0
    kept.start()
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello again"}]}
    assert kept.post("/v1/chat/completions", json.dumps(body).encode())[0] == 200


@pytest.fixture(params=VERSIONS)
def kept_production(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
) -> Iterator[tuple[Sluice, Path, str]]:
    """A stopped Sluice with an empty PostgreSQL database, a backup of an earlier version's, and
    the API key in it."""
    archive = tmp_path / "old.tar"
    archive.write_bytes(
        gzip.decompress((HERE / request.param / "postgresql.backup.tar.gz").read_bytes())
    )
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
        keys = {name: tar.extractfile(f"keys/{name}") for name in ("kek.key", "first-run.json")}
        texts = {name: file.read().decode() for name, file in keys.items() if file is not None}
    env = make_secrets(tmp_path)
    Path(env["SLUICE_KEY_ENCRYPTION_KEY_FILE"]).write_text(texts["kek.key"])
    env |= {
        "DATABASE_URL": postgres_server.new_database(),
        "REDIS_URL": redis_server.new_database(),
    }
    server = Sluice(tmp_path / "var", env=env, embedded=True)
    yield server, archive, json.loads(texts["first-run.json"])["api_key"]
    server.stop()


def in_the_old_schema(server: Sluice, archive: Path) -> int:
    """Fill the database as that version left it; returns how many migrations it knew."""
    server.manage("shell", "--no-imports", "--command", AS_IT_WAS.format(archive=archive))
    [(count,)] = server.rows("select count(*) from django_migrations")
    return int(count)


# `restore` migrates at its end, so it cannot leave an old schema behind.
AS_IT_WAS = """
from pathlib import Path
from gateway.operations.archive import reading
from gateway.operations.restoring import _fill_postgres
with reading(Path("{archive}")) as archive:
    _fill_postgres(archive)
"""


def upgraded_by_make(server: Sluice) -> None:
    printed = server.run_module("gateway.supervisor.upgrade")
    assert "chains verified" in printed
    assert len(list(server.var.glob("*.backup.tar"))) == 1


def upgraded_by_compose(server: Sluice) -> None:
    """The command of the service `migrate`, before any process of this version begins."""
    command = compose()["services"]["migrate"]["command"]
    assert command[:2] == ["python", "manage.py"]
    server.manage(*command[2:])
    assert "chains verified" in server.manage("audit", "verify")


@pytest.mark.parametrize("upgrade", [upgraded_by_make, upgraded_by_compose])
def test_an_old_schema_upgrades_on_postgresql_and_serves(
    kept_production: tuple[Sluice, Path, str], upgrade: Callable[[Sluice], None]
) -> None:
    server, archive, key = kept_production
    before = in_the_old_schema(server, archive)
    count = "select count(*) from audit_requestrecord"
    records = server.rows(count)
    assert records > [(0,)]
    upgrade(server)
    assert server.rows("select count(*) from django_migrations") > [(before,)]
    assert server.rows(count) == records
    server.start()
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello again"}]}
    assert server.post("/v1/chat/completions", json.dumps(body).encode(), key=key)[0] == 200


def test_a_backup_of_an_old_version_is_restored_into_this_one(
    kept_production: tuple[Sluice, Path, str],
) -> None:
    server, archive, _ = kept_production
    assert "chains verified" in server.manage("restore", str(archive))
    assert server.rows("select count(*) from audit_requestrecord") > [(0,)]
