"""An independent yardstick: pii-leak-benchmark against a real Sluice, whose vendor it plays.

The benchmark's capture server is a deployment in the cloud, and the only one of its alias: an
answer from on_prem would prove nothing, so every answer that it measures must say that it came from
the cloud. Its inspector also looks for twenty-one classes more, in values of our own. It asks for
streams alone: whole answers are asked for here, with its fixtures and under its inspector.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
import openai
import pytest
from pii_leak_benchmark import http_profile
from pii_leak_benchmark.http_profile import (
    CaptureSession,
    _build_prompt,
    _collect,
    _Inspection,
    _leaked_entities,
    capture_session,
    make_fixture,
    run_http_conformance,
)
from pii_leak_benchmark.selfcheck import VERDICT_CLEAN, VERDICT_LEAK, verdict_for

from tests.support.ports import free_port
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

pytestmark = pytest.mark.slow

CHECKS = {
    "configured_upstream_boundary",
    "response_fidelity",
    "sse_validity",
    "fragmentation_safety",
    "client_observed_latency",
}
# (class, value, the sentence around it)
OURS = (
    ("PHONE_NUMBER", "(415) 555-2671", "Her number is {}, call after six."),
    ("IBAN", "DE89 3704 0044 0532 0130 00", "Überweisung an {} bis Freitag."),
    ("UK_NINO", "AB 12 34 56 C", "NI number {}."),
    ("DE_TAX_ID", "86 095 742 719", "Steuer-ID {}."),
    ("ES_DNI", "12345678Z", "DNI {}."),
    ("IT_FISCAL_CODE", "RSSMRA85T10A562S", "codice fiscale {}."),
    ("FR_NIR", "1 85 05 78 006 084 91", "NIR : {}."),
    ("CH_AHV", "756.9217.0769.85", "AHV-Nummer {}."),
    ("NL_BSN", "111222333", "BSN: {}."),
    ("TRAVEL_DOCUMENT_NUMBER", "C01X00T47", "Passport number: {}."),
    ("IP_ADDRESS", "192.168.17.42", "The server {} does not answer."),
    ("MAC_ADDRESS", "00:1A:2B:3C:4D:5E", "device {} joined."),
    ("MEDICAL_RECORD_NUMBER", "00458812", "MRN {} was discharged."),
    ("HEALTH_INSURANCE_NUMBER", "943 476 5919", "NHS number {}."),
    ("GCP_API_KEY", "AIzaSyA1b2C3d4E5f6G7h8I9j0KlMnOpQrStUvW", "key: {} and"),
    ("GITLAB_TOKEN", "glpat-x1y2z3A4B5C6D7E8F9G0", "{} expires soon."),
    ("STRIPE_KEY", "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "charge with {} now."),
    ("OPENAI_API_KEY", "sk-proj-abc123DEF456ghi789JKL012mno", "OPENAI_API_KEY={} there."),
    ("NPM_TOKEN", "npm_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "publish with {} then."),
    ("PASSWORD", "Tr0ub4dor&3xyz", 'password: "{}" again.'),
    ("CUSTOMERS", "Northwind Traders", "An offer for {} please."),
)
PROMPT = "\n".join(sentence.format(value) for _, value, sentence in OURS)
VALUES = {name: value for name, value, _ in OURS}

CONFIG = """
deployments:
  - {{name: capture, provider: openai_compatible, base_url: "{capture}", model: captured,
     zone: cloud, clearance: {{sensitivity: internal, categories: []}}, vendor: acme,
     endpoints: [chat.completions], options: {{allow_private: "yes"}}, enabled: true}}
  - {{name: echoing, provider: openai_compatible, base_url: "{echoing}", model: echoed,
     zone: cloud, clearance: {{sensitivity: internal, categories: []}}, vendor: acme,
     endpoints: [chat.completions], options: {{allow_private: "yes"}}, enabled: true}}
aliases:
  - {{name: capture, deployments: [capture]}}
  - {{name: echoing, deployments: [echoing]}}
