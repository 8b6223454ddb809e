"""A policy's own tests: each text goes through reading, labelling and deciding as a request would.

Nothing is sent, reserved or journalled. Exceptions and approvals do not count: a test is about
the policy. Results name rules, deployments and places in the document, never the text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from gateway.inference.contracts import Principal, ProjectView, Snapshot
from gateway.inference.deciding import decide_on
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.hearing import Hearing
from gateway.protocol.errors import GatewayError
from policies.engine import rules as r
from policies.engine.facts import Endpoint
from policies.engine.permit import Outcome, Permit, RuleRef


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What came of one test. `problems`: what was expected and came out otherwise; none: it holds.

    `pointer` is the test's place in its document (JSON Pointer).
    """

    __test__ = False  # no test case of pytest's

    pointer: str
    alias: str
    problems: tuple[str, ...] = ()
    outcome: str = ""
    deployment: str = ""
    zone: str = ""
    masked: int = 0
    rules: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.problems


def run_tests(
    view: ProjectView, tests: Sequence[r.PolicyTest], *, now: datetime | None = None
) -> tuple[TestResult, ...]:
    """Run tests in a project as it would be, in their order. CPU only: about 1 ms each."""
    at = now if now is not None else timezone.now()
    snapshot = Snapshot(version=0, keys={}, projects={view.slug: view}, destinations={})
    return tuple(
        _run(snapshot, view.slug, test, place=place, now=at) for place, test in enumerate(tests)
    )


def _run(
    snapshot: Snapshot, slug: str, test: r.PolicyTest, *, place: int, now: datetime
) -> TestResult:
    pointer = f"/tests/{place}"
    principal = Principal(actor="system:policy-test", project=slug, groups=test.groups)
    try:
        decided = decide_on(
            snapshot,
            Inbound(
                principal=principal,
                endpoint=Endpoint(test.endpoint),
                body=_body(test),
                request_id="",
                declared=test.declare,
                channel="test",
            ),
            decision_id="test",
            now=now,
            on_prem_only="",
            budget=test.budget,
            # A test says what the rules make of its text; no model is asked for that.
            hearing=Hearing(previews=True),
        )
    except GatewayError as error:
        return TestResult(pointer=pointer, alias=test.alias, problems=(error.message,))
    return _result(pointer, test, decided)


def _body(test: r.PolicyTest) -> bytes:
    fields: dict[Endpoint, dict[str, object]] = {
        Endpoint.CHAT_COMPLETIONS: {"messages": [{"role": "user", "content": test.text}]},
        Endpoint.COMPLETIONS: {"prompt": test.text},
        Endpoint.EMBEDDINGS: {"input": test.text},
    }
    body = {"model": test.alias, **fields[Endpoint(test.endpoint)]}
    # Half of a surrogate pair becomes a byte that reading refuses, as it would in a request.
    return json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")


def _result(pointer: str, test: r.PolicyTest, decided: Decided) -> TestResult:
    permit = decided.permit
    first = permit.candidates[0] if permit.candidates else None
    return TestResult(
        pointer=pointer,
        alias=test.alias,
        problems=tuple(_problems(test.expect, permit, test.alias)),
        outcome=permit.outcome.value,
        deployment=first.deployment if first is not None else "",
        zone=first.zone.value if first is not None else "",
        masked=first.masked if first is not None else 0,
        rules=tuple(rule.key for rule in permit.rules),
    )


def _problems(expect: r.Expectation, permit: Permit, alias: str) -> list[str]:
    if permit.outcome is Outcome.UNKNOWN_ALIAS:
        # Never a pass: what nothing serves is not denied by this policy.
        return [f"No deployment that may be used serves the model {alias} at this endpoint."]
    found = [*_where(expect, permit), *_rules(expect, permit)]
    if found and not permit.candidates:
        found += dict.fromkeys(drop.detail for drop in permit.dropped)
    return found


def _where(expect: r.Expectation, permit: Permit) -> list[str]:
    if not permit.candidates:
        wanted = [expect.deployment or "", expect.zone.value if expect.zone else ""]
        if expect.denied is False or any(wanted) or expect.masked is not None:
            to = next((f" to {word}" for word in wanted if word), "")
            return [f"It should go{to}; it is denied."]
        return []
    first = permit.candidates[0]
    to = f"it goes to {first.deployment} ({first.zone.value})"
    found = []
    if expect.denied:
        found.append(f"It should be denied; {to}.")
    if expect.deployment not in {None, first.deployment}:
        found.append(f"It should go to {expect.deployment}; {to}.")
    if expect.zone is not None and expect.zone is not first.zone:
        found.append(f"It should go to zone {expect.zone.value}; {to}.")
    if expect.masked not in {None, first.masked}:
        found.append(
            f"{expect.masked} findings should be masked for {first.deployment}; {first.masked} are."
        )
    return found


def _rules(expect: r.Expectation, permit: Permit) -> list[str]:
    if expect.rules is None:
        return []
    wanted = set(expect.rules)
    missing = [name for name in expect.rules if not any(_is(rule, name) for rule in permit.rules)]
    extra = [rule.key for rule in permit.rules if not {rule.id, rule.key} & wanted]
    found = [f"The rule {name} should match, and does not." for name in missing]
    return found + [f"The rule {key} matches, and should not." for key in extra]


def _is(rule: RuleRef, name: str) -> bool:
    return name in {rule.id, rule.key}
