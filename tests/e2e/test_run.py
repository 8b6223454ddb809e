"""`make run`: what the first start leaves, what Ctrl-C stops, what a kill does not lose."""

import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import change
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

CONFIG = """
deployments:
  - {{name: slow, provider: openai_compatible, base_url: "{url}", model: tiny, zone: on_prem,
     endpoints: [chat.completions], enabled: true}}
aliases: [{{name: slow, deployments: [slow]}}]
projects: [{{slug: demo, name: Demo, grants: [demo-onprem, demo-cloud, slow]}}]
"""
BODY = json.dumps(
    {"model": "slow", "messages": [{"role": "user", "content": "hello"}], "stream": True}
).encode()


@pytest.fixture
def own_sluice(tmp_path: Path) -> Iterator[Sluice]:
    """A Sluice that this test may kill, with nothing prepared for it."""
    server = Sluice(tmp_path / "var", empty=True)
    try:
        yield server
    finally:
        server.stop()


def test_the_first_start_leaves_its_credentials_to_the_owner_alone(sluice_server: Sluice) -> None:
    path = sluice_server.var / "first-run.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {
        "url",
        "admin_email",
        "admin_password",
        "project",
        "api_key",
    }
    assert sluice_server.first_run["url"] == sluice_server.url
    assert sluice_server.first_run["project"] == "demo"


def test_health_is_answered_without_a_key(sluice_server: Sluice) -> None:
    assert sluice_server.get("/healthz")[0] == 200
    assert json.loads(sluice_server.get("/readyz")[1])["status"] == "ready"


def test_the_root_is_a_page(sluice_server: Sluice) -> None:
    status, body = sluice_server.get("/")
    assert status == 200
    assert b"<form" in body


def test_ctrl_c_stops_every_child_and_a_second_start_knows_the_first(own_sluice: Sluice) -> None:
    own_sluice.start()
    key = own_sluice.api_key
    children = own_sluice.pids("")
    assert len(children) >= 5
    own_sluice.stop()
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    own_sluice.start()
    assert own_sluice.api_key == key
    assert own_sluice.post("/v1/chat/completions", BODY.replace(b"slow", b"auto"))[0] == 200


def test_the_worker_takes_what_is_queued(tmp_path: Path) -> None:
    server = Sluice(tmp_path / "var", worker=True)
    queue = "from gateway.accounts.tasks import clear_expired_sessions as t; t.delay()"
    try:
        server.start()
        change(server.env, "insert into django_session values ('old', '', '2020-01-01')")
        change(server.env, "insert into django_session values ('new', '', '2999-01-01')")
        server.manage("shell", "--command", queue)

        def kept() -> list[tuple[str]]:
            return server.rows("select session_key from django_session")

        server.wait_for(lambda: kept() == [("new",)], "cleared by the worker")
        assert len(server.pids("celery")) >= 1
    finally:
        server.stop()


def test_kill_9_under_load_loses_no_decision(own_sluice: Sluice) -> None:
    own_sluice.start()
    with Upstream("stall") as upstream:
        own_sluice.apply(CONFIG.format(url=upstream.base_url))
        threads = [
            threading.Thread(target=own_sluice.post, args=("/v1/chat/completions", BODY))
            for _ in range(40)
        ]
        for thread in threads:
            thread.start()
        own_sluice.wait_for(lambda: len(upstream.received) >= 20, "in flight")
        (web,) = own_sluice.pids("uvicorn")
        os.kill(web, signal.SIGKILL)
        in_flight = len(upstream.received)
        for thread in threads:
            thread.join()
        reached = len(upstream.received)
        assert in_flight >= 20
        own_sluice.wait_for(lambda: own_sluice.pids("uvicorn") not in ([], [web]), "restarted")
        own_sluice.wait_ready()
        upstream.reset("ok")
        assert own_sluice.post("/v1/chat/completions", BODY)[0] == 200

        request_ids = {each.header("x-request-id") for each in upstream.received}
        own_sluice.wait_for(lambda: request_ids <= recorded(own_sluice), "in the audit")
        assert reached >= in_flight
    assert "chains verified" in own_sluice.manage("audit", "verify")


def recorded(sluice: Sluice) -> set[str]:
    return {row[0] for row in sluice.rows("select request_id from audit_requestrecord")}
