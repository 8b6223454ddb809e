"""Metrics: what requests did, in bounded labels, without a word of them."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.protocol.errors import GatewayError
from gateway.telemetry import names
from gateway.telemetry.exposition import Stores, render
from gateway.telemetry.readers import may_read
from gateway.telemetry.tally import Tally
from tests.gateway.inference.conftest import House, house
from tests.gateway.inference.scenario import HELLO, PRIVATE, STREAM, drain, play
from tests.gateway.providers.fault_server import FaultServer

__all__ = ["house"]  # a fixture
ROOT = Path(__file__).resolve().parents[3]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
DECISION = DecisionRecord(
    id="d",
    request_id="r",
    at=0,
    project="lab",
    actor="user:1",
    endpoint="chat.completions",
    alias="auto",
    digest="0",
    sensitivity="internal",
    decision="allowed",
    revision="1",
)
OUTCOME = OutcomeRecord(
    id="d",
    at=1_800_000_000.0,
    status=200,
    deployment="llama",
    zone="on_prem",
    attempts=[["llama", "on_prem", "ok"]],
    duration_ms=1_500,
    first_byte_ms=300,
    prompt_tokens=7,
    completion_tokens=9,
    cost_nano=2_500_000_000,
)


def samples(page: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def page_of(tally: Tally, house: House, stores: Stores | None = None) -> bytes:
    return render(tally, lambda: house.gateway, stores or Stores())


def test_it_counts_what_requests_did(house: House) -> None:
    tally = Tally()
    house.gateway.watch = tally
    pages = []

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await house.run(PRIVATE)
        await drain(await house.run(STREAM))
        onprem.mode = "failing"
        await house.run(HELLO)
        for refused in ({**PRIVATE, "model": "vendor"}, {**HELLO, "model": "nope"}, b"{"):
            with pytest.raises(GatewayError):
                await house.run(refused)
        pages.append(page_of(tally, house))

    play(house, scenario)
    found = samples(pages[0])
    requests = {"endpoint": "chat.completions", "channel": "api"}
    on_prem = {**requests, "zone": "on_prem", "decision": "allowed", "status": "200"}
    assert value(found, "sluice_requests_total", **on_prem) == 2
    denied = {**requests, "zone": "", "decision": "denied", "status": "403"}
    assert value(found, "sluice_requests_total", **denied) == 1
    assert value(found, "sluice_refused_total", code="policy_denied") == 1
    assert value(found, "sluice_refused_total", code="model_not_found") == 1
    assert value(found, "sluice_refused_total", code="invalid_json") == 1
    failed = {"deployment": "llama", "zone": "on_prem", "result": "http_500"}
    assert value(found, "sluice_attempts_total", **failed) == 1
    assert value(found, "sluice_found_total", data_class="PAYMENT_CARD") == 2
    healthy = "sluice_deployment_healthy"
    assert value(found, healthy, deployment="llama", zone="on_prem") == 0
    assert value(found, healthy, deployment="claude", zone="cloud") == 1
    assert value(found, "sluice_in_flight", deployment="llama") == 0
    assert value(found, "sluice_journal_ok") == 1
    assert value(found, "sluice_first_byte_seconds_count", deployment="llama") == 2


def test_tokens_money_and_times_are_those_of_the_outcome(house: House) -> None:
    tally = Tally()
    for _ in range(300):  # more than waits at once
        tally.ended(DECISION, OUTCOME)
    found = samples(page_of(tally, house))
    of = {"project": "lab", "deployment": "llama"}
    assert value(found, "sluice_tokens_total", kind="prompt", **of) == 2_100
    assert value(found, "sluice_cost_usd_total", **of) == 750
    buckets = {"endpoint": "chat.completions"}
    assert value(found, "sluice_request_seconds_bucket", le="1.0", **buckets) == 0
    assert value(found, "sluice_request_seconds_bucket", le="2.5", **buckets) == 300
    assert value(found, "sluice_request_seconds_bucket", le="+Inf", **buckets) == 300
    assert value(found, "sluice_request_seconds_sum", **buckets) == 450


def test_no_client_and_no_script_makes_series_without_end(house: House) -> None:
    tally = Tally()
    for number in range(2 * names.MOST_VALUES):
        decision = msgspec.structs.replace(
            DECISION, project=f"p{number}", classes={f"C{number}": 1}, alias=f"a{number}"
        )
        attempts = [[f"d{number}", "cloud", f"http_{number}"]]
        outcome = msgspec.structs.replace(
            OUTCOME, deployment=f"d{number}", error=f"e{number}", attempts=attempts
        )
        tally.ended(decision, outcome)
    found = samples(page_of(tally, house))
    for name in ("sluice_found_total", "sluice_refused_total", "sluice_first_byte_seconds_count"):
        assert len([1 for each, _ in found if each == name]) == names.MOST_VALUES + 1
    assert value(found, "sluice_found_total", data_class=names.OTHER) == names.MOST_VALUES


def test_a_process_that_is_not_wired_says_that_it_denies() -> None:
    def not_wired() -> Any:
        raise GatewayError("starting")

    found = samples(render(Tally(), not_wired, Stores()))
    assert value(found, "sluice_journal_ok") == 0


def test_the_database_is_said_where_it_answered(house: House) -> None:
    found = samples(page_of(Tally(), house, Stores(rows={"pending": 3}, head_age_s=61.5)))
    assert value(found, "sluice_batch_rows", state="pending") == 3
    assert value(found, "sluice_audit_head_age_seconds") == 61.5
    silent = samples(page_of(Tally(), house))
    assert not any(name.startswith("sluice_batch_rows") for name, _ in silent)


LOCAL = {"host": b"127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("client", "headers", "may"),
    [
        ("127.0.0.1", LOCAL, True),
        ("::1", {"host": b"[::1]:8000"}, True),
        ("127.0.0.1", {"host": b"localhost"}, True),
        ("10.0.0.5", LOCAL, False),
        ("127.0.0.1", {**LOCAL, "x-forwarded-for": b"127.0.0.1"}, False),
        ("127.0.0.1", {**LOCAL, "forwarded": b"for=1.2.3.4"}, False),
        ("127.0.0.1", {"host": b"evil.example"}, False),  # a name that was pointed here
        ("127.0.0.1", {}, False),
        ("10.0.0.5", {**LOCAL, "authorization": b"Bearer scrape-me"}, True),
        ("10.0.0.5", {**LOCAL, "authorization": b"Bearer scrape-m"}, False),
        ("10.0.0.5", {**LOCAL, "authorization": b"scrape-me"}, False),
    ],
)
def test_metrics_are_for_this_machine_or_for_who_has_the_key(
    client: str, headers: dict[str, bytes], may: bool
) -> None:
    raw = [(name.encode(), text) for name, text in headers.items()]
    assert may_read({"client": (client, 1), "headers": raw}, key="scrape-me") is may


def test_an_empty_key_opens_nothing() -> None:
    for key in (None, ""):
        headers = [(b"host", b"x"), (b"authorization", b"Bearer ")]
        assert not may_read({"client": ("10.0.0.5", 1), "headers": headers}, key=key)


def test_the_dashboard_names_metrics_that_exist_and_shows_the_ones_that_matter() -> None:
    board = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    used = set(re.findall(r"\bsluice_[a-z_]+", " ".join(expressions)))
    known = {metric.shown for metric in names.METRICS}
    histograms = {m.name for m in names.METRICS if m.kind is names.Kind.HISTOGRAM}
    known |= {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    assert used <= known
    shown = {name.removesuffix("_bucket") for name in used}
    assert {metric.shown for metric in names.METRICS} == shown
    for expression in expressions:
        for label in re.findall(r"by \(([a-z_, ]+)\)", expression):
            of = next(m for m in names.METRICS if m.name in expression)
            assert set(label.split(", ")) <= {*of.labels, "le"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
