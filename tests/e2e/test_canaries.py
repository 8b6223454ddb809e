"""Ten thousand canaries in prompts, tools, files, names and headers of a content-free project.

None of them is in the database, the store, logs, traces, metrics, streams or exports.
"""

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.gateway.audit.receivers import WebReceiver
from tests.support.sluice import Sluice

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MARK = "Qzkanari"  # stands in every canary, and nowhere else
PER_REQUEST = 100
REQUESTS = 100
_numbers = itertools.count()


def canary() -> str:
    return f"{MARK}{next(_numbers):06d}"


def canaries(count: int) -> str:
    return " ".join(canary() for _ in range(count))


@pytest.fixture(scope="module")
def collector() -> Iterator[WebReceiver]:
    """Takes spans, streamed records and heads."""
    with WebReceiver(answer=lambda: 200) as made:
        yield made


@pytest.fixture(scope="module")
def sluice(tmp_path_factory: pytest.TempPathFactory, collector: WebReceiver) -> Iterator[Sluice]:
    """One that says as much as it can: logs in JSON, traces, streams, anchors."""
    var = tmp_path_factory.mktemp("canaries") / "var"
    var.mkdir()
    address = f"http://127.0.0.1:{collector.port}"
    env = {
        "SLUICE_LOG_FORMAT": "json",
        "SLUICE_LOG_LEVEL": "DEBUG",
        "SLUICE_OTLP_ENDPOINT": f"{address}/v1/traces",
        "SLUICE_AUDIT_STREAMS": f"{address}/stream",
        "SLUICE_AUDIT_ANCHORS": f"{address}/heads",
        "SLUICE_AUDIT_STRICT": "1",
    }
    server = Sluice(var, env=env)
    try:
        yield server.start()
    finally:
        server.stop()


def body(number: int) -> dict[str, Any]:
    """A request with `PER_REQUEST` canaries, most of them in the prompt."""
    model = ("demo-onprem", "demo-cloud", "auto", canary())[number % 4]
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": canary(), "name": canary()},
            {"role": "user", "content": canaries(PER_REQUEST - 10)},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": canary(), "parameters": {canary(): {}}},
            }
        ],
        "metadata": {canary(): canary()},
        "user": canary(),
        "stop": [canary()],
        "stream": number % 3 == 0,
    }


def ask(sluice: Sluice, number: int) -> int:
    raw = json.dumps(body(number)).encode()
    key = sluice.api_key
    match number % 10:
        case 7:
            raw = raw[:-9]  # malformed
        case 8:
            key = f"sk-sluice-{canary()}"
    path = "/v1/chat/completions" if number % 10 != 9 else f"/v1/{canary()}?q={canary()}"
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "User-Agent": canary(),
        "X-Canary": canary(),
        "Cookie": f"a={canary()}",
        "X-Forwarded-For": canary(),
        "traceparent": canary(),
    }
    return sluice.request("POST", path, raw, **headers)[0]


def upload(sluice: Sluice) -> None:
    client = sluice.client()
    for _ in range(5):
        made = client.files.create(
            file=(f"{canary()}.txt", canaries(20).encode()), purpose="user_data"
        )
        assert MARK in made.filename
    with pytest.raises(Exception, match="purpose"):
        client.files.create(file=(f"{canary()}.txt", b"x"), purpose=canary())  # type: ignore[arg-type]


def in_the_store(sluice: Sluice) -> bytes:
    client = redis.Redis(unix_socket_path=str(sluice.var / "valkey.sock"))
    try:
        keys = list(client.scan_iter(count=1000))
        return b"\n".join([*keys, *(client.dump(key) or b"" for key in keys)])
    finally:
        client.close()


def everything_said(sluice: Sluice, collector: WebReceiver) -> dict[str, bytes]:
    """Whatever is kept, said or handed out, by name."""
    said = {
        "metrics": sluice.get("/metrics")[1],
        "store": in_the_store(sluice),
        "collector": b"\n".join(each.body for each in collector.posted),
        "log": sluice.log.read_bytes(),
    }
    for kind in ("requests", "events", "evidence"):
        said[f"export of {kind}"] = sluice.manage("audit", "export", "--kind", kind).encode()
    said["search"] = sluice.manage("audit", "search", "--limit", "500").encode()
    for path in sluice.var.rglob("*"):
        if path.is_file():
            said[str(path.relative_to(sluice.var))] = path.read_bytes()
    return said


def test_no_canary_is_anywhere(sluice: Sluice, collector: WebReceiver) -> None:
    statuses = [ask(sluice, number) for number in range(REQUESTS)]
    assert {200, 400, 401, 404} <= set(statuses)
    upload(sluice)
    assert next(_numbers) >= 10_000
    sluice.wait_for(lambda: any(b"gen_ai" in each.body for each in collector.posted), "traced")
    sluice.manage("audit", "load", "--once")
    sluice.manage("audit", "seal")
    sluice.manage("audit", "stream")
    said = everything_said(sluice, collector)
    assert b"request ended" in said["log"]
    assert b"sluice_requests_total" in said["metrics"]
    assert b'"kind":"decision"' in said["collector"]
    assert b'"rejected"' in said["export of requests"]
    forms = [MARK.encode(), base64.b64encode(MARK.encode())[:10], MARK.encode().hex().encode()]
    for name, content in said.items():
        for form in forms:
            assert form.lower() not in content.lower(), f"{name} holds a canary"


def test_a_line_of_the_log_is_short_and_holds_the_request(sluice: Sluice) -> None:
    before = len(sluice.log.read_bytes())
    sluice.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(body(0)).encode(),
        Authorization=f"Bearer {sluice.api_key}",
    )
    sluice.wait_for(lambda: b"request ended" in sluice.log.read_bytes()[before:], "logged")
    lines = sluice.log.read_bytes()[before:].decode().splitlines()
    [line] = [line for line in lines if "request ended" in line]
    assert len(line) <= 1024
    tree = json.loads(line[line.index("{") :])
    assert tree["request_id"].startswith("req_")