projects:
"""
PROJECT = """
  - slug: {slug}
    name: {slug}
    floor: internal
    grants: [capture, echoing]
    word_lists:
      customers: {{category: legal, words: [Northwind Traders]}}
    policy:
      kind: project-policy
      project: {slug}
      rules:
        - {{id: everything, then: {{mask: [personal, payment, health, secret, legal, code],
           mode: {mode}, for: {{zone: cloud}}}}}}
"""


@dataclass
class Yardstick:
    """A Sluice whose two vendors are the benchmark and an echo; a key of each project."""

    sluice: Sluice
    port: int
    echo: Upstream
    keys: dict[str, str]

    def capture(self) -> AbstractContextManager[CaptureSession]:
        session: AbstractContextManager[CaptureSession] = capture_session(capture_port=self.port)
        return session


def _echo(body: dict[str, object]) -> dict[str, object]:
    messages = body["messages"]
    assert isinstance(messages, list)
    message = {"role": "assistant", "content": messages[-1]["content"]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


@pytest.fixture(scope="module")
def yardstick(sluice_server: Sluice) -> Iterator[Yardstick]:
    port = free_port()
    with Upstream("answering") as echo:
        echo.server.answering = _echo
        config = CONFIG.format(capture=f"http://127.0.0.1:{port}/v1", echoing=echo.base_url)
        keys = {}
        for slug, mode in (("restoring", "placeholder"), ("anonymizing", "hash"), ("open", "")):
            project = PROJECT.format(slug=slug, mode=mode or "placeholder")
            config += project if mode else project.partition("    policy:")[0]
        sluice_server.apply(config)
        for slug in ("restoring", "anonymizing", "open"):
            made = sluice_server.manage("key", "create", slug, "--project", slug, "--service", slug)
            keys[slug] = next(word for word in made.split() if word.startswith("sk-sluice-"))
        sluice_server.settle()
        yield Yardstick(sluice_server, port, echo, keys)


ITERATIONS = 3


class Watched(httpx.AsyncClient):
    """The benchmark's own client, which also notes where Sluice says that an answer came from."""

    zones: ClassVar[list[str]] = []

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, event_hooks={"response": [self._note]})

    async def _note(self, response: httpx.Response) -> None:
        self.zones.append(response.headers.get("x-sluice-zone", "none"))


