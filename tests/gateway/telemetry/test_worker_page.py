"""The metrics of a worker's processes: who may read them, and that each has a page."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from gateway.protocol.errors import GatewayError
from gateway.telemetry.checks import check_worker_page
from gateway.telemetry.tally import Tally
from gateway.telemetry.worker_page import MOST_PORTS, serve

KEY = "scrape-me"


def not_wired() -> Any:
    raise GatewayError("starting")


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, port: int, *, key: str | None = KEY) -> int | None:
    """Another process's page; the port that it is on."""
    server = serve("127.0.0.1", port, key=key, tally=Tally(), gateway=not_wired)
    if server is None:
        return None
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return server.server_port


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read(port: int, **headers: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_it_is_a_page_of_metrics(started: ExitStack) -> None:
    port = start(started, free_port())
    assert port is not None
    status, text = read(port)
    assert status == 200
    assert "sluice_journal_ok 0.0" in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "worker:9101", "Authorization": f"Bearer {KEY}"}, 200),
        ({"Host": "worker:9101", "Authorization": "Bearer other"}, 403),
        ({"Host": "worker:9101"}, 403),
        ({"X-Forwarded-For": "127.0.0.1"}, 403),
    ],
    ids=["the key", "another key", "no key", "handed on"],
)
def test_whoever_is_not_of_this_machine_needs_the_key(
    started: ExitStack, headers: dict[str, str], status: int
) -> None:
    port = start(started, free_port())
    assert port is not None
    assert read(port, **headers)[0] == status


def test_each_process_takes_the_next_port_and_the_ninth_has_none(
    started: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    first = start(started, free_port())
    assert first is not None
    others = [start(started, first) for _ in range(MOST_PORTS - 1)]
    taken = [port for port in (first, *others) if port is not None]
    assert len(set(taken)) == len(taken)
    assert all(first <= port < first + MOST_PORTS for port in taken)
    assert start(started, first) is None
    assert "no metrics" in caplog.text


@pytest.mark.parametrize(
    ("host", "key", "right"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", KEY, True),  # noqa: S104
        ("0.0.0.0", None, False),  # noqa: S104
        ("10.0.0.5", None, False),
        ("worker", KEY, False),
    ],
)
def test_other_machines_only_with_a_key(
    settings: Settings, host: str, key: str | None, right: bool
) -> None:
    settings.WORKER_METRICS_HOST, settings.METRICS_KEY = host, key
    assert [found.id for found in check_worker_page(None)] == ([] if right else ["sluice.E023"])
