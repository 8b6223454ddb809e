"""What is found on this machine is proposed, off, and cleared for nothing until confirmed."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from pytest_django import Settings
from typing_extensions import override

from gateway.accounts.services import change_organisation
from gateway.audit.models import AuditEvent
from gateway.deployments.credentials import decrypt
from gateway.deployments.models import Deployment
from gateway.deployments.probing import Found, probe
from gateway.deployments.services import (
    SecondPersonNeeded,
    confirm_proposal,
    create_deployment,
    propose,
)
from policies.engine.facts import EVERYTHING_CLEARED, NOTHING_CLEARED, Clearance, Zone
from policies.engine.labels import Sensitivity
from tests.support.world import SETUP, local_spec

pytestmark = pytest.mark.django_db

FOUND = Found("http://127.0.0.1:11434/v1", "llama3.2:3b", "Ollama")


class Answering(BaseHTTPRequestHandler):
    """Answers every GET with what the test put on the server."""

    def do_GET(self) -> None:
        body = self.server.body  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def answers(server: ThreadingHTTPServer, tree: object) -> list[Found]:
    server.body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()  # type: ignore[attr-defined]
    return probe([(server.server_port, "vLLM")])


def test_a_server_that_lists_models_is_found(server: ThreadingHTTPServer) -> None:
    found = answers(server, {"data": [{"id": "tiny", "owned_by": "vllm"}, {"id": "other"}]})
    assert [item.model for item in found] == ["tiny", "other"]
    assert found[0].base_url == f"http://127.0.0.1:{server.server_port}/v1"


@pytest.mark.parametrize(
    "tree",
    [
        b"not json",
        [],
        {"data": "x"},
        {"data": [{"id": 5}, {"id": ""}, {"id": "line\nbreak"}]},
        {"data": [{"id": "auto", "owned_by": "sluice"}]},
        b"[" * 100_000,
    ],
    ids=lambda tree: str(tree)[:30],
)
def test_what_is_no_model_server_is_not_found(server: ThreadingHTTPServer, tree: object) -> None:
    assert answers(server, tree) == []


def test_our_own_port_is_not_asked(server: ThreadingHTTPServer, settings: Settings) -> None:
    settings.PORT = server.server_port
    assert answers(server, {"data": [{"id": "tiny"}]}) == []


def test_a_port_where_nobody_listens_is_no_error(server: ThreadingHTTPServer) -> None:
    assert probe([(1, "nobody")]) == []


def test_a_proposal_is_off_in_the_cloud_and_cleared_for_nothing() -> None:
    (row,) = propose(by=SETUP, found=[FOUND], vendor_keys={})
    assert (row.proposed, row.enabled, row.zone) == (True, False, "cloud")
    assert row.clearance() == NOTHING_CLEARED
    assert AuditEvent.objects.get().type == "deployment.proposed"


def test_what_is_known_is_not_proposed_again() -> None:
    create_deployment(by=SETUP, spec=local_spec(base_url="http://127.0.0.1:9/v1"))
    propose(by=SETUP, found=[FOUND], vendor_keys={"anthropic": "vendor-secret-1"})
    assert propose(by=SETUP, found=[FOUND], vendor_keys={"anthropic": "vendor-secret-1"}) == []


def test_two_servers_with_the_same_model_get_two_names() -> None:
    other = Found("http://127.0.0.1:8080/v1", "llama3.2:3b", "llama.cpp")
    rows = propose(by=SETUP, found=[FOUND, other], vendor_keys={})
    assert [row.name for row in rows] == ["llama3-2-3b", "llama3-2-3b-2"]


def test_a_vendors_key_is_encrypted_and_in_no_event() -> None:
    (row,) = propose(by=SETUP, found=[], vendor_keys={"anthropic": "vendor-secret-1", "x": "y"})
    assert decrypt(row.credential) == "vendor-secret-1"
    assert "vendor-secret-1" not in AuditEvent.objects.get().body


@pytest.mark.parametrize(
    ("zone", "clearance", "expected"),
    [
        (Zone.ON_PREM, None, EVERYTHING_CLEARED),
        (Zone.CLOUD, None, NOTHING_CLEARED),
        (
            Zone.ON_PREM,
            Clearance(Sensitivity.INTERNAL, frozenset()),
            Clearance(Sensitivity.INTERNAL, frozenset()),
        ),
    ],
)
def test_confirming_says_where_it_is_and_what_may_go_there(
    zone: Zone, clearance: Clearance | None, expected: Clearance
) -> None:
    (row,) = propose(by=SETUP, found=[FOUND], vendor_keys={})
    confirm_proposal(by=SETUP, deployment=row, zone=zone, clearance=clearance)
    assert (row.proposed, row.enabled, row.zone) == (False, True, zone.value)
    assert row.clearance() == expected
    with pytest.raises(ValidationError):
        confirm_proposal(by=SETUP, deployment=row, zone=zone)


def test_confirming_takes_a_second_person_where_asked_for() -> None:
    (row,) = propose(by=SETUP, found=[FOUND], vendor_keys={})
    change_organisation(by=SETUP, second_person_for_widening=True)
    with pytest.raises(SecondPersonNeeded):
        confirm_proposal(by=SETUP, deployment=row, zone=Zone.ON_PREM)
    assert Deployment.objects.get().proposed


def test_a_vendors_key_survives_confirming() -> None:
    (row,) = propose(by=SETUP, found=[], vendor_keys={"openai": "vendor-secret-1"})
    confirm_proposal(by=SETUP, deployment=row, zone=Zone.CLOUD)
    assert decrypt(row.credential) == "vendor-secret-1"


def test_a_model_of_ollamas_cloud_is_not_confirmed_as_on_prem() -> None:
    found = Found("http://127.0.0.1:11434/v1", "gpt-oss:120b-cloud", "Ollama")
    (row,) = propose(by=SETUP, found=[found], vendor_keys={})
    with pytest.raises(ValidationError, match="cloud"):
        confirm_proposal(by=SETUP, deployment=row, zone=Zone.ON_PREM)


def test_the_commands_list_and_confirm() -> None:
    propose(by=SETUP, found=[FOUND], vendor_keys={})
    out = io.StringIO()
    call_command("deployments", "list", stdout=out)
    assert out.getvalue() == "llama3-2-3b [proposed] cloud: public, no category\n"
    with pytest.raises(CommandError, match="unknown sensitivity"):
        call_command(
            "deployments", "confirm", "llama3-2-3b", "--zone", "cloud", "--sensitivity", "intern"
        )
    call_command("deployments", "confirm", "llama3-2-3b", "--zone", "on_prem", stdout=out)
    assert "[on] on_prem: restricted, all" in out.getvalue()


def test_the_switch_has_a_command() -> None:
    out = io.StringIO()
    for action in ("stop", "status", "resume"):
        call_command("egress", action, stdout=out)
    assert out.getvalue().splitlines() == ["egress is stopped"] * 2 + ["egress is open"]
