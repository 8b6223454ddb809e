"""Traces: what a collector is told, and which collector is told anything."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django.fixtures import Settings

from gateway.audit.streaming.destinations import parse
from gateway.telemetry.checks import check_collector
from gateway.telemetry.spans import Spans, attributes_of, span_of
from gateway.telemetry.tally import Tally
from gateway.telemetry.vendors import provider_name
from gateway.telemetry.wiring import Telemetry, collector
from policies.engine.facts import Zone
from tests.gateway.audit.receivers import WebReceiver
from tests.gateway.inference.conftest import LOOPBACK, House, destination, house
from tests.gateway.inference.scenario import PRIVATE, play
from tests.gateway.providers.fault_server import FaultServer
from tests.gateway.telemetry.test_metrics import DECISION, OUTCOME

__all__ = ["house"]  # a fixture


@pytest.fixture
def receiver() -> Iterator[WebReceiver]:
    with WebReceiver(answer=lambda: 200) as made:
        yield made


def sent(receiver: WebReceiver) -> list[dict[str, object]]:
    """The attributes of every span, as the collector reads them."""
    found = []
    for posted in receiver.posted:
        assert posted.path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(posted.body)
        for scope in (s for r in request.resource_spans for s in r.scope_spans):
            for span in scope.spans:
                values = {each.key: each.value for each in span.attributes}
                found.append({"name": span.name, "id": span.trace_id.hex(), **values})
    return found


def spans_to(
    receiver: WebReceiver,
    *,
    inside: bool = True,
    may_leave: bool = False,
    provider_of: Callable[[str], str] = lambda _: "",
) -> Spans:
    return Spans(
        parse(f"http://127.0.0.1:{receiver.port}/v1/traces"),
        networks=LOOPBACK if inside else (),
        may_leave=lambda: may_leave,
        provider_of=provider_of,
        lost=lost.append,
    )


lost: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_lost_yet() -> None:
    lost.clear()


def test_a_request_becomes_a_span_without_a_word_of_it(house: House, receiver: WebReceiver) -> None:
    spans = spans_to(receiver, provider_of=lambda name: f"behind {name}")
    house.gateway.watch = spans

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await house.run({**PRIVATE, "user": "jane.roe@clinic.example"})

    play(house, scenario)
    spans.close()
    [span] = sent(receiver)
    assert span["name"] == "chat house-first"
    assert "behind llama" in str(span["gen_ai.provider.name"])
    assert '"llama"' in str(span["sluice.deployment"])
    assert "on_prem" in str(span["sluice.zone"])
    for text in (b"4111111111111111", b"jane.roe"):
        assert text not in receiver.posted[0].body
    assert (
        span["id"] == f"{span_of(house.decisions()[0], house.outcomes()[0]).context.trace_id:032x}"
    )


def test_attributes_are_an_allow_list_and_leave_out_what_is_not_known() -> None:
    full = attributes_of(DECISION, OUTCOME)
    assert full["gen_ai.usage.input_tokens"] == 7
    assert not {name for name in full if not name.startswith(("gen_ai.", "http.", "sluice."))}
    assert "error.type" not in full
    assert "user:1" not in str(full)  # who asked stays in the audit


@pytest.mark.parametrize(
    ("base_url", "options", "name"),
    [
        ("https://api.openai.com/v1", {}, "openai"),
        ("https://API.openai.com/v1", {}, "openai"),
        ("https://api.anthropic.com", {}, "anthropic"),
        ("https://api.mistral.ai/v1", {}, "mistral_ai"),
        ("https://x.openai.azure.com/openai", {}, "azure.ai.openai"),
        ("https://generativelanguage.googleapis.com", {}, "gcp.gemini"),
        ("https://proxy.example", {"litellm_provider": "bedrock"}, "aws.bedrock"),
        ("https://proxy.example", {"litellm_provider": "together_ai"}, "together_ai"),
        ("http://127.0.0.1:8000/v1", {}, "openai_compatible"),
        ("https://api.openai.com.evil.example/v1", {}, "openai_compatible"),
    ],
)
def test_a_provider_is_said_in_the_conventions_words(
    base_url: str, options: dict[str, str], name: str
) -> None:
    to = replace(destination("any", base_url, Zone.CLOUD), options=options)
    assert provider_name(to) == name
    telemetry = Telemetry(Tally(), egress_stopped=lambda: False, destination_of={"any": to}.get)
    assert (telemetry._provider_of("any"), telemetry._provider_of("gone")) == (name, "")


def test_a_request_that_nobody_answered_names_who_was_asked_last(receiver: WebReceiver) -> None:
    spans = spans_to(receiver, provider_of=lambda name: f"behind {name}")
    tried = [["llama", "on_prem", "timeout"], ["claude", "cloud", "http_500"]]
    spans.ended(DECISION, msgspec.structs.replace(OUTCOME, deployment="", attempts=tried))
    spans.ended(DECISION, msgspec.structs.replace(OUTCOME, deployment="", attempts=[]))
    spans.close()
    first, second = sent(receiver)
    assert "behind claude" in str(first["gen_ai.provider.name"])
    assert "gen_ai.provider.name" not in second


@pytest.mark.parametrize(
    ("inside", "may_leave", "arrives"), [(True, False, 1), (False, False, 0), (False, True, 0)]
)
def test_a_collector_outside_is_told_nothing_in_clear_text_and_nothing_unasked(
    receiver: WebReceiver, inside: bool, may_leave: bool, arrives: int
) -> None:
    spans = spans_to(receiver, inside=inside, may_leave=may_leave)
    spans.ended(DECISION, OUTCOME)
    spans.close()
    assert len(receiver.posted) == arrives
    assert sum(lost) == 1 - arrives


def test_a_collector_that_refuses_loses_spans_and_holds_nothing_up() -> None:
    with WebReceiver(answer=lambda: 503) as receiver:
        spans = spans_to(receiver)
        for _ in range(3):
            spans.ended(DECISION, OUTCOME)
        spans.close()
    assert sum(lost) == 3


def test_what_waits_too_long_is_dropped_and_counted(
    receiver: WebReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.telemetry.spans.MOST_WAITING", 0)
    spans = spans_to(receiver)
    spans.ended(DECISION, OUTCOME)
    spans.close()
    assert lost == [1]
    assert receiver.posted == []


def test_the_operator_says_whether_a_foreign_collector_may_hear(
    settings: Settings, receiver: WebReceiver
) -> None:
    settings.OTLP_ENDPOINT = f"http://127.0.0.1:{receiver.port}/v1/traces"
    stopped = threading.Event()
    for foreign, networks, arrives in ((False, LOOPBACK, 1), (False, (), 0), (True, (), 0)):
        receiver.posted.clear()
        settings.OTLP_FOREIGN, settings.ON_PREM_NETWORKS = foreign, networks
        telemetry = Telemetry(Tally(), egress_stopped=stopped.is_set)
        telemetry.watch.ended(DECISION, OUTCOME)
        telemetry.close()
        assert len(receiver.posted) == arrives


@pytest.mark.parametrize(
    "address", ["grpc://127.0.0.1:4317", "file:///tmp/spans", "https://user:pw@otel.example/"]
)
def test_an_address_that_is_none_stops_the_start(settings: Settings, address: str) -> None:
    settings.OTLP_ENDPOINT = address
    [error] = check_collector(None)
    assert error.id == "sluice.E022"
    assert "pw" not in error.msg
    settings.OTLP_ENDPOINT = None
    assert collector() is None
    assert check_collector(None) == []