@pytest.fixture
def zones(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where each answer that the benchmark measures came from."""
    noted: list[str] = []
    monkeypatch.setattr(Watched, "zones", noted)
    monkeypatch.setattr(http_profile.httpx, "AsyncClient", Watched)
    return noted


def measured(yardstick: Yardstick, slug: str) -> dict[str, object]:
    """The benchmark's report about one project."""
    with yardstick.capture() as session:
        report: dict[str, object] = run_http_conformance(
            f"{yardstick.sluice.url}/v1",
            api_key=yardstick.keys[slug],
            model="capture",
            iterations=ITERATIONS,
            session=session,
            include_credentials=True,
        )
    return report


def passed(report: dict[str, object]) -> set[str]:
    checks = report["checks"]
    assert isinstance(checks, dict)
    return {name for name, check in checks.items() if check["passed"]}


def test_five_of_five_checks_where_values_are_restored(
    yardstick: Yardstick, zones: list[str]
) -> None:
    report = measured(yardstick, "restoring")
    assert zones == ["cloud"] * ITERATIONS
    assert passed(report) == CHECKS
    for duty in ("restore", "anonymize"):
        assert verdict_for(report, duty=duty)[0] == VERDICT_CLEAN


def test_where_values_are_anonymized_nothing_leaks_and_all_else_passes(
    yardstick: Yardstick, zones: list[str]
) -> None:
    report = measured(yardstick, "anonymizing")
    assert zones == ["cloud"] * ITERATIONS
    assert verdict_for(report, duty="anonymize")[0] == VERDICT_CLEAN
    # The two that ask for the very values back.
    assert passed(report) == CHECKS - {"response_fidelity", "fragmentation_safety"}


def test_the_yardstick_sees_a_leak(yardstick: Yardstick) -> None:
    """Past the gateway, straight to the capture: the negative control."""
    with yardstick.capture() as session:
        report = run_http_conformance("capture://self", session=session, include_credentials=True)
    assert verdict_for(report)[0] == VERDICT_LEAK
    with yardstick.capture() as session:
        _stream(yardstick, "capture", key="", url=session.local_base_url)
        assert set(_leaked_entities(session.state.snapshot(), VALUES)[0]) == set(VALUES)


def test_without_a_mask_the_cloud_gets_nothing(yardstick: Yardstick, zones: list[str]) -> None:
    report = measured(yardstick, "open")
    assert zones == ["none"] * ITERATIONS
    checks = report["checks"]
    assert isinstance(checks, dict)
    assert checks["configured_upstream_boundary"]["captured_requests"] == 0
    assert checks["sse_validity"]["errors"]


def _stream(yardstick: Yardstick, slug: str, *, key: str | None = None, url: str = "") -> str:
    client = openai.OpenAI(
        base_url=url or f"{yardstick.sluice.url}/v1",
        api_key=key or yardstick.keys.get(slug, "none"),
        max_retries=0,
    )
    with client:
        raw = client.chat.completions.with_raw_response.create(
            model="capture", messages=[{"role": "user", "content": PROMPT}], stream=True
        )
        if not url:
            assert raw.headers["x-sluice-zone"] == "cloud"
            assert int(raw.headers["x-sluice-masked"]) >= len(OURS)
        return "".join(
            chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices
        )


@pytest.mark.parametrize("slug", ["restoring", "anonymizing"])
def test_twenty_more_classes_stay_at_home_in_a_stream(yardstick: Yardstick, slug: str) -> None:
    with yardstick.capture() as session:
        told = _stream(yardstick, slug)
        records = session.state.snapshot()
    records = [record for record in records if not record.get("probe")]
    assert len(records) == 1
    assert _leaked_entities(records, VALUES)[0] == []
    if slug == "restoring":
        assert told == PROMPT
    else:
        assert not [name for name, value in VALUES.items() if value in told]


def _whole(yardstick: Yardstick, slug: str, prompt: str) -> tuple[str, str]:
    """A whole answer of the echoing vendor, from the cloud; and what that vendor was sent."""
    yardstick.echo.reset("answering")
    raw = yardstick.sluice.client(yardstick.keys[slug]).chat.completions.with_raw_response.create(
        model="echoing", messages=[{"role": "user", "content": prompt}]
    )
    assert raw.headers["x-sluice-zone"] == "cloud"
    told = raw.parse().choices[0].message.content
    assert told is not None
    (received,) = yardstick.echo.received
    return told, received.body.decode()


def _inspected(body: str, values: dict[str, str]) -> list[str]:
    """Which of the values the benchmark's inspector finds in a body, in any form it knows."""
    found = _Inspection()
    _collect(json.loads(body), found)
    assert not found.truncated
    names = ("strings", "values", "decoded_strings", "decoded_values")
    leaked: list[str] = _leaked_entities([{name: getattr(found, name) for name in names}], values)[
        0
    ]
    return leaked


@pytest.mark.parametrize("slug", ["restoring", "anonymizing"])
def test_its_fixtures_stay_at_home_in_a_whole_answer(yardstick: Yardstick, slug: str) -> None:
    for _ in range(ITERATIONS):
        fixture = make_fixture(include_credentials=True)
        prompt = _build_prompt("anchor-bolt-candle-drawer-gravel", fixture)
        assert set(_inspected(json.dumps({"said": prompt}), fixture)) == set(fixture)
        told, sent = _whole(yardstick, slug, prompt)
        assert _inspected(sent, fixture) == []
        for place in (sent, yardstick.echo.everything.decode("latin-1")):
            assert not [name for name, value in fixture.items() if value in place]
        assert told == (
            prompt if slug == "restoring" else json.loads(sent)["messages"][0]["content"]
        )


@pytest.mark.parametrize("slug", ["restoring", "anonymizing"])
def test_twenty_more_classes_stay_at_home_in_a_whole_answer(
    yardstick: Yardstick, slug: str
) -> None:
    told, body = _whole(yardstick, slug, PROMPT)
    sent = json.loads(body)["messages"][0]["content"]
    assert _inspected(body, VALUES) == []
    for place in (sent, yardstick.echo.everything.decode("latin-1")):
        assert not [name for name, value in VALUES.items() if value in place]
    assert told == (PROMPT if slug == "restoring" else sent)
