"""Every version that was ever released upgrades to this one, and serves."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.keep_database import HERE, recorded
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
