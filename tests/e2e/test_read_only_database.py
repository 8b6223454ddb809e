"""A database that takes no writes: served, nothing changed, nothing lost, and said."""

import json
from pathlib import Path

import psycopg

from tests.e2e.conftest import CONFIG, Lab
from tests.support.production import make_secrets
from tests.support.servers import PostgresServer, RedisServer
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

PATH = "/v1/chat/completions"
BODY = json.dumps({"model": "vendor", "messages": [{"role": "user", "content": "hello"}]}).encode()


def lab_on(server: Sluice, onprem: Upstream, cloud: Upstream) -> Lab:
    server.start()
    server.apply(CONFIG.format(onprem=onprem.base_url, cloud=cloud.base_url))
    lab = Lab(server, onprem, cloud, key_of(server))
    server.wait_for(lambda: lab.post(PATH, BODY)[0] == 200, "served")
    cloud.reset()
    return lab


def key_of(server: Sluice) -> str:
    made = server.manage("key", "create", "k", "--project", "lab", "--service", "k")
    return next(word for word in made.split() if word.startswith("sk-sluice-"))


def test_a_database_that_takes_no_writes_changes_nothing_and_loses_nothing(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    url = postgres_server.new_database()
    stores = {"DATABASE_URL": url, "REDIS_URL": redis_server.new_database()}
    env = {**stores, **make_secrets(tmp_path)}
    server = Sluice(tmp_path / "var", demo=False, env=env, embedded=True)
    with Upstream() as onprem, Upstream() as cloud:
        try:
            lab = lab_on(server, onprem, cloud)
            read_only(postgres_server, url, on=True)
            server.wait_for(lambda: "cannot load now" in server.log.read_text(), "said")
            said = server.manage(
                "key", "create", "x", "--project", "lab", "--service", "k", check=False
            )
            assert "sk-sluice-" not in said
            for _ in range(5):
                assert lab.post(PATH, BODY)[0] == 200
            sent = {each.header("x-request-id") for each in lab.cloud.received}
            count = "select request_id from audit_requestrecord"
            assert not sent & {row[0] for row in server.rows(count)}
            read_only(postgres_server, url, on=False)
            server.wait_for(lambda: sent <= {row[0] for row in server.rows(count)}, "loaded")
        finally:
            server.stop()
    assert "chains verified" in server.manage("audit", "verify")


def read_only(postgres: PostgresServer, url: str, *, on: bool) -> None:
    """What a fail-over to a replica looks like: every connection reads, none may write."""
    name = url.rsplit("/", 1)[1]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        setting = "on" if on else "off"
        connection.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}'.encode()
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
