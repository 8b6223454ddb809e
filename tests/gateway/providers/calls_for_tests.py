"""Builds calls as the request path builds them."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any, TypeVar

from gateway.providers.calls import Call, Destination, Network
from policies.engine.facts import Zone
from policies.engine.labels import Label
from policies.engine.permit import Candidate, Outcome, Permit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
T = TypeVar("T")


def run(
    work: Coroutine[Any, Any, T],
    *,
    at_most_s: float = 20,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run to the end; the limit only turns a hang into a failure."""

    async def bounded() -> T:
        async with asyncio.timeout(at_most_s):
            return await work

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(bounded())


def clock() -> datetime:
    return NOW


def destination(
    base_url: str,
    *,
    zone: Zone = Zone.ON_PREM,
    networks: tuple[Network, ...] = LOOPBACK,
    credential: str = "",
    provider: str = "openai_compatible",
    first_byte_timeout_s: float = 300,
    idle_timeout_s: float = 300,
    options: Mapping[str, str] | None = None,
) -> Destination:
    return Destination(
        deployment="llama",
        provider=provider,
        zone=zone,
        base_url=base_url,
        upstream_model="tiny",
        credential=credential,
        networks=networks,
        connect_timeout_s=5,
        first_byte_timeout_s=first_byte_timeout_s,
        idle_timeout_s=idle_timeout_s,
        options=options or {},
    )


def permit(
    *candidates: Candidate,
    outcome: Outcome = Outcome.ALLOWED,
    expires_in: timedelta = timedelta(seconds=30),
) -> Permit:
    return Permit(
        decision_id="d-1",
        digest="0" * 64,
        outcome=outcome,
        label=Label(),
        revision="r-1",
        candidates=candidates,
        dropped=(),
        rules=(),
        shadow=(),
        issued_at=NOW,
        expires_at=NOW + expires_in,
    )


def call(
    to: Destination,
    body: Mapping[str, object] | None = None,
    *,
    granted: Permit | None = None,
    path: str = "/chat/completions",
    request_id: str = "req-1",
) -> Call:
    tree = {"model": to.upstream_model, "messages": [], **(body or {})}
    return Call(
        permit=granted or permit(Candidate(to.deployment, to.zone)),
        destination=to,
        path=path,
        body=json.dumps(tree).encode(),
        stream=bool(tree.get("stream")),
        request_id=request_id,
    )
