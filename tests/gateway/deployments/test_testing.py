"""Testing a deployment: what it says of a real server, and that it sends nothing but a question."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from typing_extensions import override

from gateway.audit.models import AuditEvent
from gateway.deployments.models import Deployment
from gateway.deployments.services import create_deployment, stop_egress
from gateway.deployments.testing import Result, Tested, try_deployment
from policies.engine.facts import Zone
from tests.support.ports import free_port
from tests.support.world import SETUP, local_spec, person

pytestmark = pytest.mark.django_db


class Server:
    """Answers every GET with `status` and `body`, and keeps what was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, json.dumps({"data": [{"id": "llama-3"}]}).encode()
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.command, self.path, headers))
                self.send_response(outer.status)
                self.send_header("content-length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.stop()


def made(url: str, credential: str = "", name: str = "llama", **spec: object) -> Deployment:
    wanted = local_spec(name, base_url=url, **spec)
    return create_deployment(by=SETUP, spec=wanted, credential=credential)


def test_a_server_with_the_model_is_well_and_is_asked_for_nothing_else(server: Server) -> None:
    tested = try_deployment(by=SETUP, deployment=made(server.url, credential="sk-1"))
    assert tested == Tested(result=Result.WELL)
    [(method, path, headers)] = server.asked
    assert (method, path) == ("GET", "/v1/models")
    assert headers["authorization"] == "Bearer sk-1"
    event = AuditEvent.objects.get(type="deployment.tested")
    assert event.details == {"name": "llama", "zone": "on_prem", "result": "well"}


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (401, b"", Result.REFUSED),
        (404, b"", Result.CONNECTED),
        (500, b"", Result.ODD),
        (200, b"<html>", Result.ODD),
        (200, b'{"data": [{"id": "other"}]}', Result.NO_SUCH_MODEL),
        (302, b"", Result.ODD),
    ],
)
def test_what_it_answers_is_told(server: Server, status: int, body: bytes, result: Result) -> None:
    server.status, server.body = status, body
    assert try_deployment(by=SETUP, deployment=made(server.url)).result is result


def test_a_port_where_nobody_listens_cannot_be_reached() -> None:
    row = made(f"http://127.0.0.1:{free_port()}/v1")
    assert try_deployment(by=SETUP, deployment=row).result is Result.UNREACHABLE


def test_an_address_that_its_zone_may_not_have_is_never_connected_to(server: Server) -> None:
    row = made(server.url, zone=Zone.CLOUD)
    assert try_deployment(by=SETUP, deployment=row).result is Result.UNREACHABLE
    assert server.asked == []


def test_while_what_leaves_is_stopped_only_on_prem_is_tested(server: Server) -> None:
    stop_egress(by=SETUP)
    outside = made(server.url, zone=Zone.CLOUD, options={"allow_private": "yes"}, name="outside")
    assert try_deployment(by=SETUP, deployment=outside).result is Result.STOPPED
    assert server.asked == []
    assert try_deployment(by=SETUP, deployment=made(server.url)).is_well


def test_only_admins_test(server: Server) -> None:
    with pytest.raises(PermissionDenied):
        try_deployment(by=person("nobody@sluice.example"), deployment=made(server.url))
    assert server.asked == []
